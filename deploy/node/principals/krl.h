/*
 * OpenSSH's key revocation lists: is this plain key in one?  (OpenSSH PROTOCOL.krl)
 *
 * Read here and not by ssh-keygen: that would run as the user, whose other processes could stop it and change what it
 * reads.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_KRL_H
#define DEPLOY_NODE_PRINCIPALS_KRL_H

#include "common/err.h"
#include "common/span.h"

/* The first bytes of every such list. */
#define KRL_MAGIC "SSHKRL\n"
#define KRL_MAGIC_LEN sizeof(KRL_MAGIC)

/*
 * Look for the key with this blob, by itself or by a hash.  What is said of certificates is passed over, and a signature
 * not looked at: sshd reads the same list itself, for the certificate that it has.  ERR_DENIED: it is there.  ERR_FORMAT: no such list.  ERR_UNSUPPORTED: a
 * version or a part that is not known.  ERR_CRYPTO.
 */
MUST_CHECK enum err krl_check(struct span krl, struct span blob);

#endif
