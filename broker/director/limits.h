/*
 * How often limits were reached: those that the director watches over itself, with a log line when one is, and what
 * gates and relays tell of theirs.
 */
#ifndef BROKER_DIRECTOR_LIMITS_H
#define BROKER_DIRECTOR_LIMITS_H

#include "broker/messages/limits.h"

/* A limit that is reached again and again is logged this often. */
#define LIMITS_LOG_INTERVAL_MS 60000

struct state;
struct link;

/* Plain data, zeroed at first. */
struct limits {
	struct {
		uint64_t n_hits; /* by the director, and by processes that are gone */
		uint64_t n_hits_logged;
		uint64_t logged_at_ms;
	} of[LIMIT_COUNT];
};

/* The limit was reached: count it, and warn unless that was done lately. */
void limits_hit(struct limits *l, const struct config *c, enum limit limit, uint64_t now_ms);

/* A handler for MSG_LIMIT_USE. */
void limits_on_use(struct link *l, void *message);
/* The process at the other end is gone: what it counted stays. */
void limits_keep(struct limits *limits, const struct link *l);

/* One limit, over all processes. */
struct limit_sum {
	uint64_t n_hits;
	uint64_t now, max;
	bool has_now, has_max;
};
void limits_sum(const struct state *s, enum limit limit, struct limit_sum *out);

#endif
