/*
 * The limits that the director watches over: how often each was reached, and a log line when one is.
 */
#ifndef BROKER_DIRECTOR_LIMITS_H
#define BROKER_DIRECTOR_LIMITS_H

#include "common/config/config.h"

/* A limit that is reached again and again is logged this often. */
#define LIMITS_LOG_INTERVAL_MS 60000

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
	LIMIT_COUNT
};

/* Plain data, zeroed at first. */
struct limits {
	struct {
		uint64_t n_hits;
		uint64_t n_hits_logged;
		uint64_t logged_at_ms;
	} of[LIMIT_COUNT];
};

/* The key in the configuration, e.g. "limits.connections_max".  Static. */
const char *limit_name(enum limit limit);
uint64_t limit_max(const struct config *c, enum limit limit);

/* The limit was reached: count it, and warn unless that was done lately. */
void limits_hit(struct limits *l, const struct config *c, enum limit limit, uint64_t now_ms);

#endif
