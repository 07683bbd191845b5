/*
 * What the user showed to the broker: a key, or a certificate for one.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_SHOWN_H
#define DEPLOY_NODE_PRINCIPALS_SHOWN_H

#include "common/facts.h"
#include "common/ssh/cert_options.h"
#include "deploy/node/principals/settings.h"
#include "deploy/node/principals/why.h"

/* Spans borrow from the facts, and from cert; shown_clear() frees it. */
struct shown {
	struct span blob; /* of the key or the certificate */
	struct span type; /* its name */
	struct span key; /* the blob of the plain key */
	struct cert *cert; /* NULL: a plain key */
	struct cert_options options; /* of cert */
	bool is_sk;
};

/*
 * Read the key or certificate of f.  ERR_DENIED: none that counts anywhere, or one with a flag in the facts that it
 * cannot have; why has words.
 */
MUST_CHECK enum err shown_read(
	const struct settings *s, const struct facts *f, struct shown *out, char why[WHY_SIZE]);
void shown_clear(struct shown *s);

/*
 * Would this node's sshd take it if it came directly, whoever the user is?  ERR_DENIED: not its algorithm, its CA's
 * algorithm, its length or its time; it or its CA is revoked.  Other errors: that cannot be told.  why has words.
 */
MUST_CHECK enum err shown_check(const struct settings *s, const struct facts *f,
	const struct shown *shown, uint64_t now, char why[WHY_SIZE]);

#endif
