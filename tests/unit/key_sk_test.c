/*
 * common/ssh/key_sk: what a security key's signature must be over, and what it tells.  (That what OpenSSH makes verifies
 * is in key_test.)
 */
#include "common/ssh/key.h"

#include "common/ssh/wire.h"
#include "tests/lib/sk_token.h"

#include <criterion/criterion.h>

#define ORIGIN "https://ssh.example.com"

static struct privkey *soft_ed25519, *soft_p256;
static struct sk_token token;
static struct pubkey *key;
static const struct span data = {(const uint8_t *)"\xff\xfe data to sign", 15};
static struct sk_details details;

static void
use(struct sk_token t)
{
	struct buf blob = {0};

	pubkey_free(key);
	token = t;
	sk_token_blob(&t, &blob);
	cr_assert_eq(pubkey_parse(buf_span(&blob), &key), OK);
	buf_clear(&blob);
}

static void
init(void)
{
	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &soft_ed25519), OK);
	cr_assert_eq(privkey_generate(KEY_ECDSA_P256, 0, &soft_p256), OK);
	use((struct sk_token){soft_p256, "ssh:", SK_USER_PRESENT, 7});
}

static void
clear(void)
{
	pubkey_free(key);
	privkey_free(soft_ed25519);
	privkey_free(soft_p256);
}

TestSuite(key_sk, .init = init, .fini = clear);

static enum err
verify(const char *sigalg, struct span signature)
{
	return pubkey_verify_sk(key, span_str(sigalg), data, signature, &details);
}

/* Of the token as it is now, with the key as it was parsed. */
static enum err
sign_and_verify(void)
{
	struct buf signature = {0};
	enum err e;

	sk_token_sign(&token, data, &signature);
	e = verify(sk_token_type(&token), buf_span(&signature));
	buf_clear(&signature);
	return e;
}

Test(key_sk, flags_and_counter_are_those_that_were_signed)
{
	static const uint8_t flags[] = {
		0, SK_USER_PRESENT, SK_USER_VERIFIED, SK_USER_PRESENT | SK_USER_VERIFIED, 0xff};

	for (size_t i = 0; i < 2 * ARRAY_LEN(flags); i++) {
		use((struct sk_token){
			i % 2 == 0 ? soft_ed25519 : soft_p256, "ssh:", flags[i / 2], 0xfedcba98});
		cr_assert_eq(sign_and_verify(), OK);
		cr_assert_eq(details.flags, flags[i / 2]);
		cr_assert_eq(details.counter, 0xfedcba98);
	}
}

Test(key_sk, another_application_is_another_key)
{
	token.application = "ssh:work";
	cr_assert_eq(sign_and_verify(), ERR_SIGNATURE);
	use(token);
	cr_assert_eq(sign_and_verify(), OK);
	token.application = "";
	use(token);
	cr_assert_eq(sign_and_verify(), OK);
}

Test(key_sk, flags_that_were_not_signed_do_not_verify)
{
	struct buf signature = {0};

	token.flags = 0;
	sk_token_sign(&token, data, &signature);
	cr_assert_eq(verify(sk_token_type(&token), buf_span(&signature)), OK);
	signature.data[signature.len - 5] = SK_USER_PRESENT;
	cr_assert_eq(verify(sk_token_type(&token), buf_span(&signature)), ERR_SIGNATURE);
	buf_clear(&signature);
}

/* The same point as a plain key is another key, and neither signs for the other. */
Test(key_sk, a_plain_signature_is_none_of_a_security_key)
{
	struct buf plain = {0}, sk = {0};

	cr_assert_eq(privkey_sign(soft_p256, span_str("ecdsa-sha2-nistp256"), data, &plain), OK);
	cr_assert_eq(verify("ecdsa-sha2-nistp256", buf_span(&plain)), ERR_UNSUPPORTED);
	cr_assert_eq(verify(sk_token_type(&token), buf_span(&plain)), ERR_FORMAT);
	sk_token_sign(&token, data, &sk);
	cr_assert_eq(pubkey_verify(privkey_public(soft_p256), span_str(sk_token_type(&token)), data,
			     buf_span(&sk)),
		ERR_UNSUPPORTED);
	cr_assert_eq(pubkey_verify(privkey_public(soft_p256), span_str("ecdsa-sha2-nistp256"), data,
			     buf_span(&sk)),
		ERR_FORMAT);
	buf_clear(&plain);
	buf_clear(&sk);
}

Test(key_sk, plain_keys_tell_nothing_of_touch)
{
	struct buf signature = {0};

	details.flags = 0xff;
	cr_assert_eq(privkey_sign(soft_ed25519, span_str("ssh-ed25519"), data, &signature), OK);
	cr_assert_eq(pubkey_verify_sk(privkey_public(soft_ed25519), span_str("ssh-ed25519"), data,
			     buf_span(&signature), &details),
		OK);
	cr_assert_eq(details.flags, 0);
	buf_clear(&signature);
}

Test(key_sk, an_application_with_a_nul_is_malformed)
{
	struct buf blob = {0};
	struct pubkey *k;

	sk_token_blob(&token, &blob);
	blob.data[blob.len - 1] = '\0';
	cr_assert_eq(pubkey_parse(buf_span(&blob), &k), ERR_FORMAT);
	buf_truncate(&blob, blob.len - 1);
	cr_assert_eq(pubkey_parse(buf_span(&blob), &k), ERR_FORMAT);
	buf_clear(&blob);
}

/* A browser's signature; wrong is put in the place of our data, extra are extensions. */
static enum err
verify_webauthn(const char *origin, struct span signed_data, struct span extra)
{
	struct buf client_data = {0}, signature = {0};
	enum err e;

	sk_token_client_data(signed_data, ORIGIN, &client_data);
	sk_token_sign_webauthn(&token, origin, buf_span(&client_data), extra, &signature);
	e = verify(SIGALG_WEBAUTHN, buf_span(&signature));
	buf_clear(&client_data);
	buf_clear(&signature);
	return e;
}

Test(key_sk, a_browser_signs_what_is_its_challenge)
{
	const struct span none = {NULL, 0}, extra = span_str("\xa1\x01\x02");

	cr_assert_eq(verify_webauthn(ORIGIN, data, none), OK);
	cr_assert_eq(details.flags, SK_USER_PRESENT);
	cr_assert_eq(verify_webauthn(ORIGIN, span_str("other data"), none), ERR_SIGNATURE);
	cr_assert_eq(verify_webauthn("https://example.com", data, none), ERR_SIGNATURE);
	/* As many characters as are not enough to end the challenge. */
	cr_assert_eq(verify_webauthn(ORIGIN, span_of(data.ptr, 12), none), ERR_SIGNATURE);
	/* Extensions are there exactly if the flags say so, and nothing else may be. */
	cr_assert_eq(verify_webauthn(ORIGIN, data, extra), ERR_FORMAT);
	token.flags = SK_USER_PRESENT | 0x80;
	cr_assert_eq(verify_webauthn(ORIGIN, data, extra), OK);
	cr_assert_eq(verify_webauthn(ORIGIN, data, none), ERR_FORMAT);
	token.flags = SK_USER_PRESENT | 0x40;
	cr_assert_eq(verify_webauthn(ORIGIN, data, none), ERR_FORMAT);
}

Test(key_sk, an_origin_cannot_end_its_own_quotes)
{
	struct buf client_data = {0}, signature = {0};

	sk_token_client_data(data, "a\",\"x\":\"b", &client_data);
	sk_token_sign_webauthn(
		&token, "a\",\"x\":\"b", buf_span(&client_data), span_of(NULL, 0), &signature);
	cr_assert_eq(verify(SIGALG_WEBAUTHN, buf_span(&signature)), ERR_FORMAT);
	buf_clear(&client_data);
	buf_clear(&signature);
}

Test(key_sk, the_two_forms_of_a_signature_are_not_mixed_up)
{
	struct buf client_data = {0}, web = {0}, plain = {0};

	sk_token_client_data(data, ORIGIN, &client_data);
	sk_token_sign_webauthn(&token, ORIGIN, buf_span(&client_data), span_of(NULL, 0), &web);
	sk_token_sign(&token, data, &plain);
	cr_assert_eq(verify(sk_token_type(&token), buf_span(&web)), ERR_FORMAT);
	cr_assert_eq(verify(SIGALG_WEBAUTHN, buf_span(&plain)), ERR_FORMAT);
	for (size_t len = 0; len < web.len; len++)
		cr_assert_eq(verify(SIGALG_WEBAUTHN, span_of(web.data, len)), ERR_FORMAT);
	use((struct sk_token){soft_ed25519, "ssh:", SK_USER_PRESENT, 7});
	cr_assert_eq(verify(SIGALG_WEBAUTHN, buf_span(&web)), ERR_UNSUPPORTED);
	buf_clear(&client_data);
	buf_clear(&web);
	buf_clear(&plain);
}
