/*
 * The frames of a link, taken out of the bytes and descriptors that arrive.  (Format: common/ipc/ipc.h)
 */
#ifndef COMMON_IPC_FRAME_H
#define COMMON_IPC_FRAME_H

#include "common/ipc/ipc.h"

#define FRAME_HEADER_SIZE 8

/* Embedded by the link. */
struct frame_reader {
	struct buf in;
	size_t frame_len; /* of the frame at the front of in while it is delivered, else 0 */
	int fds[IPC_FDS_PENDING_MAX]; /* received, not yet given to a frame; owned */
	size_t n_fds;
	int taken[IPC_FDS_MAX]; /* those of the delivered frame; owned unless -1 */
	size_t n_taken;
};

void frame_reader_init(struct frame_reader *r);
/* Closes and wipes what is there. */
void frame_reader_clear(struct frame_reader *r);

/*
 * Where the next bytes go, and how many fit; then frame_reader_add() with what came there.  ERR_NOMEM.  Not between
 * frame_reader_next() and frame_reader_done().
 */
MUST_CHECK enum err frame_reader_room(struct frame_reader *r, uint8_t **out, size_t *len);
/*
 * len bytes came (0: none after all), and these descriptors with one of them.  Takes the descriptors.  ERR_LIMIT: more than
 * IPC_FDS_PENDING_MAX wait; all are closed.
 */
MUST_CHECK enum err frame_reader_add(
	struct frame_reader *r, size_t len, const int *fds, size_t n_fds);

/*
 * The next whole frame; *out borrows from r until frame_reader_done(), which closes the descriptors that were left in
 * it.  ERR_AGAIN: not whole yet.  ERR_FORMAT: a header breaks the rules, or descriptors that no frame declares.
 */
MUST_CHECK enum err frame_reader_next(struct frame_reader *r, struct ipc_message *out);
void frame_reader_done(struct frame_reader *r);

/* The header of a frame that keeps the rules. */
void frame_write_header(
	uint8_t out[FRAME_HEADER_SIZE], uint16_t type, size_t body_len, size_t n_fds);

/* Close each descriptor that is not -1, and set it to -1. */
void frame_close_fds(int *fds, size_t n_fds);

#endif
