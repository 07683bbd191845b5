/*
 * The relayed messages that are looked at: global requests and their replies, PING and PONG, the opening and closing of
 * channels, UNIMPLEMENTED.
 */
#ifndef BROKER_RELAY_CONTROL_H
#define BROKER_RELAY_CONTROL_H

#include "broker/relay/connection.h"

/* Proofs of host keys that a client gets on one connection. */
#define CONTROL_PROOFS_MAX 16

/* What becomes of a packet. */
enum control_fate {
	CONTROL_RELAY = 0,
	CONTROL_RELAY_REPLY, /* relay it, then call control_release() for the side that asked */
	CONTROL_DROP,
};

/*
 * A packet has come from a side.  ERR_FORMAT: a message that we must understand is malformed, the side breaks the
 * protocol.  ERR_LIMIT, ERR_NOMEM, ERR_CLOSED.
 */
MUST_CHECK enum err control_see(
	struct connection *c, enum side from, struct span payload, enum control_fate *fate);

/* Send the answers whose turn has come to the side that asked.  ERR_LIMIT, ERR_NOMEM, ERR_CLOSED. */
MUST_CHECK enum err control_release(struct connection *c, enum side asker);

/* The peer of this side did not know our packet of this number. */
MUST_CHECK enum err control_unimplemented(struct connection *c, enum side from, uint32_t seq);

/* Ask the peer of this side for a sign of life. */
void control_send_keepalive(struct connection *c, enum side to);

/* Tell the client our host keys, once, when they are known (OpenSSH PROTOCOL section 2.5). */
void control_announce_hostkeys(struct connection *c);

/* Send the keyholder the requests that wait for it, when a link to it is there again. */
void control_ask_keyholder(struct connection *c);
/* The keyholder's answer to MSG_HOSTKEYS_PROVE. */
void control_on_proved(struct connection *c, const struct msg_hostkeys_proved *m);

#endif
