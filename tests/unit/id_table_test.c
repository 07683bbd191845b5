/*
 * common/id_table: lookups, limit, removal, walking.
 */
#include "common/id_table.h"

#include <criterion/criterion.h>

Test(id_table, finds_what_was_added_and_not_what_was_removed)
{
	static int values[1000];
	struct id_table *t;

	cr_assert_eq(id_table_new(1000, &t), OK);
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < 1000; i++)
			cr_assert_eq(id_table_add(t, i * 4096 + 1, &values[i]), OK);
		cr_assert_eq(id_table_add(t, 5, &values[0]), ERR_LIMIT);
		cr_assert_eq(id_table_add(t, 1, &values[0]), ERR_EXISTS);
		for (size_t i = 0; i < 1000; i++) {
			cr_assert_eq(id_table_get(t, i * 4096 + 1), &values[i]);
			cr_assert_eq(id_table_remove(t, i * 4096 + 1), &values[i]);
			cr_assert_null(id_table_get(t, i * 4096 + 1));
		}
		cr_assert_eq(id_table_count(t), 0);
	}
	id_table_free(t);
}

Test(id_table, a_walk_meets_each_entry_once_and_may_remove_it)
{
	int value[64] = {0}, *v;
	struct id_table *t;
	size_t at = 0;

	cr_assert_eq(id_table_new(64, &t), OK);
	for (size_t i = 0; i < 64; i++)
		cr_assert_eq(id_table_add(t, i + 1, &value[i]), OK);
	while ((v = id_table_next(t, &at)) != NULL) {
		(*v)++;
		cr_assert_eq(id_table_remove(t, (uint64_t)(v - value) + 1), v);
	}
	for (size_t i = 0; i < 64; i++)
		cr_assert_eq(value[i], 1);
	cr_assert_eq(id_table_count(t), 0);
	id_table_free(t);
}

Test(id_table, a_new_maximum_counts_from_the_next_entry_on)
{
	static int values[4];
	struct id_table *t;

	cr_assert_eq(id_table_new(1, &t), OK);
	cr_assert_eq(id_table_add(t, 1, &values[0]), OK);
	cr_assert_eq(id_table_add(t, 2, &values[1]), ERR_LIMIT);
	id_table_set_max(t, 2);
	cr_assert_eq(id_table_add(t, 2, &values[1]), OK);
	id_table_set_max(t, 1);
	cr_assert_eq(id_table_add(t, 3, &values[2]), ERR_LIMIT);
	cr_assert_eq(id_table_get(t, 2), &values[1]);
	id_table_free(t);
}
