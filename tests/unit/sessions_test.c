/*
 * broker/keyholder/sessions: the table of connections.
 */
#include "broker/keyholder/sessions.h"

#include <criterion/criterion.h>

#define MANY 5000

static const struct role_peer gate = {ROLE_GATE, 0, 10}, other = {ROLE_GATE, 1, 11},
			      next = {ROLE_GATE, 0, 12};

static struct sessions *
filled(size_t max)
{
	struct sessions_limits limits = {max, max};
	struct sessions *s;
	struct session *session;

	cr_assert_eq(sessions_new(&limits, &s), OK);
	for (uint64_t conn = 1; conn <= max; conn++)
		cr_assert_eq(sessions_add(s, conn << 20, conn % 2 ? &gate : &other, &session), OK);
	return s;
}

Test(sessions, thousands_are_found_by_their_ids)
{
	struct sessions *s = filled(MANY);

	cr_assert_eq(sessions_count(s), MANY);
	for (uint64_t conn = 1; conn <= MANY; conn++)
		cr_assert_eq(sessions_find(s, conn << 20)->conn, conn << 20);
	cr_assert_null(sessions_find(s, 0));
	cr_assert_null(sessions_find(s, (uint64_t)(MANY + 1) << 20));
	for (uint64_t conn = 1; conn <= MANY; conn++)
		sessions_forget(s, sessions_find(s, conn << 20));
	cr_assert_eq(sessions_count(s), 0);
	sessions_free(s);
}

Test(sessions, a_gate_that_has_all_it_may_gets_no_more_until_one_goes)
{
	struct sessions_limits limits = {2, 1};
	struct session *session;
	struct sessions *s;

	cr_assert_eq(sessions_new(&limits, &s), OK);
	cr_assert_eq(sessions_add(s, 1, &gate, &session), OK);
	cr_assert_eq(sessions_add(s, 2, &gate, &session), OK);
	cr_assert_eq(sessions_add(s, 3, &gate, &session), ERR_LIMIT);
	cr_assert_eq(sessions_add(s, 4, &next, &session), OK);
	sessions_forget(s, sessions_find(s, 2));
	cr_assert_eq(sessions_add(s, 3, &gate, &session), OK);
	sessions_free(s);
}

/* A gate could otherwise give relays what they do not know and will never forget, until nobody can log in. */
Test(sessions, what_relays_have_beyond_the_limit_pushes_out_their_oldest)
{
	static const struct role_peer relay = {ROLE_RELAY, 0, 20}, second = {ROLE_RELAY, 1, 21};
	struct sessions *s = filled(4);
	struct session *session;

	for (uint64_t conn = 4; conn >= 1; conn--)
		cr_assert_eq(
			sessions_move(s, sessions_find(s, conn << 20), conn % 2 ? &relay : &second),
			OK);
	cr_assert_eq(sessions_count(s), 4);
	cr_assert_eq(sessions_add(s, 1, &gate, &session), OK);
	cr_assert_eq(sessions_move(s, session, &relay), OK);
	cr_assert_eq(sessions_count(s), 4);
	cr_assert_null(sessions_find(s, (uint64_t)4 << 20));
	cr_assert_not_null(sessions_find(s, (uint64_t)3 << 20));
	cr_assert_eq(sessions_find(s, 1), session);
	cr_assert_eq(sessions_forget_all_of(s, &relay), 3);
	cr_assert_eq(sessions_forget_all_of(s, &second), 1);
	sessions_free(s);
}

Test(sessions, a_peer_that_goes_takes_only_its_own_along)
{
	struct sessions *s = filled(MANY);

	cr_assert_eq(sessions_forget_all_of(s, &next), 0);
	cr_assert_eq(sessions_forget_all_of(s, &gate), MANY / 2);
	cr_assert_eq(sessions_count(s), MANY / 2);
	cr_assert_null(sessions_find(s, (uint64_t)1 << 20));
	cr_assert_not_null(sessions_find(s, (uint64_t)2 << 20));
	sessions_free(s);
}

Test(sessions, a_session_is_got_by_its_owner_alone)
{
	struct sessions *s = filled(1);
	struct session *session;

	cr_assert_eq(sessions_get(s, (uint64_t)1 << 20, &gate, &session), OK);
	cr_assert_eq(sessions_get(s, (uint64_t)1 << 20, &other, &session), ERR_PROTO);
	cr_assert_eq(sessions_get(s, (uint64_t)1 << 20, &next, &session), ERR_PROTO);
	cr_assert_eq(sessions_get(s, 1, &gate, &session), ERR_NOT_FOUND);
	sessions_free(s);
}
