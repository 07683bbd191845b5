/*
 * Who is where: per user, the nodes on which the user has connections or logins under way.  No sockets, no clock.
 *
 * A user is here as long as something of the user's is.  The counters of the nodes change with it, here and nowhere
 * else.
 */
#ifndef BROKER_DIRECTOR_USERS_H
#define BROKER_DIRECTOR_USERS_H

#include "broker/director/nodes.h"
#include "common/table.h"

/* One user on one node. */
struct presence {
	struct presence *next;
	struct node *node;
	uint32_t n_connections;
	uint32_t n_reservations;
	uint64_t newest_at_ms; /* when the newest of the connections began, since 1970 */
};

/* Plain data, changed by these functions only. */
struct user {
	struct table_entry entry; /* by name, as placement knows the user */
	struct span name; /* borrowed from this struct */
	struct presence *presences;
	uint32_t n_connections; /* in total, those on unknown nodes too */
	uint32_t n_reservations;
	uint64_t since_ms; /* when the oldest of the connections began, since 1970; 0: none yet */
	uint8_t text[];
};

/* Embedded by its owner. */
struct users {
	struct table by_name;
};

/* At most max users.  Errors of table_init. */
MUST_CHECK enum err users_init(struct users *u, size_t max);
/* Frees the users; the nodes' counters stay as they are.  A zeroed struct is left alone. */
void users_clear(struct users *u);

/* NULL: the user has nothing here. */
struct user *users_find(const struct users *u, struct span name);
struct user *users_first(const struct users *u);
struct user *users_next(const struct user *user);

/*
 * A connection of the user's is on node (NULL: one that the pool does not have).  *out is borrowed, until
 * users_disconnect.  ERR_LIMIT, ERR_NOMEM.
 */
MUST_CHECK enum err users_connect(struct users *u, struct span name, struct node *node,
	uint64_t started_at_ms, struct user **out);
/* Undoes one users_connect.  May free the user. */
void users_disconnect(struct users *u, struct user *user, struct node *node);

/* A login of the user's was placed on node.  Errors and lifetime as above, until users_release. */
MUST_CHECK enum err users_reserve(
	struct users *u, struct span name, struct node *node, struct user **out);
void users_release(struct users *u, struct user *user, struct node *node);

#endif
