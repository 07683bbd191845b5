/*
 * One relayed connection: two legs, and what stands between them.
 *
 *	gate --MSG_HAND_OVER--> connection_new() --> pump.c (data), control.c (messages that are looked at),
 *	rekey.c (keys), flow.c (who may be read), ending.c (goodbyes) --> report.c (the end)
 */
#ifndef BROKER_RELAY_CONNECTION_H
#define BROKER_RELAY_CONNECTION_H

#include "broker/messages/messages.h"
#include "broker/messages/sign_turns.h"
#include "broker/relay/ledger.h"
#include "broker/relay/leg.h"
#include "broker/relay/requests.h"
#include "common/table.h"

struct process;

/*
 *	OPEN --> ENDING --> OVER
 *
 * ENDING: one side has ended or must end; what was sent before still goes out, then goodbyes.  OVER: both sockets are
 * closed; freed when the loop's turn ends.
 */
enum connection_state {
	CONNECTION_NONE = 0,
	CONNECTION_OPEN,
	CONNECTION_ENDING,
	CONNECTION_OVER,
	CONNECTION_STATES
};

/* What is known once it is clear that a connection ends (ending.c). */
struct ending {
	enum end_cause cause;
	char text[256]; /* for the log and the director */
	struct {
		enum ssh_disconnect code; /* SSH_DISCONNECT_NONE: nothing is said */
		char text[256];
	} words[SIDES];
	uint64_t began_at;
	uint64_t progress_at; /* when bytes went out last, or a leg got to its next step */
};

/* What waits for the keyholder (rekey.c). */
struct signing {
	struct sign_turn turn;
	struct transport_exchange exchange; /* borrowed from the client leg's transport */
	uint32_t request;
};

/* Proofs of host keys that the client may wait for at the same time. */
#define CONNECTION_PROOFS_MAX 4

struct proof {
	struct buf
		question; /* encoded struct msg_hostkeys_prove that waits for the keyholder; empty: free */
	uint32_t request;
	uint32_t id; /* in requests[SIDE_CLIENT] */
};

struct connection {
	struct process *process;
	struct table_entry entry; /* in the process's table, by id */
	struct connection *next_over; /* to be freed when the turn ends */
	uint64_t id;
	enum connection_state state;
	struct leg legs[SIDES];
	struct requests requests[SIDES]; /* by the side that asks */
	struct ledger ledger;
	struct buf facts; /* encoded struct msg_connection */
	struct signing *signing; /* owned; NULL: no signature is waited for */
	struct proof proofs[CONNECTION_PROOFS_MAX]; /* MSG_KEY_MAX of keys together */
	unsigned n_proofs; /* asked of the keyholder so far */
	struct ending *ending; /* owned; NULL while CONNECTION_OPEN */
	struct event timer;
	uint64_t timer_at; /* when the timer is set to; 0: not set */
	uint64_t started_at_ms; /* since 1970 */
	uint64_t n_bytes[SIDES]; /* payload of relayed packets from this side */
	uint64_t relayed_at;
	uint64_t report_at; /* when counters are due; 0: they have not changed */
	uint32_t n_rekeys;
	size_t n_queued; /* bytes that the process counts for this connection */
	bool has_hostkeys; /* our keys were announced to the client */
	bool is_announced; /* the director of now knows it */
};

/*
 * Make a connection from what a gate handed over.  Takes the two descriptors, also on failure; the body is only read.
 * *out is owned by p and in its table, and begins to relay with connection_start().  ERR_FORMAT, ERR_UNSUPPORTED: not a
 * sound hand-over.  ERR_EXISTS: the id is taken.  ERR_LIMIT: connections_max.  ERR_IO: not sockets.  ERR_NOMEM.
 * *id is filled in whenever it could be read, 0 otherwise.
 */
MUST_CHECK enum err connection_new(struct process *p, const struct msg_hand_over *m,
	const int fds[2], uint64_t *id, struct connection **out);
void connection_start(struct connection *c);
void connection_free(struct connection *c);

/* The one place that changes the state. */
void connection_set_state(struct connection *c, enum connection_state state);

/*
 * After anything that happened to c from outside its own events: relay what can be relayed now, write, decide who is
 * read, and set the timer.  c may be CONNECTION_OVER afterwards, but is not freed.
 */
void connection_settle(struct connection *c);

/* Look at all that depends on time.  Called by the timer. */
void connection_look(struct connection *c);

/*
 * Send a packet of our own on a leg, after what was relayed to it before.  A failure ends the connection.
 */
void connection_send(struct connection *c, enum side to, struct span payload);

static inline struct leg *
connection_leg(struct connection *c, enum side s)
{
	return &c->legs[s];
}

#endif
