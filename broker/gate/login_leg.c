/*
 * One leg of a login in progress.
 */
#include "broker/gate/login_leg.h"

#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_CHUNK ((size_t)16 * 1024)
/* How long a peer gets to read our goodbye and close. */
#define GATE_LINGER_S 3

struct login_leg {
	int fd;
	enum transport_role role;
	struct transport *transport;
	const struct login_leg_events *events;
	void *arg;
	struct event *read_event;
	struct event *write_event;
	struct event *work_event; /* takes packets from in: at release, and after EOF */
	struct event *goodbye_event; /* ends the goodbye, whatever the peer does */
	struct buf in;
	bool held;
	bool clogged; /* takes nothing until the peer has read more */
	bool stopped; /* the owner hands it over */
	bool eof;
	bool saying_goodbye;
	bool shut; /* our half is closed: all is written */
	bool dead;
	enum err why; /* what on_dead will say at the end of the goodbye */
	struct limit_report *limits; /* NULL: nobody counts */
};

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);
static void on_work(evutil_socket_t fd, short what, void *arg);
static void on_goodbye_over(evutil_socket_t fd, short what, void *arg);

static enum err
make_events(struct login_leg *l, struct event_base *base)
{
	l->read_event = event_new(base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
	l->write_event = event_new(base, l->fd, EV_WRITE, on_writable, l);
	l->work_event = event_new(base, -1, 0, on_work, l);
	l->goodbye_event = evtimer_new(base, on_goodbye_over, l);
	if (l->read_event == NULL || l->write_event == NULL || l->work_event == NULL ||
		l->goodbye_event == NULL || event_add(l->read_event, NULL) != 0)
		return ERR_NOMEM;
	return OK;
}

enum err
login_leg_new(struct event_base *base, int fd, const struct transport_config *config,
	const struct login_leg_events *events, void *arg, struct login_leg **out)
{
	struct login_leg *l = calloc(1, sizeof(*l));
	int one = 1;
	enum err e;

	if (l == NULL) {
		close(fd);
		return ERR_NOMEM;
	}
	l->fd = fd;
	l->role = config->role;
	l->events = events;
	l->arg = arg;
	buf_init(&l->in,
		l->role == TRANSPORT_SERVER ? LOGIN_LEG_CLIENT_IN_MAX : LOGIN_LEG_NODE_IN_MAX);
	/* Failing to set it costs latency only. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	e = transport_new(config, &l->transport);
	if (e == OK)
		e = make_events(l, base);
	if (e != OK) {
		login_leg_free(l);
		return e;
	}
	event_active(l->write_event, EV_WRITE, 0);
	*out = l;
	return OK;
}

static void
free_event(struct event **ev)
{
	if (*ev != NULL)
		event_free(*ev);
	*ev = NULL;
}

void
login_leg_stop(struct login_leg *l)
{
	free_event(&l->read_event);
	free_event(&l->write_event);
	free_event(&l->work_event);
	free_event(&l->goodbye_event);
	l->stopped = true;
}

void
login_leg_free(struct login_leg *l)
{
	if (l == NULL)
		return;
	login_leg_stop(l);
	transport_free(l->transport);
	buf_clear(&l->in);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

struct transport *
login_leg_transport(struct login_leg *l)
{
	return l->transport;
}

void
login_leg_count(struct login_leg *l, struct limit_report *limits)
{
	l->limits = limits;
}

static void
hit(struct login_leg *l, enum limit limit)
{
	if (l->limits != NULL)
		limit_hit(l->limits, limit);
}

static void
die(struct login_leg *l, enum err why)
{
	if (l->dead)
		return;
	l->dead = true;
	login_leg_stop(l);
	l->events->on_dead(l->arg, why);
}

/* Write what there is; whoever calls this is not deep inside the owner's code, or does not mind on_dead from the loop. */
static enum err
write_out(struct login_leg *l)
{
	struct buf *out = transport_out(l->transport);

	while (out->len > 0) {
		struct span s = buf_span(out);
		ssize_t n = send(l->fd, s.ptr, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			buf_consume(out, (size_t)n);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return ERR_AGAIN;
		else if (errno != EINTR)
			return ERR_IO;
	}
	return OK;
}

/* The peer has all we had to say: close our half, and let it close its own. */
static void
begin_linger(struct login_leg *l)
{
	if (l->shut)
		return;
	l->shut = true;
	if (l->eof || shutdown(l->fd, SHUT_WR) != 0 || event_add(l->read_event, NULL) != 0)
		die(l, l->why);
}

static void
on_goodbye_over(evutil_socket_t fd, short what, void *arg)
{
	struct login_leg *l = arg;

	(void)fd;
	(void)what;
	die(l, l->why);
}

/*
 * A peer that sends and does not read would have us keep all our answers (those to pings, for one).  Nothing is taken from
 * it until it has read most of them.
 */
static bool
is_clogged(const struct login_leg *l)
{
	return transport_out(l->transport)->len >= LOGIN_LEG_OUT_MAX;
}

static void
unclog(struct login_leg *l)
{
	if (l->clogged && !is_clogged(l))
		event_active(l->work_event, 0, 0);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct login_leg *l = arg;
	enum err e = write_out(l);

	(void)fd;
	(void)what;
	if (e == ERR_AGAIN && event_add(l->write_event, NULL) != 0)
		e = ERR_NOMEM;
	/* What the peer said before it went may still be unread, so the end is left to the reading side. */
	if (e != OK && e != ERR_AGAIN)
		buf_clear(transport_out(l->transport));
	unclog(l);
	if (e == ERR_AGAIN)
		return;
	if (l->saying_goodbye)
		begin_linger(l);
	else if (e != OK && l->eof)
		die(l, e);
}

/* Writing always happens from the loop, so that a failure never surprises the caller with on_dead. */
void
login_leg_flush(struct login_leg *l)
{
	if (!l->dead && l->write_event != NULL)
		event_active(l->write_event, EV_WRITE, 0);
}

enum err
login_leg_send(struct login_leg *l, struct span payload)
{
	enum err e = transport_send(l->transport, payload);

	login_leg_flush(l);
	return e;
}

void
login_leg_hold(struct login_leg *l, bool hold)
{
	l->held = hold;
	if (!hold && !l->dead && l->work_event != NULL)
		event_active(l->work_event, 0, 0);
}

static bool
may_take(struct login_leg *l)
{
	if (l->held || l->stopped || l->saying_goodbye || l->in.len == 0)
		return false;
	if (is_clogged(l) && !l->clogged)
		hit(l, LIMIT_GATE_UNREAD_BYTES);
	l->clogged = is_clogged(l);
	return !l->clogged;
}

/* Take packets until the owner holds the leg or no whole one is left. */
static enum err
take_packets(struct login_leg *l)
{
	struct transport_event event;
	size_t used;
	enum err e;

	while (may_take(l)) {
		e = transport_step(l->transport, l->in.data + l->in.head, l->in.len, &used, &event);
		if (e != OK)
			return e;
		if (event.kind != TRANSPORT_EVENT_NONE)
			l->events->on_event(l->arg, &event);
		buf_consume(&l->in, used);
	}
	return OK;
}

static void
say_goodbye(struct login_leg *l, enum err why)
{
	struct timeval linger = {GATE_LINGER_S, 0};

	l->why = why;
	if (l->saying_goodbye || l->stopped)
		return;
	l->saying_goodbye = true;
	if (event_add(l->goodbye_event, &linger) != 0)
		event_active(l->goodbye_event, EV_TIMEOUT, 0);
	login_leg_flush(l);
}

/*
 * The transport has written a DISCONNECT.  A client gets the time to read it; a node need not be waited for, since another
 * one may serve the user.
 */
static void
fail(struct login_leg *l, enum err why)
{
	if (why == ERR_LIMIT &&
		transport_failure(l->transport)->code == SSH_DISCONNECT_KEY_EXCHANGE_FAILED)
		hit(l, LIMIT_GATE_KEY_EXCHANGES);
	if (l->role == TRANSPORT_SERVER) {
		say_goodbye(l, why);
		return;
	}
	(void)write_out(l);
	die(l, why);
}

static void
work(struct login_leg *l)
{
	enum err e = take_packets(l);

	if (l->stopped)
		return;
	if (e != OK && e != ERR_AGAIN) {
		fail(l, e);
		return;
	}
	login_leg_flush(l);
	/* A peer that leaves while it is held wants no answer any more. */
	if (l->eof && !l->saying_goodbye)
		die(l, ERR_CLOSED);
}

static void
on_work(evutil_socket_t fd, short what, void *arg)
{
	struct login_leg *l = arg;

	(void)fd;
	(void)what;
	if (!l->eof && event_add(l->read_event, NULL) != 0)
		die(l, ERR_NOMEM);
	else
		work(l);
}

/* During the goodbye only the peer's close is of interest. */
static void
discard(struct login_leg *l)
{
	uint8_t bytes[READ_CHUNK];
	ssize_t n = recv(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		die(l, l->why);
}

/*
 * in is full.  Where nothing is taken from it now, the rest stays in the socket; otherwise it holds the beginning of one
 * packet that is larger than all of it.
 */
static void
on_full(struct login_leg *l)
{
	/* What was released in this very turn of the loop is taken first. */
	work(l);
	if (l->stopped || l->saying_goodbye || l->in.len < l->in.max)
		return;
	if (l->held || l->clogged || transport_waits_for_signature(l->transport)) {
		(void)event_del(l->read_event);
		return;
	}
	hit(l, LIMIT_GATE_PACKET_BYTES);
	transport_disconnect(
		l->transport, SSH_DISCONNECT_PROTOCOL_ERROR, "packet too long before the login");
	fail(l, ERR_LIMIT);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct login_leg *l = arg;
	uint8_t *at;
	size_t room = l->in.max - l->in.len;
	ssize_t n;

	(void)fd;
	(void)what;
	if (l->saying_goodbye) {
		discard(l);
		return;
	}
	room = room < READ_CHUNK ? room : READ_CHUNK;
	if (room == 0) {
		on_full(l);
		return;
	}
	if (buf_reserve(&l->in, room, &at) != OK) {
		die(l, ERR_NOMEM);
		return;
	}
	n = recv(l->fd, at, room, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n < 0) {
		die(l, ERR_IO);
		return;
	}
	buf_commit(&l->in, (size_t)n);
	if (n == 0) {
		l->eof = true;
		(void)event_del(l->read_event);
	}
	work(l);
}

void
login_leg_disconnect(struct login_leg *l, enum ssh_disconnect code, const char *text)
{
	transport_disconnect(l->transport, code, text);
	say_goodbye(l, ERR_CLOSED);
}

void
login_leg_last_words(struct login_leg *l, enum ssh_disconnect code, const char *text)
{
	transport_disconnect(l->transport, code, text);
	(void)write_out(l);
}

void
login_leg_cut(struct login_leg *l)
{
	(void)shutdown(l->fd, SHUT_RDWR);
}

static struct addr
addr_of(const struct login_leg *l, int (*get)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr a = {0};

	if (get(l->fd, (struct sockaddr *)&ss, &len) != 0 ||
		addr_from_sockaddr((struct sockaddr *)&ss, len, &a) != OK)
		return (struct addr){0};
	return a;
}

struct addr
login_leg_local_addr(const struct login_leg *l)
{
	return addr_of(l, getsockname);
}

struct addr
login_leg_peer_addr(const struct login_leg *l)
{
	return addr_of(l, getpeername);
}

int
login_leg_fd(const struct login_leg *l)
{
	return l->fd;
}

struct span
login_leg_received(const struct login_leg *l)
{
	return buf_span(&l->in);
}
