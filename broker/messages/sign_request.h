/*
 * The request for a host key signature, which gates and relays make alike.
 */
#ifndef BROKER_MESSAGES_SIGN_REQUEST_H
#define BROKER_MESSAGES_SIGN_REQUEST_H

#include "broker/messages/messages.h"
#include "common/ssh/transport.h"

/* What the keyholder needs to sign an exchange; the spans borrow from it. */
struct msg_kex_sign sign_request_of(
	uint64_t conn, uint32_t request, const struct transport_exchange *exchange);

#endif
