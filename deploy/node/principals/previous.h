/*
 * Certificates of other CAs: what sshd did about them before the helper came.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_PREVIOUS_H
#define DEPLOY_NODE_PRINCIPALS_PREVIOUS_H

#include "common/buf.h"
#include "common/err.h"
#include "deploy/node/principals/decide.h"
#include "deploy/node/principals/why.h"

/*
 * Append the lines of the node's own principals file and command, as settings name them, or the user's name where there
 * is neither; nothing where the file of the other CAs does not have this one any more.  A line for the broker's principal is left out: no other CA shall pass with it.  (Errors: some may have
 * been appended; why has words.)
 */
MUST_CHECK enum err previous_principals(
	const struct settings *s, const struct request *r, struct buf *out, char why[WHY_SIZE]);

/* What that is made of, each for itself.  Errors as above. */

/* Is the CA of r's certificate in settings' previous_ca_keys, which must be given? */
MUST_CHECK enum err previous_ca(
	const struct settings *s, const struct request *r, char why[WHY_SIZE]);
/* The lines of the file, which must be given. */
MUST_CHECK enum err previous_file(
	const struct settings *s, const struct user *user, struct buf *out, char why[WHY_SIZE]);
/* The lines that the command prints, which must be given. */
MUST_CHECK enum err previous_command(
	const struct settings *s, const struct request *r, struct buf *out, char why[WHY_SIZE]);

#endif
