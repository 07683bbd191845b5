/*
 * common/ssh/key: blobs, lines, fingerprints and signatures, against what OpenSSH and OpenSSL made.
 */
#include "common/ssh/key.h"

#include "common/ssh/wire.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>

static const struct {
	enum key_type type;
	const char *name;
	const char *file;
	const char *sigalg; /* what ssh-keygen -Y sign uses */
} keys[] = {
	{KEY_ED25519, "ssh-ed25519", "ed25519", "ssh-ed25519"},
	{KEY_ECDSA_P256, "ecdsa-sha2-nistp256", "ecdsa256", "ecdsa-sha2-nistp256"},
	{KEY_ECDSA_P384, "ecdsa-sha2-nistp384", "ecdsa384", "ecdsa-sha2-nistp384"},
	{KEY_ECDSA_P521, "ecdsa-sha2-nistp521", "ecdsa521", "ecdsa-sha2-nistp521"},
	{KEY_RSA, "ssh-rsa", "rsa", "rsa-sha2-512"},
	{KEY_SK_ED25519, "sk-ssh-ed25519@openssh.com", "sk-ed25519", "sk-ssh-ed25519@openssh.com"},
	{KEY_SK_ECDSA, "sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa",
		"sk-ecdsa-sha2-nistp256@openssh.com"},
};

static const char *
file_of(const char *key, const char *suffix)
{
	static char name[64];

	(void)snprintf(name, sizeof(name), "%s%s", key, suffix);
	return name;
}

static struct pubkey *
read_pubkey(const char *key)
{
	struct buf blob = {0};
	struct pubkey *k;

	vector_read_blob(file_of(key, ".pub"), &blob);
	cr_assert_eq(pubkey_parse(buf_span(&blob), &k), OK);
	buf_clear(&blob);
	return k;
}

static enum err
parse(struct span blob)
{
	struct pubkey *k = NULL;
	enum err e = pubkey_parse(blob, &k);

	cr_assert((e == OK) == (k != NULL));
	pubkey_free(k);
	return e;
}

static enum err
parse_line(const char *line)
{
	struct pubkey *k = NULL;
	enum err e = pubkey_parse_line(span_str(line), &k);

	pubkey_free(k);
	return e;
}

Test(key, names_and_types_belong_together)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		cr_assert_str_eq(key_type_name(keys[i].type), keys[i].name);
		cr_assert_eq(key_type_by_name(span_str(keys[i].name)), keys[i].type);
		cr_assert_str_eq(key_default_sigalg(keys[i].type), keys[i].sigalg);
	}
	cr_assert_null(key_type_name(KEY_NONE));
	cr_assert_null(key_type_name(KEY_TYPE_COUNT));
	cr_assert_null(key_default_sigalg(KEY_NONE));
	cr_assert_eq(key_type_by_name(span_str("")), KEY_NONE);
	cr_assert_eq(key_type_by_name(span_str("rsa-sha2-512")), KEY_NONE);
	cr_assert_eq(key_type_by_name(span_of("ssh-rsa", 8)), KEY_NONE);
}

Test(key, lines_of_ssh_keygen_are_read_and_written_back)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct buf file = {0}, line = {0};
		struct pubkey *k, *same = read_pubkey(keys[i].file);

		vector_read(file_of(keys[i].file, ".pub"), &file);
		cr_assert_eq(pubkey_parse_line(buf_span(&file), &k), OK);
		cr_assert_eq(pubkey_type(k), keys[i].type);
		cr_assert(pubkey_equal(k, same));
		cr_assert_eq(pubkey_write_line(k, &line), OK);
		cr_assert(line.len < file.len);
		cr_assert(span_equal(buf_span(&line), span_of(file.data, line.len)));
		pubkey_free(k);
		pubkey_free(same);
		buf_clear(&file);
		buf_clear(&line);
	}
}

Test(key, lines_that_are_none_are_refused)
{
	static const char ed25519[] =
		"AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
	char line[256];

	(void)snprintf(line, sizeof(line), " ssh-ed25519\t%s  a comment\r\n", ed25519);
	cr_assert_eq(parse_line(line), OK);
	(void)snprintf(line, sizeof(line), "ssh-rsa %s", ed25519);
	cr_assert_eq(parse_line(line), ERR_FORMAT);
	(void)snprintf(line, sizeof(line), "%s", ed25519);
	cr_assert_eq(parse_line(line), ERR_FORMAT);
	(void)snprintf(line, sizeof(line), "ssh-ed25519 %s=", ed25519);
	cr_assert_eq(parse_line(line), ERR_FORMAT);
	(void)snprintf(line, sizeof(line), "ssh-ed25519 %.64s", ed25519);
	cr_assert_eq(parse_line(line), ERR_FORMAT);
	cr_assert_eq(parse_line(""), ERR_FORMAT);
	cr_assert_eq(parse_line("ssh-ed25519"), ERR_FORMAT);
	cr_assert_eq(parse_line("ssh-ed25519 "), ERR_FORMAT);
}

Test(key, fingerprints_are_those_of_ssh_keygen)
{
	struct buf expected = {0};
	struct pubkey *k = read_pubkey("ed25519");
	char text[KEY_FINGERPRINT_SIZE];

	vector_read("ed25519.fingerprint", &expected);
	key_fingerprint(pubkey_blob(k), text);
	cr_assert_eq(strlen(text), KEY_FINGERPRINT_SIZE - 1);
	cr_assert(span_equal(span_str(text), span_of(expected.data, expected.len - 1)));
	pubkey_free(k);
	buf_clear(&expected);
}

Test(key, each_cut_and_each_extra_byte_is_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct buf blob = {0};

		vector_read_blob(file_of(keys[i].file, ".pub"), &blob);
		for (size_t len = 0; len < blob.len; len++)
			cr_assert_neq(parse(span_of(blob.data, len)), OK);
		cr_assert_eq(buf_append(&blob, "", 1), OK);
		cr_assert_eq(parse(buf_span(&blob)), ERR_FORMAT);
		buf_clear(&blob);
	}
}

Test(key, types_that_we_do_not_have_are_unsupported)
{
	struct buf blob = {0};

	vector_read_blob("dsa.pub", &blob);
	cr_assert_eq(parse(buf_span(&blob)), ERR_UNSUPPORTED);
	vector_read_blob("ed25519-cert.pub", &blob);
	cr_assert_eq(parse(buf_span(&blob)), ERR_UNSUPPORTED);
	buf_clear(&blob);
}

Test(key, a_small_rsa_modulus_is_refused)
{
	struct buf blob = {0};

	vector_read_blob("rsa1024.pub", &blob);
	cr_assert_eq(parse(buf_span(&blob)), ERR_KEY);
	buf_clear(&blob);
}

/* A modulus of bits bits, with that value in its last byte. */
static enum err
parse_rsa(struct span exponent, size_t bits, uint8_t last)
{
	uint8_t modulus[KEY_RSA_BITS_MAX / 8 + 1] = {0};
	size_t len = (bits + 7) / 8;
	struct buf blob = {0};
	enum err e;

	memset(modulus, 0xa5, len);
	modulus[0] = (uint8_t)(1U << ((bits - 1) % 8));
	modulus[len - 1] = last;
	cr_assert(!wire_put_cstring(&blob, "ssh-rsa") && !wire_put_mpint(&blob, exponent) &&
		!wire_put_mpint(&blob, span_of(modulus, len)));
	e = parse(buf_span(&blob));
	buf_clear(&blob);
	return e;
}

Test(key, rsa_numbers_out_of_reason_are_refused)
{
	static const uint8_t wide[9] = {1, 0, 0, 0, 0, 0, 0, 0, 1};
	struct span f4 = span_of("\1\0\1", 3);

	cr_assert_eq(parse_rsa(f4, 2048, 1), OK);
	cr_assert_eq(parse_rsa(f4, 16384, 1), OK);
	cr_assert_eq(parse_rsa(span_str("\3"), 2048, 1), OK);
	cr_assert_eq(parse_rsa(span_of(wide + 1, 8), 2048, 1), ERR_KEY);
	cr_assert_eq(parse_rsa(span_of("\x80\0\0\0\0\0\0\1", 8), 2048, 1), OK);
	cr_assert_eq(parse_rsa(f4, 2047, 1), ERR_KEY);
	cr_assert_eq(parse_rsa(f4, 16385, 1), ERR_KEY);
	cr_assert_eq(parse_rsa(f4, 2048, 2), ERR_KEY);
	cr_assert_eq(parse_rsa(span_of(wide, 9), 2048, 1), ERR_KEY);
	cr_assert_eq(parse_rsa(span_str("\1"), 2048, 1), ERR_KEY);
	cr_assert_eq(parse_rsa(span_str("\2"), 2048, 1), ERR_KEY);
	cr_assert_eq(parse_rsa(span_str(""), 2048, 1), ERR_KEY);
}

static enum err
parse_ecdsa(const char *type, const char *curve, struct span point)
{
	struct buf blob = {0};
	enum err e;

	cr_assert(!wire_put_cstring(&blob, type) && !wire_put_cstring(&blob, curve) &&
		!wire_put_string(&blob, point));
	e = parse(buf_span(&blob));
	buf_clear(&blob);
	return e;
}

/* The generator of P-256 (SEC 2 section 2.4.2). */
static const uint8_t p256_g[65] = {4, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc,
	0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
	0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b,
	0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e,
	0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};

Test(key, points_must_be_uncompressed_and_on_the_curve_that_is_named_twice)
{
	static const char p256[] = "ecdsa-sha2-nistp256";
	uint8_t point[65], zero[65] = {4};

	memcpy(point, p256_g, sizeof(point));
	cr_assert_eq(parse_ecdsa(p256, "nistp256", span_of(point, 65)), OK);
	cr_assert_eq(parse_ecdsa(p256, "nistp384", span_of(point, 65)), ERR_FORMAT);
	cr_assert_eq(
		parse_ecdsa("ecdsa-sha2-nistp384", "nistp384", span_of(point, 65)), ERR_FORMAT);
	cr_assert_eq(parse_ecdsa(p256, "nistp256", span_of(point, 64)), ERR_FORMAT);
	cr_assert_eq(parse_ecdsa(p256, "nistp256", span_of("", 1)), ERR_FORMAT);
	cr_assert_eq(parse_ecdsa(p256, "nistp256", span_of("", 0)), ERR_FORMAT);
	cr_assert_eq(parse_ecdsa(p256, "nistp256", span_of(zero, 65)), ERR_KEY);
	point[64] ^= 1;
	cr_assert_eq(parse_ecdsa(p256, "nistp256", span_of(point, 65)), ERR_KEY);
	point[64] ^= 1;
	/* The compressed and the hybrid form of the same point (its y is odd). */
	point[0] = 3;
	cr_assert_eq(parse_ecdsa(p256, "nistp256", span_of(point, 33)), ERR_FORMAT);
	point[0] = 7;
	cr_assert_eq(parse_ecdsa(p256, "nistp256", span_of(point, 65)), ERR_FORMAT);
	/* x is not below the field's prime. */
	memset(point + 1, 0xff, 32);
	point[0] = 4;
	cr_assert_eq(parse_ecdsa(p256, "nistp256", span_of(point, 65)), ERR_KEY);
}

/* The signature inside an SSHSIG file, and the data that it signs.  (OpenSSH PROTOCOL.sshsig) */
static void
read_sshsig(const char *key, struct buf *signed_data, struct buf *signature)
{
	struct buf blob = {0}, message = {0};
	struct wire_reader r;
	struct span magic, pub, space, reserved, hash, sig;
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned digest_len;
	uint32_t version;

	vector_read_blob(file_of(key, ".sshsig"), &blob);
	vector_read("message", &message);
	r = wire_reader_of(buf_span(&blob));
	cr_assert(!wire_get_bytes(&r, 6, &magic) && !wire_get_u32(&r, &version) &&
		!wire_get_string(&r, &pub) && !wire_get_string(&r, &space) &&
		!wire_get_string(&r, &reserved) && !wire_get_string(&r, &hash) &&
		!wire_get_string(&r, &sig) && !wire_end(&r));
	cr_assert(span_is(hash, "sha512"));
	cr_assert(EVP_Digest(message.data, message.len, digest, &digest_len, EVP_sha512(), NULL));
	cr_assert(!wire_put_bytes(signed_data, magic) && !wire_put_string(signed_data, space) &&
		!wire_put_string(signed_data, reserved) && !wire_put_string(signed_data, hash) &&
		!wire_put_string(signed_data, span_of(digest, digest_len)) &&
		!wire_put_bytes(signature, sig));
	buf_clear(&blob);
	buf_clear(&message);
}

Test(key, signatures_by_ssh_keygen_verify_and_no_flipped_bit_does)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct buf data = {0}, sig = {0};
		struct pubkey *k = read_pubkey(keys[i].file);
		struct span alg = span_str(keys[i].sigalg);

		read_sshsig(keys[i].file, &data, &sig);
		cr_assert_eq(pubkey_verify(k, alg, buf_span(&data), buf_span(&sig)), OK);
		for (size_t bit = 0; bit < sig.len * 8; bit++) {
			sig.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
			cr_assert_neq(pubkey_verify(k, alg, buf_span(&data), buf_span(&sig)), OK);
			sig.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
		for (size_t bit = 0; bit < data.len * 8; bit++) {
			data.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
			cr_assert_eq(pubkey_verify(k, alg, buf_span(&data), buf_span(&sig)),
				ERR_SIGNATURE);
			data.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
		for (size_t len = 0; len < sig.len; len++)
			cr_assert_eq(pubkey_verify(k, alg, buf_span(&data), span_of(sig.data, len)),
				ERR_FORMAT);
		cr_assert_eq(buf_append(&sig, "", 1), OK);
		cr_assert_eq(pubkey_verify(k, alg, buf_span(&data), buf_span(&sig)), ERR_FORMAT);
		pubkey_free(k);
		buf_clear(&data);
		buf_clear(&sig);
	}
}

Test(key, a_key_does_not_verify_the_signature_of_another)
{
	struct buf data = {0}, sig = {0};
	struct pubkey *k = read_pubkey("ca");

	read_sshsig("ed25519", &data, &sig);
	cr_assert_eq(pubkey_verify(k, span_str("ssh-ed25519"), buf_span(&data), buf_span(&sig)),
		ERR_SIGNATURE);
	pubkey_free(k);
	buf_clear(&data);
	buf_clear(&sig);
}

/* RFC 8032 section 7.1, TEST 3. */
Test(key, ed25519_verifies_as_in_rfc_8032)
{
	static const uint8_t public[32] = {0xfc, 0x51, 0xcd, 0x8e, 0x62, 0x18, 0xa1, 0xa3, 0x8d,
		0xa4, 0x7e, 0xd0, 0x02, 0x30, 0xf0, 0x58, 0x08, 0x16, 0xed, 0x13, 0xba, 0x33, 0x03,
		0xac, 0x5d, 0xeb, 0x91, 0x15, 0x48, 0x90, 0x80, 0x25};
	static const uint8_t message[] = {0xaf, 0x82};
	static const uint8_t expected[64] = {0x62, 0x91, 0xd6, 0x57, 0xde, 0xec, 0x24, 0x02, 0x48,
		0x27, 0xe6, 0x9c, 0x3a, 0xbe, 0x01, 0xa3, 0x0c, 0xe5, 0x48, 0xa2, 0x84, 0x74, 0x3a,
		0x44, 0x5e, 0x36, 0x80, 0xd7, 0xdb, 0x5a, 0xc3, 0xac, 0x18, 0xff, 0x9b, 0x53, 0x8d,
		0x16, 0xf2, 0x90, 0xae, 0x67, 0xf7, 0x60, 0x98, 0x4d, 0xc6, 0x59, 0x4a, 0x7c, 0x15,
		0xe9, 0x71, 0x6e, 0xd2, 0x8d, 0xc0, 0x27, 0xbe, 0xce, 0xea, 0x1e, 0xc4, 0x0a};
	struct span alg = span_str("ssh-ed25519"), data = span_of(message, sizeof(message));
	struct buf blob = {0}, sig = {0};
	struct pubkey *k;

	cr_assert(!wire_put_string(&blob, alg) && !wire_put_string(&blob, span_of(public, 32)) &&
		!wire_put_string(&sig, alg) && !wire_put_string(&sig, span_of(expected, 64)));
	cr_assert_eq(pubkey_parse(buf_span(&blob), &k), OK);
	cr_assert_eq(pubkey_verify(k, alg, data, buf_span(&sig)), OK);
	cr_assert_eq(pubkey_verify(k, alg, span_of(message, 1), buf_span(&sig)), ERR_SIGNATURE);
	pubkey_free(k);
	buf_clear(&blob);
	buf_clear(&sig);
}

/* An RSA signature in the named algorithm around these bytes, verified over the message. */
static enum err
verify_rsa(const char *asked, const char *inside, struct span bytes)
{
	struct buf message = {0}, sig = {0};
	struct pubkey *k = read_pubkey("rsa");
	enum err e;

	vector_read("message", &message);
	cr_assert(!wire_put_cstring(&sig, inside) && !wire_put_string(&sig, bytes));
	e = pubkey_verify(k, span_str(asked), buf_span(&message), buf_span(&sig));
	pubkey_free(k);
	buf_clear(&message);
	buf_clear(&sig);
	return e;
}

Test(key, rsa_sha2_256_by_openssl_verifies_under_its_own_name_only)
{
	struct buf bytes = {0};

	vector_read("rsa.sha256", &bytes);
	cr_assert_eq(verify_rsa("rsa-sha2-256", "rsa-sha2-256", buf_span(&bytes)), OK);
	cr_assert_eq(verify_rsa("rsa-sha2-512", "rsa-sha2-512", buf_span(&bytes)), ERR_SIGNATURE);
	cr_assert_eq(verify_rsa("rsa-sha2-256", "rsa-sha2-512", buf_span(&bytes)), ERR_PROTO);
	cr_assert_eq(verify_rsa("rsa-sha2-256", "ssh-rsa", buf_span(&bytes)), ERR_PROTO);
	cr_assert_eq(verify_rsa("ssh-rsa", "ssh-rsa", buf_span(&bytes)), ERR_UNSUPPORTED);
	cr_assert_eq(verify_rsa("ssh-ed25519", "ssh-ed25519", buf_span(&bytes)), ERR_UNSUPPORTED);
	buf_clear(&bytes);
}

Test(key, rsa_signatures_may_be_shorter_than_the_modulus_but_not_longer)
{
	struct privkey *k;
	struct span alg = span_str("rsa-sha2-256");
	bool met = false;

	cr_assert_eq(privkey_generate(KEY_RSA, 2048, &k), OK);
	/* One signature in 256 begins with a zero byte. */
	for (unsigned i = 0; i < 10000 && !met; i++) {
		struct span data = span_of(&i, sizeof(i)), name, bytes;
		struct buf sig = {0}, cut = {0};
		struct wire_reader r;

		cr_assert_eq(privkey_sign(k, alg, data, &sig), OK);
		r = wire_reader_of(buf_span(&sig));
		cr_assert(!wire_get_string(&r, &name) && !wire_get_string(&r, &bytes));
		met = bytes.ptr[0] == 0;
		if (met) {
			cr_assert(!wire_put_string(&cut, name) &&
				!wire_put_string(&cut, span_of(bytes.ptr + 1, bytes.len - 1)));
			cr_assert_eq(
				pubkey_verify(privkey_public(k), alg, data, buf_span(&cut)), OK);
		}
		buf_clear(&sig);
		buf_clear(&cut);
	}
	cr_assert(met);
	privkey_free(k);
}

Test(key, rsa_signatures_of_other_lengths_are_malformed)
{
	uint8_t bytes[257] = {0};
	struct buf sig = {0};

	vector_read("rsa.sha256", &sig);
	memcpy(bytes + 1, sig.data, 256);
	cr_assert_eq(verify_rsa("rsa-sha2-256", "rsa-sha2-256", span_of(bytes + 1, 256)), OK);
	cr_assert_eq(verify_rsa("rsa-sha2-256", "rsa-sha2-256", span_of(bytes, 257)), ERR_FORMAT);
	cr_assert_eq(verify_rsa("rsa-sha2-256", "rsa-sha2-256", span_of(bytes, 0)), ERR_FORMAT);
	buf_clear(&sig);
}

/* An ECDSA signature with these numbers, as they stand. */
static enum err
verify_ecdsa(struct span r, struct span s, struct span data)
{
	struct span alg = span_str("ecdsa-sha2-nistp256");
	struct buf inner = {0}, sig = {0};
	struct pubkey *k = read_pubkey("ecdsa256");
	enum err e;

	cr_assert(!wire_put_string(&inner, r) && !wire_put_string(&inner, s) &&
		!wire_put_string(&sig, alg) && !wire_put_string(&sig, buf_span(&inner)));
	e = pubkey_verify(k, alg, data, buf_span(&sig));
	pubkey_free(k);
	buf_clear(&inner);
	buf_clear(&sig);
	return e;
}

Test(key, ecdsa_numbers_may_have_leading_zeros_but_no_sign)
{
	static const uint8_t huge[2049] = {1};
	struct buf data = {0}, sig = {0};
	struct wire_reader outer, inner;
	struct span name, blob, r, s;
	uint8_t padded[40] = {0};

	read_sshsig("ecdsa256", &data, &sig);
	outer = wire_reader_of(buf_span(&sig));
	cr_assert(!wire_get_string(&outer, &name) && !wire_get_string(&outer, &blob));
	inner = wire_reader_of(blob);
	cr_assert(!wire_get_string(&inner, &r) && !wire_get_string(&inner, &s));
	cr_assert_eq(verify_ecdsa(r, s, buf_span(&data)), OK);
	memcpy(padded + sizeof(padded) - r.len, r.ptr, r.len);
	cr_assert_eq(verify_ecdsa(span_of(padded, sizeof(padded)), s, buf_span(&data)), OK);
	padded[0] = 0x80;
	cr_assert_eq(verify_ecdsa(span_of(padded, sizeof(padded)), s, buf_span(&data)), ERR_FORMAT);
	cr_assert_eq(verify_ecdsa(span_of("", 0), s, buf_span(&data)), ERR_SIGNATURE);
	cr_assert_eq(verify_ecdsa(r, span_of("", 1), buf_span(&data)), ERR_SIGNATURE);
	cr_assert_eq(verify_ecdsa(r, span_of(huge, 2048), buf_span(&data)), ERR_SIGNATURE);
	cr_assert_eq(verify_ecdsa(r, span_of(huge, 2049), buf_span(&data)), ERR_FORMAT);
	buf_clear(&data);
	buf_clear(&sig);
}

Test(key, generated_keys_sign_what_they_verify)
{
	struct span names = span_str(sigalg_names()), alg;

	while (wire_namelist_next(&names, &alg)) {
		struct buf sig = {0};
		struct privkey *k;

		cr_assert_neq(sigalg_key_type(alg), KEY_NONE);
		if (key_type_is_sk(sigalg_key_type(alg)))
			continue;
		cr_assert_eq(privkey_generate(sigalg_key_type(alg), 2048, &k), OK);
		cr_assert_eq(parse(pubkey_blob(privkey_public(k))), OK);
		cr_assert_eq(privkey_sign(k, alg, span_of(NULL, 0), &sig), OK);
		cr_assert_eq(
			pubkey_verify(privkey_public(k), alg, span_of(NULL, 0), buf_span(&sig)),
			OK);
		cr_assert_eq(pubkey_verify(privkey_public(k), alg, span_str("x"), buf_span(&sig)),
			ERR_SIGNATURE);
		privkey_free(k);
		buf_clear(&sig);
	}
	cr_assert_eq(sigalg_key_type(span_str("ssh-rsa")), KEY_NONE);
	cr_assert_eq(sigalg_key_type(span_str("ssh-dss")), KEY_NONE);
}

Test(key, signing_with_an_algorithm_of_another_type_appends_nothing)
{
	struct buf out = {0};
	struct privkey *k;

	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &k), OK);
	cr_assert_eq(
		privkey_sign(k, span_str("rsa-sha2-256"), span_str("x"), &out), ERR_UNSUPPORTED);
	cr_assert_eq(privkey_sign(k, span_str("ssh-ed448"), span_str("x"), &out), ERR_UNSUPPORTED);
	cr_assert_eq(out.len, 0);
	buf_init(&out, 20);
	cr_assert_eq(privkey_sign(k, span_str("ssh-ed25519"), span_str("x"), &out), ERR_LIMIT);
	cr_assert_eq(out.len, 0);
	buf_clear(&out);
	privkey_free(k);
}

Test(key, keys_that_cannot_be_are_not_generated)
{
	struct privkey *k;

	cr_assert_eq(privkey_generate(KEY_NONE, 0, &k), ERR_UNSUPPORTED);
	cr_assert_eq(privkey_generate(KEY_TYPE_COUNT, 0, &k), ERR_UNSUPPORTED);
	cr_assert_eq(privkey_generate(KEY_SK_ED25519, 0, &k), ERR_UNSUPPORTED);
	cr_assert_eq(privkey_generate(KEY_SK_ECDSA, 0, &k), ERR_UNSUPPORTED);
	cr_assert_eq(privkey_generate(KEY_RSA, 2047, &k), ERR_KEY);
	cr_assert_eq(privkey_generate(KEY_RSA, 16385, &k), ERR_KEY);
	privkey_free(NULL);
	pubkey_free(NULL);
}

Test(key, a_derived_secret_follows_from_the_key_and_the_label)
{
	uint8_t a[PRIVKEY_SECRET_SIZE], b[PRIVKEY_SECRET_SIZE];
	struct privkey *made[3];

	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		cr_assert_eq(
			privkey_generate(i == 0 ? KEY_ED25519 : KEY_ECDSA_P256, 0, &made[i]), OK);
		cr_assert_eq(privkey_derive(made[i], "one", a), OK);
		cr_assert_eq(privkey_derive(made[i], "one", b), OK);
		cr_assert_arr_eq(a, b, sizeof(a));
		cr_assert_eq(privkey_derive(made[i], "other", b), OK);
		cr_assert_arr_neq(a, b, sizeof(a));
	}
	cr_assert_eq(privkey_derive(made[1], "other", a), OK);
	cr_assert_arr_neq(a, b, sizeof(a));
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		privkey_free(made[i]);
}
