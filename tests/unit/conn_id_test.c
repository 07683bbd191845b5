/*
 * common/conn_id: random ids and their text.
 */
#include "common/conn_id.h"

#include <criterion/criterion.h>

Test(conn_id, text_is_read_back)
{
	static const uint64_t ids[] = {1, 31, 32, 0x0123456789abcde, (UINT64_C(1) << 60) - 1};
	char text[CONN_ID_TEXT_SIZE];
	uint64_t back;

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		cr_assert_eq(strlen(conn_id_text(ids[i], text)), CONN_ID_TEXT_SIZE - 1);
		cr_assert_eq(conn_id_parse(text, &back), OK);
		cr_assert_eq(back, ids[i]);
	}
	cr_assert_str_eq(conn_id_text(33, text), "000000000011");
	cr_assert_str_eq(conn_id_text((UINT64_C(1) << 60) - 1, text), "zzzzzzzzzzzz");
}

Test(conn_id, new_ids_differ_and_fit)
{
	uint64_t a, b;

	for (int i = 0; i < 100; i++) {
		cr_assert_eq(conn_id_new(&a), OK);
		cr_assert_eq(conn_id_new(&b), OK);
		cr_assert_neq(a, 0);
		cr_assert_neq(a, b);
		cr_assert_eq(a >> CONN_ID_BITS, 0);
	}
}

Test(conn_id, other_text_is_refused)
{
	static const char *const cases[] = {"", "1", "00000000001", "0000000000001", "00000000000u",
		"00000000000A", "00000000000i", "00000000000-", " 00000000001", "000000000000"};
	uint64_t id;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_eq(conn_id_parse(cases[i], &id), ERR_FORMAT, "%s", cases[i]);
}
