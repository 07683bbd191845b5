/*
 * The frames of a link that wait to be sent, and the descriptors that go with them.  (Format: common/ipc/ipc.h)
 */
#ifndef COMMON_IPC_OUTBOX_H
#define COMMON_IPC_OUTBOX_H

#include "common/ipc/ipc.h"

struct frame;

/* Embedded by the link; zeroed it is empty. */
struct outbox {
	struct frame *first, *last;
	size_t n_bytes; /* not yet written */
	size_t n_frames;
	size_t n_fds;
};

/*
 * Append a frame.  Takes the descriptors on OK only.  ERR_LIMIT: body or queue too long, or too many descriptors;
 * ERR_NOMEM.
 */
MUST_CHECK enum err outbox_add(
	struct outbox *o, uint16_t type, struct span body, const int *fds, size_t n_fds);
bool outbox_is_empty(const struct outbox *o);
/* Write to that socket until nothing is left.  ERR_AGAIN: the peer must read first.  ERR_IO. */
MUST_CHECK enum err outbox_write(struct outbox *o, int fd);
/* Wipe what waits and close its descriptors. */
void outbox_clear(struct outbox *o);

#endif
