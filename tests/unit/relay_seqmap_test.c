/*
 * broker/relay/seqmap: numbers of packets on one leg and on the other.
 */
#include "broker/relay/seqmap.h"

#include <criterion/criterion.h>

static void
assert_maps(const struct seqmap *m, uint32_t sent, uint32_t received)
{
	uint32_t found;

	cr_assert(seqmap_find(m, sent, &found), "%u is not known", sent);
	cr_assert_eq(found, received, "%u is %u where %u is due", sent, found, received);
}

static void
assert_unknown(const struct seqmap *m, uint32_t sent)
{
	uint32_t found;

	cr_assert(!seqmap_find(m, sent, &found), "%u is known as %u", sent, found);
}

Test(relay_seqmap, an_empty_log_knows_nothing)
{
	struct seqmap m = {0};

	assert_unknown(&m, 0);
	assert_unknown(&m, UINT32_MAX);
}

Test(relay_seqmap, runs_are_followed_over_gaps_and_wraps)
{
	struct seqmap m = {0};

	for (uint32_t i = 0; i < 1000; i++)
		seqmap_add(&m, UINT32_MAX - 500 + i, 7 + i);
	/* One packet of our own goes out, then one of theirs is not relayed. */
	seqmap_add(&m, 500, 1007);
	seqmap_add(&m, 501, 1009);
	assert_maps(&m, UINT32_MAX - 500, 7);
	assert_maps(&m, UINT32_MAX, 507);
	assert_maps(&m, 0, 508);
	assert_maps(&m, 498, 1006);
	assert_unknown(&m, 499);
	assert_maps(&m, 500, 1007);
	assert_maps(&m, 501, 1009);
	assert_unknown(&m, 502);
}

Test(relay_seqmap, only_the_last_runs_are_remembered)
{
	struct seqmap m = {0};

	for (uint32_t i = 0; i <= SEQMAP_RUNS; i++)
		seqmap_add(&m, 10 * i, i);
	assert_unknown(&m, 0);
	for (uint32_t i = 1; i <= SEQMAP_RUNS; i++)
		assert_maps(&m, 10 * i, i);
}

Test(relay_seqmap, packets_that_waited_have_the_numbers_before_the_next_one)
{
	struct seqmap m = {0};

	seqmap_add(&m, 100, 1);
	seqmap_add_waiting(&m, 5);
	/* Number 6 was not relayed. */
	seqmap_add_waiting(&m, 7);
	seqmap_add_waiting(&m, 8);
	seqmap_sent_waiting(&m, 3);
	assert_unknown(&m, 100);
	assert_unknown(&m, 0);
	assert_maps(&m, 1, 7);
	assert_maps(&m, 2, 8);
	seqmap_add(&m, 3, 9);
	assert_maps(&m, 3, 9);
	assert_maps(&m, 1, 7);
}

Test(relay_seqmap, nothing_waited)
{
	struct seqmap m = {0};

	seqmap_add(&m, 100, 1);
	seqmap_sent_waiting(&m, 0);
	assert_unknown(&m, 100);
	assert_unknown(&m, UINT32_MAX);
}

Test(relay_seqmap, forgotten_is_forgotten)
{
	struct seqmap m = {0};

	seqmap_add(&m, 100, 1);
	seqmap_add_waiting(&m, 2);
	seqmap_forget(&m);
	seqmap_sent_waiting(&m, 1);
	assert_unknown(&m, 100);
	assert_unknown(&m, 0);
}
