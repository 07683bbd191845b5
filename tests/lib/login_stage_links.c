/*
 * The other ends of the gate's links on a stage for logins: keyholder, relays, director.
 */
#include "broker/keyholder/requests.h"
#include "common/ssh/transport_state.h"
#include "tests/lib/login_stage_impl.h"

#include <stdio.h>

#define SESSIONS_MAX 64
#define NOW_S 1750000000

static void
note(struct stage *s, const struct ipc_message *m)
{
	stage_must(s->n_seen < STAGE_SEEN_MAX && m->type < STAGE_TYPE_MAX, "remembering a message");
	s->seen[s->n_seen].type = m->type;
	buf_init(&s->seen[s->n_seen].body, STAGE_KEEP_MAX);
	stage_must(buf_append_span(&s->seen[s->n_seen].body, m->body) == OK, "keeping a message");
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
	stage_must(at > 0, "finding a message");
	stage_must(message_decode(fields, buf_span(&s->seen[at - 1].body), message) == OK,
		"reading a message");
}

static void
send_message(struct stage_end *from, uint16_t type, struct span body)
{
	stage_must(from->ipc != NULL && ipc_send(from->ipc, type, body, NULL, 0) == OK,
		"sending a message");
}

void
stage_tell(struct stage_end *from, uint16_t type, const struct message_field *fields,
	const void *message)
{
	struct buf body = {0};

	stage_must(message_encode(fields, message, &body) == OK, "writing a message");
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

	stage_must(sessions_new(&limits, &s->core.sessions) == OK, "making a keyholder");
}

/* The clock stands still, and so does the word. */
static void
make_word(struct stage *s)
{
	struct fresh_query q = core_fresh_query(&s->core, &s->gate);

	stage_must(fresh_word(&q, s->kex_word) == OK, "making a word");
}

void
stage_make_keyholder(struct stage *s)
{
	struct config_list no_preference = {NULL, 0};
	struct privkey *host = NULL, *ca = NULL;

	stage_must(privkey_generate(KEY_ED25519, 0, &host) == OK, "making a key");
	stage_must(privkey_generate(KEY_ED25519, 0, &ca) == OK, "making a key");
	stage_must(keys_new(&host, 1, ca, &no_preference, &s->keys) == OK, "taking keys");
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

	stage_must(requests_handle(&s->core, &s->gate, type, body, &reply) == OK,
		"asking the keyholder");
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
	stage_must(wire_put_u16(&s->requests, m->type) == OK &&
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

	stage_peer_clear(p);
	stage_peer_init(p, fd);
	stage_must(transport_state_read(state, stage_peer_config(role), &p->t) == OK,
		"reading a state");
	stage_must(buf_append_span(&p->in, bytes) == OK, "keeping bytes");
	stage_peer_take(p, NULL);
}

/* A relay that is slow has them all the same. */
static void
hold_sockets(struct stage *s, struct ipc_message *m)
{
	for (size_t i = 0; i < 2; i++) {
		stage_peer_clear(&s->taken[i]);
		stage_peer_init(&s->taken[i], m->fds[i]);
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

	stage_must(m->n_fds == 2 && message_decode(msg_hand_over_fields, m->body, &ho) == OK,
		"reading HAND_OVER");
	buf_clear(&s->connection);
	stage_must(buf_append_span(&s->connection, ho.connection) == OK, "keeping a connection");
	stage_must(
		message_decode(msg_connection_fields, buf_span(&s->connection), &connection) == OK,
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

	stage_must(end->ipc == NULL, "being unlinked");
	stage_must(ipc_pair(fds) == OK, "making a link");
	stage_must(ipc_new(s->base, fds[1], on_end_message, on_end_closed, end, &end->ipc) == OK,
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
	stage_must(s->n_nodes > 0, "finding a node");
	return &s->nodes[s->n_nodes - 1];
}

void
stage_place(struct stage *s)
{
	struct stage_node *n = &s->nodes[s->n_nodes];
	struct buf keys = {0}, body = {0};
	struct msg_placed m;
	struct msg_place asked;
	int fds[2];

	stage_must(s->n_nodes < STAGE_NODES_MAX, "having another node");
	s->n_nodes++;
	stage_last(s, MSG_PLACE, msg_place_fields, &asked);
	stage_must(wire_put_string(&keys, pubkey_blob(privkey_public(stage_node_key()))) == OK,
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
	stage_socket_pair(fds);
	stage_must(message_encode(msg_placed_fields, &m, &body) == OK, "writing PLACED");
	stage_must(ipc_send(s->director.ipc, MSG_PLACED, buf_span(&body), &fds[0], 1) == OK,
		"sending PLACED");
	stage_node_begin(n, fds[1]);
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
