/*
 * HOSTKEYS_PROVE: proof to a client that the host keys announced to it are ours.
 */
#ifndef BROKER_KEYHOLDER_HOSTKEYS_H
#define BROKER_KEYHOLDER_HOSTKEYS_H

#include "broker/keyholder/core.h"

/*
 * Append, for each public key blob that m names, the signature of its private half over the connection's session id, as
 * "hostkeys-prove-00@openssh.com" wants it: packed strings in the same order.  An RSA key signs with the algorithm of the
 * connection's latest key exchange, or with rsa-sha2-512 where that was not RSA.
 *
 * ERR_NOT_FOUND: unknown connection, or a key that is not ours.  ERR_PROTO: another's connection.  ERR_FORMAT:
 * malformed.  ERR_LIMIT: more keys than one can have.  (OpenSSH PROTOCOL section 2.5, draft-miller-sshm-hostkey-update)
 */
MUST_CHECK enum err hostkeys_prove(struct core *c, const struct role_peer *asker,
	const struct msg_hostkeys_prove *m, struct buf *signatures);

#endif
