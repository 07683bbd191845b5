/*
 * How a connection ends: what was sent before still arrives, both sides are told why in words, and the sockets are closed
 * so that no last byte is lost.
 *
 * Each function here may be called at any time and only notes what happened; the first cause is the one that counts.
 * ending_step() does the rest.
 */
#ifndef BROKER_RELAY_ENDING_H
#define BROKER_RELAY_ENDING_H

#include "broker/relay/connection.h"

/* Without any progress for this long, goodbyes are given up. */
#define ENDING_STALL_MS 30000
/* However slowly it goes on, it ends after this. */
#define ENDING_MAX_MS 300000
/* How long a peer that was told may say nothing and yet not close. */
#define ENDING_LINGER_MS 5000
/* After a write failed, how long what the peer may have said before is waited for. */
#define ENDING_BROKEN_MS 5000

/* The peer of this side said SSH_MSG_DISCONNECT; the text is as it came. */
void ending_by_disconnect(struct connection *c, enum side from, uint32_t code, struct span text);

/* The socket of this side ended or failed, and all that it held has been read. */
void ending_by_close(struct connection *c, enum side from);

/*
 * Something failed while packets of this side were taken: the leg broke the protocol (its transport tells), or memory or
 * a limit ran out.
 */
void ending_by_error(struct connection *c, enum side from, enum err e);

/*
 * Look for sides that cannot be written to any more while the connection is open.  What their peers said last, a goodbye
 * mostly, is read first; the connection ends when that is done, or after ENDING_BROKEN_MS.
 */
void ending_look_at_broken(struct connection *c);

/* This side did not answer keepalives. */
void ending_by_silence(struct connection *c, enum side lost);

/* A key exchange of this side took too long; text says whose fault it was. */
void ending_by_rekey(struct connection *c, enum side from, enum end_cause cause, const char *text);

/* A packet of this side took too long. */
void ending_by_slowness(struct connection *c, enum side from);

/* We end it: with this code and text (sanitised here) for the client. */
void ending_by_us(
	struct connection *c, enum end_cause cause, enum ssh_disconnect code, struct span text);

/* Go on with the ending of a connection that is CONNECTION_ENDING.  It is CONNECTION_OVER when both sockets are closed. */
void ending_step(struct connection *c);

/* Bytes went out, or the like. */
void ending_progress(struct connection *c);

/* When ending_step(), or ending_look_at_broken(), must be called at the latest. */
uint64_t ending_due(const struct connection *c);

/* Time is up: last words are tried once, then the sockets are closed. */
void ending_force(struct connection *c);

#endif
