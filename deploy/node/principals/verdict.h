/*
 * What a line that trusts the user's key, or the CA of the user's certificate, means for this login.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_VERDICT_H
#define DEPLOY_NODE_PRINCIPALS_VERDICT_H

#include "common/buf.h"
#include "deploy/node/principals/options.h"
#include "deploy/node/principals/search.h"

#include <netdb.h>

/* Where the search stands.  Embedded by it; begins zeroed but for q, out and why. */
struct verdict {
	const struct search *q;
	char host[NI_MAXHOST]; /* of the client; "" before it was looked up */
	const char *source; /* the file or command that is being read */
	unsigned long line; /* 0: none */
	struct buf *out; /* the options for sshd */
	char *why;
};

/* Remember why a line did not count: the last one is told if none does. */
void verdict_say(struct verdict *v, const char *what);

/*
 * Do options without cert-authority and principals= let this client in now: expiry-time= and from=?  And the user's
 * certificate with them: source-address, and force-command against command=?
 */
bool verdict_counts(struct verdict *v, const struct options *o);

/*
 * The line decides: append its options for sshd, without the command that the certificate forces itself.  ERR_DENIED: the
 * security key was not used as it must be.  ERR_UNSUPPORTED: sshd would take an option of it from no helper.  Errors of
 * buf_append.
 */
MUST_CHECK enum err verdict_accept(struct verdict *v, struct options *o);

#endif
