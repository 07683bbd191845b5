/*
 * The written form of a leg: everything that another process needs to go on with it between any two packets.
 */
#ifndef COMMON_SSH_TRANSPORT_STATE_H
#define COMMON_SSH_TRANSPORT_STATE_H

#include "common/ssh/transport.h"

#define TRANSPORT_STATE_VERSION 3
/*
 * The most bytes of a state, not counting what waits in transport_out() and transport_n_waiting(): a peer's KEXINIT may fill
 * a packet.
 */
#define TRANSPORT_STATE_SIZE_MAX (PACKET_PAYLOAD_MAX + (size_t)32 * 1024)

/*
 * Append the state of t; t itself does not change.  It holds keys in clear: wipe what you put it into.
 * ERR_AGAIN: the first key exchange runs, or a compression stream is in use, which ends with a key exchange; try again then.
 * ERR_BAD_STATE: the leg is dead.  ERR_LIMIT: out is too small for it.
 */
MUST_CHECK enum err transport_state_write(const struct transport *t, struct buf *out);

/*
 * Make a leg from a state.  config is borrowed for the leg's life; its role must be the written one.  *out is owned.  If it
 * waits for a signature, its new owner gets what is to be signed from transport_to_sign().
 * ERR_UNSUPPORTED: another version.  ERR_FORMAT: malformed, or another role.
 */
MUST_CHECK enum err transport_state_read(
	struct span state, const struct transport_config *config, struct transport **out);

#endif
