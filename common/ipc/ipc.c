/*
 * A link between two processes.
 *
 * One event reads.  The second one ("wake") writes what was queued, once per turn of the loop, and tells the owner that
 * the link is dead: both happen from the loop only, whatever call of the owner was the cause.  The third one ("more")
 * delivers in the next turn what was read and not delivered in this one.
 *
 * The link counts how deep it is inside the owner's callbacks; ipc_free() there only marks it, and the outermost return
 * frees it.
 */
#include "common/ipc/ipc.h"

#include "common/ipc/frame.h"
#include "common/ipc/outbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Reads per turn of the loop: a large frame takes several. */
#define READS_PER_TURN 16
struct ipc {
	int fd;
	struct event *read_event;
	struct event *wake_event;
	struct event *more_event;
	ipc_message_fn on_message;
	ipc_closed_fn on_closed;
	void *arg;
	struct frame_reader in;
	struct outbox out;
	enum err dead; /* why, or OK */
	bool is_deaf; /* the peer takes nothing any more, but what it has sent is still read */
	bool is_freed;
	unsigned depth; /* of the owner's callbacks */
};

static void
link_destroy(struct ipc *l)
{
	outbox_clear(&l->out);
	frame_reader_clear(&l->in);
	if (l->read_event != NULL)
		event_free(l->read_event);
	if (l->wake_event != NULL)
		event_free(l->wake_event);
	if (l->more_event != NULL)
		event_free(l->more_event);
	close(l->fd);
	free(l);
}

void
ipc_free(struct ipc *l)
{
	if (l == NULL)
		return;
	assert(!l->is_freed);
	if (l->depth == 0) {
		link_destroy(l);
		return;
	}
	l->is_freed = true;
	event_del(l->read_event);
	event_del(l->wake_event);
	event_del(l->more_event);
}

/* Back from a callback.  Returns false when the link is gone. */
static bool
leave_callback(struct ipc *l)
{
	l->depth--;
	if (!l->is_freed)
		return true;
	if (l->depth == 0)
		link_destroy(l);
	return false;
}

/* The owner hears of it from the loop. */
static void
die(struct ipc *l, enum err why)
{
	if (l->dead != OK)
		return;
	l->dead = why;
	outbox_clear(&l->out);
	event_del(l->read_event);
	event_del(l->wake_event);
	event_del(l->more_event);
	event_active(l->wake_event, EV_TIMEOUT, 0);
}

/*
 * Writing failed.  The peer may have sent something before it went: that is read first, and its end closes the link.
 * A peer that only refuses to read gets the same end.
 */
static void
stop_writing(struct ipc *l)
{
	l->is_deaf = true;
	outbox_clear(&l->out);
	(void)shutdown(l->fd, SHUT_RDWR);
}

/* --- reading --- */

/* Collect the descriptors of a received message; room for IPC_FDS_PENDING_MAX is in its control buffer. */
static size_t
collect_fds(struct msghdr *m, int fds[IPC_FDS_PENDING_MAX])
{
	size_t n_fds = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		assert(n <= IPC_FDS_PENDING_MAX - n_fds);
		memcpy(fds + n_fds, CMSG_DATA(c), n * sizeof(int));
		n_fds += n;
	}
	return n_fds;
}

/*
 * A peer may be captured.  A TCP socket that lingers would make us wait when we close it, until its data are taken or the
 * time is over that the peer has set; that it does not block changes nothing.  Other descriptors have no such option.
 */
static void
forbid_lingering(const int *fds, size_t n_fds)
{
	static const struct linger off;

	for (size_t i = 0; i < n_fds; i++)
		(void)setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &off, sizeof(off));
}

static enum err
read_failed(struct ipc *l)
{
	int why = errno;
	enum err e = frame_reader_add(&l->in, 0, NULL, 0);

	if (e != OK)
		return e;
	return why == EAGAIN ? ERR_AGAIN : why == ECONNRESET ? ERR_CLOSED : ERR_IO;
}

/* One recvmsg().  *n is the number of bytes that came. */
static enum err
receive(struct ipc *l, size_t *n)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(IPC_FDS_PENDING_MAX * sizeof(int))];
	int fds[IPC_FDS_PENDING_MAX];
	struct iovec iov = {0};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	uint8_t *room = NULL;
	size_t n_fds;
	ssize_t got;
	enum err e = frame_reader_room(&l->in, &room, &iov.iov_len);

	if (e != OK)
		return e;
	iov.iov_base = room;
	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	do {
		got = recvmsg(l->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return read_failed(l);
	n_fds = collect_fds(&m, fds);
	forbid_lingering(fds, n_fds);
	e = frame_reader_add(&l->in, (size_t)got, fds, n_fds);
	if (e != OK)
		return e;
	/* Descriptors got lost: too many at once, or this process can hold no more.  Their frames are unsound. */
	if ((m.msg_flags & MSG_CTRUNC) != 0)
		return ERR_LIMIT;
	*n = (size_t)got;
	return got == 0 ? ERR_CLOSED : OK;
}

/* By time, and not by event_active(): that would come before any other link is looked at. */
static void
go_on_next_turn(struct ipc *l)
{
	static const struct timeval at_once = {0, 0};

	if (event_add(l->more_event, &at_once) != 0)
		die(l, ERR_NOMEM);
}

/*
 * Hand whole frames to the owner, as many as are left for this turn.  Returns false when the link is gone or dead, or its
 * turn is over.
 */
static bool
deliver(struct ipc *l, size_t *n_left)
{
	struct ipc_message m;
	enum err e;

	while ((e = frame_reader_next(&l->in, &m)) == OK) {
		l->depth++;
		l->on_message(l->arg, &m);
		if (!leave_callback(l))
			return false;
		frame_reader_done(&l->in);
		if (l->dead != OK)
			return false;
		if (--*n_left == 0) {
			go_on_next_turn(l);
			return false;
		}
	}
	if (e != ERR_AGAIN)
		die(l, e);
	return e == ERR_AGAIN;
}

/* Returns false when there is nothing more to read now, the turn is over, or the link is gone. */
static bool
read_once(struct ipc *l, size_t *n, size_t *n_left)
{
	enum err e = receive(l, n);

	if (e == ERR_AGAIN)
		return false;
	if (e != OK) {
		die(l, e);
		return false;
	}
	return deliver(l, n_left);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct ipc *l = arg;
	size_t n, n_left = IPC_FRAMES_PER_TURN;

	(void)fd;
	(void)what;
	/* Nothing is read behind frames that an earlier turn has left. */
	if (!deliver(l, &n_left))
		return;
	for (unsigned i = 0; i < READS_PER_TURN; i++) {
		if (!read_once(l, &n, &n_left))
			return;
	}
}

void
ipc_pump(struct ipc *l)
{
	size_t n = 0, left, n_left = SIZE_MAX;
	int there = 0;

	/* Inside a callback of its own the link is in the middle of a frame. */
	if (l->dead != OK || l->depth > 0 || !deliver(l, &n_left))
		return;
	if (ioctl(l->fd, FIONREAD, &there) != 0)
		return;
	/* What comes after this moment can wait for the loop. */
	for (left = (size_t)there; left > 0; left -= n < left ? n : left) {
		if (!read_once(l, &n, &n_left))
			return;
	}
}

/* --- writing --- */

static void
report_death(struct ipc *l)
{
	l->depth++;
	l->on_closed(l->arg, l->dead);
	(void)leave_callback(l);
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct ipc *l = arg;
	enum err e;

	(void)fd;
	(void)what;
	if (l->dead != OK) {
		report_death(l);
		return;
	}
	e = outbox_write(&l->out, l->fd);
	if (e == ERR_AGAIN && event_add(l->wake_event, NULL) != 0)
		die(l, ERR_NOMEM);
	else if (e == ERR_IO)
		stop_writing(l);
}

static enum err
enqueue(struct ipc *l, uint16_t type, struct span body, const int *fds, size_t n_fds)
{
	bool was_empty = outbox_is_empty(&l->out);
	enum err e;

	if (l->dead != OK || l->is_deaf)
		return ERR_CLOSED;
	e = outbox_add(&l->out, type, body, fds, n_fds);
	if (e == OK && was_empty)
		event_active(l->wake_event, EV_WRITE, 0);
	return e;
}

enum err
ipc_send(struct ipc *l, uint16_t type, struct span body, const int *fds, size_t n_fds)
{
	enum err e = enqueue(l, type, body, fds, n_fds);

	if (e == OK)
		return OK;
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	/* A frame that is missing would leave the two ends with different ideas of what was said. */
	if (e != ERR_CLOSED)
		die(l, e);
	return e;
}

size_t
ipc_queued(const struct ipc *l)
{
	return l->out.n_bytes;
}

static int64_t
monotonic_ms(void)
{
	struct timespec t = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

enum err
ipc_flush(struct ipc *l, int timeout_ms)
{
	int64_t deadline = monotonic_ms() + timeout_ms;
	enum err e = l->dead != OK || l->is_deaf ? ERR_CLOSED : outbox_write(&l->out, l->fd);

	while (e == ERR_AGAIN) {
		struct pollfd p = {.fd = l->fd, .events = POLLOUT};
		int64_t left = deadline - monotonic_ms();

		if (left < 0)
			return ERR_TIMEOUT;
		(void)poll(&p, 1, (int)left);
		e = outbox_write(&l->out, l->fd);
	}
	if (e == ERR_IO)
		stop_writing(l);
	return e == OK ? OK : ERR_CLOSED;
}

/* --- making --- */

static enum err
prepare(struct ipc *l, struct event_base *base)
{
	int flags = fcntl(l->fd, F_GETFL);

	if (flags < 0 || fcntl(l->fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
		fcntl(l->fd, F_SETFD, FD_CLOEXEC) != 0)
		return ERR_IO;
	l->read_event = event_new(base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
	l->wake_event = event_new(base, l->fd, EV_WRITE, on_wake, l);
	l->more_event = evtimer_new(base, on_readable, l);
	if (l->read_event == NULL || l->wake_event == NULL || l->more_event == NULL ||
		event_add(l->read_event, NULL) != 0)
		return ERR_NOMEM;
	return OK;
}

enum err
ipc_new(struct event_base *base, int fd, ipc_message_fn on_message, ipc_closed_fn on_closed,
	void *arg, struct ipc **out)
{
	struct ipc *l = calloc(1, sizeof(*l));
	enum err e;

	if (l == NULL) {
		close(fd);
		return ERR_NOMEM;
	}
	l->fd = fd;
	l->on_message = on_message;
	l->on_closed = on_closed;
	l->arg = arg;
	frame_reader_init(&l->in);
	e = prepare(l, base);
	if (e != OK) {
		link_destroy(l);
		return e;
	}
	*out = l;
	return OK;
}

enum err
ipc_pair(int out[2])
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return ERR_IO;
	out[0] = ends[0];
	out[1] = ends[1];
	return OK;
}
