/*
 * PROVE: the client's signature is checked, and only then the node leg's request is signed, once.
 */
#ifndef BROKER_KEYHOLDER_PROVE_H
#define BROKER_KEYHOLDER_PROVE_H

#include "broker/keyholder/core.h"

/*
 * Session ids of a node leg are exchange hashes, of at least SHA-1's length (what a node may still use; our own methods
 * make 32 bytes and more).
 */
#define PROVE_SESSION_ID_MIN 20

/* Where the answer goes: two empty buffers. */
struct proof {
	struct buf *certificate;
	struct buf *signature;
};

/*
 * m->client_request is the client's signed USERAUTH_REQUEST.  Its user, key and algorithm must be those of a living
 * offer of this connection, and its signature right for this connection's session id.  Then out gets a certificate for
 * the offer's ephemeral key, dated now, and the signature of a "publickey" request of the same user with it on the node
 * leg m->node_session_id; and the private half is wiped.  (The offer of a security key has none: one is made now, and the
 * certificate says whether the key was touched and got its PIN.)
 *
 * ERR_NOT_FOUND: unknown connection.  ERR_PROTO: another's connection.  ERR_FORMAT: malformed.  ERR_BAD_STATE: no such
 * offer.
 * ERR_DENIED: a request that may not be proved: not a signed publickey request for the service ssh-connection, or bound
 * to another host key.  ERR_SIGNATURE: it does not verify; the offer stays.  ERR_LIMIT: too many such in this
 * connection.  ERR_TIMEOUT: it began more than limits.login_grace_s ago.
 */
MUST_CHECK enum err prove(struct core *c, const struct role_peer *asker, const struct msg_prove *m,
	const struct proof *out);

#endif
