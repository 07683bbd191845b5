/*
 * New keys for a leg: when, one leg of ours at a time, signed by the keyholder, within a time.
 */
#ifndef BROKER_RELAY_REKEY_H
#define BROKER_RELAY_REKEY_H

#include "broker/relay/connection.h"

/* Begin a key exchange on a leg whose key is used up, unless one runs on either leg. */
void rekey_check(struct connection *c);

/* The transport of this side did something other than bring a packet: a key exchange may have begun or got further. */
void rekey_notice(struct connection *c, enum side s);
/* The connection has just been handed over: go on with key exchanges that run.  ERR_NOMEM. */
MUST_CHECK enum err rekey_resume(struct connection *c);
/* A key exchange of this side is complete. */
void rekey_done(struct connection *c, enum side s);

/* The client leg wants a signature.  exchange is copied; what it borrows lives in the transport.  ERR_NOMEM. */
MUST_CHECK enum err rekey_sign(struct connection *c, const struct transport_exchange *exchange);
/* It is a connection's turn to ask the keyholder. */
void rekey_ask(struct sign_turn *turn);
/* No signature is wanted any more. */
void rekey_forget(struct connection *c);
/* The keyholder's answer. */
void rekey_on_signed(struct connection *c, const struct msg_kex_signed *m);

/* End the connection if a key exchange took too long.  Time in which we did not read the leg does not count. */
void rekey_look(struct connection *c);
uint64_t rekey_due(const struct connection *c);

#endif
