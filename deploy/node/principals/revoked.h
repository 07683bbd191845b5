/*
 * sshd's RevokedKeys: a list of public keys, or a KRL.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_REVOKED_H
#define DEPLOY_NODE_PRINCIPALS_REVOKED_H

#include "common/err.h"
#include "common/span.h"
#include "common/ssh/cert.h"
#include "deploy/node/principals/why.h"

/*
 * OK: neither the key with this blob, nor the certificate with which it was shown (NULL: none), nor that one's CA is
 * revoked by the file at path.  ERR_DENIED: one is.  Anything else: that cannot be told,
 * and so the key must not be used.  why has the words for both.
 */
MUST_CHECK enum err revoked_check(
	const char *path, struct span key, const struct cert *cert, char why[WHY_SIZE]);

#endif
