/*
 * A stage for logins.
 */
#include "tests/lib/login_stage.h"

#include "broker/gate/login_impl.h"
#include "broker/gate/version.h"
#include "broker/keyholder/requests.h"
#include "common/ssh/transport_state.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 * 1024)
#define KEEP_MAX ((size_t)64 << 20)
#define QUIET_TURNS 8
#define TURNS_MAX 100000
#define SESSIONS_MAX 64
#define NOW_S 1750000000

static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "login stage: %s failed\n", what);
	abort();
}

static int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	must(dir != NULL, "counting descriptors");
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n;
}

static void
socket_pair(int fds[2])
{
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0,
		"making a socket pair");
}

/* --- peers --- */

static const struct privkey *
key_of(int which)
{
	static struct privkey *keys[2];

	if (keys[which] == NULL)
		must(privkey_generate(KEY_ED25519, 0, &keys[which]) == OK, "making a key");
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

static void
peer_init(struct stage_peer *p, int fd)
{
	*p = (struct stage_peer){.fd = fd};
	buf_init(&p->in, KEEP_MAX);
	buf_init(&p->got, KEEP_MAX);
}

static void
peer_clear(struct stage_peer *p)
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
	struct kex_transcript transcript = x->transcript;
	const struct privkey *shown = key_of(n->manner.has_wrong_key ? KEY_STRANGE : KEY_NODE);
	const struct privkey *signer = n->manner.has_wrong_signature || n->manner.has_wrong_key
		? key_of(KEY_STRANGE)
		: key_of(KEY_NODE);
	struct buf signature = {0};
	struct kex_hash hash;

	transcript.host_key = pubkey_blob(privkey_public(shown));
	must(kex_exchange_hash(x->method, &transcript, &hash) == OK, "hashing an exchange");
	must(privkey_sign(signer, span_str(x->host_key_alg), span_of(hash.bytes, hash.len),
		     &signature) == OK,
		"signing");
	must(transport_signed(n->peer.t, transcript.host_key, buf_span(&signature)) == OK,
		"taking a signature");
	buf_clear(&signature);
}

static void
send_payload(struct stage_peer *p, struct span payload)
{
	must(transport_send(p->t, payload) == OK, "sending");
}

static void
node_accept_service(struct stage_node *n)
{
	struct buf b = {0};

	must(auth_service_write(SSH_MSG_SERVICE_ACCEPT, span_str(AUTH_SERVICE_USERAUTH), &b) == OK,
		"writing SERVICE_ACCEPT");
	transport_set_phase(n->peer.t, TRANSPORT_PHASE_AUTH);
	send_payload(&n->peer, buf_span(&b));
	buf_clear(&b);
}

static void
node_answer_none(struct stage_node *n)
{
	const char *methods = n->manner.methods != NULL ? n->manner.methods
							: "publickey,password,keyboard-interactive";
	struct buf b = {0};

	if (n->manner.banner != NULL) {
		must(auth_banner_write(span_str(n->manner.banner), span_str(""), &b) == OK,
			"writing a banner");
		send_payload(&n->peer, buf_span(&b));
		buf_clear(&b);
	}
	if (n->manner.is_open)
		must(auth_success_write(&b) == OK, "writing SUCCESS");
	else
		must(auth_failure_write(span_str(methods), false, &b) == OK, "writing FAILURE");
	send_payload(&n->peer, buf_span(&b));
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
			must(wire_put_string(&p->got, event->packet.payload) == OK,
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

static void
peer_take(struct stage_peer *p, struct stage_node *n)
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
	must(buf_append(&p->in, bytes, (size_t)got) == OK, "receiving");
	if (p->t != NULL)
		peer_take(p, n);
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

static bool
peer_turn(struct stage_peer *p, struct stage_node *n)
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
	must(wire_get_string(&r, &payload) == OK, "reading a packet back");
	buf_clear(&p->last);
	must(buf_append_span(&p->last, payload) == OK, "keeping a packet");
	buf_consume(&p->got, payload.len + 4);
	*out = buf_span(&p->last);
	return true;
}

/* --- links --- */

static void
note(struct stage *s, const struct ipc_message *m)
{
	must(s->n_seen < STAGE_SEEN_MAX && m->type < STAGE_TYPE_MAX, "remembering a message");
	s->seen[s->n_seen].type = m->type;
	buf_init(&s->seen[s->n_seen].body, KEEP_MAX);
	must(buf_append_span(&s->seen[s->n_seen].body, m->body) == OK, "keeping a message");
	s->n_seen++;
	s->n_of[m->type]++;
	s->moved = true;
}

size_t
stage_n(const struct stage *s, enum message_type type)
{
	return s->n_of[type];
}

void
stage_last(const struct stage *s, enum message_type type, const struct message_field *fields,
	void *message)
{
	size_t at = s->n_seen;

	while (at > 0 && s->seen[at - 1].type != type)
		at--;
	must(at > 0, "finding a message");
	must(message_decode(fields, buf_span(&s->seen[at - 1].body), message) == OK,
		"reading a message");
}

static void
send_message(struct stage_end *from, uint16_t type, struct span body)
{
	must(from->ipc != NULL && ipc_send(from->ipc, type, body, NULL, 0) == OK,
		"sending a message");
}

void
stage_tell(struct stage_end *from, uint16_t type, const struct message_field *fields,
	const void *message)
{
	struct buf body = {0};

	must(message_encode(fields, message, &body) == OK, "writing a message");
	send_message(from, type, buf_span(&body));
	buf_clear(&body);
}

static bool
is_linked(void *arg, const struct role_peer *peer)
{
	(void)arg;
	(void)peer;
	return true;
}

static uint64_t
now_s(void *arg)
{
	(void)arg;
	return NOW_S;
}

static void
make_sessions(struct stage *s)
{
	static const struct sessions_limits limits = {SESSIONS_MAX, SESSIONS_MAX};

	must(sessions_new(&limits, &s->core.sessions) == OK, "making a keyholder");
}

/* The clock stands still, and so does the word. */
static void
make_word(struct stage *s)
{
	struct fresh_query q = core_fresh_query(&s->core, &s->gate);

	must(fresh_word(&q, s->kex_word) == OK, "making a word");
}

static void
make_keyholder(struct stage *s)
{
	struct config_list no_preference = {NULL, 0};
	struct privkey *host = NULL, *ca = NULL;

	must(privkey_generate(KEY_ED25519, 0, &host) == OK, "making a key");
	must(privkey_generate(KEY_ED25519, 0, &ca) == OK, "making a key");
	must(keys_new(&host, 1, ca, &no_preference, &s->keys) == OK, "taking keys");
	s->core = (struct core){.config = s->config,
		.keys = s->keys,
		.clock = {now_s, now_s, NULL},
		.is_linked = is_linked};
	make_sessions(s);
	make_word(s);
}

static void
answer_request(struct stage *s, uint16_t type, struct span body)
{
	struct reply reply = {0};

	must(requests_handle(&s->core, &s->gate, type, body, &reply) == OK, "asking the keyholder");
	if (reply.type != 0 && s->keyholder.ipc != NULL)
		send_message(&s->keyholder, reply.type, buf_span(&reply.body));
	reply_clear(&reply);
}

static void
on_keyholder_message(struct stage *s, const struct ipc_message *m)
{
	bool is_request = m->type != MSG_CONN_MOVED && m->type != MSG_CONN_FORGET;

	if (!s->keyholder_waits || !is_request) {
		answer_request(s, m->type, m->body);
		return;
	}
	must(wire_put_u16(&s->requests, m->type) == OK &&
			wire_put_string(&s->requests, m->body) == OK,
		"keeping a request");
}

void
stage_answer_requests(struct stage *s)
{
	struct wire_reader r = wire_reader_of(buf_span(&s->requests));
	struct span body;
	uint16_t type;

	while (wire_get_u16(&r, &type) == OK && wire_get_string(&r, &body) == OK)
		answer_request(s, type, body);
	buf_clear(&s->requests);
	stage_run(s);
}

static void
take_leg(struct stage *s, int which, enum transport_role role, struct span state, struct span bytes,
	int fd)
{
	struct stage_peer *p = &s->taken[which];

	peer_clear(p);
	peer_init(p, fd);
	must(transport_state_read(state, &configs[role], &p->t) == OK, "reading a state");
	must(buf_append_span(&p->in, bytes) == OK, "keeping bytes");
	peer_take(p, NULL);
}

/* A relay that is slow has them all the same. */
static void
hold_sockets(struct stage *s, struct ipc_message *m)
{
	for (size_t i = 0; i < 2; i++) {
		peer_clear(&s->taken[i]);
		peer_init(&s->taken[i], m->fds[i]);
		m->fds[i] = -1;
	}
}

static void
on_hand_over(struct stage_end *end, struct ipc_message *m)
{
	struct stage *s = end->stage;
	struct msg_hand_over ho;
	struct msg_connection connection;
	struct msg_handed_over answer = {.taken = s->relaying == STAGE_TAKES};

	must(m->n_fds == 2 && message_decode(msg_hand_over_fields, m->body, &ho) == OK,
		"reading HAND_OVER");
	buf_clear(&s->connection);
	must(buf_append_span(&s->connection, ho.connection) == OK, "keeping a connection");
	must(message_decode(msg_connection_fields, buf_span(&s->connection), &connection) == OK,
		"reading a connection");
	answer.conn = connection.conn;
	if (s->relaying == STAGE_SAYS_NOTHING) {
		hold_sockets(s, m);
		return;
	}
	if (answer.taken) {
		take_leg(s, 0, TRANSPORT_SERVER, ho.client_state, ho.client_bytes, m->fds[0]);
		take_leg(s, 1, TRANSPORT_CLIENT, ho.node_state, ho.node_bytes, m->fds[1]);
		m->fds[0] = m->fds[1] = -1;
	}
	stage_tell(end, MSG_HANDED_OVER, msg_handed_over_fields, &answer);
}

static void
note_login(struct stage *s)
{
	struct msg_accepted m;

	stage_last(s, MSG_ACCEPTED, msg_accepted_fields, &m);
	s->id = m.conn;
}

static void
on_end_message(void *arg, struct ipc_message *m)
{
	struct stage_end *end = arg;
	struct stage *s = end->stage;

	note(s, m);
	if (end == &s->keyholder)
		on_keyholder_message(s, m);
	else if (m->type == MSG_HAND_OVER)
		on_hand_over(end, m);
	else if (m->type == MSG_ACCEPTED)
		note_login(s);
	else if (m->type == MSG_PLACE && !s->director_waits && s->n_nodes < STAGE_NODES_MAX)
		stage_place(s);
}

static void
on_end_closed(void *arg, enum err why)
{
	struct stage_end *end = arg;

	(void)why;
	ipc_free(end->ipc);
	end->ipc = NULL;
}

void
stage_link(struct stage *s, struct stage_end *end)
{
	int fds[2];

	must(end->ipc == NULL, "being unlinked");
	must(ipc_pair(fds) == OK, "making a link");
	must(ipc_new(s->base, fds[1], on_end_message, on_end_closed, end, &end->ipc) == OK,
		"making a link");
	gate_links_set(s->links, &end->self, fds[0]);
	stage_run(s);
}

void
stage_unlink(struct stage *s, struct stage_end *end)
{
	ipc_free(end->ipc);
	end->ipc = NULL;
	stage_run(s);
}

void
stage_restart_keyholder(struct stage *s)
{
	sessions_free(s->core.sessions);
	make_sessions(s);
	buf_clear(&s->requests);
	stage_link(s, &s->keyholder);
}

/* --- the director --- */

struct stage_node *
stage_node(struct stage *s)
{
	must(s->n_nodes > 0, "finding a node");
	return &s->nodes[s->n_nodes - 1];
}

static void
node_begin(struct stage_node *n, int fd)
{
	struct stage_peer *p = &n->peer;

	peer_init(p, fd);
	if (n->manner.death == STAGE_DIES_AT_ONCE) {
		node_die(n);
		return;
	}
	if (n->manner.garbage != NULL) {
		must(send(fd, n->manner.garbage, strlen(n->manner.garbage), MSG_NOSIGNAL) > 0,
			"sending garbage");
		return;
	}
	if (!n->manner.is_mute)
		must(transport_new(&configs[TRANSPORT_SERVER], &p->t) == OK, "making a node");
}

void
stage_place(struct stage *s)
{
	struct stage_node *n = &s->nodes[s->n_nodes];
	struct buf keys = {0}, body = {0};
	struct msg_placed m;
	struct msg_place asked;
	int fds[2];

	must(s->n_nodes < STAGE_NODES_MAX, "having another node");
	s->n_nodes++;
	stage_last(s, MSG_PLACE, msg_place_fields, &asked);
	must(wire_put_string(&keys, pubkey_blob(privkey_public(key_of(KEY_NODE)))) == OK,
		"writing host keys");
	(void)snprintf(n->name, sizeof(n->name), "n%u", (unsigned)s->n_nodes % 100);
	n->attempt = asked.attempt;
	m = (struct msg_placed){
		.conn = asked.conn,
		.attempt = asked.attempt,
		.node = span_str(n->name),
		.identity = span_str(n->name),
		.address = {.family = 4, .ip = {127, 0, 0, 1}, .port = 22},
		.host_keys = buf_span(&keys),
		.why = span_str("it is the stage's choice"),
	};
	socket_pair(fds);
	must(message_encode(msg_placed_fields, &m, &body) == OK, "writing PLACED");
	must(ipc_send(s->director.ipc, MSG_PLACED, buf_span(&body), &fds[0], 1) == OK,
		"sending PLACED");
	node_begin(n, fds[1]);
	buf_clear(&keys);
	buf_clear(&body);
}

void
stage_not_place(struct stage *s, enum not_placed reason, const char *text)
{
	struct msg_place asked;
	struct msg_not_placed m;

	stage_last(s, MSG_PLACE, msg_place_fields, &asked);
	m = (struct msg_not_placed){.conn = asked.conn,
		.attempt = asked.attempt,
		.reason = (uint8_t)reason,
		.text = span_str(text)};
	stage_tell(&s->director, MSG_NOT_PLACED, msg_not_placed_fields, &m);
	stage_run(s);
}

/* --- the gate's side --- */

static void
on_up(void *arg, const struct role_peer *peer)
{
	struct stage *s = arg;

	login_table_on_link_up(s->table, peer);
}

static void
on_down(void *arg, const struct role_peer *peer)
{
	struct stage *s = arg;

	login_table_on_link_down(s->table, peer);
}

static void
on_gate_message(void *arg, const struct role_peer *peer, struct ipc_message *m)
{
	struct stage *s = arg;

	s->moved = true;
	(void)login_table_on_message(s->table, peer, m);
}

static const struct gate_links_events links_events = {
	.on_up = on_up, .on_down = on_down, .on_message = on_gate_message};

static struct config *
make_config(const char *limits)
{
	struct buf text = {0}, errors = {0};
	struct config *c = NULL;
	char line[512];

	(void)snprintf(line, sizeof(line),
		"{\"host_keys\": [\"k\"], \"user_ca_key\": \"c\", \"limits\": {%s}, "
		"\"certificate\": {\"source_addresses\": [\"127.0.0.1\"]}, "
		"\"pools\": [{\"name\": \"p\", \"nodes\": [",
		limits);
	must(buf_append(&text, line, strlen(line)) == OK, "writing a configuration");
	for (unsigned i = 1; i <= STAGE_NODES_MAX; i++) {
		(void)snprintf(line, sizeof(line),
			"%s{\"name\": \"n%u\", \"address\": \"127.0.0.1\", \"host_keys\": "
			"[\"ssh-ed25519 "
			"AAAAC3NzaC1lZDI1NTE5AAAAIJ8ivvkONT+fAgIt8JgnrIbDyHNRqHGiOadvYUgit3eR\"]}",
			i > 1 ? ", " : "", i);
		must(buf_append(&text, line, strlen(line)) == OK, "writing a configuration");
	}
	must(buf_append(&text, "]}]}", 4) == OK, "writing a configuration");
	if (config_parse(buf_span(&text), "/stage.json", &c, &errors) != OK)
		(void)fprintf(
			stderr, "%.*s\n", (int)errors.len, (const char *)buf_span(&errors).ptr);
	must(c != NULL, "reading the configuration");
	buf_clear(&text);
	buf_clear(&errors);
	return c;
}

static void
end_init(struct stage *s, struct stage_end *end, enum role_kind kind, unsigned index)
{
	*end = (struct stage_end){
		.stage = s, .self = {.kind = kind, .index = index, .pid = 1000 + (int)index}};
}

static void
make_gate(struct stage *s, const char *banner)
{
	s->ours = (struct transport_config){.role = TRANSPORT_SERVER,
		.ident = version_for_client(),
		.host_keys = keys_algorithms(s->keys),
		.cookie_start = s->kex_word};
	s->base = event_base_new();
	must(s->base != NULL, "making a loop");
	must(gate_links_new(s->base, &links_events, s, &s->links) == OK, "making links");
	must(login_table_new(&(struct login_table_params){.base = s->base,
				     .config = s->config,
				     .links = s->links,
				     .client_transport = &s->ours,
				     .banner = banner,
				     .logins_max = s->config->limits.unauthenticated_max +
					     LOGIN_TABLE_REFUSALS_MAX},
		     &s->table) == OK,
		"making a table");
}

struct stage *
stage_new(const char *limits, const char *banner)
{
	struct stage *s = calloc(1, sizeof(*s));

	must(s != NULL, "allocating");
	s->n_fds_before = count_fds();
	s->client.fd = s->taken[0].fd = s->taken[1].fd = -1;
	for (size_t i = 0; i < STAGE_NODES_MAX; i++)
		s->nodes[i].peer.fd = -1;
	buf_init(&s->requests, KEEP_MAX);
	s->gate = (struct role_peer){ROLE_GATE, 0, 77};
	s->config = make_config(limits);
	make_keyholder(s);
	make_gate(s, banner);
	end_init(s, &s->director, ROLE_DIRECTOR, 0);
	end_init(s, &s->keyholder, ROLE_KEYHOLDER, 0);
	stage_link(s, &s->director);
	stage_link(s, &s->keyholder);
	for (unsigned i = 0; i < STAGE_RELAYS; i++)
		end_init(s, &s->relays[i], ROLE_RELAY, i);
	stage_link(s, &s->relays[0]);
	return s;
}

void
stage_free(struct stage *s)
{
	int n_before = s->n_fds_before;

	login_table_free(s->table);
	gate_links_free(s->links);
	ipc_free(s->director.ipc);
	ipc_free(s->keyholder.ipc);
	for (size_t i = 0; i < STAGE_RELAYS; i++)
		ipc_free(s->relays[i].ipc);
	peer_clear(&s->client);
	peer_clear(&s->taken[0]);
	peer_clear(&s->taken[1]);
	for (size_t i = 0; i < STAGE_NODES_MAX; i++)
		peer_clear(&s->nodes[i].peer);
	for (size_t i = 0; i < s->n_seen; i++)
		buf_clear(&s->seen[i].body);
	buf_clear(&s->requests);
	buf_clear(&s->connection);
	event_base_free(s->base);
	sessions_free(s->core.sessions);
	keys_free(s->keys);
	config_free(s->config);
	free(s);
	must(count_fds() == n_before, "closing all descriptors");
}

static bool
turn(struct stage *s)
{
	bool moved;

	s->moved = false;
	must(event_base_loop(s->base, EVLOOP_NONBLOCK) >= 0, "running the loop");
	moved = peer_turn(&s->client, NULL);
	for (size_t i = 0; i < s->n_nodes; i++) {
		struct stage_node *n = &s->nodes[i];

		moved = peer_turn(&n->peer, n) || moved;
	}
	for (size_t i = 0; i < 2; i++)
		moved = peer_turn(&s->taken[i], NULL) || moved;
	return moved || s->moved;
}

void
stage_run(struct stage *s)
{
	unsigned quiet = 0;

	for (unsigned i = 0; i < TURNS_MAX; i++) {
		quiet = turn(s) ? 0 : quiet + 1;
		if (quiet == QUIET_TURNS)
			return;
	}
	must(false, "coming to rest");
}

struct login *
stage_login(struct stage *s)
{
	return login_table_find(s->table, s->id);
}

/* --- what people do --- */

void
stage_accept(struct stage *s)
{
	static const struct addr from = {.family = 4, .ip = {203, 0, 113, 7}, .port = 51234};
	int fds[2];

	peer_clear(&s->client);
	socket_pair(fds);
	peer_init(&s->client, fds[1]);
	must(transport_new(&configs[TRANSPORT_CLIENT], &s->client.t) == OK, "making a client");
	must(login_table_add(s->table, fds[0], &from) == OK, "accepting a client");
}

void
stage_connect(struct stage *s)
{
	struct buf b = {0};
	struct span answer;

	stage_accept(s);
	stage_run(s);
	must(s->client.n_keys == 1, "the client's key exchange");
	must(auth_service_write(SSH_MSG_SERVICE_REQUEST, span_str(AUTH_SERVICE_USERAUTH), &b) == OK,
		"writing SERVICE_REQUEST");
	stage_say(s, &s->client, buf_span(&b));
	must(stage_next(&s->client, &answer) && answer.ptr[0] == SSH_MSG_SERVICE_ACCEPT,
		"being served");
	transport_set_phase(s->client.t, TRANSPORT_PHASE_AUTH);
	buf_clear(&b);
}

void
stage_say(struct stage *s, struct stage_peer *from, struct span payload)
{
	send_payload(from, payload);
	stage_run(s);
}

void
stage_say_type(struct stage *s, struct stage_peer *from, uint8_t type)
{
	stage_say(s, from, span_of(&type, 1));
}

void
stage_close(struct stage *s, struct stage_peer *p)
{
	close(p->fd);
	p->fd = -1;
	stage_run(s);
}

void
stage_rekey(struct stage *s, struct stage_peer *p)
{
	must(transport_rekey(p->t) == OK, "beginning a key exchange");
	stage_run(s);
}

void
stage_leave(struct stage *s)
{
	peer_clear(&s->client);
	stage_run(s);
}

/* --- timers --- */

static void
fire(struct stage *s, struct event *timer)
{
	must(event_pending(timer, EV_TIMEOUT, NULL) != 0, "finding a timer running");
	event_active(timer, EV_TIMEOUT, 0);
	stage_run(s);
}

void
stage_fire_grace(struct stage *s)
{
	must(stage_login(s) != NULL, "finding the login");
	fire(s, stage_login(s)->grace);
}

void
stage_fire_step(struct stage *s)
{
	must(stage_login(s) != NULL, "finding the login");
	fire(s, stage_login(s)->step_timer);
}

struct search {
	const void *arg;
	struct event *found;
};

static int
find_timer(const struct event_base *base, const struct event *ev, void *arg)
{
	struct search *search = arg;

	(void)base;
	if (event_get_callback_arg(ev) == search->arg && event_pending(ev, EV_TIMEOUT, NULL) != 0)
		search->found = (struct event *)(uintptr_t)ev;
	return 0;
}

static struct event *
goodbye_timer(struct stage *s)
{
	struct search search = {0};

	if (stage_login(s) == NULL)
		return NULL;
	search.arg = stage_login(s)->client;
	(void)event_base_foreach_event(s->base, find_timer, &search);
	return search.found;
}

bool
stage_says_goodbye(struct stage *s)
{
	return goodbye_timer(s) != NULL;
}

void
stage_fire_goodbye(struct stage *s)
{
	must(stage_says_goodbye(s), "finding a goodbye's timer");
	fire(s, goodbye_timer(s));
}

unsigned
stage_step_s(struct stage *s)
{
	struct timeval now, at;
	struct login *l = stage_login(s);

	if (l == NULL || event_pending(l->step_timer, EV_TIMEOUT, &at) == 0)
		return 0;
	(void)evutil_gettimeofday(&now, NULL);
	evutil_timersub(&at, &now, &at);
	return (unsigned)at.tv_sec + (at.tv_usec > 500000 ? 1 : 0);
}
