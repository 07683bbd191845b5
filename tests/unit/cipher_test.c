/*
 * common/ssh/cipher: known answers, and what the written form keeps.
 */
#include "common/ssh/cipher.h"

#include "tests/lib/hex_vector.h"
#include "tests/lib/leg_pair.h"
#include "tests/lib/suites.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>
#include <openssl/crypto.h>

static const char *
named(const char *format, unsigned a, const char *b)
{
	static char name[64];

	(void)snprintf(name, sizeof(name), format, a, b);
	return name;
}

/* Sealing plain gives sealed, opening sealed gives plain. */
static void
packet_is_known(struct cipher *seal, struct cipher *open, uint32_t seq, const struct buf *plain,
	const struct buf *sealed)
{
	uint8_t packet[1024];
	uint32_t length;

	cr_assert_leq(sealed->len, sizeof(packet));
	cr_assert_eq(plain->len + cipher_layout(seal)->tag_len, sealed->len);
	memcpy(packet, plain->data, plain->len);
	cr_assert_eq(cipher_seal(seal, seq, packet, plain->len - 4), OK);
	cr_assert(span_equal(span_of(packet, sealed->len), buf_span(sealed)));
	cr_assert_eq(cipher_peek_length(open, seq, packet, &length), OK);
	cr_assert_eq(length, plain->len - 4);
	cr_assert_eq(cipher_open(open, seq, packet, plain->len - 4), OK);
	cr_assert(span_equal(span_of(packet, plain->len), buf_span(plain)));
}

/* Both directions under the same keys. */
static void
make_both(struct cipher_suite suite, const struct cipher_keys *keys, struct cipher **seal,
	struct cipher **open)
{
	cr_assert_eq(cipher_new(suite, CIPHER_SEAL, keys, seal), OK);
	cr_assert_eq(cipher_new(suite, CIPHER_OPEN, keys, open), OK);
}

Test(cipher, chacha20_poly1305_packets_are_those_of_another_implementation)
{
	static const uint32_t seqs[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
	struct buf file = {0}, key = {0}, plain = {0}, sealed = {0};
	struct cipher *seal, *open;

	vector_read("transport.txt", &file);
	hex_vector(&file, "chacha.key", &key);
	make_both((struct cipher_suite){CIPHER_CHACHA20_POLY1305, MAC_NONE},
		&(struct cipher_keys){.key = key.data}, &seal, &open);
	for (size_t i = 0; i < ARRAY_LEN(seqs); i++) {
		hex_vector(&file, named("chacha.%08x.%s", seqs[i], "plain"), &plain);
		hex_vector(&file, named("chacha.%08x.%s", seqs[i], "sealed"), &sealed);
		packet_is_known(seal, open, seqs[i], &plain, &sealed);
	}
	cipher_free(seal);
	cipher_free(open);
	buf_clear(&file);
	buf_clear(&key);
	buf_clear(&plain);
	buf_clear(&sealed);
}

/* The invocation counter of these passes 2^64 after two packets. */
static void
gcm_is_known(enum cipher_kind kind, unsigned bits)
{
	struct buf file = {0}, key = {0}, iv = {0}, plain = {0}, sealed = {0};
	struct cipher *seal, *open;
	char name[32];

	vector_read("transport.txt", &file);
	hex_vector(&file, named("gcm%u.%s", bits, "key"), &key);
	hex_vector(&file, named("gcm%u.%s", bits, "iv"), &iv);
	make_both((struct cipher_suite){kind, MAC_NONE},
		&(struct cipher_keys){.key = key.data, .iv = iv.data}, &seal, &open);
	for (unsigned i = 0; i < 5; i++) {
		(void)snprintf(name, sizeof(name), "gcm%u.%u.plain", bits, i);
		hex_vector(&file, name, &plain);
		(void)snprintf(name, sizeof(name), "gcm%u.%u.sealed", bits, i);
		hex_vector(&file, name, &sealed);
		/* The sequence number is no part of it. */
		packet_is_known(seal, open, i * 1000, &plain, &sealed);
	}
	cipher_free(seal);
	cipher_free(open);
	buf_clear(&file);
	buf_clear(&key);
	buf_clear(&iv);
	buf_clear(&plain);
	buf_clear(&sealed);
}

Test(cipher, aes_gcm_packets_are_those_of_another_implementation)
{
	gcm_is_known(CIPHER_AES128_GCM, 128);
	gcm_is_known(CIPHER_AES256_GCM, 256);
}

/* The block counter of these passes 2^128 within the fourth packet, the sequence number 2^32 before that. */
static void
ctr_is_known(enum cipher_kind kind, enum mac_kind mac)
{
	struct buf file = {0}, key = {0}, mac_key = {0}, iv = {0}, plain = {0}, sealed = {0};
	struct cipher *seal, *open;
	char name[80], base[64];

	(void)snprintf(base, sizeof(base), "%s.%s", cipher_info(kind)->name, mac_info(mac)->name);
	vector_read("transport.txt", &file);
	(void)snprintf(name, sizeof(name), "%s.key", base);
	hex_vector(&file, name, &key);
	(void)snprintf(name, sizeof(name), "%s.iv", base);
	hex_vector(&file, name, &iv);
	(void)snprintf(name, sizeof(name), "%s.mac_key", base);
	hex_vector(&file, name, &mac_key);
	make_both((struct cipher_suite){kind, mac},
		&(struct cipher_keys){.key = key.data, .iv = iv.data, .mac_key = mac_key.data},
		&seal, &open);
	for (uint32_t i = 0; i < 5; i++) {
		(void)snprintf(name, sizeof(name), "%s.%u.plain", base, i);
		hex_vector(&file, name, &plain);
		(void)snprintf(name, sizeof(name), "%s.%u.sealed", base, i);
		hex_vector(&file, name, &sealed);
		packet_is_known(seal, open, UINT32_MAX - 2 + i, &plain, &sealed);
	}
	cipher_free(seal);
	cipher_free(open);
	buf_clear(&file);
	buf_clear(&key);
	buf_clear(&mac_key);
	buf_clear(&iv);
	buf_clear(&plain);
	buf_clear(&sealed);
}

Test(cipher, aes_ctr_packets_are_those_of_another_implementation)
{
	for (enum cipher_kind kind = CIPHER_AES128_CTR; kind <= CIPHER_AES256_CTR; kind++) {
		for (enum mac_kind mac = MAC_NONE + 1; mac < MAC_KIND_COUNT; mac++)
			ctr_is_known(kind, mac);
	}
}

/* NIST SP 800-38A, F.5.1, F.5.3 and F.5.5: four blocks from the counter f0f1..ff, taken for a packet. */
Test(cipher, aes_ctr_is_that_of_nist)
{
	static const char plain[] =
		"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
	static const struct {
		enum cipher_kind kind;
		const char *key, *sealed;
	} cases[] = {
		{CIPHER_AES128_CTR, "2b7e151628aed2a6abf7158809cf4f3c",
			"874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
			"5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"},
		{CIPHER_AES192_CTR, "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
			"1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"
			"1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050"},
		{CIPHER_AES256_CTR,
			"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
			"601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
			"2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"},
	};
	struct buf key = {0}, iv = {0}, in = {0}, want = {0};
	uint8_t packet[64 + MAC_LEN_MAX], mac_key[MAC_LEN_MAX] = {0};

	hex_read("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", &iv);
	hex_read(plain, &in);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cipher *c;
		struct cipher_keys keys = {.iv = iv.data, .mac_key = mac_key};

		hex_read(cases[i].key, &key);
		hex_read(cases[i].sealed, &want);
		keys.key = key.data;
		cr_assert_eq(cipher_new((struct cipher_suite){cases[i].kind, MAC_SHA2_512},
				     CIPHER_SEAL, &keys, &c),
			OK);
		memcpy(packet, in.data, in.len);
		cr_assert_eq(cipher_seal(c, 0, packet, 60), OK);
		cr_assert(span_equal(span_of(packet, 64), buf_span(&want)), "case %zu", i);
		cipher_free(c);
	}
	buf_clear(&key);
	buf_clear(&iv);
	buf_clear(&in);
	buf_clear(&want);
}

static void
make(struct cipher_suite suite, enum cipher_direction direction, struct cipher **out)
{
	suite_cipher(suite, direction, out);
}

Test(cipher, the_names_are_the_kinds)
{
	struct span list = span_str(cipher_names()), name;
	size_t n = 0;

	for (; wire_namelist_next(&list, &name); n++) {
		enum cipher_kind kind = cipher_by_name(name);

		cr_assert_neq(kind, CIPHER_NONE);
		cr_assert(span_is(name, cipher_info(kind)->name));
	}
	cr_assert_eq(n, CIPHER_KIND_COUNT - 1);
	cr_assert_eq(cipher_by_name(span_str("none")), CIPHER_NONE);
	cr_assert_eq(cipher_by_name(span_str("")), CIPHER_NONE);
	cr_assert_eq(cipher_by_name(span_str("aes128-gcm@openssh.co")), CIPHER_NONE);
}

Test(cipher, a_cipher_comes_with_the_mac_that_it_needs_and_no_other)
{
	uint8_t bytes[64] = {0};
	struct cipher_keys keys = {.key = bytes, .iv = bytes, .mac_key = bytes};

	for (enum cipher_kind kind = CIPHER_NONE; kind < CIPHER_KIND_COUNT; kind++) {
		bool is_ctr = kind >= CIPHER_AES128_CTR;

		cr_assert_eq(cipher_needs_mac(kind), is_ctr);
		for (enum mac_kind mac = MAC_NONE; mac < MAC_KIND_COUNT; mac++) {
			bool ok = kind != CIPHER_NONE && is_ctr == (mac != MAC_NONE);
			struct cipher *c = NULL;

			cr_assert_eq(cipher_new((struct cipher_suite){kind, mac}, CIPHER_SEAL,
					     &keys, &c),
				ok ? OK : ERR_UNSUPPORTED);
			cipher_free(c);
		}
	}
}

Test(cipher, keys_are_replaced_when_openssh_replaces_them)
{
	for (enum cipher_kind kind = CIPHER_NONE + 1; kind < CIPHER_KIND_COUNT; kind++) {
		const struct cipher_info *info = cipher_info(kind);
		uint64_t blocks = info->block == 16 ? (uint64_t)1 << 32 : ((uint64_t)1 << 30) / 8;

		cr_assert_eq(info->rekey_bytes, blocks * info->block, "%s", info->name);
	}
}

/* What OpenSSH takes for a suite: the longest of its keys, its IV and its block. */
Test(cipher, the_need_of_a_suite_is_its_longest_key)
{
	static const size_t want[SUITES] = {
		64, 32, 16, 32, 64, 32, 64, 32, 64, 32, 64, 32, 64, 32, 64};

	for (size_t i = 0; i < SUITES; i++)
		cr_assert_eq(cipher_suite_need(suite_kinds(&suites[i])), want[i], "%zu", i);
}

Test(cipher, the_written_form_goes_on_between_any_two_packets)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct cipher_suite suite = suite_kinds(&suites[i]);
		struct cipher *seal, *open, *copy;
		struct buf b = {0};

		make(suite, CIPHER_SEAL, &seal);
		make(suite, CIPHER_OPEN, &open);
		for (uint32_t seq = 0; seq < 5; seq++) {
			uint8_t packet[4 + 44 + MAC_LEN_MAX] = {0, 0, 0, 0, (uint8_t)seq};
			size_t len = cipher_layout(seal)->length_is_aligned ? 44 : 32;
			struct wire_reader r;

			cr_assert_eq(cipher_seal(seal, seq, packet, len), OK);
			cr_assert_eq(cipher_open(open, seq, packet, len), OK);
			cr_assert_eq(packet[4], seq);
			for (int side = 0; side < 2; side++) {
				struct cipher **c = side == 0 ? &seal : &open;
				enum cipher_direction d = side == 0 ? CIPHER_SEAL : CIPHER_OPEN;

				cr_assert_eq(cipher_write(*c, &b), OK);
				r = wire_reader_of(buf_span(&b));
				cr_assert_eq(cipher_read(&r, d, &copy), OK);
				cr_assert_eq(wire_left(&r), 0);
				cr_assert(cipher_suite(copy).kind == suite.kind &&
					cipher_suite(copy).mac == suite.mac);
				cipher_free(*c);
				*c = copy;
				buf_reset(&b);
			}
		}
		cipher_free(seal);
		cipher_free(open);
		buf_clear(&b);
	}
}

Test(cipher, a_written_form_is_for_one_direction_and_whole)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct cipher *c, *copy = NULL;
		struct buf b = {0};

		make(suite_kinds(&suites[i]), CIPHER_SEAL, &c);
		cr_assert_eq(cipher_write(c, &b), OK);
		for (size_t len = 0; len <= b.len; len++) {
			struct wire_reader r = wire_reader_of(span_of(b.data, len));
			enum cipher_direction d = len < b.len ? CIPHER_SEAL : CIPHER_OPEN;

			cr_assert_eq(cipher_read(&r, d, &copy), ERR_FORMAT);
		}
		cr_assert_null(copy);
		cipher_free(c);
		buf_clear(&b);
	}
}

/* The length is read before anything is verified, as often as bytes come, and reading it must not disturb the stream. */
Test(cipher, a_length_can_be_read_again_and_again)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct cipher *seal, *open;

		make(suite_kinds(&suites[i]), CIPHER_SEAL, &seal);
		make(suite_kinds(&suites[i]), CIPHER_OPEN, &open);
		for (uint32_t seq = 0; seq < 3; seq++) {
			uint32_t length = cipher_layout(seal)->length_is_aligned ? 44 : 48, got;
			uint8_t packet[4 + 48 + MAC_LEN_MAX] = {0};

			wire_poke_u32(packet, length);
			cr_assert_eq(cipher_seal(seal, seq, packet, length), OK);
			for (int n = 0; n < 5; n++) {
				cr_assert_eq(cipher_peek_length(open, seq, packet, &got), OK);
				cr_assert_eq(got, length);
			}
			cr_assert_eq(cipher_open(open, seq, packet, length), OK);
			cr_assert_eq(wire_peek_u32(packet), length);
		}
		cipher_free(seal);
		cipher_free(open);
	}
}

static size_t n_allocations;

static void *
counting_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	n_allocations++;
	return malloc(n);
}

static void *
counting_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	n_allocations++;
	return realloc(p, n);
}

static void
counting_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

/* OpenSSL takes other allocation functions only before its first allocation. */
static void __attribute__((constructor)) count_allocations(void)
{
	if (CRYPTO_set_mem_functions(counting_malloc, counting_realloc, counting_free) != 1)
		abort();
}

/* OpenSSL 3.0 copies the state of a hash that began with the key, twice for each code; later versions reuse the memory. */
#define HMAC_ALLOCATIONS 4

Test(cipher, a_packet_costs_no_allocation)
{
	uint8_t packet[4 + 1024 + MAC_LEN_MAX];

	for (size_t i = 0; i < SUITES; i++) {
		struct cipher *seal, *open;
		uint32_t length;
		size_t before, most;

		make(suite_kinds(&suites[i]), CIPHER_SEAL, &seal);
		make(suite_kinds(&suites[i]), CIPHER_OPEN, &open);
		cr_assert_gt(n_allocations, 0);
		before = n_allocations;
		for (uint32_t seq = 0; seq < 100; seq++) {
			wire_poke_u32(packet, cipher_layout(seal)->length_is_aligned ? 1020 : 1024);
			cr_assert_eq(cipher_seal(seal, seq, packet, wire_peek_u32(packet)), OK);
			cr_assert_eq(cipher_peek_length(open, seq, packet, &length), OK);
			cr_assert_eq(cipher_open(open, seq, packet, length), OK);
		}
		most = suites[i].mac != NULL ? (size_t)100 * 2 * HMAC_ALLOCATIONS : 0;
		cr_assert_leq(n_allocations - before, most, "%s: %zu", suites[i].cipher,
			n_allocations - before);
		cipher_free(seal);
		cipher_free(open);
	}
}
