/*
 * The messages that the keyholder takes: who may send which, and what answers it.  Knows no link, so that tests need
 * none.
 */
#ifndef BROKER_KEYHOLDER_REQUESTS_H
#define BROKER_KEYHOLDER_REQUESTS_H

#include "broker/keyholder/core.h"

/* What goes back to the sender. */
struct reply {
	uint16_t type; /* 0: nothing goes back */
	enum err
		err; /* what it says; ERR_PROTO means that the sender overstepped what its role or connection allows */
	struct buf body;
};

/*
 * Do what a message from peer asks.  Requests are answered exactly once, whatever becomes of them.  out is zero, and to
 * be cleared with reply_clear() in any case.  Not OK: drop the link.  ERR_FORMAT: malformed; ERR_PROTO: no message for
 * us, or an order that this kind of peer has no business giving; anything else: the answer could not be written.
 */
MUST_CHECK enum err requests_handle(struct core *c, const struct role_peer *peer, uint16_t type,
	struct span body, struct reply *out);
void reply_clear(struct reply *r);

/* Append the body of MSG_HOST_KEYS, said once on each link. */
MUST_CHECK enum err requests_host_keys(const struct core *c, struct buf *out);
/* Append the body of MSG_KEX_WORD, which a gate is told before that and every FRESH_PERIOD_S at least. */
MUST_CHECK enum err requests_kex_word(
	const struct core *c, const struct role_peer *gate, struct buf *out);

#endif
