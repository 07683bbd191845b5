/*
 * One end of a link between two of our processes: typed, versioned frames with file descriptors over a unix stream
 * socket, on a libevent loop.
 *
 * A frame is {u32 length of the body, u16 type, u8 version, u8 number of descriptors} and the body, in network order.
 * What arrives is untrusted: length, version and descriptor count are checked before anything is allocated, and a peer
 * that breaks the framing loses the link.
 */
#ifndef COMMON_IPC_IPC_H
#define COMMON_IPC_IPC_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

#include <event2/event.h>

#define IPC_VERSION 1
#define IPC_BODY_MAX ((size_t)4 * 1024 * 1024) /* one frame */
#define IPC_QUEUE_MAX ((size_t)16 * 1024 * 1024) /* frames that wait for the peer to read */
#define IPC_QUEUE_FRAMES_MAX ((size_t)64 * 1024)
#define IPC_QUEUE_FDS_MAX 1024 /* descriptors in them */
#define IPC_FRAMES_PER_TURN 16 /* delivered, so that a busy peer cannot keep the others waiting */
#define IPC_FDS_MAX 32 /* descriptors in one frame */
#define IPC_FDS_PENDING_MAX 64 /* received ahead of their frame */

struct ipc;

/* A received frame.  Borrowed during the callback. */
struct ipc_message {
	uint16_t type;
	struct span body;
	int *fds; /* set an entry to -1 to take it; what is left is closed after the callback */
	size_t n_fds;
};

typedef void (*ipc_message_fn)(void *arg, struct ipc_message *m);
/*
 * The link is dead: ERR_CLOSED, ERR_IO, ERR_FORMAT, ERR_NOMEM, ERR_LIMIT (queue full, or descriptors were lost in
 * receiving).  All whole frames that came before were delivered.  Called once; free the link here or later.
 */
typedef void (*ipc_closed_fn)(void *arg, enum err why);

/*
 * Takes fd (made non-blocking and close-on-exec).  *out is owned.  Callbacks come from the loop only, never from within
 * a call of the user's (but see ipc_pump); ipc_free() inside a callback is allowed.  ERR_IO, ERR_NOMEM.
 */
MUST_CHECK enum err ipc_new(struct event_base *base, int fd, ipc_message_fn on_message,
	ipc_closed_fn on_closed, void *arg, struct ipc **out);
/* Wipes what waits.  NULL does nothing. */
void ipc_free(struct ipc *l);

/*
 * Queue a frame.  Takes the descriptors in fds, also on failure: each is closed once it is sent, or at once on failure.
 * ERR_LIMIT: body or queue too long, or too many descriptors in either; ERR_NOMEM (the link is then dead: closed is called).
 * ERR_CLOSED: dead already.
 */
MUST_CHECK enum err ipc_send(
	struct ipc *l, uint16_t type, struct span body, const int *fds, size_t n_fds);
/* Bytes that wait to be written. */
size_t ipc_queued(const struct ipc *l);
/*
 * Read and deliver what is there now, without waiting (for a message that must be seen before another link's).  The
 * link's message callback is called from within; does nothing inside that callback itself.
 */
void ipc_pump(struct ipc *l);
/*
 * Write what waits, waiting for the peer at most timeout_ms.  For a process about to exit.  ERR_TIMEOUT; ERR_CLOSED:
 * what waited is lost.
 */
MUST_CHECK enum err ipc_flush(struct ipc *l, int timeout_ms);

/* A connected pair of stream sockets for a link, both close-on-exec.  ERR_IO. */
MUST_CHECK enum err ipc_pair(int out[2]);

#endif
