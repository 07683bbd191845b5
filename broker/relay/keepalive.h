/*
 * Is the peer of a leg still there?  Counts silence, by a clock that the caller owns.
 */
#ifndef BROKER_RELAY_KEEPALIVE_H
#define BROKER_RELAY_KEEPALIVE_H

#include <stdbool.h>
#include <stdint.h>

/* Embedded. */
struct keepalive {
	uint64_t heard_at; /* when anything came last */
	uint64_t due_at; /* when to look next */
	uint32_t n_misses;
	bool is_asked; /* a request went out since something was heard */
};

struct keepalive_rules {
	uint64_t interval_ms; /* 0: off */
	uint32_t misses_max;
	uint64_t jitter_ms; /* added to the first look */
};

enum keepalive_verdict {
	KEEPALIVE_QUIET = 0, /* nothing to do before due_at */
	KEEPALIVE_ASK, /* send a request */
	KEEPALIVE_LOST, /* too many went unanswered */
};

void keepalive_start(struct keepalive *k, const struct keepalive_rules *rules, uint64_t now);
/* Something came from the peer. */
void keepalive_heard(struct keepalive *k, uint64_t now);

/*
 * Look, at due_at or later.  listens: has the leg been read all the time?  If not, silence means nothing.
 */
enum keepalive_verdict keepalive_look(
	struct keepalive *k, const struct keepalive_rules *rules, uint64_t now, bool listens);

/* When to look next; UINT64_MAX: never. */
uint64_t keepalive_due(const struct keepalive *k, const struct keepalive_rules *rules);

#endif
