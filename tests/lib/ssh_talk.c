/*
 * A leg on a socket, and one channel.
 */
#include "tests/lib/exchange.h"
#include "tests/lib/ssh_talk_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TALK_MS 60000
#define OUT_MARK ((size_t)512 * 1024)
#define READ_SIZE ((size_t)64 * 1024)

/* The byte at this place of the endless test data. */
static uint8_t
number_at(size_t i)
{
	return (uint8_t)(i * 2654435761u >> 13);
}

static void
rekey_when_due(struct talk *k)
{
	size_t n = k->n_sent + k->n_echoed;

	if (transport_is_rekeying(k->t))
		return;
	if (transport_rekey_is_due(k->t) ||
		(k->rekey_every != 0 && n >= k->rekeyed_at + k->rekey_every)) {
		talk_check(k, transport_rekey(k->t), "rekeying");
		k->rekeyed_at = n;
	}
}

/* How much may go in the next packet. */
static size_t
room(const struct talk *k)
{
	size_t n = k->peer_window < k->peer_packet_max ? k->peer_window : k->peer_packet_max;

	return n < OWN_PACKET_MAX ? n : OWN_PACKET_MAX;
}

static bool
may_send(const struct talk *k)
{
	return k->is_running && !k->said_eof && !talk_has_failed(k) && room(k) > 0 &&
		transport_out(k->t)->len < OUT_MARK && transport_n_waiting(k->t) < OUT_MARK;
}

static void
say_eof(struct talk *k)
{
	talk_send_number(k, SSH_MSG_CHANNEL_EOF, k->peer_channel);
	k->said_eof = true;
}

static void
say_close(struct talk *k)
{
	if (k->said_close)
		return;
	talk_send_number(k, SSH_MSG_CHANNEL_CLOSE, k->peer_channel);
	k->said_close = true;
}

static void
client_push(struct talk *k)
{
	uint8_t data[OWN_PACKET_MAX];

	while (may_send(k) && k->n_sent < k->n_bytes) {
		size_t n = k->n_bytes - k->n_sent;

		if (n > room(k))
			n = room(k);
		for (size_t i = 0; i < n; i++)
			data[i] = number_at(k->n_sent + i);
		talk_send_data(k, span_of(data, n));
		rekey_when_due(k);
	}
	if (k->is_running && !k->said_eof && k->n_sent == k->n_bytes)
		say_eof(k);
}

static void
server_push(struct talk *k)
{
	while (may_send(k) && k->pending.len > 0) {
		size_t n = k->pending.len < room(k) ? k->pending.len : room(k);

		talk_send_data(k, span_of(buf_span(&k->pending).ptr, n));
		buf_consume(&k->pending, n);
		talk_send_window(k, (uint32_t)n);
		rekey_when_due(k);
	}
	if (k->is_running && k->got_eof && !k->said_eof && k->pending.len == 0) {
		say_eof(k);
		talk_send_request(k, false);
		say_close(k);
	}
}

static void
on_data(struct talk *k, struct span data)
{
	if (k->config.role == TRANSPORT_SERVER) {
		talk_check(k, buf_append_span(&k->pending, data), "keeping data");
		k->n_echoed += data.len;
		return;
	}
	for (size_t i = 0; i < data.len; i++) {
		if (data.ptr[i] != number_at(k->n_echoed + i))
			talk_fail(k, "byte %zu came back changed", k->n_echoed + i);
	}
	k->n_echoed += data.len;
	talk_send_window(k, (uint32_t)data.len);
}

/* What a shell says there helps to understand a failure. */
static void
on_stderr(struct talk *k, struct wire_reader *r)
{
	struct span text;
	uint32_t kind;

	if (wire_get_u32(r, &kind) != OK || wire_get_string(r, &text) != OK) {
		talk_fail(k, "malformed extended data");
		return;
	}
	(void)fprintf(stderr, "the peer's stderr: %.*s\n", (int)text.len, (const char *)text.ptr);
	talk_send_window(k, (uint32_t)text.len);
}

static void
on_close(struct talk *k)
{
	say_close(k);
	k->is_running = false;
	k->is_done = k->config.role == TRANSPORT_SERVER || k->n_echoed == k->n_bytes;
	if (!k->is_done)
		talk_fail(k, "closed after %zu of %zu bytes", k->n_echoed, k->n_bytes);
}

static void
on_channel_request(struct talk *k, struct wire_reader *r)
{
	struct span name;
	bool want_reply;

	if (wire_get_string(r, &name) != OK || wire_get_bool(r, &want_reply) != OK) {
		talk_fail(k, "malformed channel request");
		return;
	}
	if (span_is(name, "exec"))
		k->is_running = true;
	if (want_reply)
		talk_send_number(k,
			span_is(name, "exec") ? SSH_MSG_CHANNEL_SUCCESS : SSH_MSG_CHANNEL_FAILURE,
			k->peer_channel);
}

static void
on_global_request(struct talk *k, struct wire_reader *r)
{
	struct span name;
	bool want_reply;

	if (wire_get_string(r, &name) != OK || wire_get_bool(r, &want_reply) != OK)
		talk_fail(k, "malformed global request");
	else if (want_reply)
		talk_send_type(k, SSH_MSG_REQUEST_FAILURE);
}

static void
on_channel_open(struct talk *k, struct wire_reader *r)
{
	struct span name;

	if (wire_get_string(r, &name) != OK || wire_get_u32(r, &k->peer_channel) != OK ||
		wire_get_u32(r, &k->peer_window) != OK ||
		wire_get_u32(r, &k->peer_packet_max) != OK)
		talk_fail(k, "malformed channel open");
	else
		talk_send_confirmation(k);
}

static void
on_confirmation(struct talk *k, struct wire_reader *r)
{
	if (wire_get_u32(r, &k->peer_channel) != OK || wire_get_u32(r, &k->peer_window) != OK ||
		wire_get_u32(r, &k->peer_packet_max) != OK)
		talk_fail(k, "malformed confirmation");
	else
		talk_send_request(k, true);
}

static void
on_window_adjust(struct talk *k, struct wire_reader *r)
{
	uint32_t n;

	if (wire_get_u32(r, &n) == OK)
		k->peer_window += n;
	else
		talk_fail(k, "malformed window adjust");
}

/* The messages of RFC 4254; r stands behind the channel number where there is one. */
static void
on_connection(struct talk *k, uint8_t type, struct wire_reader *r)
{
	struct span data;
	uint32_t channel;

	if (type > SSH_MSG_CHANNEL_OPEN && wire_get_u32(r, &channel) != OK) {
		talk_fail(k, "malformed message of type %u", type);
		return;
	}
	switch (type) {
	case SSH_MSG_GLOBAL_REQUEST:
		on_global_request(k, r);
		break;
	case SSH_MSG_CHANNEL_OPEN:
		on_channel_open(k, r);
		break;
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		on_confirmation(k, r);
		break;
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		on_window_adjust(k, r);
		break;
	case SSH_MSG_CHANNEL_DATA:
		if (wire_get_string(r, &data) == OK)
			on_data(k, data);
		break;
	case SSH_MSG_CHANNEL_EXTENDED_DATA:
		on_stderr(k, r);
		break;
	case SSH_MSG_CHANNEL_REQUEST:
		on_channel_request(k, r);
		break;
	case SSH_MSG_CHANNEL_SUCCESS:
		k->is_running = true;
		break;
	case SSH_MSG_CHANNEL_EOF:
		k->got_eof = true;
		break;
	case SSH_MSG_CHANNEL_CLOSE:
		on_close(k);
		break;
	default:
		talk_fail(k, "message of type %u", type);
	}
}

static void
on_packet(struct talk *k, struct span payload)
{
	struct wire_reader r = wire_reader_of(payload);
	uint8_t type = 0;

	talk_check(k, wire_get_u8(&r, &type), "reading a type");
	switch (type) {
	case SSH_MSG_SERVICE_REQUEST:
		talk_send_name(k, SSH_MSG_SERVICE_ACCEPT, "ssh-userauth");
		transport_set_phase(k->t, TRANSPORT_PHASE_AUTH);
		break;
	case SSH_MSG_SERVICE_ACCEPT:
		transport_set_phase(k->t, TRANSPORT_PHASE_AUTH);
		talk_send_login(k);
		break;
	case SSH_MSG_USERAUTH_REQUEST:
		talk_send_type(k, SSH_MSG_USERAUTH_SUCCESS);
		transport_set_phase(k->t, TRANSPORT_PHASE_CONNECTION);
		break;
	case SSH_MSG_USERAUTH_SUCCESS:
		transport_set_phase(k->t, TRANSPORT_PHASE_CONNECTION);
		talk_send_channel_open(k);
		break;
	case SSH_MSG_USERAUTH_BANNER:
	case SSH_MSG_PING:
		break;
	default:
		on_connection(k, type, &r);
	}
}

static void
sign(struct talk *k, const struct transport_exchange *x)
{
	talk_check(k, exchange_answer(k->t, x, k->host_key, k->host_key), "signing");
}

static void
on_event(struct talk *k, const struct transport_event *event)
{
	switch (event->kind) {
	case TRANSPORT_EVENT_PACKET:
		on_packet(k, event->packet.payload);
		break;
	case TRANSPORT_EVENT_SIGN:
		sign(k, &event->exchange);
		break;
	case TRANSPORT_EVENT_KEYS:
		if (k->n_keys++ == 0 && k->config.role == TRANSPORT_CLIENT)
			talk_send_name(k, SSH_MSG_SERVICE_REQUEST, "ssh-userauth");
		break;
	case TRANSPORT_EVENT_UNIMPLEMENTED:
		talk_fail(k, "packet %u was not understood", event->number);
		break;
	case TRANSPORT_EVENT_DISCONNECT:
		/* ssh does not wait for a key exchange to end when its channel is closed: its own CLOSE may be lost. */
		if (k->config.role == TRANSPORT_SERVER && k->said_close)
			k->is_done = true;
		if (!k->is_done)
			talk_fail(k, "disconnected: %u %.*s", event->number, (int)event->text.len,
				(const char *)event->text.ptr);
		break;
	case TRANSPORT_EVENT_NONE:
		break;
	}
}

static void
take(struct talk *k)
{
	struct transport_event event;
	enum err e = OK;
	size_t used;

	while (e == OK && !talk_has_failed(k) && k->in.len > 0) {
		e = transport_step(k->t, k->in.data + k->in.head, k->in.len, &used, &event);
		if (e == OK) {
			on_event(k, &event);
			buf_consume(&k->in, used);
		} else if (e != ERR_AGAIN && !(e == ERR_CLOSED && k->is_done)) {
			talk_check(k, e, "receiving");
		}
	}
	if (k->config.role == TRANSPORT_CLIENT)
		client_push(k);
	else
		server_push(k);
	if (!talk_has_failed(k))
		rekey_when_due(k);
}

static bool
read_some(struct talk *k)
{
	uint8_t bytes[READ_SIZE];
	ssize_t n = read(k->fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		if (!k->is_done)
			talk_fail(k, "the peer is gone: %s",
				n < 0 ? strerror(errno) : "end of stream");
		return false;
	}
	talk_check(k, buf_append(&k->in, bytes, (size_t)n), "keeping bytes");
	take(k);
	return true;
}

static bool
write_some(struct talk *k)
{
	struct buf *out = transport_out(k->t);
	ssize_t n = send(k->fd, buf_span(out).ptr, out->len, MSG_NOSIGNAL);

	if (n > 0) {
		buf_consume(out, (size_t)n);
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		if (!k->is_done)
			talk_fail(k, "writing: %s", strerror(errno));
		return false;
	}
	take(k);
	return true;
}

static bool
host_key_ok(void *arg, struct span host_key)
{
	const struct talk *k = arg;

	return k->host_key_expected.len == 0 || span_equal(host_key, k->host_key_expected);
}

static bool
begin(struct talk *k)
{
	k->config.ident = "SSH-2.0-sshbroker_test";
	k->config.host_key_ok = host_key_ok;
	k->config.host_key_arg = k;
	buf_init(&k->in, (size_t)8 << 20);
	buf_init(&k->pending, (size_t)8 << 20);
	if (fcntl(k->fd, F_SETFL, O_NONBLOCK) != 0) {
		talk_fail(k, "fcntl: %s", strerror(errno));
		return false;
	}
	talk_check(k, transport_new(&k->config, &k->t), "transport_new");
	return !talk_has_failed(k);
}

static long
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A failed leg still says why. */
static void
say_goodbye(struct talk *k)
{
	struct buf *out = transport_out(k->t);

	if (k->is_done)
		transport_disconnect(k->t, SSH_DISCONNECT_BY_APPLICATION, "done");
	if (out->len > 0 && send(k->fd, buf_span(out).ptr, out->len, MSG_NOSIGNAL) < 0 &&
		!k->is_done)
		talk_fail(k, "writing: %s", strerror(errno));
}

bool
talk_run(struct talk *k)
{
	long until = now_ms() + TALK_MS;
	bool goes_on = begin(k);

	while (goes_on && !talk_has_failed(k) && !(k->is_done && transport_out(k->t)->len == 0)) {
		struct pollfd p = {.fd = k->fd, .events = POLLIN};

		if (transport_out(k->t)->len > 0)
			p.events |= POLLOUT;
		if (now_ms() >= until || poll(&p, 1, (int)(until - now_ms())) < 0)
			talk_fail(k, "no end after %d ms", TALK_MS);
		else if ((p.revents & POLLOUT) != 0)
			goes_on = write_some(k);
		if (goes_on && (p.revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			goes_on = read_some(k);
	}
	if (k->t != NULL)
		say_goodbye(k);
	return k->is_done && !talk_has_failed(k);
}

void
talk_end(struct talk *k)
{
	transport_free(k->t);
	k->t = NULL;
	buf_clear(&k->in);
	buf_clear(&k->pending);
}
