/*
 * broker/relay: connections that are handed over, soundly or not, and what the director hears of them.
 */
#include "tests/lib/relay_rig.h"

#include "broker/relay/connection.h"
#include "broker/relay/process.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/resource.h>

static struct msg_handed_over
last_answer(struct rig *r)
{
	struct msg_handed_over m;

	cr_assert_eq(
		message_decode(msg_handed_over_fields, rig_last_message(r, MSG_HANDED_OVER), &m),
		OK);
	return m;
}

Test(relay_handover, what_was_received_before_is_relayed)
{
	struct rig *r = rig_new(NULL);
	struct span got;

	/* Some 200 KiB each way that the gate received and did not decrypt; the last packets are still on their way. */
	for (uint32_t i = 0; i < 6; i++) {
		rig_send_filled(rig_ssh(r), SSH_MSG_CHANNEL_DATA, 32768, i);
		rig_send_filled(rig_node(r), SSH_MSG_CHANNEL_DATA, 32768, i + 100);
	}
	rig_hand_over(r);
	cr_assert(last_answer(r).taken);
	rig_send_filled(rig_ssh(r), SSH_MSG_CHANNEL_DATA, 10, 1);
	rig_send_filled(rig_node(r), SSH_MSG_CHANNEL_DATA, 10, 2);
	rig_run(r);
	cr_assert_eq(rig_node(r)->hash, rig_ssh(r)->sent_hash);
	cr_assert_eq(rig_ssh(r)->hash, rig_node(r)->sent_hash);
	cr_assert(rig_next(rig_ssh(r), &got));
	cr_assert_eq(got.ptr[0], SSH_MSG_GLOBAL_REQUEST, "host keys are announced first");
	rig_free(r);
}

Test(relay_handover, a_goodbye_that_was_received_before_counts)
{
	struct rig *r = rig_new(NULL);

	rig_send_filled(rig_ssh(r), SSH_MSG_CHANNEL_DATA, 10, 1);
	rig_disconnect(rig_ssh(r), SSH_DISCONNECT_BY_APPLICATION, "changed my mind");
	rig_hand_over(r);
	rig_run(r);
	cr_assert(last_answer(r).taken);
	cr_assert_eq(rig_node(r)->hash, rig_ssh(r)->sent_hash);
	cr_assert_str_eq(rig_node(r)->text, "changed my mind");
	rig_free(r);
}

Test(relay_handover, the_director_hears_of_a_connection_and_a_new_one_hears_again)
{
	struct rig *r = rig_open(NULL);
	struct msg_connection m;

	cr_assert_eq(rig_n_messages(r, MSG_CONNECTION), 1);
	cr_assert_eq(
		message_decode(msg_connection_fields, rig_last_message(r, MSG_CONNECTION), &m), OK);
	cr_assert_eq(m.conn, rig_id(r));
	cr_assert(span_is(m.user, "ada"));
	rig_link_director(r);
	rig_run(r);
	cr_assert_eq(rig_n_messages(r, MSG_CONNECTION), 2);
	rig_free(r);
}

Test(relay_handover, malformed_ones_are_refused)
{
	struct rig *r = rig_new(NULL);

	rig_send_as_gate(r, MSG_HAND_OVER, span_str("nonsense"), true);
	rig_run(r);
	cr_assert(!last_answer(r).taken);
	rig_send_as_gate(r, MSG_HAND_OVER, span_str("no sockets"), false);
	rig_run(r);
	cr_assert_eq(rig_n_messages(r, MSG_HANDED_OVER), 2);
	cr_assert(!last_answer(r).taken);
	cr_assert_eq(rig_process(r)->connections.n, 0);
	/* Neither did any harm to the sound one that follows. */
	rig_hand_over(r);
	cr_assert(last_answer(r).taken);
	rig_free(r);
}

struct facts_case {
	const char *name;
	uint64_t conn;
	const char *user, *node, *state;
};

static const struct facts_case facts_cases[] = {
	{"no id", 0, "u", "n", ""},
	{"no user", 7, "", "n", ""},
	{"no node", 7, "u", "", ""},
	{"no state", 7, "u", "n", ""},
	{"a state of another version", 7, "u", "n", "\xff"},
	{"a state that is cut", 7, "u", "n", "\1\1\2"},
};

static void
is_refused(struct rig *r, const struct facts_case *k)
{
	struct msg_connection facts = {
		.conn = k->conn, .user = span_str(k->user), .node = span_str(k->node)};
	struct msg_hand_over m = {
		.client_state = span_str(k->state), .node_state = span_str(k->state)};
	struct buf f = {0}, b = {0};

	cr_assert_eq(message_encode(msg_connection_fields, &facts, &f), OK);
	m.connection = buf_span(&f);
	cr_assert_eq(message_encode(msg_hand_over_fields, &m, &b), OK);
	rig_send_as_gate(r, MSG_HAND_OVER, buf_span(&b), true);
	rig_run(r);
	cr_assert(!last_answer(r).taken, "%s", k->name);
	cr_assert_eq(rig_process(r)->connections.n, 0, "%s", k->name);
	buf_clear(&f);
	buf_clear(&b);
}

Test(relay_handover, unsound_ones_are_refused)
{
	struct rig *r = rig_new(NULL);

	for (size_t i = 0; i < ARRAY_LEN(facts_cases); i++)
		is_refused(r, &facts_cases[i]);
	rig_free(r);
}

Test(relay_handover, no_more_than_connections_max)
{
	struct rig *r = rig_new(NULL);

	rig_process(r)->settings.connections_max = 0;
	rig_hand_over(r);
	cr_assert(!last_answer(r).taken);
	cr_assert_eq(last_answer(r).conn, rig_id(r));
	rig_run(r);
	cr_assert(rig_ssh(r)->is_eof, "nobody holds the socket any more");
	rig_free(r);
}

/* Past the limit, descriptors get lost on their way, and the link to the gate, or to the supervisor, with them. */
Test(relay_handover, no_more_than_there_are_descriptors_for)
{
	struct rlimit files;
	struct rig *r;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = 300;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	r = rig_new(NULL);
	cr_assert_eq(rig_process(r)->settings.connections_max, 50);
	rig_free(r);
}

Test(relay_handover, an_id_that_is_taken_is_refused)
{
	struct rig *r = rig_new(NULL);
	struct connection other = {.id = rig_id(r)};

	cr_assert_eq(table_add(&rig_process(r)->connections, &other.entry,
			     span_of(&other.id, sizeof(other.id))),
		OK);
	rig_hand_over(r);
	cr_assert(!last_answer(r).taken);
	table_remove(&rig_process(r)->connections, &other.entry);
	rig_free(r);
}

/* As a gate can that kept a copy of the sockets: the flags belong to all copies. */
static void
make_blocking(struct rig *r)
{
	for (enum side s = 0; s < SIDES; s++) {
		int fd = rig_connection(r)->legs[s].fd, flags = fcntl(fd, F_GETFL);

		cr_assert_eq(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK), 0);
	}
}

Test(relay_handover, a_gate_cannot_make_a_relay_wait_for_a_socket, .timeout = 30)
{
	struct rig_options small = {.socket_bytes = 4096};
	struct rig *r = rig_open(&small);

	make_blocking(r);
	rig_node(r)->is_stalled = true;
	for (uint32_t i = 0; i < 4; i++)
		rig_send_filled(rig_ssh(r), SSH_MSG_CHANNEL_DATA, 32768, i);
	rig_run(r);
	rig_node(r)->is_stalled = false;
	rig_run(r);
	cr_assert_eq(rig_node(r)->hash, rig_ssh(r)->sent_hash);
	rig_free(r);
}

Test(relay_handover, other_messages_cost_a_gate_its_link)
{
	struct rig *r = rig_open(NULL);

	rig_send_as_gate(r, MSG_END_CONNECTION, span_str(""), false);
	rig_run(r);
	cr_assert_null(rig_process(r)->links.gates[0].ipc);
	rig_send_filled(rig_ssh(r), SSH_MSG_CHANNEL_DATA, 10, 1);
	rig_run(r);
	cr_assert_eq(rig_node(r)->hash, rig_ssh(r)->sent_hash);
	rig_free(r);
}

/* What has been said between a peer and the broker's leg so far, a side's share after the other; who begins is the peer. */
static void
talk(struct rig *r, struct rig_peer *p, unsigned n_turns)
{
	struct transport *sides[2] = {p->t, rig_leg(r, p)};
	struct transport_event event;
	size_t used;

	for (unsigned i = 0; i < n_turns; i++) {
		struct buf *out = transport_out(sides[i % 2]);

		/* The peer at the node's end signs when the time has come. */
		while (out->len > 0 &&
			transport_step(sides[1 - i % 2], out->data + out->head, out->len, &used,
				&event) == OK) {
			buf_consume(out, used);
			if (event.kind == TRANSPORT_EVENT_SIGN && p == rig_node(r))
				rig_sign_for(p->t, &event.exchange, RIG_KEY_NODE);
		}
		cr_assert_eq(out->len, 0);
	}
}

/* The gate stops wherever a key exchange is, and the relay goes on with it. */
Test(relay_handover, key_exchanges_that_run_go_on)
{
	for (unsigned n_ssh = 0; n_ssh < 5; n_ssh++) {
		for (unsigned n_node = 0; n_node < 5; n_node++) {
			struct rig *r = rig_new(NULL);

			rig_rekey(rig_ssh(r));
			rig_rekey(rig_node(r));
			talk(r, rig_ssh(r), n_ssh);
			talk(r, rig_node(r), n_node);
			rig_hand_over(r);
			cr_assert(last_answer(r).taken);
			for (uint32_t i = 0; i < 5; i++) {
				rig_send_filled(rig_ssh(r), SSH_MSG_CHANNEL_DATA, 1000, i);
				rig_send_filled(rig_node(r), SSH_MSG_CHANNEL_DATA, 1000, i);
			}
			rig_run(r);
			cr_assert_eq(
				rig_node(r)->hash, rig_ssh(r)->sent_hash, "%u %u", n_ssh, n_node);
			cr_assert_eq(
				rig_ssh(r)->hash, rig_node(r)->sent_hash, "%u %u", n_ssh, n_node);
			cr_assert(transport_is_clear(rig_ssh(r)->t) &&
				transport_is_clear(rig_node(r)->t));
			rig_free(r);
		}
	}
}

Test(relay_handover, a_signature_that_nobody_gives_ends_the_connection_in_time)
{
	struct rig *r = rig_new(
		&(struct rig_options){.other = "\"keepalive\": {\"client_interval_s\": 0, "
					       "\"node_interval_s\": 0},"});

	rig_rekey(rig_ssh(r));
	talk(r, rig_ssh(r), 3);
	cr_assert(transport_waits_for_signature(rig_leg(r, rig_ssh(r))));
	rig_hold_signatures(r, true);
	rig_hand_over(r);
	rig_pass(r, 119000);
	cr_assert_eq(rig_ssh(r)->disconnect, 0);
	rig_pass(r, 2000);
	cr_assert_eq(rig_ssh(r)->disconnect, SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
	cr_assert_not_null(strstr(rig_ssh(r)->text, "could not sign"));
	rig_free(r);
}
