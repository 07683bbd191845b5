/*
 * broker/keyholder/requests: who may send what, and that each request has one answer.
 */
#include "broker/keyholder/requests.h"

#include "tests/lib/keyholder_world.h"

#include <criterion/criterion.h>

static struct keyholder_world w;

static void
init(void)
{
	world_init(&w);
}

static void
clear(void)
{
	world_clear(&w);
}

TestSuite(requests, .init = init, .fini = clear);

/* Hand in a message that gets no answer. */
static enum err
order(const struct role_peer *peer, uint16_t type, const struct message_field *fields,
	const void *message, enum err *refused)
{
	struct reply reply = {0};
	struct buf body = {0};
	enum err e;

	cr_assert_eq(message_encode(fields, message, &body), OK);
	e = requests_handle(&w.core, peer, type, buf_span(&body), &reply);
	cr_assert_eq(reply.type, 0);
	*refused = reply.err;
	reply_clear(&reply);
	buf_clear(&body);
	return e;
}

static enum err
move(const struct role_peer *peer, uint64_t conn, const struct role_peer *relay)
{
	struct msg_conn_moved m = {conn, relay->index, (uint32_t)relay->pid};
	enum err refused;

	cr_assert_eq(order(peer, MSG_CONN_MOVED, msg_conn_moved_fields, &m, &refused), OK);
	return refused;
}

static enum err
forget(const struct role_peer *peer, uint64_t conn)
{
	struct msg_conn m = {conn};
	enum err refused;

	cr_assert_eq(order(peer, MSG_CONN_FORGET, msg_conn_fields, &m, &refused), OK);
	return refused;
}

static enum err
rekey(const struct role_peer *peer, uint64_t conn)
{
	struct msg_kex_sign m = world_transcript(conn, "ssh-ed25519", 2);

	return world_kex_sign(&w, peer, &m, NULL);
}

Test(requests, a_connection_moves_from_its_gate_to_a_relay_once)
{
	world_connect(&w, &world_gate_a, 1);
	cr_assert_eq(move(&world_gate_b, 1, &world_relay_b), ERR_PROTO);
	cr_assert_eq(move(&world_gate_a, 1, &world_relay_a), OK);
	cr_assert_eq(rekey(&world_relay_a, 1), OK);
	cr_assert_eq(rekey(&world_gate_a, 1), ERR_PROTO);
	cr_assert_eq(move(&world_gate_a, 1, &world_relay_b), ERR_PROTO);
	cr_assert_eq(rekey(&world_relay_b, 1), ERR_PROTO);
	cr_assert_eq(move(&world_gate_a, 2, &world_relay_a), ERR_NOT_FOUND);
}

Test(requests, moving_ends_all_offers)
{
	struct kex_hash id = world_connect(&w, &world_gate_a, 1);
	struct msg_offer m = world_offer_of(1, w.user, "ssh-ed25519");
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &id);

	cr_assert_eq(world_offer(&w, &world_gate_a, &m, NULL), OK);
	cr_assert_eq(move(&world_gate_a, 1, &world_relay_a), OK);
	cr_assert_null(sessions_find(w.core.sessions, 1)->offers);
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), ERR_PROTO);
	cr_assert_eq(world_prove_request(&w, &world_relay_a, 1, &rq), ERR_PROTO);
}

Test(requests, a_connection_moved_to_nobody_is_forgotten)
{
	world_connect(&w, &world_gate_a, 1);
	w.is_linked = false;
	cr_assert_eq(move(&world_gate_a, 1, &world_relay_a), OK);
	cr_assert_eq(sessions_count(w.core.sessions), 0);
}

Test(requests, a_connection_is_forgotten_by_its_owner_or_the_gate_that_moved_it)
{
	world_connect(&w, &world_gate_a, 1);
	cr_assert_eq(forget(&world_gate_b, 1), ERR_PROTO);
	cr_assert_eq(forget(&world_relay_a, 1), ERR_PROTO);
	cr_assert_eq(sessions_count(w.core.sessions), 1);
	cr_assert_eq(forget(&world_gate_a, 1), OK);
	cr_assert_eq(sessions_count(w.core.sessions), 0);
	cr_assert_eq(forget(&world_gate_a, 1), OK);

	world_connect(&w, &world_gate_a, 2);
	cr_assert_eq(move(&world_gate_a, 2, &world_relay_a), OK);
	cr_assert_eq(forget(&world_relay_b, 2), ERR_PROTO);
	cr_assert_eq(forget(&world_gate_b, 2), ERR_PROTO);
	cr_assert_eq(forget(&world_relay_a, 2), OK);

	world_connect(&w, &world_gate_a, 3);
	cr_assert_eq(move(&world_gate_a, 3, &world_relay_a), OK);
	cr_assert_eq(forget(&world_gate_a, 3), OK);
	cr_assert_eq(sessions_count(w.core.sessions), 0);
}

/* Even where the connection is the relay's own. */
Test(requests, a_relay_never_offers_or_proves)
{
	struct kex_hash id = world_connect(&w, &world_gate_a, 1);
	struct msg_offer m = world_offer_of(1, w.user, "ssh-ed25519");
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &id);

	cr_assert_eq(move(&world_gate_a, 1, &world_relay_a), OK);
	cr_assert_eq(world_offer(&w, &world_relay_a, &m, NULL), ERR_PROTO);
	cr_assert_eq(world_prove_request(&w, &world_relay_a, 1, &rq), ERR_PROTO);
}

Test(requests, others_than_gates_and_relays_get_nothing)
{
	static const enum role_kind kinds[] = {
		ROLE_NONE, ROLE_SUPERVISOR, ROLE_DIRECTOR, ROLE_KEYHOLDER};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct role_peer peer = {kinds[i], 0, 1};

		cr_assert_eq(rekey(&peer, 1), ERR_PROTO);
	}
	cr_assert_eq(sessions_count(w.core.sessions), 0);
}

Test(requests, a_relay_that_orders_moves_loses_its_link)
{
	struct msg_conn_moved m = {1, 0, 200};
	enum err refused;

	cr_assert_eq(order(&world_relay_a, MSG_CONN_MOVED, msg_conn_moved_fields, &m, &refused),
		ERR_PROTO);
}

Test(requests, unknown_and_malformed_messages_cost_the_link)
{
	static const uint16_t types[] = {0, 1, MSG_KEX_SIGNED, MSG_OFFERED, MSG_PROVED,
		MSG_HOSTKEYS_PROVED, MSG_HOST_KEYS, MSG_PLACE, 65535};
	static const uint16_t ours[] = {MSG_KEX_SIGN, MSG_OFFER, MSG_PROVE, MSG_HOSTKEYS_PROVE,
		MSG_CONN_MOVED, MSG_CONN_FORGET};
	struct reply reply = {0};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		cr_assert_eq(
			requests_handle(&w.core, &world_gate_a, types[i], span_str(""), &reply),
			ERR_PROTO);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		cr_assert_eq(requests_handle(&w.core, &world_gate_a, ours[i], span_str(""), &reply),
			ERR_FORMAT);
		cr_assert_eq(requests_handle(
				     &w.core, &world_gate_a, ours[i], span_str("1234567"), &reply),
			ERR_FORMAT);
	}
	cr_assert_eq(reply.type, 0);
}

/* Every cut of a good message is malformed. */
Test(requests, a_message_is_taken_whole)
{
	struct msg_kex_sign m = world_transcript(1, "ssh-ed25519", 1);
	struct reply reply = {0};
	struct buf body = {0};

	cr_assert_eq(message_encode(msg_kex_sign_fields, &m, &body), OK);
	for (size_t len = 0; len < body.len; len++)
		cr_assert_eq(requests_handle(&w.core, &world_gate_a, MSG_KEX_SIGN,
				     span_of(buf_span(&body).ptr, len), &reply),
			ERR_FORMAT);
	cr_assert_eq(sessions_count(w.core.sessions), 0);
	buf_clear(&body);
}

Test(requests, the_host_keys_are_told_with_their_algorithms)
{
	struct msg_host_keys m;
	struct buf body = {0};

	cr_assert_eq(requests_host_keys(&w.core, &body), OK);
	cr_assert_eq(message_decode(msg_host_keys_fields, buf_span(&body), &m), OK);
	cr_assert(
		span_is(m.algorithms, "ssh-ed25519,ecdsa-sha2-nistp384,rsa-sha2-512,rsa-sha2-256"));
	cr_assert(span_equal(m.keys, keys_host_blobs(w.keys)));
	buf_clear(&body);
}
