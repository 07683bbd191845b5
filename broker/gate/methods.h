/*
 * Lists of authentication methods, cut to what can work through two legs.
 */
#ifndef BROKER_GATE_METHODS_H
#define BROKER_GATE_METHODS_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/*
 * Append those methods of a node's list that the broker carries, in the node's order, comma-separated: publickey,
 * password, keyboard-interactive.  The others are bound to one transport (gssapi, hostbased) or need another one's
 * secret.  May append nothing.
 */
MUST_CHECK enum err methods_filter(struct span list, struct buf *out);

#endif
