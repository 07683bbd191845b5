/*
 * One leg of a login in progress: a socket, its transport, and what was received and not yet taken.
 */
#ifndef BROKER_GATE_LEG_H
#define BROKER_GATE_LEG_H

#include "common/addr.h"
#include "common/ssh/transport.h"

#include <event2/event.h>

/* What a peer may send ahead before it is authenticated, in bytes; a longer packet ends the leg. */
#define GATE_LEG_IN_MAX ((size_t)72 * 1024)

struct leg;

/* Called from the loop; the leg may be freed after the callback has returned, not within it. */
struct leg_events {
	/* Something arrived: see struct transport_event; borrowed during the call. */
	void (*on_event)(void *arg, struct transport_event *event);
	/* The leg is over: ERR_CLOSED, ERR_IO, or what transport_step() said.  Called once. */
	void (*on_dead)(void *arg, enum err why);
};

/* Takes fd (connected, non-blocking), also on failure.  config is borrowed for the leg's life.  *out is owned. */
MUST_CHECK enum err leg_new(struct event_base *base, int fd, const struct transport_config *config,
	const struct leg_events *events, void *arg, struct leg **out);
/* Closes the socket and wipes. */
void leg_free(struct leg *l);

struct transport *leg_transport(struct leg *l);

/* Queue a packet and write what can be written. */
MUST_CHECK enum err leg_send(struct leg *l, struct span payload);
/* Write what the transport has to say (after transport_signed() and the like). */
void leg_flush(struct leg *l);

/*
 * While a leg is held nothing is taken from what arrived.  It is still received, up to GATE_LEG_IN_MAX: a peer that leaves
 * while it is held is dead at once.  Released, it goes on from the loop.
 */
void leg_hold(struct leg *l, bool hold);

/* Say goodbye: DISCONNECT, everything written, the peer's close awaited for a bounded time; then on_dead(ERR_CLOSED). */
void leg_disconnect(struct leg *l, enum ssh_disconnect code, const char *text);

/* Our and the peer's address of the socket; family 0 when it cannot be told. */
struct addr leg_local_addr(const struct leg *l);
struct addr leg_peer_addr(const struct leg *l);

/*
 * For the hand-over: no more events and callbacks (also from within one).  Then, from the next turn of the loop on: the
 * socket (borrowed) and the bytes that nobody has taken (borrowed).
 */
void leg_stop(struct leg *l);
int leg_fd(const struct leg *l);
struct span leg_received(const struct leg *l);

#endif
