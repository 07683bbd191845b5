/*
 * The few message heads that the relay reads: global requests, PING and PONG.  (RFC 4254 section 4, OpenSSH PROTOCOL)
 */
#ifndef BROKER_RELAY_PEEK_H
#define BROKER_RELAY_PEEK_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

#define PEEK_HOSTKEYS "hostkeys-00@openssh.com"
#define PEEK_HOSTKEYS_PROVE "hostkeys-prove-00@openssh.com"
#define PEEK_KEEPALIVE "keepalive@openssh.com"

/* Borrowed from the payload. */
struct peek_global_request {
	struct span name;
	bool want_reply;
	struct span data; /* what follows */
};

/* ERR_FORMAT: not a global request. */
MUST_CHECK enum err peek_global_request(struct span payload, struct peek_global_request *out);
/* Append the payload of a global request. */
MUST_CHECK enum err peek_write_global_request(
	const struct peek_global_request *request, struct buf *out);

/* Append the PONG that answers a PING.  ERR_FORMAT: not a PING. */
MUST_CHECK enum err peek_write_pong(struct span ping, struct buf *out);

#endif
