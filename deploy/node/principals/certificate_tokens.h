/*
 * The %-tokens of an AuthorizedPrincipalsCommand: the certificate filled in as sshd does.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_CERTIFICATE_TOKENS_H
#define DEPLOY_NODE_PRINCIPALS_CERTIFICATE_TOKENS_H

#include "common/buf.h"
#include "common/err.h"
#include "deploy/node/principals/decide.h"

/*
 * Split and expand a command for the certificate of r, which may be of a type that we have no signatures for.  *words is
 * owned, see tokens_free().  Errors as tokens_command; ERR_FORMAT too when the certificate is none.
 */
MUST_CHECK enum err certificate_tokens_command(
	const char *command, const struct request *r, char ***words);

/* The key that signed the certificate of r; *ca is the caller's to clear.  ERR_FORMAT: it is no certificate. */
MUST_CHECK enum err certificate_tokens_ca(const struct request *r, struct buf *ca);

#endif
