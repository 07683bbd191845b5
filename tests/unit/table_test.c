/*
 * common/table: entries by key, in the order of insertion, up to the maximum.
 */
#include "common/table.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define N 1000

struct item {
	char name[32];
	struct table_entry entry;
};

static struct item items[N];

static void
fill(struct table *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(items[i].name, sizeof(items[i].name), "user%zu", i);
		cr_assert_eq(table_add(t, &items[i].entry, span_str(items[i].name)), OK);
	}
}

Test(table, what_was_added_is_found_until_it_is_removed)
{
	struct table t;
	size_t n = 0;

	cr_assert_eq(table_init(&t, N), OK);
	fill(&t, N);
	for (size_t i = 0; i < N; i += 2)
		table_remove(&t, &items[i].entry);
	for (size_t i = 0; i < N; i++) {
		struct table_entry *e = table_find(&t, span_str(items[i].name));

		cr_assert_eq(e != NULL, i % 2 == 1);
		cr_assert(e == NULL || TABLE_OWNER(e, struct item, entry) == &items[i]);
	}
	for (struct table_entry *e = t.first; e != NULL; e = e->next)
		cr_assert_eq(TABLE_OWNER(e, struct item, entry), &items[2 * n++ + 1]);
	cr_assert_eq(n, N / 2);
	cr_assert_eq(t.n, N / 2);
	table_clear(&t);
}

Test(table, a_key_is_there_once_and_the_maximum_holds)
{
	struct item twin = {.name = "user3"}, more = {.name = "more"};
	struct table t;

	cr_assert_eq(table_init(&t, 10), OK);
	fill(&t, 10);
	cr_assert_eq(table_add(&t, &more.entry, span_str(more.name)), ERR_LIMIT);
	cr_assert_eq(table_add(&t, &twin.entry, span_str(twin.name)), ERR_EXISTS);
	table_remove(&t, &items[9].entry);
	cr_assert_eq(table_add(&t, &more.entry, span_str(more.name)), OK);
	cr_assert_eq(table_find(&t, span_of(NULL, 0)), NULL);
	table_clear(&t);
	table_clear(&t);
}

Test(table, keys_of_every_length_are_told_apart)
{
	static char zeros[64];
	struct item lengths[40];
	struct table t;

	cr_assert_eq(table_init(&t, 40), OK);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		cr_assert_eq(table_add(&t, &lengths[i].entry, span_of(zeros, i)), OK);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		cr_assert_eq(table_find(&t, span_of(zeros, i)), &lengths[i].entry);
	table_clear(&t);
}
