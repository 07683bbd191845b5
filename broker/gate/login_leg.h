/*
 * One leg of a login in progress: a socket, its transport, and what was received and not yet taken.
 */
#ifndef BROKER_GATE_LOGIN_LEG_H
#define BROKER_GATE_LOGIN_LEG_H

#include "broker/messages/limits.h"
#include "common/addr.h"
#include "common/ssh/packet.h"
#include "common/ssh/transport.h"

#include <event2/event.h>

/*
 * What a peer may send ahead before the login, in bytes; a longer packet ends the leg.  A client is a stranger, a node was
 * configured, and its banner may fill a packet.
 */
#define LOGIN_LEG_CLIENT_IN_MAX ((size_t)72 * 1024)
#define LOGIN_LEG_NODE_IN_MAX PACKET_SIZE_MAX
/* Once so much waits to be read by a peer, nothing more is taken from it. */
#define LOGIN_LEG_OUT_MAX ((size_t)128 * 1024)

struct login_leg;

/* Called from the loop; the leg may be freed after the callback has returned, not within it. */
struct login_leg_events {
	/* Something arrived: see struct transport_event; borrowed during the call. */
	void (*on_event)(void *arg, struct transport_event *event);
	/* The leg is over: ERR_CLOSED, ERR_IO, or what transport_step() said.  Called once. */
	void (*on_dead)(void *arg, enum err why);
};

/* Takes fd (connected, non-blocking), also on failure.  config is borrowed for the leg's life.  *out is owned. */
MUST_CHECK enum err login_leg_new(struct event_base *base, int fd,
	const struct transport_config *config, const struct login_leg_events *events, void *arg,
	struct login_leg **out);
/* Closes the socket and wipes. */
void login_leg_free(struct login_leg *l);

struct transport *login_leg_transport(struct login_leg *l);
/* Where limits are counted that the leg reaches.  Borrowed for the leg's life. */
void login_leg_count(struct login_leg *l, struct limit_report *limits);

/* Queue a packet and write what can be written. */
MUST_CHECK enum err login_leg_send(struct login_leg *l, struct span payload);
/* Write what the transport has to say (after transport_signed() and the like). */
void login_leg_flush(struct login_leg *l);

/*
 * While a leg is held nothing is taken from what arrived.  It is still received, up to the limit above: a peer that
 * leaves while it is held is dead at once.  Released, it goes on from the loop.
 */
void login_leg_hold(struct login_leg *l, bool hold);

/* Say goodbye: DISCONNECT, everything written, the peer's close awaited for a bounded time; then on_dead(ERR_CLOSED). */
void login_leg_disconnect(struct login_leg *l, enum ssh_disconnect code, const char *text);

/* Our and the peer's address of the socket; family 0 when it cannot be told. */
struct addr login_leg_local_addr(const struct login_leg *l);
struct addr login_leg_peer_addr(const struct login_leg *l);

/*
 * For the hand-over: no more events and callbacks (also from within one).  Then, from the next turn of the loop on: the
 * socket (borrowed) and the bytes that nobody has taken (borrowed).
 */
void login_leg_stop(struct login_leg *l);
int login_leg_fd(const struct login_leg *l);
struct span login_leg_received(const struct login_leg *l);

/* Of a stopped leg whose keys are still ours alone: DISCONNECT, as far as it can be written without waiting. */
void login_leg_last_words(struct login_leg *l, enum ssh_disconnect code, const char *text);
/* Nobody can use the socket any more, whoever else holds it. */
void login_leg_cut(struct login_leg *l);

#endif
