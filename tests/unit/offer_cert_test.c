/*
 * broker/keyholder: users' own certificates and security keys, from OFFER to PROVE.
 */
#include "broker/keyholder/offer.h"

#include "common/facts.h"
#include "common/ssh/cert_options.h"
#include "tests/lib/keyholder_world.h"

#include <criterion/criterion.h>

#define CERT_ALGORITHM "ssh-ed25519-cert-v01@openssh.com"
#define SK_ALGORITHM "sk-ssh-ed25519@openssh.com"

static struct keyholder_world w;
static struct kex_hash session_id;
static struct privkey *ca;
static struct buf shown; /* the user's certificate, or the security key's public half */
static struct sk_token token;

/* What a test changes before it makes the user's certificate. */
static struct cert_option critical[4], extensions[8];
static uint64_t valid_after, valid_before;

static void
init(void)
{
	world_init(&w);
	session_id = world_connect(&w, &world_gate_a, 1);
	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &ca), OK);
	valid_before = UINT64_MAX;
	token = (struct sk_token){w.user, "ssh:", SK_USER_PRESENT, 1};
}

static void
clear(void)
{
	buf_clear(&shown);
	privkey_free(ca);
	world_clear(&w);
}

TestSuite(offer_cert, .init = init, .fini = clear);

static void
make_cert(const struct privkey *by)
{
	static const char *const principals[] = {"alice", "ops", NULL};
	struct cert_template t = {
		.key = privkey_public(w.user),
		.serial = 7,
		.kind = CERT_USER,
		.key_id = "alice's key",
		.principals = principals,
		.valid_after = valid_after,
		.valid_before = valid_before,
		.critical_options = critical,
		.extensions = extensions,
	};

	buf_reset(&shown);
	cr_assert_eq(cert_mint(&t, by, &shown), OK);
}

static struct msg_offer
offer_of(const char *algorithm)
{
	struct msg_offer m = world_offer_of(1, w.user, algorithm);

	m.key = buf_span(&shown);
	return m;
}

static enum err
offer(const char *algorithm, struct cert **out)
{
	struct msg_offer m = offer_of(algorithm);
	struct buf blob = {0};
	enum err e = world_offer(&w, &world_gate_a, &m, &blob);

	if (e == OK && out != NULL)
		cr_assert_eq(cert_parse(buf_span(&blob), out), OK);
	buf_clear(&blob);
	return e;
}

static enum err
prove(const char *algorithm, bool by_token, struct cert **out)
{
	struct world_request rq = world_request_of(w.user, algorithm, &session_id);
	struct buf payload = {0}, blob = {0};
	enum err e;

	rq.shown = buf_span(&shown);
	rq.token = by_token ? &token : NULL;
	world_write_request(&rq, &payload);
	e = world_prove(&w, &world_gate_a, 1, buf_span(&payload), &blob);
	if (e == OK && out != NULL)
		cr_assert_eq(cert_parse(buf_span(&blob), out), OK);
	buf_clear(&payload);
	buf_clear(&blob);
	return e;
}

static struct facts
facts_of(const struct cert *c)
{
	struct span data;
	struct facts f;

	cr_assert_eq(cert_find_option(cert_fields(c)->extensions, FACTS_EXTENSION, &data), OK);
	cr_assert_eq(facts_parse(data, &f), OK);
	return f;
}

static bool
has_option(struct span list, const char *name)
{
	struct span data;

	return cert_find_option(list, name, &data) == OK;
}

Test(offer_cert, a_certificate_is_proved_by_its_key)
{
	struct cert *first, *last;

	make_cert(ca);
	cr_assert_eq(offer(CERT_ALGORITHM, &first), OK);
	cr_assert_eq(prove(CERT_ALGORITHM, false, &last), OK);
	cr_assert(span_equal(facts_of(first).key, buf_span(&shown)));
	cr_assert(span_equal(facts_of(last).key, buf_span(&shown)));
	cr_assert_eq(facts_of(last).flags, 0);
	cert_free(first);
	cert_free(last);
}

Test(offer_cert, what_is_minted_permits_what_the_users_certificate_does)
{
	struct cert *c;

	extensions[0] = (struct cert_option){"note@example.com", span_str("x"), false};
	extensions[1] = (struct cert_option){"permit-pty", {NULL, 0}, true};
	critical[0] = (struct cert_option){"force-command", span_str("echo #1"), false};
	critical[1] = (struct cert_option){"source-address", span_str("192.0.2.0/24"), false};
	critical[2] = (struct cert_option){"verify-required", {NULL, 0}, true};
	make_cert(ca);
	cr_assert_eq(offer(CERT_ALGORITHM, &c), OK);
	for (enum cert_permit i = 0; i < CERT_PERMIT_COUNT; i++)
		cr_assert_eq(has_option(cert_fields(c)->extensions, cert_permit_name(i)),
			i == CERT_PERMIT_PTY);
	cr_assert(has_option(cert_fields(c)->critical_options, "force-command"));
	/* The broker's own address, not the client's, and nothing that ours could not show. */
	cr_assert(has_option(cert_fields(c)->critical_options, "source-address"));
	cr_assert_not(has_option(cert_fields(c)->critical_options, "verify-required"));
	cr_assert_not(has_option(cert_fields(c)->extensions, "note@example.com"));
	cert_free(c);
}

Test(offer_cert, no_node_is_asked_about_what_no_node_would_take)
{
	critical[0] = (struct cert_option){"unknown@example.com", span_str("x"), false};
	make_cert(ca);
	cr_assert_eq(offer(CERT_ALGORITHM, NULL), ERR_UNSUPPORTED);
	critical[0] = (struct cert_option){"force-command", {NULL, 0}, true};
	make_cert(ca);
	cr_assert_eq(offer(CERT_ALGORITHM, NULL), ERR_FORMAT);
	critical[0] = (struct cert_option){"verify-required", span_str("x"), false};
	make_cert(ca);
	cr_assert_eq(offer(CERT_ALGORITHM, NULL), ERR_FORMAT);
	critical[0].name = NULL;
	make_cert(ca);
	shown.data[shown.len - 1] ^= 1;
	cr_assert_eq(offer(CERT_ALGORITHM, NULL), ERR_SIGNATURE);
	make_cert(keys_user_ca(w.keys));
	cr_assert_eq(offer(CERT_ALGORITHM, NULL), ERR_DENIED);
}

Test(offer_cert, what_is_minted_is_valid_no_longer_than_the_users_certificate)
{
	struct cert *c;

	valid_after = WORLD_NOW - 5;
	valid_before = WORLD_NOW + 10;
	make_cert(ca);
	cr_assert_eq(offer(CERT_ALGORITHM, &c), OK);
	cr_assert_eq(cert_fields(c)->valid_after, WORLD_NOW - 5);
	cr_assert_eq(cert_fields(c)->valid_before, WORLD_NOW + 10);
	cert_free(c);
	/* It may be expired here, and not yet by the node's clock. */
	valid_after = 0;
	valid_before = WORLD_NOW - 1;
	make_cert(ca);
	cr_assert_eq(offer(CERT_ALGORITHM, NULL), OK);
	valid_before = WORLD_NOW - 1000;
	make_cert(ca);
	cr_assert_eq(offer(CERT_ALGORITHM, NULL), ERR_DENIED);
	valid_after = WORLD_NOW + 1000;
	valid_before = UINT64_MAX;
	make_cert(ca);
	cr_assert_eq(offer(CERT_ALGORITHM, NULL), ERR_DENIED);
}

Test(offer_cert, a_certificate_and_its_key_count_as_one_key)
{
	struct msg_offer plain = world_offer_of(1, w.user, "ssh-ed25519");
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &session_id);

	make_cert(ca);
	cr_assert_eq(world_offer(&w, &world_gate_a, &plain, NULL), OK);
	cr_assert_eq(offer(CERT_ALGORITHM, NULL), OK);
	cr_assert_eq(prove(CERT_ALGORITHM, false, NULL), OK);
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), ERR_BAD_STATE);
	cr_assert_eq(world_offer(&w, &world_gate_a, &plain, NULL), ERR_DENIED);
}

Test(offer_cert, a_proof_with_the_plain_key_is_none_for_the_certificate)
{
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &session_id);

	make_cert(ca);
	cr_assert_eq(offer(CERT_ALGORITHM, NULL), OK);
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), ERR_BAD_STATE);
	rq.algorithm = CERT_ALGORITHM;
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), ERR_BAD_STATE);
	rq.shown = buf_span(&shown);
	rq.signs_algorithm = "ssh-ed25519";
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), ERR_SIGNATURE);
}

Test(offer_cert, the_key_id_tells_which_certificate_it_was)
{
	struct cert *c;

	make_cert(ca);
	cr_assert_eq(offer(CERT_ALGORITHM, &c), OK);
	cr_assert_not_null(memmem(cert_fields(c)->key_id.ptr, cert_fields(c)->key_id.len,
		" id=alice\\x27s\\x20key serial=7 ca=SHA256:", 40));
	cert_free(c);
}

/* Security keys. */

static void
use_token(void)
{
	buf_reset(&shown);
	sk_token_blob(&token, &shown);
}

Test(offer_cert, nobody_can_sign_with_what_a_security_key_is_offered)
{
	struct session *session = sessions_find(w.core.sessions, 1);
	struct cert *first, *last;

	use_token();
	cr_assert_eq(offer(SK_ALGORITHM, &first), OK);
	cr_assert_eq(facts_of(first).flags, FACTS_NOT_FINAL);
	cr_assert_null(session->offers->ephemeral);
	cr_assert_eq(prove(SK_ALGORITHM, true, &last), OK);
	cr_assert_not(pubkey_equal(cert_key(first), cert_key(last)));
	cr_assert_null(session->offers);
	cert_free(first);
	cert_free(last);
}

Test(offer_cert, the_final_certificate_has_the_flags_that_the_key_signed)
{
	static const struct {
		uint8_t flags;
		uint8_t want;
	} cases[] = {
		{0, 0},
		{SK_USER_PRESENT, FACTS_TOUCH_VERIFIED},
		{SK_USER_VERIFIED, FACTS_PIN_VERIFIED},
		{0xff, FACTS_TOUCH_VERIFIED | FACTS_PIN_VERIFIED},
		{(uint8_t) ~(SK_USER_PRESENT | SK_USER_VERIFIED), 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cert *c;

		clear();
		init();
		token.flags = cases[i].flags;
		use_token();
		cr_assert_eq(offer(SK_ALGORITHM, NULL), OK);
		cr_assert_eq(prove(SK_ALGORITHM, true, &c), OK);
		cr_assert_eq(facts_of(c).flags, cases[i].want, "%zu", i);
		cert_free(c);
	}
}

Test(offer_cert, a_failed_proof_of_a_security_key_leaves_no_flags_behind)
{
	struct cert *c;

	use_token();
	cr_assert_eq(offer(SK_ALGORITHM, NULL), OK);
	token.application = "ssh:other";
	cr_assert_eq(prove(SK_ALGORITHM, true, NULL), ERR_SIGNATURE);
	token.application = "ssh:";
	token.flags = 0;
	cr_assert_eq(prove(SK_ALGORITHM, true, &c), OK);
	cr_assert_eq(facts_of(c).flags, 0);
	cert_free(c);
}
