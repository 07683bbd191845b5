/*
 * common/buf: growth, maximum, emptying from the front.
 */
#include "common/buf.h"

#include <criterion/criterion.h>

Test(buf, refuses_what_is_past_its_maximum_and_stays_unchanged)
{
	struct buf b;

	buf_init(&b, 10);
	cr_assert_eq(buf_append(&b, "0123456", 7), OK);
	cr_assert_eq(buf_append(&b, "0123", 4), ERR_LIMIT);
	cr_assert(span_is(buf_span(&b), "0123456"));
	cr_assert_eq(buf_append(&b, "789", 3), OK);
	buf_clear(&b);
}

Test(buf, keeps_its_content_over_growth_and_consumption)
{
	struct buf b = {0};
	uint8_t expected = 0;

	for (unsigned i = 0; i < 5000; i++) {
		uint8_t v = (uint8_t)i;

		cr_assert_eq(buf_append(&b, &v, 1), OK);
		if (i % 3 == 2) {
			cr_assert_eq(buf_span(&b).ptr[0], expected++);
			buf_consume(&b, 1);
		}
	}
	cr_assert_eq(b.len, 5000 - 5000 / 3);
	cr_assert_eq(buf_span(&b).ptr[0], expected);
	buf_consume(&b, b.len);
	cr_assert_null(b.data);
}

Test(buf, exact_append_allocates_no_more_than_it_holds)
{
	struct buf b = {0};

	cr_assert_eq(buf_append_exact(&b, "abcde", 5), OK);
	cr_assert_eq(b.cap, 5);
	cr_assert_eq(buf_append_exact(&b, "fg", 2), OK);
	cr_assert_eq(b.cap, 7);
	buf_clear(&b);
}

Test(buf, take_moves_the_content)
{
	struct buf a = {0}, b = {0};

	cr_assert_eq(buf_append(&a, "xyz", 3), OK);
	buf_take(&b, &a);
	cr_assert_eq(a.len, 0);
	cr_assert(span_is(buf_span(&b), "xyz"));
	buf_clear(&b);
}
