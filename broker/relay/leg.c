/*
 * A leg's socket: reading, gathering writes, the tail that the socket does not take.
 */
#include "broker/relay/leg.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct leg *l = arg;

	(void)fd;
	(void)what;
	l->callbacks->on_readable(l);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct leg *l = arg;

	(void)fd;
	(void)what;
	l->is_blocked = false;
	l->callbacks->on_writable(l);
}

/* It comes from another process, so it may be anything. */
static bool
is_stream_socket(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static enum err
prepare_socket(int fd)
{
	int on = 1, flags = fcntl(fd, F_GETFL);

	if (flags < 0 || !is_stream_socket(fd) || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return ERR_IO;
	/* Packets are gathered here already.  Not every stream socket is TCP; those that are not need no such option. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return OK;
}

enum err
leg_open(struct leg *l, struct event_base *base, int fd, struct transport *transport,
	size_t left_max)
{
	l->fd = fd;
	l->transport = transport;
	l->was_clear = transport_is_clear(transport);
	buf_init(&l->left, left_max);
	if (event_assign(&l->readable, base, fd, EV_READ | EV_PERSIST, on_readable, l) != 0 ||
		event_assign(&l->writable, base, fd, EV_WRITE | EV_PERSIST, on_writable, l) != 0)
		return ERR_IO;
	return prepare_socket(fd);
}

void
leg_close(struct leg *l)
{
	if (l->fd < 0)
		return;
	if (event_initialized(&l->readable))
		(void)event_del(&l->readable);
	if (event_initialized(&l->writable))
		(void)event_del(&l->writable);
	l->is_reading = false;
	l->is_waiting = false;
	l->is_blocked = false;
	l->is_eof = true;
	l->is_broken = true;
	close(l->fd);
	l->fd = -1;
	buf_clear(&l->left);
	buf_clear(transport_out(l->transport));
}

void
leg_clear(struct leg *l)
{
	leg_close(l);
	transport_free(l->transport);
	l->transport = NULL;
}

void
leg_want_read(struct leg *l, bool wanted)
{
	if (wanted == l->is_reading || l->fd < 0)
		return;
	if (wanted)
		l->is_reading = event_add(&l->readable, NULL) == 0;
	else
		l->is_reading = event_del(&l->readable) != 0;
}

static void
want_write(struct leg *l, bool wanted)
{
	if (wanted == l->is_waiting || l->fd < 0)
		return;
	if (wanted)
		l->is_waiting = event_add(&l->writable, NULL) == 0;
	else
		l->is_waiting = event_del(&l->writable) != 0;
}

enum err
leg_receive(struct leg *l, uint8_t *at, size_t room, size_t *n)
{
	/* The gate may have kept a copy, whose O_NONBLOCK is ours: it does not decide whether we wait. */
	ssize_t got = recv(l->fd, at, room, MSG_DONTWAIT);

	if (got > 0) {
		*n = (size_t)got;
		return OK;
	}
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return ERR_AGAIN;
	l->error = got < 0 ? errno : l->error;
	l->is_eof = true;
	return ERR_CLOSED;
}

static void
break_off(struct leg *l)
{
	l->error = errno;
	l->is_broken = true;
	buf_clear(transport_out(l->transport));
	want_write(l, false);
}

/* Skip the n bytes that were written, keep the rest. */
static enum err
keep_rest(struct leg *l, const struct iovec *pieces, size_t n_pieces, size_t n)
{
	struct buf *out = transport_out(l->transport);
	enum err e = OK;

	for (size_t i = 0; i < n_pieces && e == OK; i++) {
		const uint8_t *bytes = pieces[i].iov_base;
		size_t len = pieces[i].iov_len, skip = n < len ? n : len;

		n -= skip;
		/* The first tail has its exact size; one that goes on growing grows by doubling. */
		if (out->len == 0)
			e = buf_append_exact(out, bytes + skip, len - skip);
		else
			e = buf_append(out, bytes + skip, len - skip);
	}
	return e;
}

/* How many bytes the socket took; 0 when it takes none now. */
static size_t
write_pieces(struct leg *l, struct iovec *pieces, size_t n)
{
	struct msghdr m = {.msg_iov = pieces, .msg_iovlen = n};
	ssize_t sent;

	if (n == 0 || l->is_blocked)
		return 0;
	do {
		sent = sendmsg(l->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return (size_t)sent;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		break_off(l);
	return 0;
}

enum err
leg_write(struct leg *l, struct iovec *pieces, size_t n)
{
	struct buf *out = transport_out(l->transport);
	size_t n_out = out->len, n_sent;
	enum err e = OK;

	assert(n <= LEG_PIECES_MAX);
	pieces[0].iov_base = n_out > 0 ? out->data + out->head : NULL;
	pieces[0].iov_len = n_out;
	if (!l->is_broken)
		n_sent = n_out > 0 ? write_pieces(l, pieces, n + 1)
				   : write_pieces(l, pieces + 1, n);
	if (l->is_broken) {
		buf_clear(out);
		return OK;
	}
	if (n_sent <= n_out) {
		buf_consume(out, n_sent);
		n_sent = 0;
	} else {
		buf_consume(out, n_out);
		n_sent -= n_out;
	}
	e = keep_rest(l, pieces + 1, n, n_sent);
	l->is_blocked = out->len > 0;
	want_write(l, l->is_blocked);
	return e;
}

void
leg_flush(struct leg *l)
{
	struct iovec piece[1];

	if (l->fd < 0 || l->is_blocked)
		return;
	if (transport_out(l->transport)->len == 0) {
		want_write(l, false);
		return;
	}
	/* Nothing is kept that was not kept before, so nothing can fail. */
	if (leg_write(l, piece, 0) != OK)
		l->is_broken = true;
}

void
leg_shut(struct leg *l)
{
	if (l->is_shut)
		return;
	l->is_shut = true;
	if (l->fd >= 0)
		(void)shutdown(l->fd, SHUT_WR);
}
