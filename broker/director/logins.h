/*
 * The connections that gates hold: from the client's connect until a relay has announced the connection, or its end.
 * No sockets, no clock.
 *
 *	(accepted) --> ACCEPTED --> DIALLING --> PLACED --> AUTHENTICATED --> (announced)
 *	                 ^ | ^       |    ^        |              ^
 *	                 | | +-------|----|--------+ node failed  |
 *	                 | +-- WAITING ---+                       |
 *	                 +------+----+ node failed, not placed    |
 *	                 +----------------------------------------+ placed by the director before this one
 *
 * Any state may end.  A login that is placed counts as a reservation of its user on the node, and as a dial there until
 * the node has let the user in.
 */
#ifndef BROKER_DIRECTOR_LOGINS_H
#define BROKER_DIRECTOR_LOGINS_H

#include "broker/director/sources.h"
#include "broker/director/users.h"

/* The most nodes that may fail one login, whatever the configuration says. */
#define LOGIN_FAILED_MAX 100

enum login_state {
	LOGIN_NONE = 0,
	LOGIN_ACCEPTED, /* the gate has not asked for a node, or was told that there is none */
	LOGIN_WAITING, /* for a node that can take one more login */
	LOGIN_DIALLING,
	LOGIN_PLACED, /* the gate has the socket to the node */
	LOGIN_AUTHENTICATED, /* on its way to a relay */
	LOGIN_STATES
};

struct gate;
struct dial;

/* Plain data, changed by these functions only, but for what is marked. */
struct login {
	struct table_entry entry; /* by id */
	struct login *prev, *next; /* of the same state, oldest change first */
	uint64_t id;
	struct gate *gate; /* who announced it; only that gate may speak of it */
	struct addr client;
	enum login_state state;
	uint64_t accepted_at_ms;
	uint64_t state_at_ms;
	uint64_t wanted_at_ms; /* when the gate asked for a node */
	uint32_t attempt; /* of the gate's last request */
	struct span user; /* as typed; borrowed from user_bytes */
	uint8_t *user_bytes;
	bool has_proved; /* something, as the gate says */
	struct node *failed[LOGIN_FAILED_MAX]; /* nodes that failed this login */
	size_t n_failed;
	struct node *node; /* where it is placed, or NULL */
	struct user *reserved; /* for whom, while node is set */
	bool counts_as_dial;
	bool is_leaving; /* placing.c's and gates.c's: its gate was told to end it, for another source's sake */
	bool has_room; /* placing.c's: it waits for one that was told so */
	struct dial *dial; /* placing.c's */
	char why[MSG_TEXT_MAX]; /* placing.c's: why this node */
};

struct login_list {
	struct login *first, *last;
	size_t n;
};

/* Embedded by its owner. */
struct logins {
	struct table by_id;
	struct login_list by_state[LOGIN_STATES];
	struct sources sources; /* of those that are not authenticated */
	struct users *users; /* borrowed: where reservations stand */
};

/* At most max logins.  Borrows users.  Errors of table_init. */
MUST_CHECK enum err logins_init(struct logins *l, size_t max, struct users *users);
/* Frees all logins; none has a dial any more.  A zeroed struct is left alone. */
void logins_clear(struct logins *l);

/* A client connected.  *out is borrowed until logins_remove.  ERR_EXISTS, ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK enum err logins_add(struct logins *l, uint64_t id, const struct addr *client,
	struct gate *gate, uint64_t now_ms, struct login **out);
/* Releases what it holds and frees it; it has no dial any more. */
void logins_remove(struct logins *l, struct login *login);
/* NULL: unknown, or not this gate's. */
struct login *logins_find(const struct logins *l, uint64_t id, const struct gate *gate);
/* Whoever's it is. */
struct login *logins_find_any(const struct logins *l, uint64_t id);
size_t logins_n_unauthenticated(const struct logins *l);

/* May a login go from one state to the other? */
bool login_may_become(const struct login *login, enum login_state state);
/* The only way to change the state; the change is allowed. */
void login_become(struct logins *l, struct login *login, enum login_state state, uint64_t now_ms);

/* Set the user name (copied).  ERR_NOMEM. */
MUST_CHECK enum err login_set_user(struct login *login, struct span user);
/* That node is not chosen for this login again.  Once LOGIN_FAILED_MAX are, no more are remembered. */
void login_exclude(struct login *login, struct node *node);

/* Count the login on node, also as a dial unless it is authenticated.  It holds none now.  ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK enum err login_hold(struct logins *l, struct login *login, struct node *node);
/* The node let the user in: no dial any more, but still a reservation.  Returns whether a dial became free. */
bool login_prove(struct logins *l, struct login *login);
/* Take back what it counts for.  Returns whether a dial became free.  Nothing held: nothing happens. */
bool login_release(struct logins *l, struct login *login);

#endif
