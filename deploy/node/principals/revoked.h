/*
 * sshd's RevokedKeys: a list of public keys, or a KRL.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_REVOKED_H
#define DEPLOY_NODE_PRINCIPALS_REVOKED_H

#include "common/err.h"
#include "common/span.h"
#include "deploy/node/principals/why.h"

/*
 * OK: the key with this blob is not revoked by the file at path.  ERR_DENIED: it is.  Anything else: that cannot be told,
 * and so the key must not be used.  why has the words for both.
 */
MUST_CHECK enum err revoked_check(const char *path, struct span blob, char why[WHY_SIZE]);

#endif
