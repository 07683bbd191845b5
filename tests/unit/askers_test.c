/*
 * broker/keyholder/askers: gates and relays at the other end of real links.
 */
#include "broker/keyholder/askers.h"

#include "common/ipc/ipc.h"
#include "tests/lib/keyholder_world.h"

#include <criterion/criterion.h>

/* When a test waits in vain. */
#define WAIT_S 20
#define ANSWERS_MAX 16

/* The far end of a link. */
struct end {
	struct role_peer who;
	struct ipc *ipc;
	size_t n;
	uint16_t types[ANSWERS_MAX];
	struct buf bodies[ANSWERS_MAX];
	bool is_closed;
};

static struct keyholder_world w;
static struct event_base *base;
static struct askers *askers;
static struct end gate_a, gate_b, relay_a;

static void
on_answer(void *arg, struct ipc_message *m)
{
	struct end *e = arg;

	cr_assert_lt(e->n, ANSWERS_MAX);
	e->types[e->n] = m->type;
	cr_assert_eq(buf_append_span(&e->bodies[e->n], m->body), OK);
	e->n++;
}

static void
on_closed(void *arg, enum err why)
{
	struct end *e = arg;

	(void)why;
	e->is_closed = true;
}

static void
give_up(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	cr_assert(false, "waited in vain");
}

static void
turn(void)
{
	struct timeval limit = {WAIT_S, 0};
	struct event *timer = evtimer_new(base, give_up, NULL);

	cr_assert(timer != NULL && evtimer_add(timer, &limit) == 0);
	cr_assert_neq(event_base_loop(base, EVLOOP_ONCE), -1);
	event_free(timer);
}

static void
wait_for_answers(const struct end *e, size_t n)
{
	while (e->n < n)
		turn();
}

static void
connect_end(struct end *e, const struct role_peer *peer)
{
	int fds[2];

	e->who = *peer;
	cr_assert_eq(ipc_pair(fds), OK);
	cr_assert_eq(ipc_new(base, fds[0], on_answer, on_closed, e, &e->ipc), OK);
	askers_add(askers, peer, fds[1]);
}

static void
clear_end(struct end *e)
{
	ipc_free(e->ipc);
	for (size_t i = 0; i < ANSWERS_MAX; i++)
		buf_clear(&e->bodies[i]);
	*e = (struct end){0};
}

static void
init(void)
{
	world_init(&w);
	base = event_base_new();
	cr_assert_not_null(base);
	cr_assert_eq(askers_new(base, &w.core, &askers), OK);
	connect_end(&gate_a, &world_gate_a);
	connect_end(&gate_b, &world_gate_b);
	connect_end(&relay_a, &world_relay_a);
	wait_for_answers(&gate_a, 2);
	wait_for_answers(&gate_b, 2);
	wait_for_answers(&relay_a, 1);
}

static void
clear(void)
{
	clear_end(&gate_a);
	clear_end(&gate_b);
	clear_end(&relay_a);
	askers_free(askers);
	event_base_free(base);
	world_clear(&w);
}

TestSuite(askers, .init = init, .fini = clear);

static void
tell(struct end *e, uint16_t type, const struct message_field *fields, const void *message)
{
	struct buf body = {0};

	cr_assert_eq(message_encode(fields, message, &body), OK);
	cr_assert_eq(ipc_send(e->ipc, type, buf_span(&body), NULL, 0), OK);
	cr_assert_eq(ipc_flush(e->ipc, WAIT_S * 1000), OK);
	buf_clear(&body);
}

/* The next answer, which must be of this type. */
static void
hear(struct end *e, uint16_t type, const struct message_field *fields, void *message)
{
	size_t i = e->n;

	wait_for_answers(e, i + 1);
	cr_assert_eq(e->types[i], type);
	cr_assert_eq(message_decode(fields, buf_span(&e->bodies[i]), message), OK);
}

static enum err
kex(struct end *e, uint64_t conn)
{
	struct msg_kex_sign m = world_transcript(conn, "ssh-ed25519", 1);
	uint8_t kexinit[WORLD_KEXINIT_SIZE];
	struct msg_kex_signed a;

	m = world_freshened(&w, &e->who, &m, kexinit);
	tell(e, MSG_KEX_SIGN, msg_kex_sign_fields, &m);
	hear(e, MSG_KEX_SIGNED, msg_kex_signed_fields, &a);
	cr_assert(a.conn == conn && a.request == m.request);
	return a.err;
}

static void
wait_for_sessions(size_t n)
{
	while (sessions_count(w.core.sessions) != n)
		turn();
}

/* With the host keys a gate begins to serve, and needs its word. */
Test(askers, the_host_keys_come_first_but_for_a_gates_word)
{
	struct fresh_query q = core_fresh_query(&w.core, &world_gate_a);
	uint8_t word[KEXINIT_COOKIE_START_SIZE];
	struct msg_kex_word kex_word;
	struct msg_host_keys m;

	cr_assert_eq(gate_a.n, 2);
	cr_assert_eq(gate_a.types[0], MSG_KEX_WORD);
	cr_assert_eq(
		message_decode(msg_kex_word_fields, buf_span(&gate_a.bodies[0]), &kex_word), OK);
	cr_assert_eq(fresh_word(&q, word), OK);
	cr_assert(span_equal(kex_word.word, span_of(word, sizeof(word))));
	cr_assert_eq(gate_a.types[1], MSG_HOST_KEYS);
	cr_assert_eq(message_decode(msg_host_keys_fields, buf_span(&gate_a.bodies[1]), &m), OK);
	cr_assert(span_equal(m.keys, keys_host_blobs(w.keys)));
	cr_assert_eq(relay_a.n, 1);
	cr_assert_eq(relay_a.types[0], MSG_HOST_KEYS);
}

Test(askers, a_whole_login_and_each_request_is_answered_once)
{
	struct msg_kex_sign kex_sign = world_transcript(1, "ssh-ed25519", 1);
	struct msg_offer offer = world_offer_of(1, w.user, "ssh-ed25519");
	struct msg_conn_moved moved = {1, world_relay_a.index, (uint32_t)world_relay_a.pid};
	struct msg_prove prove = {1, 3, {NULL, 0}, world_node_session_id()};
	struct msg_kex_signed kex_signed;
	struct msg_offered offered;
	struct msg_proved proved;
	struct world_request rq;
	struct buf payload = {0};
	uint8_t kexinit[WORLD_KEXINIT_SIZE];

	kex_sign = world_freshened(&w, &world_gate_a, &kex_sign, kexinit);
	tell(&gate_a, MSG_KEX_SIGN, msg_kex_sign_fields, &kex_sign);
	hear(&gate_a, MSG_KEX_SIGNED, msg_kex_signed_fields, &kex_signed);
	cr_assert_eq(kex_signed.err, OK);
	tell(&gate_a, MSG_OFFER, msg_offer_fields, &offer);
	hear(&gate_a, MSG_OFFERED, msg_offered_fields, &offered);
	cr_assert_eq(offered.err, OK);
	rq = world_request_of(w.user, "ssh-ed25519", &sessions_find(w.core.sessions, 1)->id);
	world_write_request(&rq, &payload);
	prove.client_request = buf_span(&payload);
	tell(&gate_a, MSG_PROVE, msg_prove_fields, &prove);
	hear(&gate_a, MSG_PROVED, msg_proved_fields, &proved);
	cr_assert_eq(proved.err, OK);
	tell(&gate_a, MSG_CONN_MOVED, msg_conn_moved_fields, &moved);
	cr_assert_eq(kex(&relay_a, 1), OK);
	cr_assert_eq(gate_a.n, 5);
	cr_assert_eq(relay_a.n, 2);
	buf_clear(&payload);
}

/* The relay's request is there first; the gate spoke before the relay could know of the connection all the same. */
Test(askers, a_move_is_heard_before_the_relays_first_request)
{
	struct msg_kex_sign m = world_transcript(1, "ssh-ed25519", 2);
	struct msg_conn_moved moved = {1, world_relay_a.index, (uint32_t)world_relay_a.pid};
	struct msg_kex_signed a;

	cr_assert_eq(kex(&gate_a, 1), OK);
	tell(&relay_a, MSG_KEX_SIGN, msg_kex_sign_fields, &m);
	tell(&gate_a, MSG_CONN_MOVED, msg_conn_moved_fields, &moved);
	hear(&relay_a, MSG_KEX_SIGNED, msg_kex_signed_fields, &a);
	cr_assert_eq(a.err, OK);
}

/* It may have said much that takes long: a relay does not wait for a gate that its connection is not of. */
Test(askers, only_the_gate_that_a_connection_is_of_is_heard_before_a_relay)
{
	struct msg_kex_sign m = world_transcript(1, "ssh-ed25519", 2);
	struct msg_conn_moved moved = {1, world_relay_a.index, (uint32_t)world_relay_a.pid};
	struct msg_conn unknown = {99}, known = {2};
	struct msg_kex_signed a;

	cr_assert_eq(kex(&gate_a, 1), OK);
	cr_assert_eq(kex(&gate_b, 2), OK);
	tell(&gate_a, MSG_CONN_MOVED, msg_conn_moved_fields, &moved);
	for (unsigned i = 0; i < 4 * IPC_FRAMES_PER_TURN; i++)
		tell(&gate_b, MSG_CONN_FORGET, msg_conn_fields, &unknown);
	tell(&gate_b, MSG_CONN_FORGET, msg_conn_fields, &known);
	tell(&relay_a, MSG_KEX_SIGN, msg_kex_sign_fields, &m);
	hear(&relay_a, MSG_KEX_SIGNED, msg_kex_signed_fields, &a);
	cr_assert_eq(a.err, OK);
	cr_assert_not_null(sessions_find(w.core.sessions, 2));
	wait_for_sessions(1);
}

Test(askers, a_malformed_message_costs_the_link_and_its_connections_alone)
{
	struct msg_conn m = {1};

	cr_assert_eq(kex(&gate_a, 1), OK);
	cr_assert_eq(kex(&gate_b, 2), OK);
	tell(&gate_a, MSG_KEX_SIGN, msg_conn_fields, &m);
	while (!gate_a.is_closed)
		turn();
	cr_assert_eq(sessions_count(w.core.sessions), 1);
	cr_assert_eq(kex(&gate_b, 2), OK);
}

/* The relay's message makes the gates be heard, one of which then goes. */
Test(askers, a_gate_may_lose_its_link_while_a_relay_asks)
{
	struct msg_kex_sign m = world_transcript(9, "ssh-ed25519", 2);
	struct msg_conn bad = {1};
	struct msg_kex_signed a;

	cr_assert_eq(kex(&gate_a, 9), OK);
	tell(&relay_a, MSG_KEX_SIGN, msg_kex_sign_fields, &m);
	tell(&gate_a, MSG_KEX_SIGN, msg_conn_fields, &bad);
	tell(&gate_b, MSG_KEX_SIGN, msg_conn_fields, &bad);
	hear(&relay_a, MSG_KEX_SIGNED, msg_kex_signed_fields, &a);
	cr_assert_eq(a.err, OK);
	while (!gate_a.is_closed || !gate_b.is_closed)
		turn();
}

Test(askers, a_peer_that_goes_takes_its_connections_along)
{
	struct msg_conn_moved moved = {3, world_relay_a.index, (uint32_t)world_relay_a.pid};

	cr_assert_eq(kex(&gate_a, 1), OK);
	cr_assert_eq(kex(&gate_b, 2), OK);
	cr_assert_eq(kex(&gate_b, 3), OK);
	tell(&gate_b, MSG_CONN_MOVED, msg_conn_moved_fields, &moved);
	clear_end(&gate_a);
	wait_for_sessions(2);
	clear_end(&gate_b);
	wait_for_sessions(1);
	cr_assert_eq(kex(&relay_a, 3), OK);
	clear_end(&relay_a);
	wait_for_sessions(0);
}

Test(askers, a_new_link_to_the_same_process_keeps_its_connections)
{
	cr_assert_eq(kex(&gate_a, 1), OK);
	clear_end(&gate_b);
	gate_b = gate_a;
	gate_a = (struct end){0};
	connect_end(&gate_a, &world_gate_a);
	wait_for_answers(&gate_a, 2);
	cr_assert_eq(sessions_count(w.core.sessions), 1);
	cr_assert_eq(kex(&gate_a, 1), OK);
}

Test(askers, the_next_process_of_a_name_does_not_own_what_the_last_one_did)
{
	struct role_peer next = world_gate_a;
	struct end end = {0};

	next.pid++;
	cr_assert_eq(kex(&gate_a, 1), OK);
	connect_end(&end, &next);
	wait_for_answers(&end, 2);
	cr_assert_eq(kex(&end, 1), ERR_PROTO);
	cr_assert_eq(kex(&gate_a, 1), OK);
	clear_end(&gate_a);
	wait_for_sessions(0);
	cr_assert_eq(kex(&end, 1), OK);
	clear_end(&end);
}

Test(askers, others_than_gates_and_relays_get_no_link)
{
	static const struct role_peer director = {ROLE_DIRECTOR, 0, 7};
	struct end end = {0};

	connect_end(&end, &director);
	while (!end.is_closed)
		turn();
	cr_assert_eq(end.n, 0);
	clear_end(&end);
}
