/*
 * A relay process's inside on a bench.
 */
#include "tests/lib/relay_rig_impl.h"

#include "broker/relay/connection.h"
#include "broker/relay/process.h"
#include "common/ssh/transport_state.h"
#include "common/ssh/wire.h"
#include "tests/lib/pool_config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUIET_TURNS 6
/* What was sent over TCP may take a moment, even on loopback. */
#define QUIET_TURNS_TCP 50
#define PAUSE_TCP_US 1000
#define TURNS_MAX 2000000

static uint64_t fake_now = 1000000;

static uint64_t
fake_clock(void)
{
	return fake_now;
}

static bool
any_host_key(void *arg, struct span host_key)
{
	(void)arg;
	(void)host_key;
	return true;
}

/* --- sockets --- */

static void
tcp_pair(int fds[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(a);

	rig_must(listener >= 0 && bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0 &&
			listen(listener, 1) == 0 &&
			getsockname(listener, (struct sockaddr *)&a, &len) == 0,
		"listening");
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rig_must(fds[0] >= 0 && connect(fds[0], (struct sockaddr *)&a, sizeof(a)) == 0,
		"connecting");
	fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	rig_must(fds[1] >= 0, "accepting");
	close(listener);
}

static void
make_sockets(struct rig *r, struct rig_peer *p, enum side s)
{
	int fds[2], bytes = r->options.socket_bytes;

	if (r->options.is_tcp)
		tcp_pair(fds);
	else
		rig_must(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "socketpair");
	for (size_t i = 0; i < 2 && bytes > 0; i++) {
		rig_must(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) == 0 &&
				setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) ==
					0,
			"sizing a socket");
	}
	p->fd = fds[0];
	r->fds[s] = fds[1];
}

/* --- the key exchanges before the hand-over, in memory --- */

static bool
shake(struct transport *from, struct transport *to, enum rig_key key, struct buf *in)
{
	struct buf *out = transport_out(from);
	struct transport_event event;
	size_t used;
	bool moved = out->len > 0;

	rig_must(buf_append_span(in, buf_span(out)) == OK, "moving bytes");
	buf_consume(out, out->len);
	while (in->len > 0 &&
		transport_step(to, in->data + in->head, in->len, &used, &event) == OK) {
		buf_consume(in, used);
		if (event.kind == TRANSPORT_EVENT_SIGN)
			rig_sign_for(to, &event.exchange, key);
	}
	return moved;
}

static void
shake_hands(struct transport *client, struct transport *server, enum rig_key key)
{
	struct buf to_server = {0}, to_client = {0};
	bool moved = true;

	while (moved) {
		moved = shake(client, server, key, &to_server);
		moved = shake(server, client, key, &to_client) || moved;
	}
	rig_must(transport_session_id(client).len > 0 && !transport_is_rekeying(server),
		"the first key exchange");
	transport_set_phase(client, TRANSPORT_PHASE_CONNECTION);
	transport_set_phase(server, TRANSPORT_PHASE_CONNECTION);
	buf_clear(&to_server);
	buf_clear(&to_client);
}

static struct transport_config
config_for(enum transport_role role, const char *ident)
{
	return (struct transport_config){.role = role,
		.ident = ident,
		.host_keys = "ssh-ed25519",
		.waiting_max = RIG_KEEP_MAX,
		.host_key_ok = any_host_key};
}

static void
begin_peer(struct rig *r, struct rig_peer *p, enum side s)
{
	const struct rig_options *o = &r->options;
	bool is_ssh = s == SIDE_CLIENT;

	p->config = is_ssh ? config_for(TRANSPORT_CLIENT, "SSH-2.0-rig_ssh")
			   : config_for(TRANSPORT_SERVER, "SSH-2.0-rig_node");
	p->config.ciphers = is_ssh ? o->ssh_cipher : o->node_cipher;
	p->config.macs = is_ssh ? o->ssh_mac : o->node_mac;
	p->config.rekey_bytes = is_ssh ? o->ssh_rekey_bytes : o->node_rekey_bytes;
	r->ours[s] = config_for(is_ssh ? TRANSPORT_SERVER : TRANSPORT_CLIENT, "SSH-2.0-rig_broker");
	rig_peer_begin(p);
	rig_must(transport_new(&r->ours[s], &r->legs[s]) == OK, "making a transport");
	if (s == SIDE_CLIENT)
		shake_hands(p->t, r->legs[s], RIG_KEY_BROKER);
	else
		shake_hands(r->legs[s], p->t, RIG_KEY_NODE);
	make_sockets(r, p, s);
}

static struct config *
make_config(const struct rig_options *o)
{
	char text[4096];
	struct buf errors = {0};
	struct config *c = NULL;

	(void)snprintf(text, sizeof(text),
		"{\"host_keys\": [\"k\"], \"user_ca_key\": \"c\", %s \"limits\": {%s}, "
		"\"pools\": [{\"name\": \"p\", \"nodes\": [{\"name\": \"n2\", \"address\": "
		"\"127.0.0.1\", \"host_keys\": [\"" POOL_CONFIG_HOST_KEY "\"]}]}]}",
		o->other != NULL ? o->other : "", o->limits != NULL ? o->limits : "");
	if (config_parse(span_str(text), "/rig.json", &c, &errors) != OK)
		(void)fprintf(
			stderr, "%.*s\n", (int)errors.len, (const char *)buf_span(&errors).ptr);
	rig_must(c != NULL, "parsing the configuration");
	buf_clear(&errors);
	return c;
}

struct rig *
rig_new(const struct rig_options *options)
{
	static const struct rig_options none;
	struct rig *r = calloc(1, sizeof(*r));

	rig_must(r != NULL, "allocating");
	r->options = options != NULL ? *options : none;
	r->id = 0x123456789abcdef;
	r->base = event_base_new();
	rig_must(r->base != NULL, "making a base");
	r->config = make_config(&r->options);
	rig_must(process_new(r->base, r->config, fake_clock, &r->process) == OK, "process_new");
	r->gate.rig = r->director.rig = r->keyholder.rig = r;
	buf_init(&r->gate.log, RIG_KEEP_MAX);
	buf_init(&r->director.log, RIG_KEEP_MAX);
	buf_init(&r->keyholder.log, RIG_KEEP_MAX);
	buf_init(&r->kept, RIG_KEEP_MAX);
	begin_peer(r, &r->ssh, SIDE_CLIENT);
	begin_peer(r, &r->node, SIDE_NODE);
	rig_link_end(r, &r->gate, ROLE_GATE);
	rig_link_director(r);
	if (!r->options.has_no_keyholder)
		rig_link_keyholder(r);
	rig_run(r);
	return r;
}

/* --- the hand-over --- */

void
rig_send_as_gate(struct rig *r, uint16_t type, struct span body, bool with_fds)
{
	int fds[SIDES];

	for (enum side s = 0; s < SIDES && with_fds; s++) {
		fds[s] = fcntl(r->fds[s], F_DUPFD_CLOEXEC, 0);
		rig_must(fds[s] >= 0, "duplicating a socket");
	}
	rig_must(ipc_send(r->gate.ipc, type, body, fds, with_fds ? 2 : 0) == OK, "sending as gate");
}

static struct span
facts(struct rig *r, struct buf *out)
{
	struct msg_connection m = {
		.conn = r->id,
		.started_at_ms = 1,
		.user = span_str("ada"),
		.node = span_str("n2"),
		.node_identity = span_str("n2"),
		.method = span_str("publickey"),
		.why = span_str("fewest users"),
	};

	rig_must(addr_parse("192.0.2.7:40000", false, &m.client) == OK, "an address");
	rig_must(message_encode(msg_connection_fields, &m, out) == OK, "writing facts");
	return buf_span(out);
}

void
rig_hand_over(struct rig *r)
{
	struct buf f = {0}, client = {0}, node = {0}, b = {0};
	struct msg_hand_over m;

	buf_init(&b, IPC_BODY_MAX);
	buf_init(&client, MSG_STATE_MAX);
	buf_init(&node, MSG_STATE_MAX);
	rig_must(transport_state_write(r->legs[SIDE_CLIENT], &client) == OK &&
			transport_state_write(r->legs[SIDE_NODE], &node) == OK,
		"writing states");
	m = (struct msg_hand_over){.connection = facts(r, &f),
		.client_state = buf_span(&client),
		.node_state = buf_span(&node),
		.client_bytes = buf_span(transport_out(r->ssh.t)),
		.node_bytes = buf_span(transport_out(r->node.t))};
	rig_must(message_encode(msg_hand_over_fields, &m, &b) == OK, "writing the hand-over");
	buf_clear(transport_out(r->ssh.t));
	buf_clear(transport_out(r->node.t));
	rig_send_as_gate(r, MSG_HAND_OVER, buf_span(&b), true);
	rig_run(r);
	for (enum side s = 0; s < SIDES; s++) {
		close(r->fds[s]);
		r->fds[s] = -1;
	}
	buf_clear(&f);
	buf_clear(&client);
	buf_clear(&node);
	buf_clear(&b);
}

struct rig *
rig_open(const struct rig_options *options)
{
	struct rig *r = rig_new(options);
	struct msg_handed_over m;

	rig_hand_over(r);
	rig_must(message_decode(msg_handed_over_fields, rig_last_message(r, MSG_HANDED_OVER), &m) ==
				OK &&
			m.taken && m.conn == r->id,
		"handing over");
	return r;
}

void
rig_free(struct rig *r)
{
	process_free(r->process);
	ipc_free(r->gate.ipc);
	ipc_free(r->director.ipc);
	ipc_free(r->keyholder.ipc);
	buf_clear(&r->gate.log);
	buf_clear(&r->director.log);
	buf_clear(&r->keyholder.log);
	buf_clear(&r->kept);
	rig_peer_end(&r->ssh);
	rig_peer_end(&r->node);
	for (enum side s = 0; s < SIDES; s++) {
		transport_free(r->legs[s]);
		if (r->fds[s] >= 0)
			close(r->fds[s]);
	}
	config_free(r->config);
	event_base_free(r->base);
	free(r);
}

struct transport *
rig_leg(struct rig *r, const struct rig_peer *p)
{
	return r->legs[p == rig_ssh(r) ? SIDE_CLIENT : SIDE_NODE];
}

struct rig_peer *
rig_ssh(struct rig *r)
{
	return &r->ssh;
}

struct rig_peer *
rig_node(struct rig *r)
{
	return &r->node;
}

struct process *
rig_process(struct rig *r)
{
	return r->process;
}

struct connection *
rig_connection(struct rig *r)
{
	return process_find(r->process, r->id);
}

uint64_t
rig_id(const struct rig *r)
{
	return r->id;
}

/* --- running --- */

bool
rig_turn(struct rig *r)
{
	bool moved;

	r->is_quiet = true;
	rig_must(event_base_loop(r->base, EVLOOP_NONBLOCK) >= 0, "the loop");
	moved = rig_peer_turn(&r->ssh);
	moved = rig_peer_turn(&r->node) || moved;
	return moved || !r->is_quiet;
}

void
rig_run(struct rig *r)
{
	size_t n_quiet = 0, enough = r->options.is_tcp ? QUIET_TURNS_TCP : QUIET_TURNS;

	for (size_t i = 0; i < TURNS_MAX; i++) {
		n_quiet = rig_turn(r) ? 0 : n_quiet + 1;
		if (n_quiet == enough)
			return;
		if (n_quiet > QUIET_TURNS)
			(void)usleep(PAUSE_TCP_US);
	}
	rig_must(false, "coming to rest");
}

void
rig_pass(struct rig *r, uint64_t ms)
{
	struct connection *c;

	fake_now += ms;
	process_tick(r->process);
	for (c = process_next(r->process, NULL); c != NULL; c = process_next(r->process, c))
		connection_look(c);
	rig_run(r);
}
