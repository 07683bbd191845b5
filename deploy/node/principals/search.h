/*
 * The user's own key, or its certificate's CA, in the places where this node's sshd would look for it.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_SEARCH_H
#define DEPLOY_NODE_PRINCIPALS_SEARCH_H

#include "common/buf.h"
#include "common/err.h"
#include "common/facts.h"
#include "deploy/node/principals/settings.h"
#include "deploy/node/principals/shown.h"
#include "deploy/node/principals/user.h"
#include "deploy/node/principals/why.h"

/* Plain data; borrowed. */
struct search {
	const struct settings *settings;
	const struct facts *facts;
	const struct shown *shown; /* what facts->key is */
	const struct user *user;
	const char *program; /* our own path, for options_write() */
	uint64_t now; /* seconds since 1970 */
};

/*
 * Look through every AuthorizedKeysFile, then the CAs that the node trusts, then the AuthorizedKeysCommand, for the first
 * line with the user's key or for its certificate's CA that lets this client in now.  OK: its options, rewritten for sshd, are appended to *out, and why names the line.
 * ERR_NOT_FOUND: no line does; why tells of the one that came closest.  ERR_DENIED: a line decides against it.  Other
 * errors: as bad.
 */
MUST_CHECK enum err search_key(const struct search *q, struct buf *out, char why[WHY_SIZE]);

/*
 * Open a file that belongs to the user: %-tokens filled in, relative to the home, a regular file, and as safe as
 * StrictModes wants it.  ERR_NOT_FOUND: there is none.  Other errors: why has words.
 */
MUST_CHECK enum err search_open_file(const struct settings *s, const struct user *user,
	const char *pattern, int *fd, char why[WHY_SIZE]);

#endif
