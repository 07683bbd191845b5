/*
 * The written form of a leg: everything that another process needs to go on with it between any two packets.
 */
#ifndef COMMON_SSH_TRANSPORT_STATE_H
#define COMMON_SSH_TRANSPORT_STATE_H

#include "common/ssh/transport.h"

#define TRANSPORT_STATE_VERSION 2
/* The most bytes of a state, not counting those that wait in transport_out(). */
#define TRANSPORT_STATE_SIZE_MAX ((size_t)4096)

/*
 * Append the state of t; t itself does not change.  It holds keys in clear: wipe what you put it into.
 * ERR_AGAIN: a key exchange runs; try again when it has ended.  ERR_BAD_STATE: the leg is dead.  ERR_LIMIT: out is too
 * small for it, which is transport_out()'s length and TRANSPORT_STATE_SIZE_MAX at most.
 */
MUST_CHECK enum err transport_state_write(const struct transport *t, struct buf *out);

/*
 * Make a leg from a state.  config is borrowed for the leg's life; its role must be the written one.  *out is owned.
 * ERR_UNSUPPORTED: another version.  ERR_FORMAT: malformed, or another role.
 */
MUST_CHECK enum err transport_state_read(
	struct span state, const struct transport_config *config, struct transport **out);

#endif
