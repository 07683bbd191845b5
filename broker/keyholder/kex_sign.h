/*
 * KEX_SIGN: the host's signature over an exchange hash that is computed here.
 */
#ifndef BROKER_KEYHOLDER_KEX_SIGN_H
#define BROKER_KEYHOLDER_KEX_SIGN_H

#include "broker/keyholder/core.h"

/*
 * Append the signature over the exchange hash of m's transcript with our own host key, whose blob is borrowed in
 * *host_key.  The first one that a gate asks for makes the connection known: it is the asker's, and the hash is its
 * session id.  A relay may ask for connections that were moved to it; and for those that nobody here has heard of, since
 * sessions outlive a keyholder, but that makes nothing known.
 *
 * ERR_UNSUPPORTED: a method or algorithm that we do not have.  ERR_FORMAT: m is no transcript.  ERR_PROTO: another's
 * connection.  ERR_LIMIT: too many connections.  ERR_TIMEOUT, ERR_EXISTS: not fresh, as fresh_admit() has it.
 */
MUST_CHECK enum err kex_sign(struct core *c, const struct role_peer *asker,
	const struct msg_kex_sign *m, struct buf *signature, struct span *host_key);

#endif
