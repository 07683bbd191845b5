/*
 * broker/gate: one login, in which client, nodes, director, keyholder and relays may say anything at any time.
 *
 * Input: steps of {u8 who, u8 what, u16 length, bytes}.  Some steps are what an honest one would do next, so that the
 * others hit a login in every state; see enum who.  Whatever comes: everything comes to rest, one end ends it, the others
 * are told once, no descriptor is left, and no second node hears a secret.
 */
#include "broker/gate/login_impl.h"
#include "common/log.h"
#include "tests/lib/login_stage.h"

#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEP_HEADER_SIZE 4
#define STEPS_MAX 48

enum who {
	CLIENT_BYTES = 0, /* on the wire */
	CLIENT_PACKET,
	CLIENT_HONEST,
	NODE_BYTES,
	NODE_PACKET,
	NODE_HONEST,
	DIRECTOR,
	KEYHOLDER,
	RELAY,
	WORLD,
	WHO_COUNT
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct privkey *users[2];

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_init("fuzz", LOG_LEVEL_ERROR);
	for (size_t i = 0; i < ARRAY_LEN(users); i++)
		assert(privkey_generate(KEY_ED25519, 0, &users[i]) == OK);
	return 0;
}

static bool
can_say(const struct stage_peer *p)
{
	return p->fd >= 0 && p->t != NULL && transport_failure(p->t)->code == SSH_DISCONNECT_NONE;
}

static void
say(struct stage *s, struct stage_peer *p, struct span payload)
{
	if (!can_say(p) || payload.len == 0 || transport_send(p->t, payload) != OK)
		return;
	stage_run(s);
}

static void
say_bytes(struct stage *s, struct stage_peer *p, struct span bytes)
{
	if (p->fd >= 0 && bytes.len > 0)
		(void)send(p->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	stage_run(s);
}

/* --- the client --- */

static enum err
write_signature(struct stage *s, struct auth_request *rq, struct buf *out)
{
	struct buf data = {0}, signature = {0};
	enum err e;

	rq->has_signature = true;
	e = auth_signed_data(transport_session_id(s->client.t), rq, &data);
	if (e == OK)
		e = privkey_sign(users[0], rq->algorithm, buf_span(&data), &signature);
	rq->signature = buf_span(&signature);
	if (e == OK)
		e = auth_request_write(rq, out);
	buf_clear(&data);
	buf_clear(&signature);
	return e;
}

/* A request of the kind that what says. */
static enum err
write_request(struct stage *s, uint8_t what, struct buf *out)
{
	struct auth_request rq = {.user = span_str("alice"),
		.service = span_str(AUTH_SERVICE_CONNECTION),
		.kind = what % AUTH_METHOD_COUNT,
		.method = span_str("gssapi-with-mic"),
		.algorithm = span_str("ssh-ed25519"),
		.key = pubkey_blob(privkey_public(users[what % ARRAY_LEN(users)])),
		.password = span_str("secret")};
	bool signs = rq.kind == AUTH_PUBLICKEY && (what & 0x80) != 0;

	return signs ? write_signature(s, &rq, out) : auth_request_write(&rq, out);
}

static enum err
write_answer(uint8_t n, struct buf *out)
{
	enum err e = wire_put_u8(out, SSH_MSG_USERAUTH_INFO_RESPONSE);

	n %= 4;
	if (e == OK)
		e = wire_put_u32(out, n);
	for (; n > 0 && e == OK; n--)
		e = wire_put_cstring(out, "secret");
	return e;
}

static void
client_is_honest(struct stage *s, uint8_t what)
{
	struct buf b = {0};
	enum err e;

	if (!can_say(&s->client) || s->client.n_keys == 0)
		return;
	if ((what & 0x40) == 0)
		e = write_request(s, what, &b);
	else if ((what & 0x20) == 0)
		e = write_answer(what, &b);
	else
		e = auth_service_write(
			SSH_MSG_SERVICE_REQUEST, span_str(AUTH_SERVICE_USERAUTH), &b);
	assert(e == OK);
	say(s, &s->client, buf_span(&b));
	buf_clear(&b);
	if ((what & 0x60) == 0x60)
		transport_set_phase(s->client.t, TRANSPORT_PHASE_AUTH);
}

/* --- the node --- */

static enum err
write_question(uint8_t n, struct buf *out)
{
	enum err e = wire_put_u8(out, SSH_MSG_USERAUTH_INFO_REQUEST);

	n %= 4;
	for (int i = 0; i < 3 && e == OK; i++)
		e = wire_put_cstring(out, "");
	if (e == OK)
		e = wire_put_u32(out, n);
	for (; n > 0 && e == OK; n--) {
		e = wire_put_cstring(out, "Code: ");
		if (e == OK)
			e = wire_put_bool(out, false);
	}
	return e;
}

static void
node_is_honest(struct stage *s, uint8_t what)
{
	struct stage_peer *p = &stage_node(s)->peer;
	struct buf b = {0};
	enum err e = OK;

	switch (what % 8) {
	case 0:
		e = auth_failure_write(span_str("publickey,password"), (what & 0x80) != 0, &b);
		break;
	case 1:
		e = auth_success_write(&b);
		break;
	case 2:
		e = auth_pk_ok_write(span_str("ssh-ed25519"), span_str("key"), &b);
		break;
	case 3:
		e = write_question(what >> 4, &b);
		break;
	case 4:
		e = auth_changereq_write(span_str("again"), span_str(""), &b);
		break;
	case 5:
		e = auth_banner_write(span_str("hello"), span_str(""), &b);
		break;
	case 6:
		if (can_say(p))
			transport_disconnect(p->t, SSH_DISCONNECT_BY_APPLICATION, "bye");
		break;
	default:
		if (p->fd >= 0)
			stage_close(s, p);
	}
	assert(e == OK);
	say(s, p, buf_span(&b));
	stage_run(s);
	buf_clear(&b);
}

/* --- the other roles --- */

/* A message about this connection: its id first, then what most of them have next, a number. */
static void
tell(struct stage *s, struct stage_end *from, uint8_t type, struct span rest)
{
	const struct login *l = stage_login(s);
	struct buf body = {0};
	enum err e = OK;

	if (from->ipc == NULL)
		return;
	if (type != MSG_KNOWN_METHODS)
		e = wire_put_u64(&body, s->id);
	if (e == OK && type != MSG_KNOWN_METHODS && type != MSG_REFUSE && type != MSG_HANDED_OVER)
		e = wire_put_u32(&body,
			l == NULL			? 0
				: from == &s->keyholder ? l->request
							: l->attempt);
	if (e == OK)
		e = wire_put_bytes(&body, rest);
	assert(e == OK && ipc_send(from->ipc, type, buf_span(&body), NULL, 0) == OK);
	buf_clear(&body);
	stage_run(s);
}

static void
toggle_link(struct stage *s, struct stage_end *end)
{
	if (end->ipc != NULL)
		stage_unlink(s, end);
	else if (end == &s->keyholder)
		stage_restart_keyholder(s);
	else
		stage_link(s, end);
}

static void
place(struct stage *s)
{
	if (s->director.ipc == NULL || stage_n(s, MSG_PLACE) == 0 || s->n_nodes == STAGE_NODES_MAX)
		return;
	stage_place(s);
	stage_run(s);
}

/* --- the world --- */

static void
fire_timer(struct stage *s, uint8_t which)
{
	struct login *l = stage_login(s);

	if (l == NULL)
		return;
	if (which == 0 && event_pending(l->grace, EV_TIMEOUT, NULL))
		stage_fire_grace(s);
	else if (which == 1 && event_pending(l->step_timer, EV_TIMEOUT, NULL))
		stage_fire_step(s);
	else if (which == 2 && stage_says_goodbye(s))
		stage_fire_goodbye(s);
}

static void
rekey(struct stage *s, struct stage_peer *p)
{
	if (can_say(p) && p->n_keys > 0)
		stage_rekey(s, p);
}

static void
change_world(struct stage *s, uint8_t what, struct span bytes)
{
	struct stage_end *ends[] = {&s->director, &s->keyholder, &s->relays[0], &s->relays[1]};
	struct stage_node *next = &s->nodes[s->n_nodes % STAGE_NODES_MAX];

	switch (what % 16) {
	case 0:
	case 1:
	case 2:
	case 3:
		toggle_link(s, ends[what % 16]);
		break;
	case 4:
	case 5:
	case 6:
		fire_timer(s, what % 16 - 4);
		break;
	case 7:
		rekey(s, &s->client);
		break;
	case 8:
		if (s->n_nodes > 0)
			rekey(s, &stage_node(s)->peer);
		break;
	case 9:
		s->director_waits = !s->director_waits;
		break;
	case 10:
		s->keyholder_waits = !s->keyholder_waits;
		stage_answer_requests(s);
		break;
	case 11:
		s->relaying = (what >> 4) % 3;
		break;
	case 12:
		s->client.is_stalled = !s->client.is_stalled;
		break;
	case 13:
		next->manner.death = (what >> 4) % (STAGE_DIES_AT_NONE + 1);
		break;
	case 14:
		next->manner.is_open = (what & 0x10) != 0;
		next->manner.has_wrong_key = (what & 0x20) != 0;
		next->manner.is_mute = (what & 0x40) != 0;
		break;
	default:
		if (s->client.fd >= 0 && bytes.len == 0)
			stage_close(s, &s->client);
	}
}

static void
step(struct stage *s, const uint8_t *header, struct span bytes)
{
	struct stage_node *n = s->n_nodes > 0 ? stage_node(s) : NULL;
	uint8_t what = header[1];

	switch ((enum who)(header[0] % WHO_COUNT)) {
	case CLIENT_BYTES:
		say_bytes(s, &s->client, bytes);
		break;
	case CLIENT_PACKET:
		say(s, &s->client, bytes);
		break;
	case CLIENT_HONEST:
		client_is_honest(s, what);
		break;
	case NODE_BYTES:
		if (n != NULL)
			say_bytes(s, &n->peer, bytes);
		break;
	case NODE_PACKET:
		if (n != NULL)
			say(s, &n->peer, bytes);
		break;
	case NODE_HONEST:
		if (n != NULL)
			node_is_honest(s, what);
		break;
	case DIRECTOR:
		if (what == MSG_PLACED)
			place(s);
		else
			tell(s, &s->director, what % STAGE_TYPE_MAX, bytes);
		break;
	case KEYHOLDER:
		tell(s, &s->keyholder, what % STAGE_TYPE_MAX, bytes);
		break;
	case RELAY:
		tell(s, &s->relays[what >> 7], what % STAGE_TYPE_MAX, bytes);
		break;
	default:
		change_world(s, what, bytes);
	}
}

/* --- what must be true --- */

static bool
heard_a_secret(struct stage_peer *p)
{
	struct auth_request rq;
	struct span payload;
	bool heard = false;

	while (stage_next(p, &payload))
		heard = heard || payload.ptr[0] == SSH_MSG_USERAUTH_INFO_RESPONSE ||
			(auth_request_parse(payload, &rq) == OK && rq.kind == AUTH_PASSWORD);
	return heard;
}

static void
check(struct stage *s)
{
	size_t n_confidants = 0;

	for (size_t i = 0; i < s->n_nodes; i++)
		n_confidants += heard_a_secret(&s->nodes[i].peer) ? 1 : 0;
	assert(n_confidants <= 1);
	assert(stage_n(s, MSG_ENDED) <= 1 && stage_n(s, MSG_CONN_FORGET) <= 1);
	assert(stage_n(s, MSG_AUTHENTICATED) <= 1 && stage_n(s, MSG_HAND_OVER) <= 1);
}

/* The client goes, and time passes; then nothing may be left. */
static void
end(struct stage *s)
{
	check(s);
	if (s->client.fd >= 0)
		stage_close(s, &s->client);
	fire_timer(s, 2);
	fire_timer(s, 1);
	assert(login_table_count(s->table) == 0);
	assert(stage_n(s, MSG_ENDED) <= 1);
	stage_free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stage *s = stage_new("\"auth_tries_max\": 4, \"node_tries_max\": 3", "Welcome");

	stage_accept(s);
	stage_run(s);
	for (int i = 0; i < STEPS_MAX && size >= STEP_HEADER_SIZE; i++) {
		size_t len = (size_t)data[2] << 8 | data[3];
		const uint8_t *header = data;

		data += STEP_HEADER_SIZE;
		size -= STEP_HEADER_SIZE;
		len = len < size ? len : size;
		step(s, header, span_of(data, len));
		data += len;
		size -= len;
	}
	end(s);
	return 0;
}
