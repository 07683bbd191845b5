/*
 * One line of an authorized_keys file: which key it is about, and the options before it.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_AUTHORIZED_KEYS_H
#define DEPLOY_NODE_PRINCIPALS_AUTHORIZED_KEYS_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* The key that is looked for, as it stands in such a file.  Embedded; authorized_key_clear() empties it. */
struct authorized_key {
	struct buf type; /* the key format name */
	struct buf base64;
};

/* Write down the key with this blob.  ERR_FORMAT: the blob does not begin with a name.  Errors of buf_append. */
MUST_CHECK enum err authorized_key_init(struct authorized_key *k, struct span blob);
void authorized_key_clear(struct authorized_key *k);

/*
 * The options at the front of s: up to a blank outside of quotes.  False: a quote stays open.
 */
bool authorized_keys_options(struct span s, struct span *options);

/*
 * Is the line about this key?  Then *options are the options before it, borrowed from the line and empty when there are
 * none.  A comment, an empty line, and one with a quote that stays open are about no key.
 */
bool authorized_keys_match(const struct authorized_key *k, struct span line, struct span *options);

#endif
