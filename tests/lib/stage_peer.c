/*
 * The SSH peers on a stage for logins.
 */
#include "tests/lib/stage_peer.h"

#include "common/ssh/auth_msg.h"
#include "tests/lib/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 * 1024)

void
stage_must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "login stage: %s failed\n", what);
	abort();
}

static const struct privkey *
key_of(int which)
{
	static struct privkey *keys[2];

	if (keys[which] == NULL)
		stage_must(privkey_generate(KEY_ED25519, 0, &keys[which]) == OK, "making a key");
	return keys[which];
}

enum { KEY_NODE = 0, KEY_STRANGE = 1 };

static bool
any_host_key(void *arg, struct span host_key)
{
	(void)arg;
	(void)host_key;
	return true;
}

/* Peers may move: what their legs borrow stays. */
static const struct transport_config configs[] = {
	[TRANSPORT_SERVER] = {.role = TRANSPORT_SERVER,
		.ident = "SSH-2.0-OpenSSH_node",
		.host_keys = "ssh-ed25519"},
	[TRANSPORT_CLIENT] = {.role = TRANSPORT_CLIENT,
		.ident = "SSH-2.0-OpenSSH_stage",
		.host_keys = "ssh-ed25519",
		.host_key_ok = any_host_key},
};

const struct transport_config *
stage_peer_config(enum transport_role role)
{
	return &configs[role];
}

const struct privkey *
stage_node_key(void)
{
	return key_of(KEY_NODE);
}

void
stage_peer_init(struct stage_peer *p, int fd)
{
	*p = (struct stage_peer){.fd = fd};
	buf_init(&p->in, STAGE_KEEP_MAX);
	buf_init(&p->got, STAGE_KEEP_MAX);
}

void
stage_peer_clear(struct stage_peer *p)
{
	transport_free(p->t);
	p->t = NULL;
	buf_clear(&p->in);
	buf_clear(&p->got);
	buf_clear(&p->last);
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void
sign_exchange(struct stage_node *n, const struct transport_exchange *x)
{
	const struct privkey *shown = key_of(n->manner.has_wrong_key ? KEY_STRANGE : KEY_NODE);
	const struct privkey *signer = n->manner.has_wrong_signature ? key_of(KEY_STRANGE) : shown;

	stage_must(exchange_answer(n->peer.t, x, shown, signer) == OK, "answering an exchange");
}

void
stage_peer_send(struct stage_peer *p, struct span payload)
{
	stage_must(transport_send(p->t, payload) == OK, "sending");
}

static void
node_accept_service(struct stage_node *n)
{
	struct buf b = {0};

	stage_must(auth_service_write(
			   SSH_MSG_SERVICE_ACCEPT, span_str(AUTH_SERVICE_USERAUTH), &b) == OK,
		"writing SERVICE_ACCEPT");
	transport_set_phase(n->peer.t, TRANSPORT_PHASE_AUTH);
	stage_peer_send(&n->peer, buf_span(&b));
	buf_clear(&b);
}

static void
node_answer_none(struct stage_node *n)
{
	const char *methods = n->manner.methods != NULL ? n->manner.methods
							: "publickey,password,keyboard-interactive";
	struct buf b = {0};

	if (n->manner.banner != NULL) {
		stage_must(auth_banner_write(span_str(n->manner.banner), span_str(""), &b) == OK,
			"writing a banner");
		stage_peer_send(&n->peer, buf_span(&b));
		buf_clear(&b);
	}
	if (n->manner.is_open)
		stage_must(auth_success_write(&b) == OK, "writing SUCCESS");
	else
		stage_must(
			auth_failure_write(span_str(methods), false, &b) == OK, "writing FAILURE");
	stage_peer_send(&n->peer, buf_span(&b));
	buf_clear(&b);
	if (n->manner.is_open)
		transport_set_phase(n->peer.t, TRANSPORT_PHASE_CONNECTION);
}

static void
node_die(struct stage_node *n)
{
	if (n->peer.fd >= 0)
		close(n->peer.fd);
	n->peer.fd = -1;
}

/* What every node does by itself.  True: the payload is dealt with. */
static bool
node_takes(struct stage_node *n, struct span payload)
{
	struct auth_request rq;

	if (payload.ptr[0] == SSH_MSG_SERVICE_REQUEST) {
		if (n->manner.death == STAGE_DIES_AT_SERVICE)
			node_die(n);
		else
			node_accept_service(n);
		return true;
	}
	if (auth_request_parse(payload, &rq) != OK || rq.kind != AUTH_NONE)
		return false;
	if (n->manner.death == STAGE_DIES_AT_NONE)
		node_die(n);
	else
		node_answer_none(n);
	return true;
}

static void
take_event(struct stage_peer *p, struct stage_node *n, const struct transport_event *event)
{
	switch (event->kind) {
	case TRANSPORT_EVENT_PACKET:
		if (n == NULL && event->packet.payload.ptr[0] == SSH_MSG_USERAUTH_SUCCESS)
			transport_set_phase(p->t, TRANSPORT_PHASE_CONNECTION);
		if (n == NULL || !node_takes(n, event->packet.payload))
			stage_must(wire_put_string(&p->got, event->packet.payload) == OK,
				"keeping a packet");
		break;
	case TRANSPORT_EVENT_SIGN:
		if (n != NULL)
			sign_exchange(n, &event->exchange);
		break;
	case TRANSPORT_EVENT_KEYS:
		p->n_keys++;
		if (n != NULL && n->manner.death == STAGE_DIES_AFTER_KEX)
			node_die(n);
		break;
	case TRANSPORT_EVENT_DISCONNECT:
		p->disconnect = event->number;
		(void)snprintf(p->text, sizeof(p->text), "%.*s", (int)event->text.len,
			(const char *)event->text.ptr);
		break;
	default:
		break;
	}
}

void
stage_peer_take(struct stage_peer *p, struct stage_node *n)
{
	struct transport_event event;
	size_t used;

	while (p->in.len > 0 && p->fd >= 0) {
		if (transport_step(p->t, p->in.data + p->in.head, p->in.len, &used, &event) != OK)
			return;
		take_event(p, n, &event);
		buf_consume(&p->in, used);
		if (n != NULL && n->manner.death == STAGE_DIES_AFTER_IDENT)
			node_die(n);
		if (n != NULL && n->manner.death == STAGE_DIES_IN_KEX &&
			event.kind == TRANSPORT_EVENT_SIGN)
			node_die(n);
	}
}

static bool
peer_read(struct stage_peer *p, struct stage_node *n)
{
	static uint8_t bytes[READ_SIZE];
	ssize_t got;

	if (p->fd < 0 || p->is_eof || p->is_stalled)
		return false;
	got = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0) {
		p->is_eof = true;
		return true;
	}
	stage_must(buf_append(&p->in, bytes, (size_t)got) == OK, "receiving");
	if (p->t != NULL)
		stage_peer_take(p, n);
	return true;
}

static bool
peer_write(struct stage_peer *p)
{
	struct buf *out;
	ssize_t n;

	if (p->fd < 0 || p->t == NULL || transport_out(p->t)->len == 0)
		return false;
	out = transport_out(p->t);
	n = send(p->fd, buf_span(out).ptr, out->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0)
		buf_clear(out);
	else
		buf_consume(out, (size_t)n);
	return true;
}

bool
stage_peer_turn(struct stage_peer *p, struct stage_node *n)
{
	bool moved = peer_read(p, n);

	return peer_write(p) || moved;
}

bool
stage_next(struct stage_peer *p, struct span *out)
{
	struct wire_reader r = wire_reader_of(buf_span(&p->got));
	struct span payload;

	if (wire_left(&r) == 0)
		return false;
	stage_must(wire_get_string(&r, &payload) == OK, "reading a packet back");
	buf_clear(&p->last);
	stage_must(buf_append_span(&p->last, payload) == OK, "keeping a packet");
	buf_consume(&p->got, payload.len + 4);
	*out = buf_span(&p->last);
	return true;
}

void
stage_node_begin(struct stage_node *n, int fd)
{
	struct stage_peer *p = &n->peer;

	stage_peer_init(p, fd);
	if (n->manner.death == STAGE_DIES_AT_ONCE) {
		node_die(n);
		return;
	}
	if (n->manner.garbage != NULL) {
		stage_must(send(fd, n->manner.garbage, strlen(n->manner.garbage), MSG_NOSIGNAL) > 0,
			"sending garbage");
		return;
	}
	if (!n->manner.is_mute)
		stage_must(transport_new(stage_peer_config(TRANSPORT_SERVER), &p->t) == OK,
			"making a node");
}
