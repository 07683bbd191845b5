/*
 * common/ssh/wire: the data types of RFC 4251 section 5.
 */
#include "common/ssh/wire.h"

#include <criterion/criterion.h>

Test(wire, values_come_back_as_they_were_put)
{
	struct buf b = {0};
	struct wire_reader r;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	bool yes;
	struct span s;
	char text[8];

	cr_assert(!wire_put_u8(&b, 7) && !wire_put_bool(&b, true) && !wire_put_u16(&b, 0xabcd) &&
		!wire_put_u32(&b, 0x01020304) && !wire_put_u64(&b, 0x0102030405060708) &&
		!wire_put_string(&b, span_of("a\0b", 3)) && !wire_put_cstring(&b, "user"));
	r = wire_reader_of(buf_span(&b));
	cr_assert(!wire_get_u8(&r, &u8) && u8 == 7);
	cr_assert(!wire_get_bool(&r, &yes) && yes);
	cr_assert(!wire_get_u16(&r, &u16) && u16 == 0xabcd);
	cr_assert(!wire_get_u32(&r, &u32) && u32 == 0x01020304);
	cr_assert(!wire_get_u64(&r, &u64) && u64 == 0x0102030405060708);
	cr_assert(!wire_get_string(&r, &s) && span_equal(s, span_of("a\0b", 3)));
	cr_assert(!wire_get_cstring(&r, text, sizeof(text)));
	cr_assert_str_eq(text, "user");
	cr_assert_eq(wire_end(&r), OK);
	buf_clear(&b);
}

Test(wire, each_cut_of_a_string_is_refused_and_leaves_the_reader)
{
	static const uint8_t whole[] = {0, 0, 0, 3, 'a', 'b', 'c'};
	struct span s;

	for (size_t len = 0; len < sizeof(whole); len++) {
		struct wire_reader r = wire_reader_of(span_of(whole, len));

		cr_assert_eq(wire_get_string(&r, &s), ERR_FORMAT);
		cr_assert_eq(wire_left(&r), len);
	}
}

Test(wire, a_length_near_the_top_of_u32_is_refused)
{
	static const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 1, 2, 3};
	struct wire_reader r = wire_reader_of(span_of(bytes, sizeof(bytes)));
	struct span s;

	cr_assert_eq(wire_get_string(&r, &s), ERR_FORMAT);
}

Test(wire, a_cstring_has_no_nul_and_must_fit)
{
	static const uint8_t nul[] = {0, 0, 0, 3, 'a', 0, 'c'};
	static const uint8_t four[] = {0, 0, 0, 4, 'a', 'b', 'c', 'd'};
	struct wire_reader r = wire_reader_of(span_of(nul, sizeof(nul)));
	char out[4];

	cr_assert_eq(wire_get_cstring(&r, out, sizeof(out)), ERR_FORMAT);
	r = wire_reader_of(span_of(four, sizeof(four)));
	cr_assert_eq(wire_get_cstring(&r, out, sizeof(out)), ERR_FORMAT);
	cr_assert_eq(wire_left(&r), sizeof(four));
}

/* The examples of RFC 4251 section 5. */
Test(wire, mpints_are_written_as_in_rfc_4251)
{
	static const struct {
		uint8_t in[8];
		size_t in_len;
		uint8_t out[16];
		size_t out_len;
	} cases[] = {
		{{0}, 0, {0, 0, 0, 0}, 4},
		{{0, 0}, 2, {0, 0, 0, 0}, 4},
		{{0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7}, 8,
			{0, 0, 0, 8, 0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7}, 12},
		{{0x80}, 1, {0, 0, 0, 2, 0, 0x80}, 6},
		{{0, 0x80}, 2, {0, 0, 0, 2, 0, 0x80}, 6},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = {0};
		struct wire_reader r;
		struct span s;

		cr_assert_eq(wire_put_mpint(&b, span_of(cases[i].in, cases[i].in_len)), OK);
		cr_assert(span_equal(buf_span(&b), span_of(cases[i].out, cases[i].out_len)));
		r = wire_reader_of(buf_span(&b));
		cr_assert_eq(wire_get_mpint(&r, &s), OK);
		buf_clear(&b);
	}
}

Test(wire, negative_and_padded_mpints_are_refused)
{
	static const uint8_t negative[] = {0, 0, 0, 2, 0xed, 0xcc};
	static const uint8_t padded[] = {0, 0, 0, 2, 0, 0x7f};
	static const uint8_t zero[] = {0, 0, 0, 1, 0};
	struct span s,
		bytes[] = {span_of(negative, sizeof(negative)), span_of(padded, sizeof(padded)),
			span_of(zero, sizeof(zero))};

	for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
		struct wire_reader r = wire_reader_of(bytes[i]);

		cr_assert_eq(wire_get_mpint(&r, &s), ERR_FORMAT);
	}
}

Test(wire, name_lists_are_searched_by_whole_names)
{
	struct span list = span_str("aes128-gcm@openssh.com,none");

	cr_assert(wire_namelist_has(list, span_str("none")));
	cr_assert(wire_namelist_has(list, span_str("aes128-gcm@openssh.com")));
	cr_assert_not(wire_namelist_has(list, span_str("aes128-gcm")));
	cr_assert_not(wire_namelist_has(list, span_str("")));
	cr_assert_not(wire_namelist_has(span_str(""), span_str("")));
}
