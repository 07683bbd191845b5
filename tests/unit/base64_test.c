/*
 * common/base64: one value has one text.
 */
#include "common/base64.h"

#include <criterion/criterion.h>

/* RFC 4648 section 10. */
Test(base64, texts_are_those_of_rfc_4648)
{
	static const char *const cases[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf text = {0}, bytes = {0};

		cr_assert_eq(base64_encode(span_str(cases[i][0]), &text), OK);
		cr_assert(span_is(buf_span(&text), cases[i][1]));
		cr_assert_eq(base64_decode(span_str(cases[i][1]), &bytes), OK);
		cr_assert(span_is(buf_span(&bytes), cases[i][0]));
		buf_clear(&text);
		buf_clear(&bytes);
	}
}

Test(base64, every_byte_value_comes_back)
{
	struct buf text = {0}, back = {0};
	uint8_t bytes[256];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		buf_reset(&text);
		buf_reset(&back);
		cr_assert_eq(base64_encode(span_of(bytes, len), &text), OK);
		cr_assert_eq(text.len, BASE64_LEN(len));
		cr_assert_eq(base64_decode(buf_span(&text), &back), OK);
		cr_assert(span_equal(buf_span(&back), span_of(bytes, len)));
	}
	buf_clear(&text);
	buf_clear(&back);
}

Test(base64, anything_else_is_refused_and_changes_nothing)
{
	static const char *const cases[] = {"Z", "Zg", "Zg=", "Zg===", "====", "=g==", "Z===",
		"Zh==", "Zm9=", "Zm8=Zm8=", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm 9", "Zm9-", "Zm9_",
		"Zm\x80v", "Zm9v===="};
	struct buf out = {0};

	cr_assert_eq(buf_append(&out, "x", 1), OK);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cr_assert_eq(base64_decode(span_str(cases[i]), &out), ERR_FORMAT, "%s", cases[i]);
		cr_assert(span_is(buf_span(&out), "x"));
	}
	buf_clear(&out);
}
