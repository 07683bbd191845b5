/*
 * The limits that the roles watch over, by name, and how a role tells the director of what it counted.
 */
#ifndef BROKER_MESSAGES_LIMITS_H
#define BROKER_MESSAGES_LIMITS_H

#include "broker/messages/messages.h"
#include "common/config/config.h"

/* In the order in which they are shown.  Those with a GATE or RELAY in the name are built in. */
enum limit {
	LIMIT_UNAUTHENTICATED = 0,
	LIMIT_UNAUTHENTICATED_PER_SOURCE,
	LIMIT_NODE_DIALS_UNAUTHENTICATED,
	LIMIT_NODE_CONNECT_TIMEOUT,
	LIMIT_NODE_TRIES,
	LIMIT_CONNECTIONS,
	LIMIT_PLACEMENT_WAIT,
	LIMIT_HANDOVER_TIMEOUT,
	LIMIT_LOGIN_GRACE,
	LIMIT_AUTH_TRIES,
	LIMIT_NODE_LOGIN_TIMEOUT,
	LIMIT_QUEUE_BYTES,
	LIMIT_QUEUE_BYTES_TOTAL,
	LIMIT_RELAY_MARK,
	LIMIT_GLOBAL_REQUESTS,
	LIMIT_KEEPALIVE_MISSES,
	LIMIT_REKEY_TIMEOUT,
	LIMIT_SIGN_TURNS, /* key exchanges of one process that are with the keyholder */
	LIMIT_GATE_GOODBYES, /* refused clients whose close is awaited */
	LIMIT_GATE_PACKET_BYTES,
	LIMIT_GATE_UNREAD_BYTES, /* that a client or node leaves unread before a login is over */
	LIMIT_GATE_BANNER_BYTES,
	LIMIT_GATE_KEY_EXCHANGES, /* before a login */
	LIMIT_RELAY_UNREAD_BYTES, /* answers that a side does not read */
	LIMIT_RELAY_PACKET_TIME, /* from the first byte of a packet to its last, in seconds */
	LIMIT_RELAY_HOSTKEY_PROOFS,
	LIMIT_COUNT
};

/* The key in the configuration, "limits.connections_max", or "gate.goodbyes_max".  Static. */
const char *limit_name(enum limit limit);
/* False: it is built in, and the role that watches over it tells its maximum. */
bool limit_max(const struct config *c, enum limit limit, uint64_t *out);

/* What a role has counted of one limit. */
struct limit_use {
	uint64_t n_hits; /* times that it was reached since the role's start */
	uint64_t now; /* by the one that uses most */
	uint64_t max; /* of a built-in one; 0: not said */
	bool has_now; /* false: it is a time, or is not counted */
};

/* All limits of a role, and what the director has heard of them.  Plain data, zeroed at first. */
struct limit_report {
	struct limit_use of[LIMIT_COUNT];
	struct limit_use told[LIMIT_COUNT];
};

/* A role looks so often whether there is news, and tells each limit at most once each time. */
#define LIMIT_REPORT_INTERVAL_MS 1000

void limit_hit(struct limit_report *r, enum limit limit);
void limit_set_now(struct limit_report *r, enum limit limit, uint64_t now);
void limit_set_max(struct limit_report *r, enum limit limit, uint64_t max);

/* Send a message to the director; false: it is not on its way. */
typedef bool (*limit_send_fn)(void *arg, const struct msg_limit_use *m);
/* Tell what has changed.  What is not on its way is told the next time. */
void limit_report_send(struct limit_report *r, limit_send_fn send, void *arg);
/* There is a new director: tell all again. */
void limit_report_again(struct limit_report *r);

#endif
