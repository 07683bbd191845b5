/*
 * OFFER: a certificate for a key that the user says is theirs, to ask the node with.  Nobody gets a signature by it.
 */
#ifndef BROKER_KEYHOLDER_OFFER_H
#define BROKER_KEYHOLDER_OFFER_H

#include "broker/keyholder/core.h"

/* For each authentication request that a client may make: one key, on a node and on the one that replaces it. */
#define OFFERS_PER_TRY 2

/* How many offers one connection may have made. */
unsigned offers_max(const struct config *c);

/*
 * Make a fresh key pair for m's key or certificate on m's node, keep its private half in the asker's connection, and
 * append a certificate for its public half.  (For a key on a security key, touch and PIN are known only after the proof:
 * this certificate says that it is not final, and its private half is not kept.)  It replaces an offer for the same user, key and algorithm; offers for another node
 * are dropped, since a connection is at one node at a time.
 *
 * ERR_NOT_FOUND: unknown connection.  ERR_PROTO: another's connection.  ERR_LIMIT: too many offers in
 * it.  ERR_TIMEOUT: it began more than limits.login_grace_s ago.  ERR_FORMAT: a name, key or certificate that cannot be one, an address is missing.  ERR_UNSUPPORTED: an algorithm that we do
 * not have or that is not for this key, or a critical option that no node would take.  ERR_SIGNATURE: a certificate that its
 * CA did not sign.  ERR_KEY: an unsound or weak key.  ERR_DENIED: a system user, no node of
 * ours, a certificate by our own CA or one that is not valid now, a key that has logged in there, another client than before.
 */
MUST_CHECK enum err offer_make(struct core *c, const struct role_peer *asker,
	const struct msg_offer *m, struct buf *certificate);

#endif
