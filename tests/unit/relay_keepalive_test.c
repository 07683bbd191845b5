/*
 * broker/relay/keepalive and ledger: silence counted by a clock of the test's; channels counted from types.
 */
#include "broker/relay/keepalive.h"
#include "broker/relay/ledger.h"

#include "common/ssh/message.h"

#include <criterion/criterion.h>

static const struct keepalive_rules rules = {.interval_ms = 60000, .misses_max = 3};

/* What was heard (h), at which second a look is taken, whether the leg is read then, and what is due. */
struct look {
	bool heard;
	uint64_t at_s;
	bool listens;
	enum keepalive_verdict due;
};

static void
run(const char *name, const struct look *looks, size_t n)
{
	struct keepalive k;

	keepalive_start(&k, &rules, 0);
	for (size_t i = 0; i < n; i++) {
		if (looks[i].heard) {
			keepalive_heard(&k, looks[i].at_s * 1000);
			continue;
		}
		cr_assert_eq(keepalive_look(&k, &rules, looks[i].at_s * 1000, looks[i].listens),
			looks[i].due, "%s: look %zu", name, i);
	}
}

#define RUN(name, ...)                                                                             \
	run(name, (const struct look[]){__VA_ARGS__},                                              \
		sizeof((const struct look[]){__VA_ARGS__}) / sizeof(struct look))

Test(relay_keepalive, three_misses_lose_the_peer)
{
	RUN("silent", {false, 59, true, KEEPALIVE_QUIET}, {false, 60, true, KEEPALIVE_ASK},
		{false, 61, true, KEEPALIVE_QUIET}, {false, 120, true, KEEPALIVE_ASK},
		{false, 180, true, KEEPALIVE_ASK}, {false, 240, true, KEEPALIVE_LOST});
}

Test(relay_keepalive, anything_heard_starts_anew)
{
	RUN("heard", {false, 60, true, KEEPALIVE_ASK}, {false, 120, true, KEEPALIVE_ASK},
		{false, 180, true, KEEPALIVE_ASK}, {true, 181, true, KEEPALIVE_QUIET},
		{false, 240, true, KEEPALIVE_QUIET}, {false, 241, true, KEEPALIVE_ASK},
		{false, 301, true, KEEPALIVE_ASK}, {false, 361, true, KEEPALIVE_ASK},
		{false, 421, true, KEEPALIVE_LOST});
}

Test(relay_keepalive, silence_of_a_leg_that_is_not_read_means_nothing)
{
	RUN("unread", {false, 60, true, KEEPALIVE_ASK}, {false, 120, false, KEEPALIVE_QUIET},
		{false, 180, false, KEEPALIVE_QUIET}, {false, 240, false, KEEPALIVE_QUIET},
		{false, 300, false, KEEPALIVE_QUIET}, {false, 360, true, KEEPALIVE_ASK},
		{false, 420, true, KEEPALIVE_ASK}, {false, 480, true, KEEPALIVE_LOST});
}

Test(relay_keepalive, off_is_never)
{
	const struct keepalive_rules off = {.misses_max = 3};
	struct keepalive k;

	keepalive_start(&k, &off, 0);
	cr_assert_eq(keepalive_look(&k, &off, UINT64_MAX / 2, true), KEEPALIVE_QUIET);
	cr_assert_eq(keepalive_due(&k, &off), UINT64_MAX);
}

/* --- channels --- */

Test(relay_ledger, a_channel_is_open_until_both_sides_closed_it)
{
	struct ledger l = {0};

	ledger_see(&l, SIDE_NODE, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	ledger_see(&l, SIDE_CLIENT, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	ledger_see(&l, SIDE_CLIENT, SSH_MSG_CHANNEL_DATA);
	cr_assert_eq(l.n_open, 2);
	ledger_see(&l, SIDE_CLIENT, SSH_MSG_CHANNEL_CLOSE);
	cr_assert_eq(l.n_open, 2);
	ledger_see(&l, SIDE_NODE, SSH_MSG_CHANNEL_CLOSE);
	cr_assert_eq(l.n_open, 1);
	ledger_see(&l, SIDE_NODE, SSH_MSG_CHANNEL_CLOSE);
	ledger_see(&l, SIDE_CLIENT, SSH_MSG_CHANNEL_CLOSE);
	cr_assert_eq(l.n_open, 0);
}

Test(relay_ledger, too_many_closes_count_for_nothing)
{
	struct ledger l = {0};

	for (int i = 0; i < 1000; i++)
		ledger_see(&l, SIDE_CLIENT, SSH_MSG_CHANNEL_CLOSE);
	ledger_see(&l, SIDE_NODE, SSH_MSG_CHANNEL_CLOSE);
	cr_assert_eq(l.n_open, 0);
	cr_assert_eq(l.n_closing[SIDE_CLIENT], 0);
	ledger_see(&l, SIDE_NODE, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	cr_assert_eq(l.n_open, 1);
}
