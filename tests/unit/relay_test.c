/*
 * broker/relay: bytes through a relayed connection, with real SSH peers at both ends.
 */
#include "tests/lib/relay_rig.h"

#include "broker/relay/connection.h"
#include "broker/relay/flow.h"
#include "broker/relay/process.h"
#include "common/ssh/transport_impl.h"
#include "common/ssh/wire.h"
#include "tests/lib/suites.h"

#include <criterion/criterion.h>

/* One of each layout: block, length field and tag differ. */
static const struct suite layouts[] = {
	{"chacha20-poly1305@openssh.com", NULL},
	{"aes256-gcm@openssh.com", NULL},
	{"aes128-gcm@openssh.com", NULL},
	{"aes128-ctr", "hmac-sha2-256"},
	{"aes256-ctr", "hmac-sha2-512"},
	{"aes192-ctr", "hmac-sha2-256-etm@openssh.com"},
	{"aes128-ctr", "hmac-sha2-512-etm@openssh.com"},
};

/* Everything that one peer sent reached the other, in order. */
static void
assert_same(const struct rig_peer *from, const struct rig_peer *to, const char *what)
{
	cr_assert_eq(to->disconnect, 0, "%s: %s", what, to->text);
	cr_assert(!to->is_eof, "%s: the connection ended", what);
	cr_assert_eq(from->bulk_left, 0, "%s: %zu packets were never sent", what, from->bulk_left);
	cr_assert_eq(from->sent_hash, to->hash, "%s: content differs (%zu packets came of %llu)",
		what, to->n_packets, (unsigned long long)from->n_sent);
}

static void
assert_both_same(struct rig *r, const char *what)
{
	assert_same(rig_ssh(r), rig_node(r), what);
	assert_same(rig_node(r), rig_ssh(r), what);
}

static void
count_only(struct rig *r)
{
	rig_ssh(r)->is_keeping = false;
	rig_node(r)->is_keeping = false;
}

Test(relay, a_packet_arrives_as_it_was_sent)
{
	struct rig *r = rig_open(NULL);
	struct span got;

	rig_send_text(rig_ssh(r), "\x5ehello", 6);
	rig_run(r);
	cr_assert(rig_next(rig_node(r), &got));
	cr_assert(span_is(got, "\x5ehello"));
	rig_send_text(rig_node(r), "\x5eworld", 6);
	rig_run(r);
	/* The first packet for the client announces the broker's host keys. */
	cr_assert(rig_next(rig_ssh(r), &got));
	cr_assert_eq(got.ptr[0], SSH_MSG_GLOBAL_REQUEST);
	cr_assert(rig_next(rig_ssh(r), &got));
	cr_assert(span_is(got, "\x5eworld"));
	rig_free(r);
}

/* All that is relayed but global requests and their replies, in all sizes up to the largest. */
static void
send_all_types(struct rig_peer *p, uint32_t seed)
{
	static const size_t sizes[] = {1, 2, 9, 15, 16, 17, 100, 1000, 32768 + 9};

	for (uint8_t type = SSH_MSG_REQUEST_FAILURE + 1; type <= 127; type++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
			rig_send_filled(p, type, sizes[i], seed++);
	}
	rig_send_filled(p, SSH_MSG_CHANNEL_DATA, PACKET_PAYLOAD_MAX, seed);
}

Test(relay, all_types_and_sizes_in_all_pairings_of_ciphers)
{
	char what[128];

	for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
		for (size_t j = 0; j < ARRAY_LEN(layouts); j++) {
			struct rig *r = rig_open(
				&(struct rig_options){.ssh_cipher = layouts[i].cipher,
					.ssh_mac = layouts[i].mac,
					.node_cipher = layouts[j].cipher,
					.node_mac = layouts[j].mac});

			count_only(r);
			snprintf(what, sizeof(what), "%s %s to %s %s", layouts[i].cipher,
				layouts[i].mac != NULL ? layouts[i].mac : "", layouts[j].cipher,
				layouts[j].mac != NULL ? layouts[j].mac : "");
			send_all_types(rig_ssh(r), 1);
			send_all_types(rig_node(r), 2);
			rig_run(r);
			assert_both_same(r, what);
			rig_free(r);
		}
	}
}

Test(relay, bytes_that_come_in_odd_pieces)
{
	for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
		struct rig *r = rig_open(&(struct rig_options){
			.ssh_cipher = layouts[i].cipher, .ssh_mac = layouts[i].mac});

		count_only(r);
		rig_ssh(r)->is_cut = true;
		rig_ssh(r)->cut_seed = (uint32_t)i;
		rig_node(r)->is_cut = true;
		rig_node(r)->cut_seed = (uint32_t)i + 100;
		send_all_types(rig_ssh(r), 1);
		send_all_types(rig_node(r), 2);
		rig_run(r);
		assert_both_same(r, layouts[i].cipher);
		rig_free(r);
	}
}

Test(relay, single_bytes_do_not_make_a_large_packet_expensive)
{
	struct rig *r = rig_open(NULL);
	struct connection *c = rig_connection(r);

	rig_send_filled(rig_ssh(r), SSH_MSG_CHANNEL_DATA, 200000, 1);
	rig_ssh(r)->is_cut = true;
	while (rig_turn(r))
		cr_assert_leq(c->legs[SIDE_CLIENT].left.cap, 2 * PACKET_SIZE_MAX);
	rig_run(r);
	assert_same(rig_ssh(r), rig_node(r), "cut");
	cr_assert_eq(c->legs[SIDE_CLIENT].left.cap, 0, "an idle leg owns no buffer");
	rig_free(r);
}

Test(relay, an_idle_connection_owns_no_buffers)
{
	struct rig *r = rig_open(NULL);

	count_only(r);
	rig_bulk(rig_ssh(r), 200, 30000);
	rig_bulk(rig_node(r), 200, 30000);
	rig_run(r);
	assert_both_same(r, "bulk");
	for (enum side s = 0; s < SIDES; s++) {
		struct leg *l = &rig_connection(r)->legs[s];

		cr_assert_eq(l->left.cap, 0);
		cr_assert_eq(transport_out(l->transport)->cap, 0);
		cr_assert_eq(transport_n_waiting(l->transport), 0);
	}
	cr_assert_eq(rig_process(r)->n_queued, 0);
	rig_free(r);
}

/* --- rekeys --- */

struct rekey_case {
	const char *name;
	uint64_t ssh, node; /* limits of the peers */
	const char *other;
	const char *limits;
	int socket_bytes;
};

static const struct rekey_case rekey_cases[] = {
	{"by the client", 100000, 0, NULL, NULL, 0},
	{"by the node", 0, 100000, NULL, NULL, 0},
	{"by the broker", 0, 0, "\"rekey\": {\"bytes_max\": 100000},", NULL, 0},
	{"by all at different times", 130000, 170000, "\"rekey\": {\"bytes_max\": 150000},", NULL,
		0},
	{"by all at once", 65536, 65536, "\"rekey\": {\"bytes_max\": 65536},", NULL, 0},
	/* The deadlock of two KEXINITs that wait behind data which nobody reads would show here. */
	{"by all at once, with the smallest marks and sockets", 65536, 65536,
		"\"rekey\": {\"bytes_max\": 65536},",
		"\"relay_mark_bytes\": 1024, \"relay_read_bytes\": 4096, \"queue_bytes_max\": "
		"65536",
		4096},
	{"by the broker, with the smallest marks and sockets", 0, 0,
		"\"rekey\": {\"bytes_max\": 65536},",
		"\"relay_mark_bytes\": 1024, \"relay_read_bytes\": 4096, \"queue_bytes_max\": "
		"65536",
		4096},
};

static void
rekey_under_load(const struct rekey_case *k, const struct suite *ssh, size_t len)
{
	struct rig *r = rig_open(&(struct rig_options){.ssh_cipher = ssh->cipher,
		.ssh_mac = ssh->mac,
		.ssh_rekey_bytes = k->ssh,
		.node_rekey_bytes = k->node,
		.other = k->other,
		.limits = k->limits,
		.socket_bytes = k->socket_bytes});

	count_only(r);
	rig_bulk(rig_ssh(r), 3000000 / len, len);
	rig_bulk(rig_node(r), 3000000 / len, len);
	rig_run(r);
	assert_both_same(r, k->name);
	cr_assert_geq(rig_connection(r)->n_rekeys, 10, "%s: only %u rekeys", k->name,
		rig_connection(r)->n_rekeys);
	rig_free(r);
}

Test(relay, keys_change_on_each_leg_under_load_both_ways)
{
	for (size_t i = 0; i < ARRAY_LEN(rekey_cases); i++) {
		for (size_t j = 0; j < 2; j++) {
			rekey_under_load(&rekey_cases[i], &layouts[j], 32768);
			rekey_under_load(&rekey_cases[i], &layouts[j], 1500);
		}
	}
}

Test(relay, an_idle_leg_is_never_rekeyed)
{
	struct rig *r = rig_open(
		&(struct rig_options){.other = "\"rekey\": {\"bytes_max\": 65536},"});

	rig_pass(r, 86400000);
	cr_assert_eq(rig_connection(r)->n_rekeys, 0);
	rig_free(r);
}

Test(relay, keys_after_a_rekey_still_fit_in_place)
{
	struct rig *r = rig_open(&(struct rig_options){
		.ssh_cipher = "aes256-gcm@openssh.com", .node_cipher = "aes256-gcm@openssh.com"});

	rig_rekey(rig_ssh(r));
	rig_rekey(rig_node(r));
	rig_run(r);
	cr_assert_eq(rig_connection(r)->n_rekeys, 2);
	for (enum side s = 0; s < SIDES; s++)
		cr_assert_eq(transport_cipher(rig_connection(r)->legs[s].transport, CIPHER_SEAL),
			CIPHER_AES256_GCM);
	rig_free(r);
}

/* --- receivers that are slow --- */

static void
stalled_reader_is_bounded(struct rig_peer *from, struct rig_peer *to, struct rig *r)
{
	const struct settings *s = &rig_process(r)->settings;
	size_t bound = s->mark_bytes + s->read_bytes + PACKET_SIZE_MAX;

	to->is_stalled = true;
	rig_bulk(from, 1000, 32768);
	rig_run(r);
	cr_assert_leq(rig_process(r)->n_queued, bound);
	cr_assert_gt(from->bulk_left, 0, "the sender should be held up");
	cr_assert_gt(rig_process(r)->limits.of[LIMIT_RELAY_MARK].n_hits, 0);
	to->is_stalled = false;
	rig_run(r);
	assert_same(from, to, "after the stall");
	cr_assert_eq(rig_process(r)->n_queued, 0);
}

Test(relay, a_stalled_reader_costs_bounded_memory_and_loses_nothing)
{
	struct rig *r = rig_open(NULL);

	count_only(r);
	stalled_reader_is_bounded(rig_ssh(r), rig_node(r), r);
	stalled_reader_is_bounded(rig_node(r), rig_ssh(r), r);
	rig_free(r);
}

Test(relay, a_slow_reader_gets_everything)
{
	struct rig *r = rig_open(&(struct rig_options){.socket_bytes = 8192});

	count_only(r);
	rig_ssh(r)->read_max = 777;
	rig_bulk(rig_node(r), 40, 32768);
	rig_run(r);
	assert_same(rig_node(r), rig_ssh(r), "slow");
	rig_free(r);
}

/* While one leg has no keys to send under, data for it waits, bounded, and the other direction goes on. */
Test(relay, data_waits_for_keys_within_bounds)
{
	struct rig *r = rig_open(NULL);
	const struct settings *s = &rig_process(r)->settings;

	count_only(r);
	rig_hold_signatures(r, true);
	rig_rekey(rig_ssh(r));
	rig_run(r);
	rig_bulk(rig_node(r), 100, 32768);
	rig_run(r);
	cr_assert_gt(rig_node(r)->bulk_left, 0);
	cr_assert_leq(rig_process(r)->n_queued, s->mark_bytes + s->read_bytes + PACKET_SIZE_MAX);
	rig_hold_signatures(r, false);
	rig_run(r);
	assert_same(rig_node(r), rig_ssh(r), "after the rekey");
	rig_free(r);
}

/* Forbidden between KEXINIT and NEWKEYS (RFC 4253 section 7.1), but AsyncSSH does it, and sshd takes it. */
Test(relay, data_in_the_middle_of_a_key_exchange_is_relayed_within_bounds)
{
	struct rig *r = rig_open(NULL);
	const struct settings *s = &rig_process(r)->settings;
	uint8_t data[32768] = {SSH_MSG_CHANNEL_DATA};
	size_t n = 2 * s->mark_bytes / sizeof(data) + 20;

	count_only(r);
	rig_node(r)->is_stalled = true;
	rig_rekey(rig_ssh(r));
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(transport_seal_now(rig_ssh(r)->t, span_of(data, sizeof(data))), OK);
	rig_run(r);
	cr_assert_gt(rig_process(r)->n_queued, 0);
	cr_assert_leq(rig_process(r)->n_queued, s->mark_bytes + s->read_bytes + PACKET_SIZE_MAX);
	rig_node(r)->is_stalled = false;
	rig_run(r);
	cr_assert_eq(rig_node(r)->n_payload, n * sizeof(data));
	cr_assert_eq(rig_connection(r)->n_rekeys, 1);
	rig_free(r);
}

/* The answer to our own KEXINIT stands behind data: there is room for that beyond the mark, up to the maximum. */
Test(relay, a_leg_whose_answer_to_a_rekey_is_due_is_read_past_the_mark)
{
	struct rig *r = rig_open(&(struct rig_options){.limits = "\"relay_mark_bytes\": 65536"});
	struct connection *c = rig_connection(r);
	struct leg *node = &c->legs[SIDE_NODE];

	count_only(r);
	rig_ssh(r)->is_stalled = true;
	rig_bulk(rig_node(r), 30, 32768);
	rig_run(r);
	cr_assert_eq(flow_of(c, SIDE_NODE), FLOW_MARK);
	cr_assert_eq(transport_rekey(node->transport), OK);
	node->rekey_is_own = true;
	connection_settle(c);
	rig_run(r);
	cr_assert_eq(rig_node(r)->n_keys, 1, "the node's answer was not read");
	cr_assert_eq(c->n_rekeys, 1);
	rig_ssh(r)->is_stalled = false;
	rig_run(r);
	assert_same(rig_node(r), rig_ssh(r), "after the stall");
	rig_free(r);
}

Test(relay, the_total_limit_stops_reading_and_is_counted)
{
	struct rig *r = rig_open(NULL);

	/* Less than one connection may have, as if there were others. */
	rig_process(r)->settings.queue_bytes_total_max = 100000;
	count_only(r);
	rig_ssh(r)->is_stalled = true;
	rig_node(r)->is_cut = true;
	rig_bulk(rig_node(r), 50, 32768);
	rig_run(r);
	cr_assert_leq(rig_process(r)->n_queued, 100000 + rig_process(r)->settings.mark_bytes);
	cr_assert_gt(rig_process(r)->limits.of[LIMIT_QUEUE_BYTES_TOTAL].n_hits, 0);
	rig_ssh(r)->is_stalled = false;
	rig_run(r);
	assert_same(rig_node(r), rig_ssh(r), "after the stall");
	rig_free(r);
}

Test(relay, the_connections_limit_stops_reading_and_is_counted)
{
	struct rig *r = rig_open(&(struct rig_options){
		.limits = "\"queue_bytes_max\": 131072, \"relay_mark_bytes\": 131072"});

	count_only(r);
	rig_ssh(r)->is_stalled = true;
	rig_node(r)->is_stalled = true;
	rig_bulk(rig_node(r), 50, 32768);
	rig_run(r);
	rig_ssh(r)->is_cut = true;
	rig_bulk(rig_ssh(r), 50, 32768);
	rig_run(r);
	cr_assert_leq(rig_process(r)->n_queued, 131072 + 2 * rig_process(r)->settings.read_bytes);
	cr_assert_gt(rig_process(r)->limits.of[LIMIT_QUEUE_BYTES].n_hits, 0);
	rig_ssh(r)->is_stalled = false;
	rig_node(r)->is_stalled = false;
	rig_run(r);
	assert_both_same(r, "after the stall");
	rig_free(r);
}

/* --- counters --- */

Test(relay, counters_say_what_was_relayed)
{
	struct rig *r = rig_open(NULL);
	struct msg_counters m;

	rig_send_filled(rig_ssh(r), SSH_MSG_CHANNEL_OPEN, 30, 1);
	rig_send_filled(rig_node(r), SSH_MSG_CHANNEL_OPEN_CONFIRMATION, 17, 1);
	rig_rekey(rig_ssh(r));
	rig_run(r);
	cr_assert_eq(rig_n_messages(r, MSG_COUNTERS), 0);
	rig_pass(r, 15000);
	cr_assert_eq(rig_n_messages(r, MSG_COUNTERS), 1);
	cr_assert_eq(
		message_decode(msg_counters_fields, rig_last_message(r, MSG_COUNTERS), &m), OK);
	cr_assert_eq(m.conn, rig_id(r));
	cr_assert_eq(m.bytes_from_client, 30);
	cr_assert_eq(m.bytes_from_node, 17);
	cr_assert_eq(m.n_channels, 1);
	cr_assert_eq(m.n_rekeys, 1);
	cr_assert_eq(m.idle_ms, 15000);
	rig_pass(r, 15000);
	cr_assert_eq(rig_n_messages(r, MSG_COUNTERS), 1, "unchanged counters are not sent again");
	rig_free(r);
}
