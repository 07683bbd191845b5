/*
 * OpenSSH's key revocation lists: is this key or certificate in one?  (OpenSSH PROTOCOL.krl)
 *
 * Read here and not by ssh-keygen: that would run as the user, whose other processes could stop it and change what it
 * reads.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_KRL_H
#define DEPLOY_NODE_PRINCIPALS_KRL_H

#include "common/err.h"
#include "common/span.h"
#include "common/ssh/cert.h"

/* The first bytes of every such list. */
#define KRL_MAGIC "SSHKRL\n"
#define KRL_MAGIC_LEN sizeof(KRL_MAGIC)

/*
 * Look for the key with this blob, by itself or by a hash; and, where it was shown with a certificate (cert is not NULL),
 * for the certificate by its serial number or key id, and for its CA's key.  A signature is not looked at: sshd reads the
 * same list itself.  ERR_DENIED: it is there.  ERR_FORMAT: no such list.  ERR_UNSUPPORTED: a
 * version or a part that is not known.  ERR_CRYPTO.
 */
MUST_CHECK enum err krl_check(struct span krl, struct span blob, const struct cert *cert);

#endif
