/*
 * broker/relay: what the relay looks at and answers: global requests in order, host keys, PING, UNIMPLEMENTED, keepalives,
 * key exchanges that wait for the keyholder.
 */
#include "tests/lib/relay_rig.h"

#include "broker/relay/connection.h"
#include "broker/relay/control.h"
#include "broker/relay/peek.h"
#include "broker/relay/process.h"
#include "common/ssh/wire.h"

#include <criterion/criterion.h>
#include <sys/socket.h>

#define HOUR_MS 3600000

static void
ask(struct rig_peer *p, const char *name, bool want_reply, struct span data)
{
	struct peek_global_request m = {
		.name = span_str(name), .want_reply = want_reply, .data = data};
	struct buf b = {0};

	cr_assert_eq(peek_write_global_request(&m, &b), OK);
	rig_send(p, buf_span(&b));
	buf_clear(&b);
}

static void
ask_plain(struct rig_peer *p, const char *name)
{
	ask(p, name, true, span_of(NULL, 0));
}

static void
reply(struct rig_peer *p, const char *text)
{
	struct buf b = {0};

	cr_assert_eq(wire_put_u8(&b, SSH_MSG_REQUEST_SUCCESS), OK);
	cr_assert_eq(wire_put_bytes(&b, span_str(text)), OK);
	rig_send(p, buf_span(&b));
	buf_clear(&b);
}

/* The next packet is a reply with this text; "-" for REQUEST_FAILURE. */
static void
assert_reply(struct rig_peer *p, const char *text)
{
	struct span got;

	cr_assert(rig_next(p, &got), "no reply where %s is due", text);
	if (strcmp(text, "-") == 0) {
		cr_assert_eq(got.ptr[0], SSH_MSG_REQUEST_FAILURE);
		return;
	}
	cr_assert_eq(got.ptr[0], SSH_MSG_REQUEST_SUCCESS, "%u where %s is due", got.ptr[0], text);
	cr_assert(span_is(span_of(got.ptr + 1, got.len - 1), text), "%.*s where %s is due",
		(int)got.len - 1, (const char *)got.ptr + 1, text);
}

/* The next packet is the keyholder's proof of host keys. */
static void
assert_proof(struct rig_peer *p)
{
	struct span got;

	cr_assert(rig_next(p, &got), "no proof");
	cr_assert(span_equal(got, span_of("\x51\0\0\0\5proof", 10)));
}

/* The next packet is a global request of this name. */
static void
assert_request(struct rig_peer *p, const char *name)
{
	struct peek_global_request m;
	struct span got;

	cr_assert(rig_next(p, &got), "no request where %s is due", name);
	cr_assert_eq(peek_global_request(got, &m), OK);
	cr_assert(span_is(m.name, name), "%.*s where %s is due", (int)m.name.len,
		(const char *)m.name.ptr, name);
}

static void
assert_nothing(struct rig_peer *p)
{
	struct span got;

	cr_assert(!rig_next(p, &got), "a packet of type %u", got.ptr[0]);
}

/* A connection whose client has heard of the host keys already. */
static struct rig *
open_rig(const struct rig_options *options)
{
	struct rig *r = rig_open(options);

	if (options == NULL || !options->has_no_keyholder)
		assert_request(rig_ssh(r), PEEK_HOSTKEYS);
	return r;
}

/* --- global requests --- */

Test(relay_control, replies_keep_the_order_of_requests)
{
	struct rig *r = open_rig(NULL);

	ask_plain(rig_ssh(r), "one");
	ask_plain(rig_ssh(r), "two");
	ask_plain(rig_node(r), "three");
	rig_run(r);
	assert_request(rig_node(r), "one");
	assert_request(rig_node(r), "two");
	assert_request(rig_ssh(r), "three");
	reply(rig_node(r), "1");
	reply(rig_node(r), "2");
	reply(rig_ssh(r), "3");
	rig_run(r);
	assert_reply(rig_ssh(r), "1");
	assert_reply(rig_ssh(r), "2");
	assert_reply(rig_node(r), "3");
	rig_free(r);
}

Test(relay_control, a_reply_that_nobody_asked_for_is_dropped)
{
	struct rig *r = open_rig(NULL);

	reply(rig_node(r), "x");
	rig_run(r);
	ask_plain(rig_ssh(r), "one");
	rig_run(r);
	assert_nothing(rig_ssh(r));
	reply(rig_node(r), "1");
	rig_run(r);
	assert_reply(rig_ssh(r), "1");
	rig_free(r);
}

Test(relay_control, host_keys_are_proved_by_the_keyholder_in_order)
{
	struct rig *r = open_rig(NULL);
	static const char key[] = "\0\0\0\3key";

	rig_hold_signatures(r, true);
	ask_plain(rig_ssh(r), "before");
	ask(rig_ssh(r), PEEK_HOSTKEYS_PROVE, true, span_of(key, sizeof(key) - 1));
	ask_plain(rig_ssh(r), "after");
	rig_run(r);
	assert_request(rig_node(r), "before");
	assert_request(rig_node(r), "after");
	assert_nothing(rig_node(r));
	reply(rig_node(r), "1");
	reply(rig_node(r), "2");
	rig_run(r);
	assert_reply(rig_ssh(r), "1");
	assert_nothing(rig_ssh(r));
	rig_hold_signatures(r, false);
	rig_run(r);
	cr_assert_eq(rig_n_messages(r, MSG_HOSTKEYS_PROVE), 1);
	assert_proof(rig_ssh(r));
	assert_reply(rig_ssh(r), "2");
	rig_free(r);
}

Test(relay_control, several_proofs_wait_for_the_keyholder_and_too_many_fail)
{
	struct rig *r = open_rig(NULL);

	rig_hold_signatures(r, true);
	for (unsigned i = 0; i <= CONNECTION_PROOFS_MAX; i++)
		ask(rig_ssh(r), PEEK_HOSTKEYS_PROVE, true, span_of("\0\0\0\1k", 5));
	ask_plain(rig_ssh(r), "after");
	rig_run(r);
	reply(rig_node(r), "1");
	rig_run(r);
	assert_nothing(rig_ssh(r));
	rig_hold_signatures(r, false);
	rig_run(r);
	cr_assert_eq(rig_n_messages(r, MSG_HOSTKEYS_PROVE), CONNECTION_PROOFS_MAX);
	for (unsigned i = 0; i < CONNECTION_PROOFS_MAX; i++)
		assert_proof(rig_ssh(r));
	assert_reply(rig_ssh(r), "-");
	assert_reply(rig_ssh(r), "1");
	rig_free(r);
}

Test(relay_control, a_proof_that_the_node_is_slower_than_waits_its_turn)
{
	struct rig *r = open_rig(NULL);

	ask_plain(rig_ssh(r), "slow");
	ask(rig_ssh(r), PEEK_HOSTKEYS_PROVE, true, span_of("\0\0\0\1k", 5));
	rig_run(r);
	cr_assert_eq(rig_n_messages(r, MSG_HOSTKEYS_PROVED), 0);
	assert_nothing(rig_ssh(r));
	reply(rig_node(r), "1");
	rig_run(r);
	assert_reply(rig_ssh(r), "1");
	assert_proof(rig_ssh(r));
	rig_free(r);
}

Test(relay_control, the_nodes_own_host_keys_are_dropped)
{
	struct rig *r = open_rig(NULL);

	ask(rig_node(r), PEEK_HOSTKEYS, false, span_of("\0\0\0\1k", 5));
	ask(rig_node(r), PEEK_HOSTKEYS, true, span_of("\0\0\0\1k", 5));
	ask_plain(rig_node(r), "other");
	rig_run(r);
	assert_request(rig_ssh(r), "other");
	assert_nothing(rig_ssh(r));
	assert_reply(rig_node(r), "-");
	reply(rig_ssh(r), "1");
	rig_run(r);
	assert_reply(rig_node(r), "1");
	rig_free(r);
}

Test(relay_control, host_keys_are_announced_when_a_keyholder_comes_late)
{
	struct rig *r = open_rig(&(struct rig_options){.has_no_keyholder = true});

	rig_run(r);
	assert_nothing(rig_ssh(r));
	rig_link_keyholder(r);
	rig_run(r);
	assert_request(rig_ssh(r), PEEK_HOSTKEYS);
	rig_drop_keyholder(r);
	rig_link_keyholder(r);
	rig_run(r);
	assert_nothing(rig_ssh(r));
	rig_free(r);
}

Test(relay_control, too_many_unanswered_requests_stop_reading)
{
	struct rig *r = open_rig(&(struct rig_options){.limits = "\"global_requests_max\": 3"});

	for (int i = 0; i < 10; i++)
		ask_plain(rig_ssh(r), "again");
	rig_run(r);
	for (int i = 0; i < 3; i++)
		assert_request(rig_node(r), "again");
	assert_nothing(rig_node(r));
	for (int i = 0; i < 10; i++) {
		reply(rig_node(r), "ok");
		rig_run(r);
		assert_reply(rig_ssh(r), "ok");
	}
	rig_free(r);
}

Test(relay_control, a_malformed_global_request_ends_the_connection_in_words)
{
	struct rig *r = open_rig(NULL);

	rig_send_text(rig_ssh(r), "\x50\xff\xff\xff\xff", 5);
	rig_run(r);
	cr_assert_eq(rig_ssh(r)->disconnect, SSH_DISCONNECT_PROTOCOL_ERROR);
	cr_assert_not_null(strstr(rig_node(r)->text, "the client broke the SSH protocol"));
	rig_free(r);
}

/* --- keepalives --- */

Test(relay_control, silence_is_asked_about_and_an_answer_is_swallowed)
{
	struct rig *r = open_rig(NULL);

	rig_pass(r, 70000);
	assert_request(rig_ssh(r), PEEK_KEEPALIVE);
	assert_request(rig_node(r), PEEK_KEEPALIVE);
	for (int i = 0; i < 100; i++) {
		rig_send_text(rig_ssh(r), "\x52", 1);
		rig_send_text(rig_node(r), "\x52", 1);
		rig_run(r);
		assert_nothing(rig_ssh(r));
		assert_nothing(rig_node(r));
		rig_pass(r, 70000);
		assert_request(rig_ssh(r), PEEK_KEEPALIVE);
		assert_request(rig_node(r), PEEK_KEEPALIVE);
	}
	cr_assert_eq(rig_ssh(r)->disconnect, 0);
	rig_free(r);
}

Test(relay_control, keepalives_do_not_shift_replies)
{
	struct rig *r = open_rig(NULL);

	ask_plain(rig_ssh(r), "one");
	rig_run(r);
	rig_pass(r, 70000);
	ask_plain(rig_ssh(r), "two");
	rig_run(r);
	assert_request(rig_node(r), "one");
	assert_request(rig_node(r), PEEK_KEEPALIVE);
	assert_request(rig_node(r), "two");
	assert_request(rig_ssh(r), PEEK_KEEPALIVE);
	reply(rig_node(r), "1");
	rig_send_text(rig_node(r), "\x52", 1);
	reply(rig_node(r), "2");
	rig_run(r);
	assert_reply(rig_ssh(r), "1");
	assert_reply(rig_ssh(r), "2");
	assert_nothing(rig_ssh(r));
	rig_free(r);
}

Test(relay_control, a_talking_peer_is_not_asked)
{
	struct rig *r = open_rig(NULL);

	for (int i = 0; i < 10; i++) {
		rig_send_filled(rig_ssh(r), SSH_MSG_CHANNEL_DATA, 10, 1);
		rig_run(r);
		rig_pass(r, 30000);
		rig_send_filled(rig_node(r), SSH_MSG_CHANNEL_DATA, 10, 1);
		rig_run(r);
	}
	for (struct span got; rig_next(rig_ssh(r), &got);)
		cr_assert_eq(got.ptr[0], SSH_MSG_CHANNEL_DATA);
	rig_free(r);
}

static void
lose(struct rig *r, enum end_cause cause, struct rig_peer *other, const char *words)
{
	struct msg_connection_ended m;

	for (int i = 0; i < 3; i++) {
		rig_pass(r, 70000);
		cr_assert_eq(other->disconnect, 0, "too early");
		rig_send_text(other, "\x5e", 1);
		rig_run(r);
	}
	rig_pass(r, 70000);
	cr_assert_eq(other->disconnect, SSH_DISCONNECT_CONNECTION_LOST);
	cr_assert_not_null(strstr(other->text, words), "%s", other->text);
	rig_close(other);
	rig_run(r);
	cr_assert_eq(message_decode(msg_connection_ended_fields,
			     rig_last_message(r, MSG_CONNECTION_ENDED), &m),
		OK);
	cr_assert_eq(m.cause, cause);
}

Test(relay_control, a_client_that_does_not_answer_is_lost)
{
	struct rig *r = open_rig(NULL);

	rig_ssh(r)->is_stalled = true;
	lose(r, END_CLIENT_LOST, rig_node(r), "the client does not answer any more (id ");
	rig_free(r);
}

Test(relay_control, a_node_that_does_not_answer_is_lost)
{
	struct rig *r = open_rig(NULL);

	rig_node(r)->is_stalled = true;
	lose(r, END_NODE_LOST, rig_ssh(r), "node n2 does not answer any more (id ");
	rig_free(r);
}

Test(relay_control, a_leg_that_is_not_read_misses_nothing)
{
	struct rig *r = open_rig(
		&(struct rig_options){.other = "\"keepalive\": {\"client_interval_s\": 60, "
					       "\"node_interval_s\": 0},"});

	/* The node takes nothing, so the client is not read, and its silence is ours. */
	rig_node(r)->is_stalled = true;
	rig_bulk(rig_ssh(r), 1000, 32768);
	rig_run(r);
	for (int i = 0; i < 20; i++)
		rig_pass(r, 70000);
	cr_assert_eq(rig_ssh(r)->disconnect, 0);
	cr_assert_not_null(rig_connection(r));
	rig_node(r)->is_stalled = false;
	rig_node(r)->is_keeping = false;
	rig_run(r);
	cr_assert_eq(rig_node(r)->hash, rig_ssh(r)->sent_hash);
	rig_free(r);
}

Test(relay_control, an_unimplemented_keepalive_does_not_shift_replies)
{
	struct rig *r = open_rig(NULL);
	uint8_t unimplemented[5] = {SSH_MSG_UNIMPLEMENTED};

	wire_poke_u32(unimplemented + 1,
		transport_next_seq(rig_connection(r)->legs[SIDE_NODE].transport));
	rig_pass(r, 70000);
	assert_request(rig_node(r), PEEK_KEEPALIVE);
	rig_send(rig_node(r), span_of(unimplemented, sizeof(unimplemented)));
	ask_plain(rig_ssh(r), "one");
	rig_run(r);
	reply(rig_node(r), "1");
	rig_run(r);
	assert_request(rig_ssh(r), PEEK_KEEPALIVE);
	assert_reply(rig_ssh(r), "1");
	cr_assert_eq(rig_ssh(r)->n_unimplemented, 0);
	rig_free(r);
}

/* --- PING and PONG --- */

static const char ping[] = "\xc0\0\0\0\4ping", pong[] = "\xc1\0\0\0\4ping";

Test(relay_control, a_ping_is_answered_by_a_node_that_can)
{
	struct rig *r = open_rig(NULL);
	struct span got;

	cr_assert(transport_peer_has_ping(rig_connection(r)->legs[SIDE_NODE].transport));
	rig_send_text(rig_ssh(r), ping, 9);
	rig_send_text(rig_ssh(r), "\x5eX", 2);
	rig_run(r);
	cr_assert(rig_next(rig_node(r), &got));
	cr_assert(span_equal(got, span_of(ping, 9)));
	cr_assert(rig_next(rig_node(r), &got));
	rig_send_text(rig_node(r), pong, 9);
	rig_run(r);
	cr_assert(rig_next(rig_ssh(r), &got));
	cr_assert(span_equal(got, span_of(pong, 9)));
	/* One too many goes nowhere. */
	rig_send_text(rig_node(r), pong, 9);
	rig_run(r);
	assert_nothing(rig_ssh(r));
	rig_free(r);
}

Test(relay_control, a_ping_is_answered_here_when_the_other_side_cannot)
{
	struct rig *r = open_rig(NULL);
	struct span got;

	/* A client announces no ping to us. */
	rig_send_text(rig_node(r), ping, 9);
	rig_run(r);
	assert_nothing(rig_ssh(r));
	cr_assert(rig_next(rig_node(r), &got));
	cr_assert(span_equal(got, span_of(pong, 9)));
	rig_free(r);
}

Test(relay_control, unread_answers_are_bounded)
{
	struct rig *r = open_rig(NULL);
	struct buf b = {0};

	cr_assert_eq(wire_put_u8(&b, SSH_MSG_PING), OK);
	cr_assert_eq(wire_put_u32(&b, 30000), OK);
	cr_assert_eq(buf_append(&b, (char[30000]){0}, 30000), OK);
	rig_node(r)->is_stalled = true;
	for (int i = 0; i < 300; i++)
		rig_send(rig_node(r), buf_span(&b));
	rig_run(r);
	cr_assert_leq(rig_process(r)->n_queued, 3000000);
	cr_assert_gt(rig_process(r)->limits.of[LIMIT_RELAY_UNREAD_BYTES].n_hits, 0);
	rig_node(r)->is_stalled = false;
	rig_run(r);
	cr_assert_eq(rig_node(r)->n_packets, 300);
	buf_clear(&b);
	rig_free(r);
}

/* --- UNIMPLEMENTED --- */

static void
say_unimplemented(struct rig_peer *p, uint32_t seq)
{
	uint8_t payload[5] = {SSH_MSG_UNIMPLEMENTED};

	wire_poke_u32(payload + 1, seq);
	rig_send(p, span_of(payload, sizeof(payload)));
}

static void
unimplemented_is_mapped(struct rig *r, struct rig_peer *from, struct rig_peer *to, enum side side)
{
	uint32_t theirs, ours;

	rig_send_text(from, "\x7fwhat", 5);
	rig_run(r);
	theirs = transport_next_seq(from->t);
	ours = transport_next_seq(rig_connection(r)->legs[side].transport);
	rig_send_text(from, "\x7f?", 2);
	rig_send_text(from, "\x5e!", 2);
	rig_run(r);
	say_unimplemented(to, ours);
	rig_run(r);
	cr_assert_eq(from->n_unimplemented, 1);
	cr_assert_eq(from->unimplemented, theirs);
}

Test(relay_control, unimplemented_names_the_senders_own_packet)
{
	struct rig *r = open_rig(NULL);

	/* Other numbers on both legs. */
	for (int i = 0; i < 5; i++)
		rig_send_text(rig_node(r), "\x02\0\0\0\0", 5);
	unimplemented_is_mapped(r, rig_ssh(r), rig_node(r), SIDE_NODE);
	unimplemented_is_mapped(r, rig_node(r), rig_ssh(r), SIDE_CLIENT);
	rig_free(r);
}

Test(relay_control, unimplemented_is_mapped_for_packets_that_waited_for_keys)
{
	struct rig *r = open_rig(NULL);
	uint32_t theirs;

	rig_hold_signatures(r, true);
	rig_rekey(rig_ssh(r));
	rig_run(r);
	rig_send_text(rig_node(r),
		"\x5e"
		"a",
		2);
	theirs = transport_next_seq(rig_node(r)->t);
	rig_send_text(rig_node(r), "\x7f", 1);
	rig_run(r);
	rig_hold_signatures(r, false);
	rig_run(r);
	/* Strict: the second packet under the new keys. */
	say_unimplemented(rig_ssh(r), 1);
	rig_run(r);
	cr_assert_eq(rig_node(r)->n_unimplemented, 1);
	cr_assert_eq(rig_node(r)->unimplemented, theirs);
	rig_free(r);
}

Test(relay_control, an_unimplemented_that_cannot_be_mapped_is_dropped)
{
	struct rig *r = open_rig(NULL);

	rig_send_text(rig_ssh(r), "\x7f", 1);
	rig_run(r);
	say_unimplemented(rig_node(r), 4711);
	rig_run(r);
	cr_assert_eq(rig_ssh(r)->n_unimplemented, 0);
	cr_assert_eq(rig_ssh(r)->disconnect, 0);
	rig_free(r);
}

/* --- the keyholder --- */

Test(relay_control, a_signature_is_asked_for_again_when_the_keyholder_comes_back)
{
	struct rig *r = open_rig(NULL);

	rig_drop_keyholder(r);
	rig_rekey(rig_ssh(r));
	ask(rig_ssh(r), PEEK_HOSTKEYS_PROVE, true, span_of("\0\0\0\1k", 5));
	rig_run(r);
	cr_assert_eq(rig_ssh(r)->n_keys, 0);
	rig_link_keyholder(r);
	rig_run(r);
	cr_assert_eq(rig_ssh(r)->n_keys, 1);
	assert_proof(rig_ssh(r));
	rig_free(r);
}

Test(relay_control, a_signature_that_never_comes_ends_the_connection_in_words)
{
	struct rig *r = open_rig(NULL);

	rig_hold_signatures(r, true);
	rig_rekey(rig_ssh(r));
	rig_run(r);
	rig_pass(r, 119000);
	cr_assert_eq(rig_node(r)->disconnect, 0);
	rig_pass(r, 2000);
	cr_assert_eq(rig_ssh(r)->disconnect, SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
	cr_assert_not_null(strstr(rig_ssh(r)->text, "could not sign"));
	cr_assert_neq(rig_node(r)->disconnect, 0);
	rig_free(r);
}

Test(relay_control, a_peer_that_never_answers_a_rekey_is_lost)
{
	struct rig *r = open_rig(&(struct rig_options){
		.other = "\"rekey\": {\"bytes_max\": 65536, \"timeout_s\": 30}, \"keepalive\": "
			 "{\"node_interval_s\": 0},"});

	rig_node(r)->is_stalled = true;
	rig_ssh(r)->is_keeping = false;
	rig_bulk(rig_ssh(r), 3, 32768);
	rig_run(r);
	cr_assert(transport_is_rekeying(rig_connection(r)->legs[SIDE_NODE].transport) ||
		transport_is_rekeying(rig_connection(r)->legs[SIDE_CLIENT].transport));
	rig_pass(r, 31000);
	rig_pass(r, 31000);
	rig_pass(r, 31000);
	cr_assert_eq(rig_ssh(r)->disconnect, SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
	cr_assert_not_null(strstr(rig_ssh(r)->text, "the node did not finish a key exchange"));
	rig_free(r);
}

/* --- what nobody may steer --- */

Test(relay_control, idle_hours_send_nothing_but_keepalives)
{
	struct rig *r = open_rig(&(struct rig_options){
		.other = "\"keepalive\": {\"client_interval_s\": 0, \"node_interval_s\": 0},"});

	for (int i = 0; i < 10; i++)
		rig_pass(r, HOUR_MS);
	assert_nothing(rig_ssh(r));
	assert_nothing(rig_node(r));
	cr_assert_eq(rig_n_messages(r, MSG_COUNTERS), 0);
	rig_free(r);
}

/* --- what could keep the keyholder from others --- */

Test(relay_control, a_client_gets_only_so_many_proofs_of_host_keys)
{
	struct rig *r = open_rig(NULL);

	for (unsigned i = 0; i < CONTROL_PROOFS_MAX + 3; i++) {
		ask(rig_ssh(r), PEEK_HOSTKEYS_PROVE, true, span_of("\0\0\0\1k", 5));
		rig_run(r);
		if (i < CONTROL_PROOFS_MAX)
			assert_proof(rig_ssh(r));
		else
			assert_reply(rig_ssh(r), "-");
	}
	cr_assert_eq(rig_n_messages(r, MSG_HOSTKEYS_PROVE), CONTROL_PROOFS_MAX);
	cr_assert_eq(rig_process(r)->limits.of[LIMIT_RELAY_HOSTKEY_PROOFS].n_hits, 3);
	rig_free(r);
}

Test(relay_control, no_proof_is_asked_for_of_more_keys_than_were_announced)
{
	static uint8_t keys[60000];
	struct rig *r = open_rig(NULL);

	ask(rig_ssh(r), PEEK_HOSTKEYS_PROVE, true, span_of(keys, sizeof(keys)));
	rig_run(r);
	assert_reply(rig_ssh(r), "-");
	cr_assert_eq(rig_n_messages(r, MSG_HOSTKEYS_PROVE), 0);
	rig_free(r);
}

Test(relay_control, a_key_exchange_waits_for_its_turn_with_the_keyholder)
{
	struct rig *r = open_rig(NULL);
	struct process *p = rig_process(r);

	p->turns.n_asked = SIGN_TURNS_MAX;
	cr_assert_eq(transport_rekey(rig_ssh(r)->t), OK);
	rig_run(r);
	cr_assert_eq(rig_n_messages(r, MSG_KEX_SIGN), 0);
	cr_assert_eq(p->limits.of[LIMIT_SIGN_TURNS].n_hits, 1);
	p->turns.n_asked = 0;
	sign_turns_again(&p->turns);
	rig_run(r);
	cr_assert_eq(rig_n_messages(r, MSG_KEX_SIGN), 1);
	cr_assert_eq(rig_ssh(r)->n_keys, 1);
	cr_assert_eq(p->turns.n_asked, 0);
	rig_free(r);
}

/* --- what the director hears of limits --- */

Test(relay_control, the_director_hears_of_limits_that_were_reached)
{
	struct rig *r = open_rig(NULL);
	struct msg_limit_use m;
	size_t n;

	rig_link_director(r);
	limit_hit(&rig_process(r)->limits, LIMIT_RELAY_HOSTKEY_PROOFS);
	process_report_limits(rig_process(r));
	rig_run(r);
	cr_assert_eq(
		message_decode(msg_limit_use_fields, rig_last_message(r, MSG_LIMIT_USE), &m), OK);
	cr_assert_eq(m.limit, LIMIT_RELAY_HOSTKEY_PROOFS);
	cr_assert_eq(m.n_hits, 1);
	cr_assert_eq(m.max, CONTROL_PROOFS_MAX);
	n = rig_n_messages(r, MSG_LIMIT_USE);
	process_report_limits(rig_process(r));
	rig_run(r);
	cr_assert_eq(rig_n_messages(r, MSG_LIMIT_USE), n, "no news, no message");
	rig_link_director(r);
	process_report_limits(rig_process(r));
	rig_run(r);
	cr_assert_eq(rig_n_messages(r, MSG_LIMIT_USE), 2 * n, "the next one has heard nothing");
	rig_free(r);
}

/* --- what would never end --- */

/* Send more of what is sealed, so that the peer is never silent, and let time pass for the relay alone. */
static void
drip(struct rig *r, size_t n)
{
	struct buf *out = transport_out(rig_ssh(r)->t);

	cr_assert_eq(send(rig_ssh(r)->fd, buf_span(out).ptr, n, MSG_NOSIGNAL), (ssize_t)n);
	buf_consume(out, n);
	rig_ssh(r)->is_silent = true;
	rig_run(r);
	rig_pass(r, 50000);
	rig_ssh(r)->is_silent = false;
}

/* As much memory as a packet has, for as long as its sender likes, on each of its connections. */
Test(relay_control, a_packet_comes_in_time)
{
	struct rig *r = open_rig(NULL);
	static uint8_t payload[200000] = {SSH_MSG_CHANNEL_DATA};

	cr_assert_eq(transport_send(rig_ssh(r)->t, span_of(payload, sizeof(payload))), OK);
	drip(r, 100000);
	drip(r, 100);
	cr_assert_eq(rig_connection(r)->state, CONNECTION_OPEN);
	drip(r, 100);
	drip(r, 100);
	cr_assert_eq(rig_process(r)->limits.of[LIMIT_RELAY_PACKET_TIME].n_hits, 1);
	cr_assert(rig_connection(r) == NULL || rig_connection(r)->state != CONNECTION_OPEN);
	rig_free(r);
}

/* What an open connection is looked at for must not be what the timer of one that ends is set to. */
Test(relay_control, the_timer_of_a_connection_that_ends_is_never_set_to_the_past)
{
	struct rig *r = open_rig(NULL);
	struct buf *out = transport_out(rig_ssh(r)->t);
	struct connection *c;

	cr_assert_eq(transport_rekey(rig_ssh(r)->t), OK);
	cr_assert_eq(
		send(rig_ssh(r)->fd, buf_span(out).ptr, out->len, MSG_NOSIGNAL), (ssize_t)out->len);
	buf_clear(out);
	rig_ssh(r)->is_silent = true;
	rig_run(r);
	rig_pass(r, 119000);
	rig_send_filled(rig_node(r), SSH_MSG_CHANNEL_DATA, 100, 1);
	transport_disconnect(rig_node(r)->t, SSH_DISCONNECT_BY_APPLICATION, "bye");
	rig_run(r);
	for (int i = 0; i < 4; i++) {
		rig_pass(r, 1000);
		c = rig_connection(r);
		cr_assert_not_null(c);
		cr_assert_eq(c->state, CONNECTION_ENDING);
		/* As when it fires, which it does by another clock than the test's. */
		c->timer_at = 0;
		connection_look(c);
		cr_assert_gt(c->timer_at, rig_process(r)->now);
	}
	rig_free(r);
}

/* Each answer stands behind requests for which there is no room, on both sides. */
Test(relay_control, two_sides_that_only_ask_are_ended)
{
	struct rig *r = open_rig(&(struct rig_options){.limits = "\"global_requests_max\": 4"});

	for (int i = 0; i < 6; i++) {
		ask_plain(rig_ssh(r), "from the client");
		ask_plain(rig_node(r), "from the node");
	}
	for (int i = 0; i < 4; i++) {
		reply(rig_ssh(r), "to the node");
		reply(rig_node(r), "to the client");
	}
	rig_run(r);
	cr_assert(strstr(rig_ssh(r)->text, "limit") != NULL, "%s", rig_ssh(r)->text);
	cr_assert_neq(rig_node(r)->disconnect, 0);
	cr_assert_eq(rig_connection(r)->ending->cause, END_LIMIT);
	rig_free(r);
}

Test(relay_control, two_sides_that_ask_and_answer_go_on)
{
	struct rig *r = open_rig(&(struct rig_options){.limits = "\"global_requests_max\": 4"});

	for (int i = 0; i < 3; i++) {
		ask_plain(rig_ssh(r), "from the client");
		ask_plain(rig_node(r), "from the node");
		ask_plain(rig_ssh(r), "from the client");
		ask_plain(rig_node(r), "from the node");
		reply(rig_ssh(r), "to the node");
		reply(rig_node(r), "to the client");
		reply(rig_ssh(r), "to the node");
		reply(rig_node(r), "to the client");
		rig_run(r);
	}
	cr_assert_not_null(rig_connection(r));
	rig_free(r);
}
