/*
 * common/ssh/kex: known secrets, exchange hashes and keys; public values that must be refused.
 *
 * The module is compiled into this test, so that a key pair of a vector can be put in the place of a fresh one.
 */
#include "common/ssh/kex.c"

#include "tests/lib/hex_vector.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

/* RFC 7748 section 6.1, and count 0 of the CAVP's KAS_ECC_CDH_PrimitiveTest for each curve. */
static const struct {
	const char *name;
	const char *private;
	const char *public;
	const char *peer;
	const char *secret;
} shared[] = {
	{
		"curve25519-sha256",
		"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
		"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
		"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
	},
	{
		"ecdh-sha2-nistp256",
		"7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534",
		"04ead218590119e8876b29146ff89ca61770c4edbbf97d38ce385ed281d8a6b230"
		"28af61281fd35e2fa7002523acc85a429cb06ee6648325389f59edfce1405141",
		"04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"
		"db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac",
		"46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b",
	},
	{
		"ecdh-sha2-nistp384",
		"3cc3122a68f0d95027ad38c067916ba0eb8c38894d22e1b15618b6818a661774ad463b205da88cf699"
		"ab4d43c9cf98a1",
		"049803807f2f6d2fd966cdd0290bd410c0190352fbec7ff6247de1302df86f25d34fe4a97bef60cff5"
		"48355c015dbb3e5fba26ca69ec2f5b5d9dad20cc9da711383a9dbe34ea3fa5a2af75b46502629ad54d"
		"d8b7d73a8abb06a3a3be47d650cc99",
		"04a7c76b970c3b5fe8b05d2838ae04ab47697b9eaf52e764592efda27fe7513272734466b400091adb"
		"f2d68c58e0c50066ac68f19f2e1cb879aed43a9969b91a0839c4c38a49749b661efedf243451915ed0"
		"905a32b060992b468c64766fc8437a",
		"5f9d29dc5e31a163060356213669c8ce132e22f57c9a04f40ba7fcead493b457e5621e766c40a2e3d4"
		"d6a04b25e533f1",
	},
	{
		"ecdh-sha2-nistp521",
		"017eecc07ab4b329068fba65e56a1f8890aa935e57134ae0ffcce802735151f4eac6564f6ee9974c5e"
		"6887a1fefee5743ae2241bfeb95d5ce31ddcb6f9edb4d6fc47",
		"0400602f9d0cf9e526b29e22381c203c48a886c2b0673033366314f1ffbcba240ba42f4ef38a761746"
		"35f91e6b4ed34275eb01c8467d05ca80315bf1a7bbd945f550a501b7c85f26f5d4b2d7355cf6b02117"
		"659943762b6d1db5ab4f1dbc44ce7b2946eb6c7de342962893fd387d1b73d7a8672d1f236961170b7e"
		"b3579953ee5cdc88cd2d",
		"0400685a48e86c79f0f0875f7bc18d25eb5fc8c0b07e5da4f4370f3a9490340854334b1e1b87fa3954"
		"64c60626124a4e70d0f785601d37c09870ebf176666877a2046d01ba52c56fc8776d9e8f5db4f0cc27"
		"636d0b741bbe05400697942e80b739884a83bde99e0f6716939e632bc8986fa18dccd443a348b6c3e5"
		"22497955a4f3c302f676",
		"005fc70477c3e63bc3954bd0df3ea0d1f41ee21746ed95fc5e1fdf90930d5e136672d72cc770742d17"
		"11c3c3a4c334a0ad9759436a4d3c5bf6e74b9578fac148c831",
	},
};

static EVP_PKEY *
pair_of(const struct method *m, const struct buf *private, const struct buf *public)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *d = BN_bin2bn(private->data, (int)private->len, NULL);
	BIGNUM *e = BN_bin2bn(public->data, (int)public->len, NULL);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, m->key_type, NULL);
	EVP_PKEY *pair = NULL;
	OSSL_PARAM *params;

	cr_assert(OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, m->group, 0) &&
		(m->prime != NULL ? OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PUB_KEY, e)
				  : OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
					    public->data, public->len)) &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d));
	params = OSSL_PARAM_BLD_to_param(bld);
	cr_assert(EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, &pair, EVP_PKEY_KEYPAIR, params) == 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(d);
	BN_free(e);
	return pair;
}

/* Our half of an exchange, with the key pair of a vector. */
static struct kex *
kex_of(enum kex_method method, const struct buf *private, const struct buf *public)
{
	struct kex *k = calloc(1, sizeof(*k));

	k->method = method;
	if (methods[method].group == NULL)
		k->pair = EVP_PKEY_new_raw_private_key(
			EVP_PKEY_X25519, NULL, private->data, private->len);
	else
		k->pair = pair_of(&methods[method], private, public);
	cr_assert_not_null(k->pair);
	cr_assert_eq(take_public(k), OK);
	return k;
}

static void
secret_is_known(enum kex_method method, const struct buf *private, const struct buf *public,
	const struct buf *peer, const struct buf *secret)
{
	struct kex *k = kex_of(method, private, public);
	struct buf ours = {0}, theirs = {0};

	cr_assert(span_equal(kex_public(k), buf_span(public)), "%s", kex_method_name(method));
	cr_assert_eq(kex_secret(k, buf_span(peer), &ours), OK);
	cr_assert_eq(wire_put_mpint(&theirs, buf_span(secret)), OK);
	cr_assert(span_equal(buf_span(&ours), buf_span(&theirs)), "%s", kex_method_name(method));
	kex_free(k);
	buf_clear(&ours);
	buf_clear(&theirs);
}

Test(kex, shared_secrets_are_those_of_the_vectors)
{
	for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
		struct buf private = {0}, public = {0}, peer = {0}, secret = {0};

		hex_read(shared[i].private, &private);
		hex_read(shared[i].public, &public);
		hex_read(shared[i].peer, &peer);
		hex_read(shared[i].secret, &secret);
		secret_is_known(
			kex_by_name(span_str(shared[i].name)), &private, &public, &peer, &secret);
		buf_clear(&private);
		buf_clear(&public);
		buf_clear(&peer);
		buf_clear(&secret);
	}
}

static const char *const names[] = {"curve25519-sha256", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
	"ecdh-sha2-nistp521", "diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512"};
static const char *const groups[] = {
	"diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512"};

static void
read_part(const struct buf *file, const char *name, const char *part, struct buf *out)
{
	char full[64];

	(void)snprintf(full, sizeof(full), "%s.%s", name, part);
	hex_vector(file, full, out);
}

Test(kex, secrets_of_groups_are_those_of_another_implementation)
{
	struct buf file = {0}, private = {0}, public = {0}, peer = {0}, secret = {0};

	vector_read("transport.txt", &file);
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		read_part(&file, groups[i], "private", &private);
		read_part(&file, groups[i], "public", &public);
		read_part(&file, groups[i], "peer", &peer);
		read_part(&file, groups[i], "shared", &secret);
		secret_is_known(
			kex_by_name(span_str(groups[i])), &private, &public, &peer, &secret);
	}
	buf_clear(&file);
	buf_clear(&private);
	buf_clear(&public);
	buf_clear(&peer);
	buf_clear(&secret);
}

/* The formulas of RFC 3526, worked out elsewhere, against the prime of a key pair that OpenSSL makes, and the generator. */
Test(kex, groups_are_those_of_rfc_3526)
{
	struct buf file = {0}, want = {0};

	vector_read("transport.txt", &file);
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		enum kex_method method = kex_by_name(span_str(groups[i]));
		BIGNUM *p = NULL, *g = NULL, *own = methods[method].prime(NULL);
		struct kex *k = NULL;

		read_part(&file, groups[i], "p", &want);
		cr_assert_eq(kex_new(method, 32, &k), OK);
		cr_assert(EVP_PKEY_get_bn_param(k->pair, OSSL_PKEY_PARAM_FFC_P, &p) == 1 &&
			EVP_PKEY_get_bn_param(k->pair, OSSL_PKEY_PARAM_FFC_G, &g) == 1);
		cr_assert(BN_is_word(g, 2));
		cr_assert_eq((size_t)BN_num_bytes(p), want.len);
		for (int twice = 0; twice < 2; twice++) {
			uint8_t bytes[512];

			cr_assert_eq((size_t)BN_bn2bin(twice ? own : p, bytes), want.len);
			cr_assert_eq(memcmp(bytes, want.data, want.len), 0, "%s", groups[i]);
		}
		BN_free(p);
		BN_free(g);
		BN_free(own);
		kex_free(k);
	}
	buf_clear(&file);
	buf_clear(&want);
}

/* Exponents have OpenSSH's size: twice the need, and 512 bits at least. */
Test(kex, exponents_suit_the_need)
{
	static const struct {
		size_t need;
		int bits;
	} cases[] = {{16, 512}, {32, 512}, {33, 528}, {64, 1024}};

	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		for (size_t j = 0; j < ARRAY_LEN(cases); j++) {
			int most = 0;

			for (int n = 0; n < 12; n++) {
				BIGNUM *x = NULL;
				struct kex *k = NULL;

				cr_assert_eq(kex_new(kex_by_name(span_str(groups[i])),
						     cases[j].need, &k),
					OK);
				cr_assert_eq(EVP_PKEY_get_bn_param(
						     k->pair, OSSL_PKEY_PARAM_PRIV_KEY, &x),
					1);
				most = BN_num_bits(x) > most ? BN_num_bits(x) : most;
				BN_free(x);
				kex_free(k);
			}
			cr_assert_leq(most, cases[j].bits);
			cr_assert_gt(most, cases[j].bits - 16);
		}
	}
}

Test(kex, exchange_hashes_are_those_of_another_implementation)
{
	enum { V_C, V_S, I_C, I_S, K_S, Q_C, Q_S, K, HASH, PARTS };
	static const char *const common[] = {
		"ident_c", "ident_s", "kexinit_c", "kexinit_s", "host_key"};
	static const char *const own[] = {"q_c", "q_s", "k", "hash"};
	struct buf file = {0}, b[PARTS] = {0};

	vector_read("transport.txt", &file);
	for (size_t i = 0; i < ARRAY_LEN(common); i++)
		read_part(&file, "kex", common[i], &b[i]);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct kex_transcript t;
		struct kex_hash hash;

		for (size_t j = 0; j < ARRAY_LEN(own); j++)
			read_part(&file, names[i], own[j], &b[Q_C + j]);
		t = (struct kex_transcript){buf_span(&b[V_C]), buf_span(&b[V_S]), buf_span(&b[I_C]),
			buf_span(&b[I_S]), buf_span(&b[K_S]), buf_span(&b[Q_C]), buf_span(&b[Q_S]),
			buf_span(&b[K])};
		cr_assert_eq(kex_exchange_hash(kex_by_name(span_str(names[i])), &t, &hash), OK);
		cr_assert(span_equal(span_of(hash.bytes, hash.len), buf_span(&b[HASH])), "%s",
			names[i]);
	}
	for (size_t i = 0; i < PARTS; i++)
		buf_clear(&b[i]);
	buf_clear(&file);
}

/* Each length is the beginning of the longest. */
static void
keys_are_known(const struct kex_derivation *d, char letter, const struct buf *want)
{
	uint8_t key[200];

	cr_assert_leq(want->len, sizeof(key));
	for (size_t len = 0; len <= want->len; len++) {
		memset(key, 0xee, sizeof(key));
		cr_assert_eq(kex_derive(d, letter, key, len), OK);
		cr_assert(span_equal(span_of(key, len), span_of(want->data, len)));
		cr_assert(len == sizeof(key) || key[len] == 0xee);
	}
}

Test(kex, derived_keys_are_those_of_another_implementation)
{
	struct buf file = {0}, k = {0}, h = {0}, id = {0}, want = {0};

	vector_read("transport.txt", &file);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct kex_hash hash = {0};
		struct kex_derivation d = {.method = kex_by_name(span_str(names[i]))};

		read_part(&file, names[i], "k", &k);
		read_part(&file, names[i], "hash", &h);
		read_part(&file, names[i], "session_id", &id);
		memcpy(hash.bytes, h.data, h.len);
		hash.len = h.len;
		d.secret = buf_span(&k);
		d.hash = &hash;
		d.session_id = buf_span(&id);
		for (char letter = 'A'; letter <= 'F'; letter++) {
			read_part(&file, names[i], (char[]){letter, '\0'}, &want);
			keys_are_known(&d, letter, &want);
		}
	}
	buf_clear(&file);
	buf_clear(&k);
	buf_clear(&h);
	buf_clear(&id);
	buf_clear(&want);
}

static void
is_refused(enum kex_method method, struct span public, const char *why)
{
	struct buf secret = {0};
	struct kex *k = NULL;

	cr_assert_eq(kex_new(method, 32, &k), OK);
	cr_assert_eq(
		kex_secret(k, public, &secret), ERR_KEY, "%s: %s", kex_method_name(method), why);
	cr_assert_eq(secret.len, 0);
	kex_free(k);
}

/* The points of small order (RFC 7748 section 6.1; the list is that of the curve's author), whose secret is zero. */
Test(kex, x25519_values_with_a_zero_secret_are_refused)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000080",
	};
	struct buf b = {0};

	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		hex_read(points[i], &b);
		is_refused(KEX_CURVE25519, buf_span(&b), points[i]);
	}
	buf_clear(&b);
}

/* As an mpint holds it: these are positive numbers, given without leading zeros. */
static size_t
mpint_body(const BIGNUM *n, uint8_t out[600])
{
	size_t len = (size_t)BN_num_bytes(n);

	(void)BN_bn2bin(n, out + 1);
	out[0] = 0;
	if (len > 0 && out[1] >= 0x80)
		return len + 1;
	memmove(out, out + 1, len);
	return len;
}

Test(kex, numbers_out_of_range_are_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		enum kex_method method = kex_by_name(span_str(groups[i]));
		BIGNUM *p = methods[method].prime(NULL), *n = BN_new();
		struct buf secret = {0};
		uint8_t body[600];
		struct kex *k = NULL;

		for (BN_ULONG word = 0; word < 10; word++) {
			cr_assert_eq(BN_set_word(n, word), 1);
			is_refused(method, span_of(body, mpint_body(n, body)), "few bits");
		}
		/* p - 1 and what follows; p - 2 is the largest that is taken. */
		cr_assert_not_null(BN_copy(n, p));
		cr_assert_eq(BN_sub_word(n, 2), 1);
		cr_assert_eq(kex_new(method, 32, &k), OK);
		cr_assert_eq(kex_secret(k, span_of(body, mpint_body(n, body)), &secret), OK);
		kex_free(k);
		for (int j = 0; j < 5; j++) {
			cr_assert_eq(BN_add_word(n, 1), 1);
			is_refused(method, span_of(body, mpint_body(n, body)), "p - 1 or more");
			cr_assert_not(
				kex_public_is_sound(method, span_of(body, mpint_body(n, body))));
		}
		cr_assert_eq(BN_lshift1(n, p), 1);
		is_refused(method, span_of(body, mpint_body(n, body)), "2p");
		cr_assert_eq(BN_set_word(n, 15), 1);
		cr_assert_eq(kex_new(method, 32, &k), OK);
		cr_assert_eq(kex_secret(k, span_of(body, mpint_body(n, body)), &secret), OK);
		kex_free(k);
		buf_clear(&secret);
		BN_free(p);
		BN_free(n);
	}
}

/* Negative ones, and those with more bytes than they need: the hash would not be over what was sent. */
Test(kex, numbers_that_are_no_good_mpints_are_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		enum kex_method method = kex_by_name(span_str(groups[i]));
		uint8_t body[600] = {0};
		struct span public;
		struct kex *k = NULL;

		cr_assert_eq(kex_new(method, 32, &k), OK);
		public = kex_public(k);
		cr_assert(kex_public_is_sound(method, public));
		memcpy(body + 1, public.ptr, public.len);
		is_refused(method, span_of(body, public.len + 1), "a zero too much");
		memset(body, 0, 5);
		is_refused(method, span_of(body, 5), "zeros");
		is_refused(method, span_of(body, 0), "nothing");
		memcpy(body, public.ptr, public.len);
		body[0] = 0x80;
		is_refused(method, span_of(body, public.len), "negative");
		kex_free(k);
	}
}

Test(kex, our_own_values_are_sound_mpints_whatever_they_begin_with)
{
	for (int i = 0; i < 400; i++) {
		struct span public;
		struct kex *k = NULL;

		cr_assert_eq(kex_new(KEX_DH_GROUP14, 32, &k), OK);
		public = kex_public(k);
		cr_assert(kex_public_is_sound(KEX_DH_GROUP14, public));
		kex_free(k);
	}
}

Test(kex, public_values_of_another_length_are_refused)
{
	for (enum kex_method m = KEX_NONE + 1; m < KEX_DH_GROUP16; m++) {
		struct kex *k = NULL;
		uint8_t longer[256] = {0};
		struct span public;

		cr_assert_eq(kex_new(m, 32, &k), OK);
		public = kex_public(k);
		memcpy(longer, public.ptr, public.len);
		for (size_t len = 0; len < sizeof(longer); len++) {
			if (len != public.len)
				is_refused(m, span_of(longer, len), "length");
		}
		is_refused(m, span_of(NULL, 0), "nothing");
		kex_free(k);
	}
}

Test(kex, points_that_are_not_on_the_curve_are_refused)
{
	for (enum kex_method m = KEX_ECDH_P256; m <= KEX_ECDH_P521; m++) {
		uint8_t point[256];
		struct span public;
		struct kex *k = NULL;

		cr_assert_eq(kex_new(m, 32, &k), OK);
		public = kex_public(k);
		for (size_t i = 0; i < public.len; i += public.len / 3) {
			memcpy(point, public.ptr, public.len);
			point[i] ^= 1;
			is_refused(m, span_of(point, public.len), "a bit of it");
		}
		memset(point + 1, 0, public.len - 1);
		point[0] = 4;
		is_refused(m, span_of(point, public.len), "zero");
		memset(point + 1, 0xff, public.len - 1);
		is_refused(m, span_of(point, public.len), "past the field");
		/* The hybrid form of a sound point, which OpenSSL would take. */
		memcpy(point, public.ptr, public.len);
		point[0] = (uint8_t)(6 | (public.ptr[public.len - 1] & 1));
		is_refused(m, span_of(point, public.len), "hybrid form");
		kex_free(k);
	}
}

Test(kex, a_point_of_another_curve_is_refused)
{
	for (enum kex_method m = KEX_NONE + 1; m <= KEX_ECDH_P521; m++) {
		for (enum kex_method other = KEX_NONE + 1; other < KEX_METHOD_COUNT; other++) {
			struct kex *k = NULL;

			cr_assert_eq(kex_new(other, 32, &k), OK);
			if (other != m)
				is_refused(m, kex_public(k), kex_method_name(other));
			kex_free(k);
		}
	}
}

Test(kex, the_names_are_the_methods)
{
	struct span list = span_str(kex_names()), name;
	unsigned seen = 0;

	while (wire_namelist_next(&list, &name)) {
		cr_assert_neq(kex_by_name(name), KEX_NONE);
		seen |= 1u << kex_by_name(name);
	}
	cr_assert_eq(seen, (1u << KEX_METHOD_COUNT) - 2);
	cr_assert_eq(kex_by_name(span_str("ext-info-c")), KEX_NONE);
	cr_assert_eq(kex_by_name(span_str("")), KEX_NONE);
}

Test(kex, a_written_pair_is_the_same_pair_and_of_no_other_method)
{
	for (enum kex_method m = KEX_NONE + 1; m < KEX_METHOD_COUNT; m++) {
		struct buf written = {0}, secret = {0}, again = {0};
		struct kex *ours, *peer, *copy;

		cr_assert_eq(kex_new(m, 32, &ours), OK);
		cr_assert_eq(kex_new(m, 32, &peer), OK);
		cr_assert_eq(kex_write(ours, &written), OK);
		for (enum kex_method other = KEX_NONE + 1; other < KEX_METHOD_COUNT; other++) {
			struct wire_reader r = wire_reader_of(buf_span(&written));
			enum err e = kex_read(&r, other, &copy);

			cr_assert_eq(e, other == m ? OK : ERR_FORMAT, "%s as %s",
				kex_method_name(m), kex_method_name(other));
			if (e != OK)
				continue;
			cr_assert(span_equal(kex_public(copy), kex_public(ours)));
			cr_assert_eq(kex_secret(ours, kex_public(peer), &secret), OK);
			cr_assert_eq(kex_secret(copy, kex_public(peer), &again), OK);
			cr_assert(span_equal(buf_span(&secret), buf_span(&again)));
			kex_free(copy);
		}
		kex_free(ours);
		kex_free(peer);
		buf_clear(&written);
		buf_clear(&secret);
		buf_clear(&again);
	}
}
