/*
 * The forced command that could not be written down for sshd: the helper turns it back and runs it.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_RUN_H
#define DEPLOY_NODE_PRINCIPALS_RUN_H

#include "common/buf.h"
#include "common/err.h"

/* Turn hexadecimal back to bytes, without a NUL among them.  ERR_FORMAT; errors of buf_append. */
MUST_CHECK enum err run_decode(const char *hex, struct buf *out);

/* Become the user's shell with this command, as sshd would have; returns only on failure, with a status to exit with. */
int run_command(const char *hex);

#endif
