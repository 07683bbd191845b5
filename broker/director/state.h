/*
 * All that the director knows, in one struct with one owner.
 */
#ifndef BROKER_DIRECTOR_STATE_H
#define BROKER_DIRECTOR_STATE_H

#include "broker/director/connections.h"
#include "broker/director/dial.h"
#include "broker/director/limits.h"
#include "broker/director/logins.h"
#include "broker/director/placement.h"

#include <event2/event.h>

/*
 * A new director places nobody for so long after its start: relays that were there before first announce what they
 * hold, so that users land where they are already.
 */
#define STATE_SETTLE_MS 500

struct gate;
struct link;
struct relay;

/* What tests bring along.  A zero is the real thing. */
struct state_options {
	uint64_t (*clock)(void); /* monotonic milliseconds */
	placement_random_fn random_below;
	void *random_arg;
	bool is_settled; /* place from the start */
};

struct state {
	struct event_base *base; /* borrowed */
	const struct config *config; /* borrowed */
	struct state_options options;
	uint64_t now_ms; /* of this turn, monotonic */
	uint64_t started_at_ms; /* monotonic */
	uint64_t started_wall_ms; /* since 1970 */

	struct nodes nodes;
	struct users users;
	struct logins logins;
	struct connections connections;
	struct limits limits;
	struct dialer *dialer;

	struct link *links; /* all that are up; link.c's */
	struct gate *gates; /* those that are linked; gates.c's */
	struct relay *relays; /* those that are linked, or were until lately; relays.c's */
	size_t n_dials_freed; /* in this turn: logins that wait may go on */
	uint64_t n_ignored; /* messages that did not fit what we know */
	uint64_t n_malformed; /* messages that no role sends */
};

/*
 * An empty state with the configuration's nodes.  Borrows base and config for its life.  Errors are logged.
 */
MUST_CHECK enum err state_init(struct state *s, struct event_base *base, const struct config *c,
	const struct state_options *options);
/* No gate, relay or dial is left.  A zeroed struct is left alone. */
void state_clear(struct state *s);

/* Begin a turn: read the clock. */
void state_tick(struct state *s);
bool state_is_settled(const struct state *s);

#endif
