/*
 * Which node a login goes to: one pure function over what is known.
 *
 *	1. a node where the user has connections: the one with most of them, then with the newest
 *	2. a node where a login of the same user is under way, so that two first logins land together
 *	3. the candidate with the fewest users per weight; of equal ones, two are drawn and the one with fewer
 *	   connections per weight is taken
 *
 * Nodes that failed this login are never chosen.  A candidate (3) has room for one more user and for one more dial
 * without proof; nodes that failed lately come after all others.  Where 1 or 2 names a node, the login waits for it; and
 * where nothing but reservations fill the nodes, it waits for one of these to end.
 */
#ifndef BROKER_DIRECTOR_PLACEMENT_H
#define BROKER_DIRECTOR_PLACEMENT_H

#include "broker/director/users.h"

enum placement_result {
	PLACEMENT_NONE = 0, /* no node is left */
	PLACEMENT_FULL, /* all that are left have as many users as they may */
	PLACEMENT_WAIT, /* what would be chosen has as many dials without proof as it may */
	PLACEMENT_NODE,
};

/* A number below n, which is at least 1. */
typedef uint32_t (*placement_random_fn)(void *arg, uint32_t n);

/* Everything that the choice rests on.  Borrowed. */
struct placement_query {
	const struct nodes *nodes;
	const struct user *user; /* NULL: nothing is known of the user */
	struct node *const *excluded; /* they failed this login */
	size_t n_excluded;
	uint64_t now_ms;
	uint32_t dials_max; /* per node; 0: no cap */
	unsigned reporter; /* whose word on failures counts, besides that of all */
	bool ignore_reservations; /* the login has waited long enough for a node of rule 2 */
	placement_random_fn random_below;
	void *random_arg;
};

struct placement {
	enum placement_result result;
	struct node *
		node; /* borrowed; PLACEMENT_WAIT: the only one that would do, or NULL; NULL for others */
	char why[MSG_TEXT_MAX]; /* for people: why this node, or why none */
};

/* Changes nothing but *out. */
void placement_choose(const struct placement_query *q, struct placement *out);

#endif
