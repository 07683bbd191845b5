/*
 * The node leg of a login: key exchange with the expected host key, the ssh-userauth service, and the first "none".
 */
#include "broker/gate/node_leg.h"

#include "broker/gate/version.h"
#include "common/log.h"
#include "common/ssh/auth_msg.h"
#include "common/ssh/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NAMES_MAX 512
#define NODE_TEXT_MAX 256

/*	KEX --> SERVICE --> NONE --> READY      any --> LOST */
enum node_state { NODE_LOST = 0, NODE_KEX, NODE_SERVICE, NODE_NONE, NODE_READY };

struct node_leg {
	enum node_state state;
	const struct node_leg_events *events;
	void *arg;
	struct login_leg *leg;
	struct transport_config transport;
	struct buf host_keys; /* packed blobs */
	char host_key_algs[NAMES_MAX];
	char ciphers[NAMES_MAX];
	char macs[NAMES_MAX];
	char kex[NAMES_MAX];
	char *user;
	char *name;
	char *identity;
	char *why;
	struct addr addr;
	bool host_key_refused;
};

static bool
host_key_ok(void *arg, struct span host_key)
{
	struct node_leg *n = arg;
	struct wire_reader r = wire_reader_of(buf_span(&n->host_keys));
	struct span known;

	while (wire_get_string(&r, &known) == OK) {
		if (span_equal(known, host_key))
			return true;
	}
	n->host_key_refused = true;
	return false;
}

/* The signature algorithms that the expected keys can make, in our order of preference. */
static void
add_algorithms(char *out, struct span blob)
{
	static const struct {
		const char *type;
		const char *algorithms;
	} known[] = {
		{"ssh-ed25519", "ssh-ed25519"},
		{"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"},
		{"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"},
		{"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
		{"ssh-rsa", "rsa-sha2-512,rsa-sha2-256"},
	};
	struct wire_reader r = wire_reader_of(blob);
	struct span type;
	size_t len = strlen(out);

	if (wire_get_string(&r, &type) != OK)
		return;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!span_is(type, known[i].type) ||
			wire_namelist_has(span_str(out), span_str(known[i].algorithms)))
			continue;
		snprintf(out + len, NAMES_MAX - len, "%s%s", len > 0 ? "," : "",
			known[i].algorithms);
	}
}

static void
make_host_key_algs(struct node_leg *n)
{
	struct wire_reader r = wire_reader_of(buf_span(&n->host_keys));
	struct span blob;

	while (wire_get_string(&r, &blob) == OK)
		add_algorithms(n->host_key_algs, blob);
}

/* Append those names of a list that are not the first one. */
static void
append_names(char *out, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(out);

		if (!wire_namelist_has(span_str(out), span_str(names[i])))
			snprintf(out + len, NAMES_MAX - len, "%s%s", len > 0 ? "," : "", names[i]);
	}
}

/* The configured names, or all; with what is first already not a second time. */
static void
append_configured(char *out, const struct config_list *configured, const char *all)
{
	struct span left = span_str(all), name;
	char text[NAMES_MAX];
	const char *one = text;

	append_names(out, (const char *const *)configured->items, configured->n);
	while (configured->n == 0 && wire_namelist_next(&left, &name)) {
		snprintf(text, sizeof(text), "%.*s", (int)name.len, (const char *)name.ptr);
		append_names(out, &one, 1);
	}
}

/* With the client's cipher and MAC on this leg too, packets are re-encrypted where they stand. */
static void
make_ciphers(struct node_leg *n, const struct node_leg_params *p)
{
	if (p->client_cipher != CIPHER_NONE)
		snprintf(n->ciphers, NAMES_MAX, "%s", cipher_info(p->client_cipher)->name);
	append_configured(n->ciphers, &p->config->algorithms.ciphers, cipher_names());
	if (p->client_mac != MAC_NONE)
		snprintf(n->macs, NAMES_MAX, "%s", mac_info(p->client_mac)->name);
	append_configured(n->macs, &p->config->algorithms.macs, mac_names());
}

static void
make_transport_config(struct node_leg *n, const struct node_leg_params *p)
{
	const struct config_list *kex = &p->config->algorithms.kex;

	make_host_key_algs(n);
	make_ciphers(n, p);
	append_names(n->kex, (const char *const *)kex->items, kex->n);
	n->transport = (struct transport_config){
		.role = TRANSPORT_CLIENT,
		.ident = version_for_node(p->client_ident),
		.kex = kex->n > 0 ? n->kex : NULL,
		.host_keys = n->host_key_algs,
		.ciphers = n->ciphers,
		.macs = n->macs,
		.host_key_ok = host_key_ok,
		.host_key_arg = n,
	};
}

static void
lose(struct node_leg *n, enum node_failure cause, enum ssh_disconnect code, const char *text)
{
	if (n->state == NODE_LOST)
		return;
	n->state = NODE_LOST;
	login_leg_stop(n->leg);
	n->events->on_failed(n->arg, cause, code, text);
}

static void
lose_to_protocol(struct node_leg *n, const char *text)
{
	lose(n, NODE_FAILURE_PROTOCOL, SSH_DISCONNECT_NONE, text);
}

static void
on_dead(void *arg, enum err why)
{
	struct node_leg *n = arg;
	const struct transport_failure *failure = transport_failure(login_leg_transport(n->leg));

	/* A right key with a wrong signature is somebody else who shows it. */
	if (n->host_key_refused || why == ERR_SIGNATURE)
		lose(n, NODE_FAILURE_HOST_KEY, SSH_DISCONNECT_NONE, failure->text);
	else if (why == ERR_CLOSED || why == ERR_IO)
		lose(n, NODE_FAILURE_CLOSED, SSH_DISCONNECT_NONE, "the node closed the connection");
	else
		lose_to_protocol(n, failure->text);
}

static enum err
request_service(struct node_leg *n)
{
	struct buf b = {0};
	enum err e;

	e = auth_service_write(SSH_MSG_SERVICE_REQUEST, span_str(AUTH_SERVICE_USERAUTH), &b);
	if (e == OK)
		e = login_leg_send(n->leg, buf_span(&b));
	buf_clear(&b);
	return e;
}

/* The first request is always "none": it is no attempt in sshd's count, and it tells the methods. */
static enum err
request_none(struct node_leg *n)
{
	struct auth_request rq = {
		.user = span_str(n->user),
		.service = span_str(AUTH_SERVICE_CONNECTION),
		.kind = AUTH_NONE,
	};
	struct buf b = {0};
	enum err e;

	e = auth_request_write(&rq, &b);
	if (e == OK)
		e = login_leg_send(n->leg, buf_span(&b));
	buf_clear(&b);
	return e;
}

static enum err
on_service(struct node_leg *n, struct span payload)
{
	struct span service;

	if (auth_service_parse(SSH_MSG_SERVICE_ACCEPT, payload, &service) != OK)
		return ERR_FORMAT;
	transport_set_phase(login_leg_transport(n->leg), TRANSPORT_PHASE_AUTH);
	n->state = NODE_NONE;
	return request_none(n);
}

static enum err
on_none_answer(struct node_leg *n, struct span payload)
{
	struct auth_failure failure = {0};
	bool is_open = payload.ptr[0] == SSH_MSG_USERAUTH_SUCCESS;

	if ((is_open ? auth_success_parse(payload) : auth_failure_parse(payload, &failure)) != OK)
		return ERR_FORMAT;
	n->state = NODE_READY;
	n->events->on_ready(n->arg, failure.methods, is_open);
	return OK;
}

static enum err
on_packet(struct node_leg *n, struct span payload)
{
	if (payload.ptr[0] == SSH_MSG_PING || payload.ptr[0] == SSH_MSG_PONG)
		return OK;
	if (payload.ptr[0] == SSH_MSG_USERAUTH_BANNER) {
		n->events->on_banner(n->arg, payload);
		return OK;
	}
	switch (n->state) {
	case NODE_SERVICE:
		return on_service(n, payload);
	case NODE_NONE:
		return on_none_answer(n, payload);
	case NODE_READY:
		n->events->on_message(n->arg, payload);
		return OK;
	default:
		return ERR_PROTO;
	}
}

static void
on_goodbye(struct node_leg *n, const struct transport_event *event)
{
	char text[NODE_TEXT_MAX];

	log_printable(event->text, text, sizeof(text));
	lose(n, NODE_FAILURE_CLOSED,
		event->number != 0 ? event->number : SSH_DISCONNECT_BY_APPLICATION, text);
}

static void
on_event(void *arg, struct transport_event *event)
{
	struct node_leg *n = arg;
	enum err e = OK;

	switch (event->kind) {
	case TRANSPORT_EVENT_KEYS:
		if (n->state == NODE_KEX) {
			n->state = NODE_SERVICE;
			e = request_service(n);
		}
		break;
	case TRANSPORT_EVENT_PACKET:
		e = on_packet(n, event->packet.payload);
		break;
	case TRANSPORT_EVENT_DISCONNECT:
		on_goodbye(n, event);
		break;
	default:
		break;
	}
	if (e != OK)
		lose_to_protocol(n, "the node sent a malformed or unexpected message");
}

static char *
copy_text(struct span s)
{
	return strndup(s.ptr != NULL ? (const char *)s.ptr : "", s.len);
}

static const struct login_leg_events leg_events = {.on_event = on_event, .on_dead = on_dead};

static enum err
fill(struct node_leg *n, const struct node_leg_params *p)
{
	n->user = strdup(p->user);
	n->name = copy_text(p->placed->node);
	n->identity = copy_text(p->placed->identity);
	n->why = copy_text(p->placed->why);
	n->addr = p->placed->address;
	if (n->user == NULL || n->name == NULL || n->identity == NULL || n->why == NULL)
		return ERR_NOMEM;
	return buf_append_span(&n->host_keys, p->placed->host_keys);
}

enum err
node_leg_new(struct event_base *base, int fd, const struct node_leg_params *params,
	const struct node_leg_events *events, void *arg, struct node_leg **out)
{
	struct node_leg *n = calloc(1, sizeof(*n));
	enum err e = n != NULL ? fill(n, params) : ERR_NOMEM;

	if (e != OK) {
		close(fd);
		node_leg_free(n);
		return e;
	}
	n->events = events;
	n->arg = arg;
	n->state = NODE_KEX;
	make_transport_config(n, params);
	e = login_leg_new(base, fd, &n->transport, &leg_events, n, &n->leg);
	if (e != OK) {
		node_leg_free(n);
		return e;
	}
	*out = n;
	return OK;
}

void
node_leg_free(struct node_leg *n)
{
	if (n == NULL)
		return;
	login_leg_free(n->leg);
	buf_clear(&n->host_keys);
	free(n->user);
	free(n->name);
	free(n->identity);
	free(n->why);
	free(n);
}

enum err
node_leg_send(struct node_leg *n, struct span payload)
{
	return login_leg_send(n->leg, payload);
}

const char *
node_leg_name(const struct node_leg *n)
{
	return n->name;
}

const char *
node_leg_identity(const struct node_leg *n)
{
	return n->identity;
}

const char *
node_leg_why(const struct node_leg *n)
{
	return n->why;
}

struct addr
node_leg_addr(const struct node_leg *n)
{
	return n->addr;
}

struct login_leg *
node_leg_under(struct node_leg *n)
{
	return n->leg;
}
