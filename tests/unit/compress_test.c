/*
 * common/ssh/compress: streams of packets in both directions; what is hostile, and what is too much.
 */
#include "common/ssh/compress.h"

#include "tests/lib/hex_vector.h"

#include <criterion/criterion.h>
#include <openssl/rand.h>
#include <stdlib.h>

#define MAX ((size_t)256 * 1024)

/* Made with Python's zlib: compressobj(6), each payload followed by a flush with Z_PARTIAL_FLUSH. */
static const struct {
	const char *payload;
	const char *content;
} stream[] = {
	{"5e68656c6c6f2c2068656c6c6f2c2068656c6c6f", "789c8acb48cdc9c9d75140a60002"},
	{"5e68656c6c6f2c2068656c6c6f2c2068656c6c6f20616761696e", "280e8b9842627a62661e40"},
	{"0001020304050607", "0031303231b3b0b2b10304"},
};

static struct compress *
new_deflate(void)
{
	struct compress *c;

	cr_assert_eq(compress_new_deflate(&c), OK);
	return c;
}

static struct compress *
new_inflate(void)
{
	struct compress *c;

	cr_assert_eq(compress_new_inflate(&c), OK);
	return c;
}

/* Into memory of exactly the bound, so that a sanitizer sees what passes it. */
static void
deflate_to(struct compress *d, struct span payload, struct buf *out)
{
	size_t room = compress_bound(payload.len);
	uint8_t *at = malloc(room);
	size_t len;

	cr_assert_not_null(at);
	cr_assert_eq(compress_deflate(d, payload, at, room, &len), OK);
	cr_assert_eq(buf_append(out, at, len), OK);
	free(at);
}

Test(compress, the_stream_is_that_of_another_implementation)
{
	struct compress *d = new_deflate(), *i = new_inflate();
	struct buf payload = {0}, content = {0}, out;

	buf_init(&out, MAX);
	for (size_t n = 0; n < ARRAY_LEN(stream); n++) {
		hex_read(stream[n].payload, &payload);
		hex_read(stream[n].content, &content);
		deflate_to(d, buf_span(&payload), &out);
		cr_assert(span_equal(buf_span(&out), buf_span(&content)), "deflated %zu", n);
		buf_reset(&out);
		cr_assert_eq(compress_inflate(i, buf_span(&content), &out), OK);
		cr_assert(span_equal(buf_span(&out), buf_span(&payload)), "inflated %zu", n);
		buf_reset(&out);
	}
	compress_free(d);
	compress_free(i);
	buf_clear(&payload);
	buf_clear(&content);
	buf_clear(&out);
}

/* Bytes that cannot be made smaller, or nothing but zeros. */
static void
pass(struct compress *d, struct compress *i, size_t len, bool random)
{
	uint8_t *bytes = calloc(1, len);
	struct buf deflated = {0}, inflated;

	cr_assert_not_null(bytes);
	if (random)
		cr_assert_eq(RAND_bytes(bytes, (int)len), 1);
	buf_init(&inflated, len + 1);
	deflate_to(d, span_of(bytes, len), &deflated);
	cr_assert_eq(compress_inflate(i, buf_span(&deflated), &inflated), OK);
	cr_assert(span_equal(buf_span(&inflated), span_of(bytes, len)), "%zu bytes", len);
	buf_clear(&deflated);
	buf_clear(&inflated);
	free(bytes);
}

Test(compress, each_packet_can_be_read_as_soon_as_it_is_there_and_stays_within_the_bound)
{
	static const size_t lengths[] = {1, 2, 7, 100, 4095, 4096, 4097, 32768, 65536, MAX - 5};
	struct compress *d = new_deflate(), *i = new_inflate();

	for (size_t n = 0; n < ARRAY_LEN(lengths); n++) {
		pass(d, i, lengths[n], true);
		pass(d, i, lengths[n], false);
	}
	compress_free(d);
	compress_free(i);
}

Test(compress, a_little_that_becomes_a_lot_is_refused)
{
	struct compress *d = new_deflate(), *i = new_inflate();
	uint8_t *zeros = calloc(1, 16 * MAX);
	struct buf bomb, out;

	cr_assert_not_null(zeros);
	buf_init(&bomb, 17 * MAX);
	buf_init(&out, MAX);
	deflate_to(d, span_of(zeros, 16 * MAX), &bomb);
	cr_assert_lt(bomb.len, 16 * MAX / 200);
	cr_assert_eq(compress_inflate(i, buf_span(&bomb), &out), ERR_LIMIT);
	cr_assert_leq(out.len, MAX);
	buf_clear(&bomb);
	buf_clear(&out);
	free(zeros);
	compress_free(d);
	compress_free(i);
}

Test(compress, what_is_no_stream_is_refused)
{
	static const struct {
		const char *what;
		const char *bytes;
	} bad[] = {
		{"no zlib header", "00000000"},
		{"a preset dictionary", "78bb00000001"},
		{"a reserved block type", "789c07"},
		{"an end of the stream", "789c030000000001"},
		{"an end, and more behind it", "789c0300000000010000"},
		{"a distance to before the beginning", "789c02020000"},
	};
	struct buf bytes = {0}, out;

	buf_init(&out, MAX);
	for (size_t n = 0; n < ARRAY_LEN(bad); n++) {
		struct compress *i = new_inflate();

		hex_read(bad[n].bytes, &bytes);
		cr_expect_eq(
			compress_inflate(i, buf_span(&bytes), &out), ERR_FORMAT, "%s", bad[n].what);
		compress_free(i);
		buf_reset(&out);
	}
	buf_clear(&bytes);
	buf_clear(&out);
}

Test(compress, what_does_not_fit_is_not_cut)
{
	static const uint8_t payload[] = "what cannot be made smaller";
	uint8_t at[sizeof(payload)];
	size_t len;

	for (size_t room = 1; room <= sizeof(payload); room++) {
		struct compress *d = new_deflate();

		cr_assert_eq(compress_deflate(d, span_of(payload, sizeof(payload)), at, room, &len),
			ERR_LIMIT, "room for %zu", room);
		compress_free(d);
	}
}

Test(compress, names_go_there_and_back)
{
	enum compression c;

	cr_assert_eq(compression_by_name(span_str("zlib@openssh.com"), &c), OK);
	cr_assert_eq(c, COMPRESSION_ZLIB_DELAYED);
	cr_assert_str_eq(compression_name(c), "zlib@openssh.com");
	cr_assert_eq(compression_by_name(span_str("none"), &c), OK);
	cr_assert_eq(c, COMPRESSION_NONE);
	cr_assert_eq(compression_by_name(span_str("zlib"), &c), ERR_UNSUPPORTED);
}
