/*
 * Frames that wait to be sent.
 */
#include "common/ipc/outbox.h"

#include "common/ipc/frame.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Frames in one sendmsg(). */
#define FRAMES_PER_SEND 16

/* One queued frame: header and body, and the descriptors that leave with its first byte. */
struct frame {
	struct frame *next;
	size_t len;
	size_t n_sent;
	int fds[IPC_FDS_MAX];
	size_t n_fds;
	uint8_t bytes[];
};

static void
frame_free(struct frame *f)
{
	frame_close_fds(f->fds, f->n_fds);
	OPENSSL_cleanse(f->bytes, f->len);
	free(f);
}

static void
drop_first(struct outbox *o)
{
	struct frame *f = o->first;

	o->first = f->next;
	if (o->first == NULL)
		o->last = NULL;
	o->n_frames--;
	o->n_fds -= f->n_fds;
	frame_free(f);
}

void
outbox_clear(struct outbox *o)
{
	while (o->first != NULL)
		drop_first(o);
	o->n_bytes = 0;
	o->n_fds = 0;
}

/* The run of frames that one sendmsg() may carry: descriptors only with the first byte. */
static size_t
gather(const struct outbox *o, struct iovec iov[FRAMES_PER_SEND])
{
	size_t n = 0;

	for (struct frame *f = o->first; f != NULL && n < FRAMES_PER_SEND; f = f->next) {
		if (n > 0 && f->n_fds > 0)
			break;
		iov[n++] = (struct iovec){f->bytes + f->n_sent, f->len - f->n_sent};
	}
	return n;
}

static void
attach_fds(struct msghdr *m, const struct frame *f, void *control)
{
	struct cmsghdr *c;

	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(f->n_fds * sizeof(int));
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(f->n_fds * sizeof(int));
	memcpy(CMSG_DATA(c), f->fds, f->n_fds * sizeof(int));
}

static void
sent(struct outbox *o, size_t n)
{
	o->n_bytes -= n;
	while (n > 0) {
		struct frame *f = o->first;
		size_t part = f->len - f->n_sent < n ? f->len - f->n_sent : n;

		frame_close_fds(f->fds, f->n_fds);
		o->n_fds -= f->n_fds;
		f->n_fds = 0;
		f->n_sent += part;
		n -= part;
		if (f->n_sent == f->len)
			drop_first(o);
	}
}

enum err
outbox_write(struct outbox *o, int fd)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(IPC_FDS_MAX * sizeof(int))] = {0};
	struct iovec iov[FRAMES_PER_SEND];
	ssize_t n;

	while (o->first != NULL) {
		struct msghdr m = {.msg_iov = iov, .msg_iovlen = gather(o, iov)};

		if (o->first->n_fds > 0)
			attach_fds(&m, o->first, control);
		n = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? ERR_AGAIN : ERR_IO;
		sent(o, (size_t)n);
	}
	return OK;
}

static enum err
frame_new(uint16_t type, struct span body, const int *fds, size_t n_fds, struct frame **out)
{
	struct frame *f = malloc(sizeof(*f) + FRAME_HEADER_SIZE + body.len);

	if (f == NULL)
		return ERR_NOMEM;
	*f = (struct frame){.len = FRAME_HEADER_SIZE + body.len, .n_fds = n_fds};
	frame_write_header(f->bytes, type, body.len, n_fds);
	if (body.len > 0)
		memcpy(f->bytes + FRAME_HEADER_SIZE, body.ptr, body.len);
	if (n_fds > 0)
		memcpy(f->fds, fds, n_fds * sizeof(*fds));
	*out = f;
	return OK;
}

enum err
outbox_add(struct outbox *o, uint16_t type, struct span body, const int *fds, size_t n_fds)
{
	struct frame *f;
	enum err e;

	if (body.len > IPC_BODY_MAX || n_fds > IPC_FDS_MAX ||
		body.len + FRAME_HEADER_SIZE > IPC_QUEUE_MAX - o->n_bytes ||
		o->n_frames == IPC_QUEUE_FRAMES_MAX || n_fds > IPC_QUEUE_FDS_MAX - o->n_fds)
		return ERR_LIMIT;
	e = frame_new(type, body, fds, n_fds, &f);
	if (e != OK)
		return e;
	if (o->last == NULL)
		o->first = f;
	else
		o->last->next = f;
	o->last = f;
	o->n_bytes += f->len;
	o->n_frames++;
	o->n_fds += n_fds;
	return OK;
}

bool
outbox_is_empty(const struct outbox *o)
{
	return o->first == NULL;
}
