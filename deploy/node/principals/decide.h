/*
 * May this certificate in, and with which options?
 *
 * main --> decide --> other CA:  previous (as before node-setup)
 *                 \-> our CA:    facts, shown (revoked), search (files and command: authorized_keys, options,
 *                                from_match; for a certificate's CA also trusted_ca: previous)
 */
#ifndef DEPLOY_NODE_PRINCIPALS_DECIDE_H
#define DEPLOY_NODE_PRINCIPALS_DECIDE_H

#include "common/buf.h"
#include "common/conn_id.h"
#include "common/err.h"
#include "common/span.h"
#include "deploy/node/principals/settings.h"
#include "deploy/node/principals/user.h"
#include "deploy/node/principals/why.h"

/* The uid of nobody: a system user, for all its height. */
#define DECIDE_UID_NOBODY 65534

/* What sshd says.  Plain data; borrowed. */
struct request {
	struct user user;
	const char *ca_fingerprint; /* %F */
	struct span certificate; /* %k, base64 */
	const char *program; /* our own path */
	uint64_t now; /* seconds since 1970 */
};

/* Embedded; decision_init() before, decision_clear() after. */
struct decision {
	struct buf lines; /* what to print for sshd; nothing when not allowed */
	bool is_ours; /* about a certificate of the broker */
	char conn_id[CONN_ID_TEXT_SIZE]; /* of the facts; "" before they are known */
	char why[WHY_SIZE]; /* words for the log: why not, or by which line */
};

void decision_init(struct decision *d);
void decision_clear(struct decision *d);

/*
 * Decide.  Always succeeds: what cannot be told for sure is not allowed.
 */
void decide(const struct settings *s, const struct request *r, struct decision *d);

#endif
