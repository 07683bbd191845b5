/*
 * An SSH peer of a relay under test.
 */
#include "tests/lib/rig_peer.h"

#include "common/ssh/wire.h"
#include "tests/lib/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEP_MAX ((size_t)256 << 20)
#define READ_SIZE ((size_t)256 * 1024)
#define BULK_AHEAD ((size_t)128 * 1024)
#define FNV_START 0xcbf29ce484222325U
#define FNV_PRIME 0x100000001b3U

void
rig_must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "relay rig: %s failed\n", what);
	abort();
}

const struct privkey *
rig_key(enum rig_key which)
{
	static struct privkey *keys[2];

	if (keys[which] == NULL)
		rig_must(privkey_generate(KEY_ED25519, 0, &keys[which]) == OK, "making a key");
	return keys[which];
}

/* --- signatures --- */

void
rig_sign_for(struct transport *t, const struct transport_exchange *x, enum rig_key key)
{
	rig_must(exchange_answer(t, x, rig_key(key), rig_key(key)) == OK, "answering an exchange");
}

/* --- peers --- */

static uint64_t
hash_on(uint64_t hash, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		hash = (hash ^ s.ptr[i]) * FNV_PRIME;
	return hash;
}

static void
take_packet(struct rig_peer *p, struct span payload)
{
	p->n_packets++;
	p->n_payload += payload.len;
	/* What the broker says on its own account is not what was sent. */
	if (payload.ptr[0] != SSH_MSG_GLOBAL_REQUEST)
		p->hash = hash_on(p->hash, payload);
	if (p->is_keeping)
		rig_must(wire_put_string(&p->got, payload) == OK, "keeping a packet");
}

static void
take_event(struct rig_peer *p, const struct transport_event *event)
{
	switch (event->kind) {
	case TRANSPORT_EVENT_PACKET:
		take_packet(p, event->packet.payload);
		break;
	case TRANSPORT_EVENT_SIGN:
		rig_sign_for(p->t, &event->exchange, RIG_KEY_NODE);
		break;
	case TRANSPORT_EVENT_KEYS:
		p->n_keys++;
		break;
	case TRANSPORT_EVENT_UNIMPLEMENTED:
		p->n_unimplemented++;
		p->unimplemented = event->number;
		break;
	case TRANSPORT_EVENT_DISCONNECT:
		p->disconnect = event->number;
		(void)snprintf(p->text, sizeof(p->text), "%.*s", (int)event->text.len,
			(const char *)event->text.ptr);
		break;
	case TRANSPORT_EVENT_NONE:
		break;
	}
}

static void
peer_take(struct rig_peer *p)
{
	struct transport_event event;
	size_t used;
	enum err e = OK;

	while (p->in.len > 0) {
		e = transport_step(p->t, p->in.data + p->in.head, p->in.len, &used, &event);
		if (e != OK)
			break;
		take_event(p, &event);
		buf_consume(&p->in, used);
	}
	if (e != OK && e != ERR_AGAIN && p->disconnect == 0 && !p->said_goodbye) {
		(void)fprintf(stderr, "a peer: %s\n", transport_failure(p->t)->text);
		abort();
	}
}

static bool
peer_read(struct rig_peer *p)
{
	static uint8_t bytes[READ_SIZE];
	size_t max = p->read_max > 0 && p->read_max < sizeof(bytes) ? p->read_max : sizeof(bytes);
	ssize_t n;

	if (p->fd < 0 || p->is_eof || p->is_stalled)
		return false;
	n = recv(p->fd, bytes, max, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		p->is_eof = true;
		p->is_reset = n < 0;
		return true;
	}
	rig_must(buf_append(&p->in, bytes, (size_t)n) == OK, "receiving");
	peer_take(p);
	return true;
}

/* How much to write now. */
static size_t
next_cut(struct rig_peer *p, size_t len)
{
	static const size_t sizes[] = {1, 2, 3, 5, 7, 16, 21, 4, 64, 333, 1, 8192, 31, 100000};
	size_t n;

	if (!p->is_cut)
		return len;
	p->cut_seed = p->cut_seed * 1664525 + 1013904223;
	n = sizes[(p->cut_seed >> 16) % ARRAY_LEN(sizes)];
	return n < len ? n : len;
}

static bool
peer_write(struct rig_peer *p)
{
	struct buf *out = transport_out(p->t);
	ssize_t n;

	if (p->fd < 0 || out->len == 0 || p->is_silent)
		return false;
	n = send(p->fd, buf_span(out).ptr, next_cut(p, out->len), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0) {
		/* The broker closed: as with any program, what was to be said is lost. */
		buf_clear(out);
		return true;
	}
	buf_consume(out, (size_t)n);
	return true;
}

static void
send_bulk(struct rig_peer *p)
{
	while (p->bulk_left > 0 && transport_is_clear(p->t) &&
		transport_out(p->t)->len < BULK_AHEAD) {
		rig_send_filled(p, SSH_MSG_CHANNEL_DATA, p->bulk_len, p->bulk_seed++);
		p->bulk_left--;
		if (p->rekeys && transport_rekey_is_due(p->t))
			rig_rekey(p);
	}
}

bool
rig_peer_turn(struct rig_peer *p)
{
	bool moved = peer_read(p);

	if (p->fd >= 0)
		send_bulk(p);
	if (p->rekeys && transport_rekey_is_due(p->t))
		rig_rekey(p);
	return peer_write(p) || moved;
}

void
rig_bulk(struct rig_peer *p, size_t n, size_t len)
{
	p->bulk_left = n;
	p->bulk_len = len;
}

void
rig_peer_begin(struct rig_peer *p)
{
	p->fd = -1;
	p->is_keeping = true;
	p->rekeys = true;
	p->hash = FNV_START;
	p->sent_hash = FNV_START;
	buf_init(&p->in, KEEP_MAX);
	buf_init(&p->got, KEEP_MAX);
	rig_must(transport_new(&p->config, &p->t) == OK, "making a transport");
}

void
rig_peer_end(struct rig_peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	transport_free(p->t);
	buf_clear(&p->in);
	buf_clear(&p->got);
}

void
rig_send(struct rig_peer *p, struct span payload)
{
	rig_must(transport_send(p->t, payload) == OK, "sending");
	p->n_sent++;
	p->sent_hash = hash_on(p->sent_hash, payload);
}

void
rig_send_text(struct rig_peer *p, const char *payload, size_t len)
{
	rig_send(p, span_of(payload, len));
}

void
rig_send_filled(struct rig_peer *p, uint8_t type, size_t len, uint32_t seed)
{
	uint8_t *bytes = malloc(len);

	rig_must(bytes != NULL, "allocating");
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(seed >> 24);
	}
	bytes[0] = type;
	rig_send(p, span_of(bytes, len));
	free(bytes);
}

void
rig_rekey(struct rig_peer *p)
{
	rig_must(transport_rekey(p->t) == OK, "beginning a key exchange");
}

void
rig_disconnect(struct rig_peer *p, uint32_t code, const char *text)
{
	p->said_goodbye = true;
	transport_disconnect(p->t, (enum ssh_disconnect)code, text);
}

void
rig_close(struct rig_peer *p)
{
	close(p->fd);
	p->fd = -1;
}

void
rig_shut(struct rig_peer *p)
{
	rig_must(transport_out(p->t)->len == 0, "writing all before shutting");
	rig_must(shutdown(p->fd, SHUT_WR) == 0, "shutting");
}

bool
rig_next(struct rig_peer *p, struct span *out)
{
	static struct buf last;
	struct wire_reader r = wire_reader_of(buf_span(&p->got));
	struct span payload;

	if (wire_left(&r) == 0)
		return false;
	rig_must(wire_get_string(&r, &payload) == OK, "reading a packet back");
	buf_clear(&last);
	rig_must(buf_append_span(&last, payload) == OK, "keeping a packet");
	buf_consume(&p->got, payload.len + 4);
	*out = buf_span(&last);
	return true;
}
