/*
 * The server's signature over a key exchange, which a transport leaves to others (TRANSPORT_EVENT_SIGN).
 */
#ifndef TESTS_LIB_EXCHANGE_H
#define TESTS_LIB_EXCHANGE_H

#include "common/ssh/key.h"
#include "common/ssh/transport.h"

/* Append a signature by signer over the exchange of a server that shows the key shown: who lies, has two. */
MUST_CHECK enum err exchange_sign(const struct transport_exchange *x, const struct privkey *shown,
	const struct privkey *signer, struct buf *signature);
/* The same, and give it to the transport.  Its failure is the transport's. */
MUST_CHECK enum err exchange_answer(struct transport *t, const struct transport_exchange *x,
	const struct privkey *shown, const struct privkey *signer);

#endif
