/*
 * The connections of logged-in users, as the relays announce them.  No sockets, no clock.
 */
#ifndef BROKER_DIRECTOR_CONNECTIONS_H
#define BROKER_DIRECTOR_CONNECTIONS_H

#include "broker/director/users.h"

struct relay;

/* Plain data, changed by these functions and the counters by the relay's messages. */
struct connection {
	struct table_entry entry; /* by id */
	struct msg_connection facts; /* its texts are borrowed from body */
	struct buf body; /* the announcement, as it was encoded */
	struct relay *relay; /* who announced it; only that relay may speak of it */
	struct user *user;
	struct node *node; /* NULL: the pool does not have it any more */
	struct msg_counters counters;
	uint64_t counters_at_ms; /* when they came; 0: not yet */
};

/* Embedded by its owner. */
struct connections {
	struct table by_id;
	struct users *users; /* borrowed */
	struct nodes *nodes; /* borrowed */
};

/* At most max connections.  Borrows users and nodes.  Errors of table_init. */
MUST_CHECK enum err connections_init(
	struct connections *c, size_t max, struct users *users, struct nodes *nodes);
/* Frees all connections.  A zeroed struct is left alone. */
void connections_clear(struct connections *c);

/* A relay announced a connection; facts are copied.  ERR_EXISTS, ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK enum err connections_add(
	struct connections *c, const struct msg_connection *facts, struct relay *relay);
/* Takes it out of its user's and node's counters, and frees it. */
void connections_remove(struct connections *c, struct connection *connection);
/* All of one relay's. */
void connections_remove_relay(struct connections *c, const struct relay *relay);
/* NULL: unknown. */
struct connection *connections_find(const struct connections *c, uint64_t id);
struct connection *connections_first(const struct connections *c);
struct connection *connections_next(const struct connection *connection);

#endif
