/*
 * common/ssh/cipher: known answers, and what the written form keeps.
 */
#include "common/ssh/cipher.h"

#include "tests/lib/hex_vector.h"
#include "tests/lib/leg_pair.h"
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
	cr_assert_eq(plain->len + 16, sealed->len);
	memcpy(packet, plain->data, plain->len);
	cr_assert_eq(cipher_seal(seal, seq, packet, plain->len - 4), OK);
	cr_assert(span_equal(span_of(packet, sealed->len), buf_span(sealed)));
	cr_assert_eq(cipher_peek_length(open, seq, packet, &length), OK);
	cr_assert_eq(length, plain->len - 4);
	cr_assert_eq(cipher_open(open, seq, packet, plain->len - 4), OK);
	cr_assert(span_equal(span_of(packet, plain->len), buf_span(plain)));
}

Test(cipher, chacha20_poly1305_packets_are_those_of_another_implementation)
{
	static const uint32_t seqs[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
	struct buf file = {0}, key = {0}, plain = {0}, sealed = {0};
	struct cipher *seal, *open;

	vector_read("transport.txt", &file);
	hex_vector(&file, "chacha.key", &key);
	cr_assert_eq(cipher_new(CIPHER_CHACHA20_POLY1305, CIPHER_SEAL, key.data, NULL, &seal), OK);
	cr_assert_eq(cipher_new(CIPHER_CHACHA20_POLY1305, CIPHER_OPEN, key.data, NULL, &open), OK);
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
	cr_assert_eq(cipher_new(kind, CIPHER_SEAL, key.data, iv.data, &seal), OK);
	cr_assert_eq(cipher_new(kind, CIPHER_OPEN, key.data, iv.data, &open), OK);
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

static void
make(enum cipher_kind kind, enum cipher_direction direction, struct cipher **out)
{
	uint8_t key[CIPHER_KEY_MAX], iv[CIPHER_IV_MAX];

	payload_fill(key, sizeof(key), 1, 2);
	payload_fill(iv, sizeof(iv), 3, 4);
	cr_assert_eq(cipher_new(kind, direction, key, iv, out), OK);
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

Test(cipher, there_is_no_cipher_of_kind_none)
{
	struct cipher *c;

	cr_assert_eq(cipher_new(CIPHER_NONE, CIPHER_SEAL, NULL, NULL, &c), ERR_UNSUPPORTED);
	cipher_free(NULL);
}

Test(cipher, the_written_form_goes_on_between_any_two_packets)
{
	for (enum cipher_kind kind = CIPHER_NONE + 1; kind < CIPHER_KIND_COUNT; kind++) {
		struct cipher *seal, *open, *copy;
		struct buf b = {0};

		make(kind, CIPHER_SEAL, &seal);
		make(kind, CIPHER_OPEN, &open);
		for (uint32_t seq = 0; seq < 5; seq++) {
			uint8_t packet[4 + 32 + 16] = {0, 0, 0, 32, (uint8_t)seq};
			struct wire_reader r;

			cr_assert_eq(cipher_seal(seal, seq, packet, 32), OK);
			cr_assert_eq(cipher_open(open, seq, packet, 32), OK);
			cr_assert_eq(packet[4], seq);
			cr_assert_eq(cipher_write(open, &b), OK);
			r = wire_reader_of(buf_span(&b));
			cr_assert_eq(cipher_read(&r, CIPHER_OPEN, &copy), OK);
			cr_assert_eq(wire_left(&r), 0);
			cr_assert_eq(cipher_kind(copy), kind);
			cipher_free(open);
			open = copy;
			buf_reset(&b);
		}
		cipher_free(seal);
		cipher_free(open);
		buf_clear(&b);
	}
}

Test(cipher, a_written_form_is_for_one_direction_and_whole)
{
	for (enum cipher_kind kind = CIPHER_NONE + 1; kind < CIPHER_KIND_COUNT; kind++) {
		struct cipher *c, *copy = NULL;
		struct buf b = {0};

		make(kind, CIPHER_SEAL, &c);
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

Test(cipher, a_packet_costs_no_allocation)
{
	uint8_t packet[4 + 1024 + 16];

	for (enum cipher_kind kind = CIPHER_NONE + 1; kind < CIPHER_KIND_COUNT; kind++) {
		struct cipher *seal, *open;
		uint32_t length;
		size_t before;

		make(kind, CIPHER_SEAL, &seal);
		make(kind, CIPHER_OPEN, &open);
		cr_assert_gt(n_allocations, 0);
		before = n_allocations;
		for (uint32_t seq = 0; seq < 100; seq++) {
			wire_poke_u32(packet, 1024);
			cr_assert_eq(cipher_seal(seal, seq, packet, 1024), OK);
			cr_assert_eq(cipher_peek_length(open, seq, packet, &length), OK);
			cr_assert_eq(cipher_open(open, seq, packet, length), OK);
		}
		cr_assert_eq(n_allocations, before, "kind %d: %zu", kind, n_allocations - before);
		cipher_free(seal);
		cipher_free(open);
	}
}
