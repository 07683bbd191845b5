/*
 * All that one relay process holds: its connections, its buffers, its links, its clock.
 */
#ifndef BROKER_RELAY_PROCESS_H
#define BROKER_RELAY_PROCESS_H

#include "broker/messages/limits.h"
#include "broker/messages/sign_turns.h"
#include "broker/relay/batch.h"
#include "broker/relay/links.h"
#include "broker/relay/settings.h"
#include "common/table.h"

struct process {
	struct event_base *base; /* borrowed */
	struct settings settings;
	struct leg_configs leg_configs;
	struct table connections; /* struct connection, by id; owns them */
	struct links links;
	struct batch batch;
	uint8_t *in; /* where sockets are read to; owned */
	size_t in_size;
	uint64_t (*clock)(void); /* milliseconds that never go back */
	uint64_t now; /* by that clock, when this turn began */
	size_t n_queued; /* bytes that wait, of all connections */
	size_t n_queued_peak; /* since memory was last given back */
	size_t n_connections_peak;
	struct limit_report limits;
	uint64_t n_hits_logged; /* of all limits together */
	struct sign_turns turns;
	uint32_t next_request;
	struct connection *over; /* to be freed when the turn ends */
	struct event *reaper;
	struct event *housekeeping;
	struct event *report; /* of limits that were reached */
	struct event *stop_timer;
	bool is_stopping;
	bool is_draining;
	void (*on_empty)(void *arg); /* the last connection ended while draining or stopping */
	void *arg;
};

/* *out is owned; config is not kept.  clock NULL: the monotonic clock.  ERR_NOMEM. */
MUST_CHECK enum err process_new(struct event_base *base, const struct config *config,
	uint64_t (*clock)(void), struct process **out);
/* Ends what is left without a word. */
void process_free(struct process *p);

/* Another configuration.  Limits count at once; names of algorithms from the next key exchange on.  ERR_NOMEM. */
MUST_CHECK enum err process_configure(struct process *p, const struct config *config);

/* Read the clock; at the beginning of each callback from the loop. */
void process_tick(struct process *p);

/* Tell the director of limits that were reached since the last time; every LIMIT_REPORT_INTERVAL_MS. */
void process_report_limits(struct process *p);

/* The connection after this one, NULL: the first.  NULL: there are no more.  Which is freed has none after it. */
struct connection *process_next(const struct process *p, const struct connection *c);
/* NULL when there is none. */
struct connection *process_find(const struct process *p, uint64_t id);

/* Everybody is told goodbye; on_empty when all are gone or time is up. */
void process_stop(struct process *p);
/* on_empty when the last connection has ended, or soon if there is none. */
void process_drain(struct process *p);

/* c is over: free it when the turn ends. */
void process_bury(struct process *p, struct connection *c);

#endif
