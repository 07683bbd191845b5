/*
 * Makes room for a newcomer where one source has much more than its share.
 */
#include "broker/director/room.h"

static uint32_t
share_of(const struct room_query *q, const struct addr *source)
{
	return q->room == ROOM_DIALS ? sources_dials(&q->logins->sources, source)
				     : sources_count(&q->logins->sources, source);
}

static bool
may_go(const struct room_query *q, const struct login *login)
{
	if (login->is_leaving || q->now_ms - login->state_at_ms < ROOM_AGE_MIN_MS)
		return false;
	if (q->room == ROOM_LOGINS)
		return login->gate == q->gate;
	return login->counts_as_dial && (q->node == NULL || login->node == q->node);
}

/* The lists begin with the login that has been as it is for longest, and of equal ones the first is kept. */
struct login *
room_choose(const struct room_query *q)
{
	static const enum login_state states[] = {LOGIN_ACCEPTED, LOGIN_WAITING, LOGIN_PLACED};
	uint32_t most = share_of(q, q->client) + 1, n;
	struct login *found = NULL;

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		struct login *l = q->logins->by_state[states[i]].first;

		for (; l != NULL; l = l->next) {
			n = may_go(q, l) ? share_of(q, &l->client) : 0;
			if (n <= most)
				continue;
			most = n;
			found = l;
		}
	}
	return found;
}
