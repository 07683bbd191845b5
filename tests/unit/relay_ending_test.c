/*
 * broker/relay: how connections end: no last byte is lost, everybody is told why, and one line is logged.
 */
#include "tests/lib/relay_rig.h"

#include "broker/relay/connection.h"
#include "broker/relay/ending.h"
#include "broker/relay/process.h"

#include <criterion/criterion.h>
#include <sys/socket.h>

static void
count_only(struct rig *r)
{
	rig_ssh(r)->is_keeping = false;
	rig_node(r)->is_keeping = false;
}

/* The connection is over, and the director heard of it once, with this cause. */
static void
assert_over(struct rig *r, enum end_cause cause)
{
	struct msg_connection_ended m;

	cr_assert_null(rig_connection(r), "the connection is still there");
	cr_assert_eq(rig_n_messages(r, MSG_CONNECTION_ENDED), 1);
	cr_assert_eq(message_decode(msg_connection_ended_fields,
			     rig_last_message(r, MSG_CONNECTION_ENDED), &m),
		OK);
	cr_assert_eq(m.conn, rig_id(r));
	cr_assert_eq(m.cause, cause, "%s where %s is due", end_cause_name(m.cause),
		end_cause_name(cause));
	cr_assert_eq(rig_n_messages(r, MSG_CONN_FORGET), 1, "the keyholder forgets it");
	cr_assert_eq(rig_process(r)->n_queued, 0);
}

/* --- the last bytes --- */

struct last_case {
	const char *name;
	bool from_ssh;
	bool is_tcp;
	int socket_bytes;
	size_t read_max;
	bool says_goodbye;
};

static const struct last_case last_cases[] = {
	{"the client closes", true, false, 0, 0, false},
	{"the node closes", false, false, 0, 0, false},
	{"the client says goodbye", true, false, 0, 0, true},
	{"the node says goodbye", false, false, 0, 0, true},
	{"the client closes, TCP", true, true, 0, 0, false},
	{"the node closes, TCP", false, true, 0, 0, false},
	{"the node closes, a slow client", false, false, 4096, 1000, false},
	{"the node says goodbye, a slow client", false, false, 4096, 1000, true},
	{"the client closes, a slow node", true, false, 4096, 1000, false},
};

static void
close_when_written(struct rig *r, struct rig_peer *p)
{
	while (p->bulk_left > 0 || transport_out(p->t)->len > 0)
		rig_turn(r);
	rig_close(p);
}

static void
last_bytes_arrive(const struct last_case *k)
{
	struct rig *r = rig_open(
		&(struct rig_options){.is_tcp = k->is_tcp, .socket_bytes = k->socket_bytes});
	struct rig_peer *from = k->from_ssh ? rig_ssh(r) : rig_node(r);
	struct rig_peer *to = k->from_ssh ? rig_node(r) : rig_ssh(r);

	count_only(r);
	to->read_max = k->read_max;
	rig_bulk(from, 30, 32768);
	while (from->bulk_left > 0)
		rig_turn(r);
	rig_send_filled(from, SSH_MSG_CHANNEL_CLOSE, 5, 1);
	if (k->says_goodbye)
		rig_disconnect(from, SSH_DISCONNECT_BY_APPLICATION, "bye \x1b[31m");
	close_when_written(r, from);
	rig_run(r);
	cr_assert_eq(to->hash, from->sent_hash, "%s: something was lost", k->name);
	cr_assert_neq(to->disconnect, 0, "%s: nothing was said", k->name);
	cr_assert(to->is_eof, "%s: the socket stays open", k->name);
	cr_assert(!to->is_reset, "%s: the socket was reset", k->name);
	if (k->says_goodbye) {
		cr_assert_eq(to->disconnect, SSH_DISCONNECT_BY_APPLICATION);
		cr_assert_str_eq(to->text, "bye \\x1b[31m");
	}
	rig_close(to);
	rig_run(r);
	if (k->says_goodbye)
		assert_over(r, k->from_ssh ? END_CLIENT_DISCONNECT : END_NODE_DISCONNECT);
	else
		assert_over(r, k->from_ssh ? END_CLIENT_CLOSED : END_NODE_CLOSED);
	rig_free(r);
}

Test(relay_ending, the_last_bytes_before_a_close_arrive)
{
	for (size_t i = 0; i < ARRAY_LEN(last_cases); i++)
		last_bytes_arrive(&last_cases[i]);
}

Test(relay_ending, the_user_is_told_which_node_closed)
{
	struct rig *r = rig_open(NULL);

	rig_close(rig_node(r));
	rig_run(r);
	cr_assert_eq(rig_ssh(r)->disconnect, SSH_DISCONNECT_CONNECTION_LOST);
	cr_assert_str_eq(rig_ssh(r)->text, "node n2 closed the connection (id 28t5cy4tqkff)");
	rig_free(r);
}

/* What came before the end is handed on even when the receiver has to get new keys first. */
Test(relay_ending, last_bytes_wait_for_keys)
{
	struct rig *r = rig_open(NULL);

	count_only(r);
	rig_hold_signatures(r, true);
	rig_rekey(rig_ssh(r));
	rig_run(r);
	rig_send_filled(rig_node(r), SSH_MSG_CHANNEL_DATA, 1000, 1);
	rig_send_filled(rig_node(r), SSH_MSG_CHANNEL_CLOSE, 5, 1);
	rig_run(r);
	rig_close(rig_node(r));
	rig_run(r);
	cr_assert_eq(rig_ssh(r)->disconnect, 0);
	rig_hold_signatures(r, false);
	rig_run(r);
	cr_assert_eq(rig_ssh(r)->hash, rig_node(r)->sent_hash);
	cr_assert_eq(rig_ssh(r)->disconnect, SSH_DISCONNECT_CONNECTION_LOST);
	rig_free(r);
}

/* A client that has only closed its sending half still gets what the node says until that has closed too. */
Test(relay_ending, a_half_closed_client_still_hears_the_node)
{
	struct rig *r = rig_open(&(struct rig_options){.is_tcp = true});

	count_only(r);
	rig_send_filled(rig_ssh(r), SSH_MSG_CHANNEL_EOF, 5, 1);
	rig_run(r);
	rig_shut(rig_ssh(r));
	rig_bulk(rig_node(r), 20, 32768);
	rig_run(r);
	cr_assert_eq(rig_node(r)->hash, rig_ssh(r)->sent_hash);
	cr_assert_eq(rig_node(r)->disconnect, SSH_DISCONNECT_CONNECTION_LOST);
	cr_assert_eq(rig_ssh(r)->hash, rig_node(r)->sent_hash);
	cr_assert(!rig_ssh(r)->is_eof);
	rig_close(rig_node(r));
	rig_run(r);
	cr_assert(rig_ssh(r)->is_eof);
	assert_over(r, END_CLIENT_CLOSED);
	rig_free(r);
}

/* The node writes its last words and closes while we still write to it, which fails: the words arrive all the same. */
Test(relay_ending, a_failing_write_does_not_lose_what_was_sent_before)
{
	struct rig *r = rig_open(&(struct rig_options){.is_tcp = true});

	count_only(r);
	rig_bulk(rig_ssh(r), 100, 32768);
	rig_turn(r);
	rig_send_filled(rig_node(r), SSH_MSG_CHANNEL_DATA, 100, 1);
	rig_disconnect(rig_node(r), SSH_DISCONNECT_BY_APPLICATION, "that was all");
	rig_node(r)->is_stalled = true;
	while (transport_out(rig_node(r)->t)->len > 0)
		rig_turn(r);
	shutdown(rig_node(r)->fd, SHUT_RDWR);
	rig_close(rig_node(r));
	rig_run(r);
	cr_assert_eq(rig_ssh(r)->hash, rig_node(r)->sent_hash);
	cr_assert_neq(rig_ssh(r)->disconnect, 0);
	rig_free(r);
}

Test(relay_ending, a_peer_that_does_not_close_is_not_waited_for_long)
{
	struct rig *r = rig_open(NULL);

	rig_close(rig_node(r));
	rig_run(r);
	cr_assert(rig_ssh(r)->is_eof);
	cr_assert_not_null(rig_connection(r));
	rig_pass(r, ENDING_LINGER_MS);
	assert_over(r, END_NODE_CLOSED);
	rig_free(r);
}

Test(relay_ending, a_peer_that_reads_nothing_is_not_waited_for_long)
{
	struct rig *r = rig_open(&(struct rig_options){.socket_bytes = 4096});

	count_only(r);
	rig_ssh(r)->is_stalled = true;
	rig_bulk(rig_node(r), 4, 32768);
	rig_run(r);
	rig_close(rig_node(r));
	rig_run(r);
	rig_pass(r, ENDING_STALL_MS - 1000);
	cr_assert_not_null(rig_connection(r));
	rig_pass(r, 2000);
	assert_over(r, END_NODE_CLOSED);
	rig_free(r);
}

Test(relay_ending, nothing_is_waited_for_for_ever)
{
	struct rig *r = rig_open(&(struct rig_options){.socket_bytes = 4096});

	count_only(r);
	rig_ssh(r)->is_stalled = true;
	rig_bulk(rig_node(r), 8, 32768);
	rig_run(r);
	rig_close(rig_node(r));
	rig_run(r);
	for (int i = 0; i < 20 && rig_connection(r) != NULL; i++) {
		rig_ssh(r)->is_stalled = false;
		rig_ssh(r)->read_max = 1000;
		rig_turn(r);
		rig_ssh(r)->is_stalled = true;
		rig_pass(r, 20000);
	}
	assert_over(r, END_NODE_CLOSED);
	rig_free(r);
}

/* --- protocol errors --- */

Test(relay_ending, a_wrong_tag_ends_the_connection_after_what_was_sound)
{
	struct rig *r = rig_open(NULL);
	struct buf *out;

	count_only(r);
	rig_send_filled(rig_node(r), SSH_MSG_CHANNEL_DATA, 1000, 1);
	rig_run(r);
	out = transport_out(rig_node(r)->t);
	cr_assert_eq(transport_send(rig_node(r)->t, span_of("\x5e", 1)), OK);
	out->data[out->head + out->len - 1] ^= 1;
	rig_run(r);
	cr_assert_eq(rig_node(r)->disconnect, SSH_DISCONNECT_MAC_ERROR);
	cr_assert_eq(rig_ssh(r)->hash, rig_node(r)->sent_hash);
	cr_assert_not_null(
		strstr(rig_ssh(r)->text, "node n2 broke the SSH protocol"), "%s", rig_ssh(r)->text);
	rig_close(rig_node(r));
	rig_close(rig_ssh(r));
	rig_run(r);
	assert_over(r, END_NODE_PROTOCOL);
	rig_free(r);
}

/* --- by us --- */

static void
end_by_director(struct rig *r, uint64_t conn, const char *text)
{
	struct msg_end_connection m = {
		.conn = conn, .code = SSH_DISCONNECT_BY_APPLICATION, .text = span_str(text)};
	struct buf b = {0};

	cr_assert_eq(message_encode(msg_end_connection_fields, &m, &b), OK);
	rig_send_as_director(r, MSG_END_CONNECTION, buf_span(&b));
	buf_clear(&b);
	rig_run(r);
}

Test(relay_ending, the_director_ends_a_connection_with_its_words)
{
	struct rig *r = rig_open(NULL);

	end_by_director(r, 4711, "another one");
	cr_assert_eq(rig_ssh(r)->disconnect, 0);
	end_by_director(r, rig_id(r), "the node goes down\n");
	cr_assert_str_eq(rig_ssh(r)->text, "the node goes down\\x0a (id 28t5cy4tqkff)");
	cr_assert_neq(rig_node(r)->disconnect, 0);
	end_by_director(r, rig_id(r), "twice");
	rig_close(rig_ssh(r));
	rig_close(rig_node(r));
	rig_run(r);
	assert_over(r, END_ADMIN);
	rig_free(r);
}

static void
count_empty(void *arg)
{
	(*(int *)arg)++;
}

Test(relay_ending, a_stopping_process_says_goodbye_and_is_empty_soon)
{
	struct rig *r = rig_open(NULL);
	int n_empty = 0;

	rig_process(r)->on_empty = count_empty;
	rig_process(r)->arg = &n_empty;
	process_stop(rig_process(r));
	rig_run(r);
	cr_assert_str_eq(rig_ssh(r)->text, "the broker is shutting down (id 28t5cy4tqkff)");
	cr_assert_eq(n_empty, 0);
	rig_close(rig_ssh(r));
	rig_close(rig_node(r));
	rig_run(r);
	assert_over(r, END_SHUTDOWN);
	cr_assert_eq(n_empty, 1);
	rig_free(r);
}

Test(relay_ending, a_draining_process_is_done_with_its_last_connection)
{
	struct rig *r = rig_open(NULL);
	int n_empty = 0;

	rig_process(r)->on_empty = count_empty;
	rig_process(r)->arg = &n_empty;
	process_drain(rig_process(r));
	rig_run(r);
	cr_assert_eq(n_empty, 0);
	rig_close(rig_ssh(r));
	rig_run(r);
	rig_close(rig_node(r));
	rig_run(r);
	cr_assert_eq(n_empty, 1);
	rig_free(r);
}

/* A write that fails for good, although nothing more is said or closed, ends the connection too. */
Test(relay_ending, a_side_that_cannot_be_written_to_is_given_up)
{
	struct rig *r = rig_open(NULL);

	shutdown(rig_connection(r)->legs[SIDE_NODE].fd, SHUT_WR);
	rig_send_filled(rig_ssh(r), SSH_MSG_CHANNEL_DATA, 10, 1);
	rig_run(r);
	cr_assert_eq(rig_ssh(r)->disconnect, 0);
	rig_pass(r, ENDING_BROKEN_MS);
	rig_close(rig_node(r));
	rig_run(r);
	cr_assert_eq(rig_ssh(r)->disconnect, SSH_DISCONNECT_CONNECTION_LOST);
	rig_close(rig_ssh(r));
	rig_run(r);
	assert_over(r, END_NODE_CLOSED);
	rig_free(r);
}
