/*
 * broker/director as a whole: real links whose gate and relay ends the test plays, real sockets as nodes.
 */
#include "tests/lib/director_rig.h"

#include "broker/director/gates.h"
#include "broker/director/placing.h"
#include "broker/director/relays.h"
#include "broker/director/room.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct director_rig_end gate, gate2, relay, relay2;

static void
stop(void)
{
	struct director_rig_end *const ends[] = {&gate, &gate2, &relay, &relay2};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		director_rig_unlink(ends[i]);
	director_rig_stop();
}

static void
start(const char *nodes, const char *limits)
{
	director_rig_start(nodes, limits);
	director_rig_link(&gate, ROLE_GATE, 0);
	director_rig_link(&relay, ROLE_RELAY, 0);
}

/* --- what gates and relays say --- */

static void
accepted_from(struct director_rig_end *g, uint64_t conn, const char *ip)
{
	struct msg_accepted m = {.conn = conn};

	cr_assert_eq(addr_parse_ip(ip, &m.client), OK);
	director_rig_send(g, MSG_ACCEPTED, msg_accepted_fields, &m);
}

static void
accepted(uint64_t conn)
{
	accepted_from(&gate, conn, "192.0.2.1");
}

static void
ask(struct director_rig_end *g, const struct msg_place *m)
{
	director_rig_send(g, MSG_PLACE, msg_place_fields, m);
}

static void
want(uint64_t conn, const char *user)
{
	struct msg_place m = {.conn = conn, .attempt = 1, .user = span_str(user)};

	ask(&gate, &m);
}

/* Accept, ask, and take the answer; returns the socket. */
static int
placed(uint64_t conn, const char *user, struct msg_placed *m)
{
	accepted(conn);
	want(conn, user);
	return director_rig_take(&gate, MSG_PLACED, msg_placed_fields, m);
}

/* As placed(), for who does not need the socket. */
static const struct node *
node_of(uint64_t conn, const char *user)
{
	struct msg_placed m;

	close(placed(conn, user, &m));
	cr_assert_eq(m.conn, conn);
	return nodes_find(&rig.state->nodes, m.node);
}

static void
not_placed(uint64_t conn, enum not_placed reason)
{
	struct msg_not_placed m;
	char id[CONN_ID_TEXT_SIZE];

	(void)director_rig_take(&gate, MSG_NOT_PLACED, msg_not_placed_fields, &m);
	cr_assert_eq(m.conn, conn);
	cr_assert_eq(m.reason, reason, "reason %u: %.*s", m.reason, (int)m.text.len,
		(const char *)m.text.ptr);
	/* The gate adds it, to this as to all it says. */
	cr_assert_null(
		memmem(m.text.ptr, m.text.len, conn_id_text(conn, id), CONN_ID_TEXT_SIZE - 1));
}

static void
ended(struct director_rig_end *g, uint64_t conn)
{
	struct msg_ended m = {.conn = conn, .text = span_str("test")};

	director_rig_send(g, MSG_ENDED, msg_ended_fields, &m);
}

static void
authenticated(uint64_t conn)
{
	struct msg_conn m = {.conn = conn};

	director_rig_send(&gate, MSG_AUTHENTICATED, msg_conn_fields, &m);
}

static void
node_failed(uint64_t conn, uint32_t attempt, enum node_failure cause)
{
	struct msg_node_failed m = {
		.conn = conn, .attempt = attempt, .cause = (uint8_t)cause, .text = span_str("x")};

	director_rig_send(&gate, MSG_NODE_FAILED, msg_node_failed_fields, &m);
}

static void
announce(struct director_rig_end *r, uint64_t conn, const char *user, const char *node)
{
	struct msg_connection m = {.conn = conn,
		.started_at_ms = 1700000000000,
		.user = span_str(user),
		.node = span_str(node)};

	director_rig_send(r, MSG_CONNECTION, msg_connection_fields, &m);
}

static void
connection_ended(struct director_rig_end *r, uint64_t conn)
{
	struct msg_connection_ended m = {.conn = conn, .cause = END_CLIENT_CLOSED};

	director_rig_send(r, MSG_CONNECTION_ENDED, msg_connection_ended_fields, &m);
}

static struct node *
node(const char *name)
{
	return nodes_find(&rig.state->nodes, span_str(name));
}

TestSuite(director, .fini = stop, .timeout = 60);

/* --- placing --- */

Test(director, a_login_gets_a_socket_to_its_node_and_what_it_must_know_of_it)
{
	struct msg_placed m;
	char byte = 0;
	int fd, there;

	start("+", "");
	fd = placed(7, "ann", &m);
	cr_assert_geq(fd, 0);
	cr_assert_eq(m.attempt, 1);
	cr_assert(span_is(m.node, "n1"));
	cr_assert(span_is(m.identity, "n1"));
	cr_assert(span_is(m.why, "fewest users per weight: 0/100 of 1 node"));
	cr_assert_eq(m.address.family, 4);
	cr_assert_eq(m.address.port, node("n1")->port);
	cr_assert_eq(m.host_keys.len, 4 + 51);
	there = accept(rig.node_fds[0], NULL, NULL);
	cr_assert_eq(write(fd, "x", 1), 1);
	cr_assert_eq(read(there, &byte, 1), 1);
	cr_assert_eq(byte, 'x');
	cr_assert_eq(node("n1")->n_dials, 1);
	close(fd);
	close(there);
}

Test(director, a_node_that_refuses_is_skipped_without_the_gate_noticing)
{
	start("-+", "");
	/* Wherever the draw goes first: with the second node twice as busy it goes to the first. */
	announce(&relay, 90, "bob", "n2");
	director_rig_run();
	cr_assert_eq(node_of(1, "ann"), node("n2"));
	cr_assert_eq(node("n1")->failure.cause, NODE_FAILURE_REFUSED);
	cr_assert_eq(node("n1")->n_dials, 0);
	cr_assert_eq(node("n1")->n_reservations, 0);
	/* The next login does not even try. */
	cr_assert_eq(node_of(2, "cat"), node("n2"));
	cr_assert_eq(node("n1")->failure.n_total, 1);
}

Test(director, a_director_without_descriptors_blames_no_node)
{
	struct rlimit few, before;

	start("++", "");
	director_rig_run();
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){3, before.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	accepted(1);
	want(1, "ann");
	not_placed(1, NOT_PLACED_BUSY);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	cr_assert_eq(node("n1")->failure.n_total + node("n2")->failure.n_total, 0);
	cr_assert_eq(node("n1")->n_dials + node("n2")->n_dials, 0);
	cr_assert_eq(logins_find_any(&rig.state->logins, 1)->state, LOGIN_ACCEPTED);
}

Test(director, when_no_node_answers_the_user_is_told_so)
{
	start("---", "");
	accepted(1);
	want(1, "ann");
	not_placed(1, NOT_PLACED_NO_NODES);
	cr_assert_null(users_find(&rig.state->users, span_str("ann")));
	cr_assert_eq(logins_n_unauthenticated(&rig.state->logins), 1);
}

Test(director, no_more_nodes_are_tried_than_configured)
{
	start("----", "\"node_tries_max\": 2");
	accepted(1);
	want(1, "ann");
	not_placed(1, NOT_PLACED_NO_NODES);
	cr_assert_eq(node("n1")->failure.n_total + node("n2")->failure.n_total +
			node("n3")->failure.n_total + node("n4")->failure.n_total,
		2);
	cr_assert_eq(rig.state->limits.of[LIMIT_NODE_TRIES].n_hits, 1);
}

Test(director, after_a_failure_that_the_gate_saw_another_node_is_chosen)
{
	struct msg_place again = {.conn = 1, .attempt = 2, .user = span_str("ann")};
	const struct node *first;
	struct msg_placed m;

	start("++", "");
	first = node_of(1, "ann");
	node_failed(1, 1, NODE_FAILURE_HOST_KEY);
	director_rig_run();
	cr_assert_eq(first->n_dials, 0);
	cr_assert_eq(first->n_reservations, 0);
	cr_assert_eq(first->failure.cause, NODE_FAILURE_HOST_KEY);
	ask(&gate, &again);
	close(director_rig_take(&gate, MSG_PLACED, msg_placed_fields, &m));
	cr_assert_eq(m.attempt, 2);
	cr_assert_not(span_is(m.node, first->name));
	node_failed(1, 2, NODE_FAILURE_TIMEOUT);
	again.attempt = 3;
	ask(&gate, &again);
	not_placed(1, NOT_PLACED_NO_NODES);
}

Test(director, nodes_that_the_gate_excludes_are_not_chosen)
{
	struct msg_place m = {.conn = 1,
		.attempt = 3,
		.user = span_str("ann"),
		.excluded = span_str("n1,unknown,n3")};
	struct msg_placed answer;

	start("+++", "");
	accepted(1);
	ask(&gate, &m);
	close(director_rig_take(&gate, MSG_PLACED, msg_placed_fields, &answer));
	cr_assert(span_is(answer.node, "n2"));
}

Test(director, simultaneous_first_logins_land_together)
{
	const struct node *first;

	start("+++", "");
	for (uint64_t id = 1; id <= 6; id++) {
		accepted(id);
		want(id, "ann");
	}
	first = NULL;
	for (uint64_t id = 1; id <= 6; id++) {
		struct msg_placed m;

		close(director_rig_take(&gate, MSG_PLACED, msg_placed_fields, &m));
		first = first == NULL ? nodes_find(&rig.state->nodes, m.node) : first;
		cr_assert(span_is(m.node, first->name));
	}
	cr_assert_eq(first->n_dials, 6);
	cr_assert_eq(node_load(first), 1);
}

Test(director, a_user_follows_his_connections)
{
	const struct node *first;
	struct msg_placed m;

	start("+++", "");
	first = node_of(1, "ann");
	authenticated(1);
	announce(&relay, 1, "ann", first->name);
	director_rig_run();
	cr_assert_eq(rig.state->logins.by_id.n, 0);
	cr_assert_eq(first->n_connections, 1);
	cr_assert_eq(first->n_reservations, 0);
	close(placed(2, "ann", &m));
	cr_assert(span_is(m.node, first->name));
	cr_assert(span_is(m.why, "you have 1 connection there"));
	connection_ended(&relay, 1);
	ended(&gate, 2);
	director_rig_run();
	cr_assert_null(users_find(&rig.state->users, span_str("ann")));
	cr_assert_eq(node_load(first), 0);
}

Test(director, an_unauthenticated_login_leaves_no_trace)
{
	start("+", "");
	(void)node_of(1, "ann");
	cr_assert_eq(node("n1")->n_users, 0);
	ended(&gate, 1);
	director_rig_run();
	cr_assert_eq(node("n1")->n_dials, 0);
	cr_assert_eq(node("n1")->n_reservations, 0);
	cr_assert_eq(rig.state->users.by_name.n, 0);
	cr_assert_eq(rig.state->logins.sources.by_key.n, 0);
}

Test(director, the_relay_may_be_faster_than_the_gate)
{
	start("+", "");
	(void)node_of(1, "ann");
	announce(&relay, 1, "ann", "n1");
	director_rig_run();
	cr_assert_eq(rig.state->logins.by_id.n, 0);
	cr_assert_eq(node("n1")->n_dials, 0);
	authenticated(1);
	director_rig_run();
	cr_assert_eq(node("n1")->n_connections, 1);
	cr_assert_eq(rig.state->n_ignored, 1);
}

Test(director, who_authenticated_but_never_reached_a_relay_is_given_up)
{
	start("+", "\"handover_timeout_s\": 5");
	(void)node_of(1, "ann");
	authenticated(1);
	director_rig_run();
	director_rig_pass_ms(5999);
	cr_assert_eq(node("n1")->n_reservations, 1);
	director_rig_pass_ms(1);
	cr_assert_eq(node("n1")->n_reservations, 0);
	cr_assert_eq(rig.state->limits.of[LIMIT_HANDOVER_TIMEOUT].n_hits, 1);
}

/* --- limits --- */

static void
refused(uint64_t conn, const char *limit)
{
	char id[CONN_ID_TEXT_SIZE];
	struct msg_refuse m;

	(void)director_rig_take(&gate, MSG_REFUSE, msg_refuse_fields, &m);
	cr_assert_eq(m.conn, conn);
	cr_assert_not_null(memmem(m.text.ptr, m.text.len, limit, strlen(limit)), "%.*s",
		(int)m.text.len, (const char *)m.text.ptr);
	cr_assert_null(
		memmem(m.text.ptr, m.text.len, conn_id_text(conn, id), CONN_ID_TEXT_SIZE - 1));
}

Test(director, unauthenticated_connections_are_limited_in_total_over_all_gates)
{
	start("+", "\"unauthenticated_max\": 2");
	director_rig_link(&gate2, ROLE_GATE, 1);
	accepted_from(&gate2, 1, "192.0.2.1");
	director_rig_run();
	accepted_from(&gate, 2, "192.0.2.2");
	accepted_from(&gate, 3, "192.0.2.3");
	refused(3, "limits.unauthenticated_max");
	ended(&gate2, 1);
	director_rig_run();
	accepted_from(&gate, 4, "192.0.2.3");
	director_rig_run();
	cr_assert_not(director_rig_has(&gate, MSG_REFUSE));
	cr_assert_eq(rig.state->limits.of[LIMIT_UNAUTHENTICATED].n_hits, 1);
}

Test(director, unauthenticated_connections_are_limited_per_source_over_all_gates)
{
	start("+", "\"unauthenticated_per_source_max\": 1");
	director_rig_link(&gate2, ROLE_GATE, 1);
	accepted_from(&gate2, 1, "192.0.2.1");
	director_rig_run();
	accepted_from(&gate, 2, "192.0.2.2");
	accepted_from(&gate, 3, "192.0.2.1");
	refused(3, "limits.unauthenticated_per_source_max");
	cr_assert_not(director_rig_has(&gate2, MSG_REFUSE));
}

Test(director, who_is_authenticated_is_not_counted_as_unauthenticated)
{
	start("+", "\"unauthenticated_max\": 1");
	for (uint64_t id = 1; id <= 3; id++) {
		(void)node_of(id, "ann");
		authenticated(id);
		announce(&relay, id, "ann", "n1");
		director_rig_run();
	}
	cr_assert_eq(node("n1")->n_connections, 3);
	cr_assert_not(director_rig_has(&gate, MSG_REFUSE));
}

Test(director, connections_are_limited_in_total)
{
	start("+", "\"connections_max\": 2");
	announce(&relay, 1, "ann", "n1");
	announce(&relay, 2, "ann", "n1");
	announce(&relay, 3, "bob", "n1");
	director_rig_run();
	cr_assert_eq(rig.state->connections.by_id.n, 2);
	accepted(4);
	refused(4, "limits.connections_max");
}

/* --- sources that have more than their share --- */

static void
want_from(uint64_t conn, const char *ip, const char *user)
{
	accepted_from(&gate, conn, ip);
	want(conn, user);
	director_rig_run();
}

static void
take_placed(uint64_t conn)
{
	struct msg_placed m;

	close(director_rig_take(&gate, MSG_PLACED, msg_placed_fields, &m));
	cr_assert_eq(m.conn, conn);
}

Test(director, one_source_cannot_keep_all_dials_from_the_others)
{
	start("+", "\"node_dials_unauthenticated_max\": 3");
	for (uint64_t id = 1; id <= 3; id++) {
		want_from(id, "192.0.2.1", "ann");
		take_placed(id);
		director_rig_pass_ms(10);
	}
	want_from(4, "192.0.2.1", "ann");
	want_from(5, "192.0.2.9", "bob");
	director_rig_pass_ms(ROOM_AGE_MIN_MS - 1000);
	cr_assert_not(director_rig_has(&gate, MSG_REFUSE));
	director_rig_pass_ms(1000);
	refused(1, "limits.node_dials_unauthenticated_max");
	/* One is enough. */
	director_rig_pass_ms(1000);
	cr_assert_not(director_rig_has(&gate, MSG_REFUSE));
	ended(&gate, 1);
	take_placed(5);
	cr_assert_not(director_rig_has(&gate, MSG_PLACED));
}

Test(director, a_source_with_a_fair_share_ends_nobodys_login)
{
	start("+", "\"node_dials_unauthenticated_max\": 2");
	want_from(1, "192.0.2.1", "ann");
	take_placed(1);
	want_from(2, "192.0.2.2", "bob");
	take_placed(2);
	want_from(3, "192.0.2.3", "eve");
	want_from(4, "192.0.2.1", "ann");
	for (int i = 0; i < 9; i++)
		director_rig_pass_ms(1000);
	cr_assert_not(director_rig_has(&gate, MSG_REFUSE));
}

Test(director, room_is_made_on_the_node_that_is_waited_for)
{
	static const char *const users[] = {"u1", "u2", "u3", "u4"};
	int n_leaving = 0;

	start("++", "\"node_dials_unauthenticated_max\": 2");
	announce(&relay, 90, "bob", "n2");
	for (uint64_t id = 1; id <= 4; id++) {
		want_from(id, "192.0.2.1", users[id - 1]);
		take_placed(id);
	}
	director_rig_pass_ms(ROOM_AGE_MIN_MS);
	want_from(5, "192.0.2.9", "bob");
	for (uint64_t id = 1; id <= 4; id++) {
		const struct login *l = logins_find_any(&rig.state->logins, id);

		cr_assert(!l->is_leaving || strcmp(l->node->name, "n2") == 0);
		n_leaving += l->is_leaving;
	}
	cr_assert_eq(n_leaving, 1);
}

Test(director, one_source_cannot_keep_all_logins_from_the_others)
{
	start("+", "\"unauthenticated_max\": 3");
	for (uint64_t id = 1; id <= 3; id++)
		accepted_from(&gate, id, "192.0.2.1");
	director_rig_run();
	accepted_from(&gate, 4, "192.0.2.9");
	refused(4, "limits.unauthenticated_max");
	director_rig_pass_ms(ROOM_AGE_MIN_MS);
	accepted_from(&gate, 5, "192.0.2.9");
	refused(1, "limits.unauthenticated_max");
	accepted_from(&gate, 6, "192.0.2.1");
	refused(6, "limits.unauthenticated_max");
	ended(&gate, 1);
	director_rig_run();
	/* Who was let in has a place, and nobody else got it. */
	cr_assert_not_null(logins_find_any(&rig.state->logins, 5));
	cr_assert_eq(rig.state->logins.by_id.n, 3);
}

Test(director, a_login_waits_for_a_free_dial_in_the_order_of_asking)
{
	struct msg_placed m;

	start("+", "\"node_dials_unauthenticated_max\": 1");
	(void)node_of(1, "ann");
	for (uint64_t id = 2; id <= 4; id++) {
		accepted(id);
		want(id, "bob");
	}
	director_rig_run();
	cr_assert_not(director_rig_has(&gate, MSG_PLACED));
	cr_assert_eq(rig.state->logins.by_state[LOGIN_WAITING].n, 3);
	authenticated(1);
	close(director_rig_take(&gate, MSG_PLACED, msg_placed_fields, &m));
	cr_assert_eq(m.conn, 2);
	director_rig_run();
	cr_assert_not(director_rig_has(&gate, MSG_PLACED));
	ended(&gate, 2);
	close(director_rig_take(&gate, MSG_PLACED, msg_placed_fields, &m));
	cr_assert_eq(m.conn, 3);
	node_failed(3, 1, NODE_FAILURE_CLOSED);
	close(director_rig_take(&gate, MSG_PLACED, msg_placed_fields, &m));
	cr_assert_eq(m.conn, 4);
}

Test(director, who_waits_too_long_is_told_that_it_is_busy)
{
	start("+", "\"node_dials_unauthenticated_max\": 1, \"placement_wait_s\": 4");
	(void)node_of(1, "ann");
	accepted(2);
	want(2, "bob");
	director_rig_run();
	director_rig_pass_ms(3999);
	cr_assert_not(director_rig_has(&gate, MSG_NOT_PLACED));
	director_rig_pass_ms(1);
	not_placed(2, NOT_PLACED_BUSY);
	cr_assert_eq(rig.state->logins.by_state[LOGIN_WAITING].n, 0);
}

Test(director, a_reservation_makes_a_login_wait_for_half_of_its_time_only)
{
	const struct node *first;
	struct msg_placed m;

	start("++", "\"node_dials_unauthenticated_max\": 1, \"placement_wait_s\": 4");
	first = node_of(1, "ann");
	accepted(2);
	want(2, "ann");
	director_rig_run();
	director_rig_pass_ms(1999);
	cr_assert_not(director_rig_has(&gate, MSG_PLACED));
	director_rig_pass_ms(1);
	close(director_rig_take(&gate, MSG_PLACED, msg_placed_fields, &m));
	cr_assert_not(span_is(m.node, first->name));
}

Test(director, a_node_takes_no_more_users_than_it_may)
{
	struct pool_config_node nodes[] = {{.name = "n1", .users_max = 1}};

	director_rig_start_nodes(nodes, "+", "");
	director_rig_link(&gate, ROLE_GATE, 0);
	director_rig_link(&relay, ROLE_RELAY, 0);
	announce(&relay, 1, "ann", "n1");
	director_rig_run();
	(void)node_of(2, "ann");
	accepted(3);
	want(3, "bob");
	not_placed(3, NOT_PLACED_FULL);
}

/* Strangers can reserve what they like; that must not turn users away for more than the time of a login. */
Test(director, a_node_that_is_full_of_reservations_only_is_waited_for)
{
	struct pool_config_node nodes[] = {{.name = "n1", .users_max = 1}};
	struct msg_placed m;

	director_rig_start_nodes(nodes, "+", "");
	director_rig_link(&gate, ROLE_GATE, 0);
	director_rig_link(&relay, ROLE_RELAY, 0);
	(void)node_of(1, "stranger");
	accepted(2);
	want(2, "bob");
	director_rig_run();
	cr_assert_not(director_rig_has(&gate, MSG_NOT_PLACED));
	ended(&gate, 1);
	close(director_rig_take(&gate, MSG_PLACED, msg_placed_fields, &m));
	cr_assert_eq(m.conn, 2);
	authenticated(2);
	announce(&relay, 2, "bob", "n1");
	director_rig_run();
	accepted(3);
	want(3, "ann");
	not_placed(3, NOT_PLACED_FULL);
}

/* --- what one gate can do to others --- */

Test(director, a_gate_that_never_ends_its_logins_loses_them_after_the_grace)
{
	start("+", "\"login_grace_s\": 10, \"unauthenticated_max\": 1");
	(void)node_of(1, "ann");
	director_rig_pass_ms(10000 + PLACING_GRACE_MARGIN_MS - 1);
	cr_assert_eq(rig.state->logins.by_id.n, 1);
	director_rig_pass_ms(1);
	cr_assert_eq(rig.state->logins.by_id.n, 0);
	cr_assert_eq(node("n1")->n_dials + node("n1")->n_reservations, 0);
	refused(1, "limits.login_grace_s");
	(void)node_of(2, "bob");
}

Test(director, a_gate_with_many_logins_leaves_room_for_those_of_others)
{
	start("+", "\"unauthenticated_max\": 8");
	director_rig_link(&gate2, ROLE_GATE, 1);
	for (uint64_t id = 1; id <= 6; id++)
		accepted_from(&gate, id, "192.0.2.1");
	accepted_from(&gate, 7, "192.0.2.2");
	refused(7, "limits.unauthenticated_max");
	for (uint64_t id = 8; id <= 9; id++)
		accepted_from(&gate2, id, "192.0.2.3");
	director_rig_run();
	cr_assert_not(director_rig_has(&gate2, MSG_REFUSE));
	accepted_from(&gate2, 10, "192.0.2.3");
	director_rig_run();
	cr_assert(director_rig_has(&gate2, MSG_REFUSE));
	/* A gate that is alone has it all. */
	director_rig_unlink(&gate2);
	director_rig_run();
	for (uint64_t id = 11; id <= 12; id++)
		accepted_from(&gate, id, "192.0.2.1");
	director_rig_run();
	cr_assert_not(director_rig_has(&gate, MSG_REFUSE));
}

Test(director, the_word_of_a_gate_that_a_user_proved_something_goes_a_little_further_only)
{
	struct msg_place m = {.attempt = 1, .user = span_str("ann"), .authenticated = true};

	start("+", "\"node_dials_unauthenticated_max\": 4");
	for (uint64_t id = 1; id <= 4; id++)
		(void)node_of(id, "ann");
	for (m.conn = 5; m.conn <= 20; m.conn++) {
		accepted(m.conn);
		ask(&gate, &m);
	}
	director_rig_run();
	cr_assert_eq(node("n1")->n_dials, 5);
	cr_assert_eq(rig.state->logins.by_state[LOGIN_WAITING].n, 15);
	ended(&gate, 1);
	director_rig_run();
	cr_assert_eq(node("n1")->n_dials, 5);
	cr_assert_eq(rig.state->logins.by_state[LOGIN_WAITING].n, 14);
}

Test(director, what_a_gate_says_of_a_node_counts_for_others_once_one_of_them_says_it_too)
{
	const struct msg_place place = {.conn = 2, .attempt = 1, .user = span_str("bob")};
	struct msg_node_failed failed = {
		.conn = 2, .attempt = 1, .cause = NODE_FAILURE_CLOSED, .text = span_str("x")};
	const struct node *n;
	struct msg_placed m;

	start("+", "");
	director_rig_link(&gate2, ROLE_GATE, 1);
	n = node_of(1, "ann");
	node_failed(1, 1, NODE_FAILURE_CLOSED);
	director_rig_run();
	cr_assert(node_failed_lately(n, NODE_REPORTER_GATE(0), rig.state->now_ms));
	cr_assert_not(node_failed_lately(n, NODE_REPORTER_GATE(1), rig.state->now_ms));
	accepted_from(&gate2, 2, "192.0.2.2");
	ask(&gate2, &place);
	close(director_rig_take(&gate2, MSG_PLACED, msg_placed_fields, &m));
	director_rig_send(&gate2, MSG_NODE_FAILED, msg_node_failed_fields, &failed);
	director_rig_run();
	cr_assert(node_failed_lately(n, NODE_REPORTER_GATE(1), rig.state->now_ms));
	cr_assert(node_failed_lately(n, NODE_REPORTER_GATE(7), rig.state->now_ms));
}

Test(director, a_connection_of_another_user_or_node_than_was_placed_is_ended)
{
	static const struct {
		const char *user, *node;
	} lies[] = {{"bob", "n1"}, {"ann", "n2"}, {"ann", "none"}, {"", "n1"}};
	struct msg_end_connection m;

	start("+-", "");
	for (uint64_t id = 1; id <= ARRAY_LEN(lies); id++) {
		cr_assert_eq(node_of(id, "ann"), node("n1"));
		authenticated(id);
		announce(&relay, id, lies[id - 1].user, lies[id - 1].node);
		(void)director_rig_take(&relay, MSG_END_CONNECTION, msg_end_connection_fields, &m);
		cr_assert_eq(m.conn, id);
		cr_assert_eq(rig.state->logins.by_id.n + rig.state->connections.by_id.n, 0);
	}
}

/* It would go on uncounted, for ever. */
Test(director, a_login_that_ends_beyond_the_limit_of_connections_is_ended)
{
	struct msg_end_connection m;

	start("+", "\"connections_max\": 2");
	(void)node_of(3, "ann");
	announce(&relay, 1, "ann", "n1");
	announce(&relay, 2, "ann", "n1");
	director_rig_run();
	authenticated(3);
	announce(&relay, 3, "ann", "n1");
	(void)director_rig_take(&relay, MSG_END_CONNECTION, msg_end_connection_fields, &m);
	cr_assert_eq(m.conn, 3);
	cr_assert_not_null(memmem(m.text.ptr, m.text.len, "limits.connections_max", 22));
	cr_assert_eq(rig.state->logins.by_id.n, 0);
	/* What was there before this director, or this limit, stays. */
	announce(&relay, 4, "ann", "n1");
	director_rig_run();
	cr_assert_not(director_rig_has(&relay, MSG_END_CONNECTION));
}

/* --- processes that come and go --- */

Test(director, a_dead_gate_takes_its_logins_with_it)
{
	struct msg_placed m;

	start("+", "\"node_dials_unauthenticated_max\": 1");
	director_rig_link(&gate2, ROLE_GATE, 1);
	(void)node_of(1, "ann");
	accepted(2);
	want(2, "ann");
	director_rig_run();
	director_rig_unlink(&gate);
	director_rig_run();
	cr_assert_eq(rig.state->logins.by_id.n, 0);
	cr_assert_eq(node("n1")->n_dials, 0);
	cr_assert_eq(gates_count(rig.state), 1);
	/* The gate that comes after it may use the same ids. */
	director_rig_link(&gate, ROLE_GATE, 0);
	close(placed(1, "ann", &m));
}

Test(director, a_gate_linked_again_replaces_its_link)
{
	struct director_rig_end old;

	start("+", "");
	accepted(1);
	director_rig_run();
	old = gate;
	director_rig_link(&gate, ROLE_GATE, 0);
	director_rig_run();
	cr_assert_eq(gates_count(rig.state), 1);
	cr_assert_eq(rig.state->logins.by_id.n, 0);
	accepted(1);
	director_rig_run();
	cr_assert_eq(rig.state->logins.by_id.n, 1);
	old.is_closed = false;
	director_rig_unlink(&old);
}

Test(director, a_dial_under_way_ends_with_its_login)
{
	start("+", "");
	accepted(1);
	want(1, "ann");
	ended(&gate, 1);
	accepted(2);
	want(2, "ann");
	/* Both messages are handled before the loop sees the socket. */
	director_rig_run();
	cr_assert_eq(node("n1")->n_dials, 1);
	cr_assert(director_rig_has(&gate, MSG_PLACED));
}

Test(director, a_new_director_learns_everything_again)
{
	const struct node *first;
	struct msg_placed m;

	start("+++", "");
	first = node_of(1, "ann");
	announce(&relay, 1, "ann", first->name);
	accepted(2);
	director_rig_run();
	/* Its successor starts with nothing, and waits for the relays before it places. */
	director_rig_unlink(&gate);
	director_rig_unlink(&relay);
	rig.settles = true;
	director_rig_restart_director();
	cr_assert_eq(rig.state->connections.by_id.n, 0);
	director_rig_link(&gate, ROLE_GATE, 0);
	accepted(2);
	accepted(3);
	want(3, "ann");
	director_rig_run();
	director_rig_link(&relay, ROLE_RELAY, 0);
	announce(&relay, 1, "ann", "n2");
	director_rig_run();
	cr_assert_not(director_rig_has(&gate, MSG_PLACED));
	director_rig_pass_ms(STATE_SETTLE_MS);
	close(director_rig_take(&gate, MSG_PLACED, msg_placed_fields, &m));
	cr_assert_eq(m.conn, 3);
	cr_assert(span_is(m.node, "n2"));
	/* Placed by the director before, logged in now. */
	authenticated(2);
	announce(&relay, 2, "bob", "n1");
	director_rig_run();
	cr_assert_eq(rig.state->logins.by_id.n, 1);
	cr_assert_eq(node("n1")->n_connections, 1);
}

Test(director, connections_of_a_lost_relay_stay_for_the_grace)
{
	start("++", "");
	announce(&relay, 1, "ann", "n2");
	announce(&relay, 2, "bob", "n2");
	director_rig_run();
	director_rig_unlink(&relay);
	director_rig_run();
	cr_assert_eq(relays_count(rig.state), 0);
	/* Back at once, to the same node. */
	cr_assert_eq(node_of(10, "ann"), node("n2"));
	/* The relay lives and announces one of them again; the other one ended meanwhile. */
	director_rig_link(&relay, ROLE_RELAY, 0);
	announce(&relay, 1, "ann", "n2");
	director_rig_pass_ms(RELAYS_GRACE_MS - 1);
	cr_assert_eq(rig.state->connections.by_id.n, 2);
	director_rig_pass_ms(1);
	cr_assert_eq(rig.state->connections.by_id.n, 1);
	cr_assert_not_null(connections_find(&rig.state->connections, 1));
	connection_ended(&relay, 1);
	director_rig_run();
	cr_assert_eq(rig.state->connections.by_id.n, 0);
}

Test(director, known_methods_go_to_all_gates_on_change_and_on_link)
{
	struct msg_node_methods m = {
		.conn = 1, .node = span_str("n1"), .methods = span_str("publickey,password")};
	struct msg_known_methods known;

	start("+", "");
	(void)director_rig_take(&gate, MSG_KNOWN_METHODS, msg_known_methods_fields, &known);
	cr_assert_eq(known.methods.len, 0);
	director_rig_link(&gate2, ROLE_GATE, 1);
	(void)director_rig_take(&gate2, MSG_KNOWN_METHODS, msg_known_methods_fields, &known);
	(void)node_of(1, "ann");
	director_rig_send(&gate, MSG_NODE_METHODS, msg_node_methods_fields, &m);
	(void)director_rig_take(&gate, MSG_KNOWN_METHODS, msg_known_methods_fields, &known);
	cr_assert(span_is(known.methods, "publickey,password"));
	(void)director_rig_take(&gate2, MSG_KNOWN_METHODS, msg_known_methods_fields, &known);
	director_rig_send(&gate, MSG_NODE_METHODS, msg_node_methods_fields, &m);
	director_rig_run();
	/* Of another node than its own a login cannot tell. */
	m.node = span_str("n2");
	m.methods = span_str("none");
	director_rig_send(&gate, MSG_NODE_METHODS, msg_node_methods_fields, &m);
	director_rig_run();
	cr_assert_not(director_rig_has(&gate, MSG_KNOWN_METHODS));
	director_rig_unlink(&gate2);
	director_rig_link(&gate2, ROLE_GATE, 1);
	(void)director_rig_take(&gate2, MSG_KNOWN_METHODS, msg_known_methods_fields, &known);
	cr_assert(span_is(known.methods, "publickey,password"));
}

/* --- peers that misbehave --- */

Test(director, a_gate_speaks_only_of_its_own_connections)
{
	struct msg_node_methods methods = {
		.conn = 1, .node = span_str("n1"), .methods = span_str("none")};
	struct msg_conn conn = {.conn = 1};
	struct msg_place place = {.conn = 1, .attempt = 2, .user = span_str("eve")};
	struct msg_node_failed failed = {.conn = 1, .attempt = 1, .cause = NODE_FAILURE_CLOSED};

	start("+", "");
	director_rig_link(&gate2, ROLE_GATE, 1);
	(void)node_of(1, "ann");
	accepted_from(&gate2, 1, "192.0.2.9");
	ask(&gate2, &place);
	director_rig_send(&gate2, MSG_NODE_FAILED, msg_node_failed_fields, &failed);
	director_rig_send(&gate2, MSG_NODE_METHODS, msg_node_methods_fields, &methods);
	director_rig_send(&gate2, MSG_AUTHENTICATED, msg_conn_fields, &conn);
	ended(&gate2, 1);
	director_rig_run();
	cr_assert_eq(rig.state->n_ignored, 6);
	cr_assert_eq(node("n1")->n_dials, 1);
	cr_assert_eq(node("n1")->failure.n_total, 0);
	cr_assert_eq(node("n1")->methods[0], '\0');
	cr_assert_not(gate2.is_closed);
}

Test(director, a_relay_speaks_only_of_its_own_connections)
{
	struct msg_counters counters = {.conn = 1, .bytes_from_client = 99};

	start("+", "");
	director_rig_link(&relay2, ROLE_RELAY, 1);
	announce(&relay, 1, "ann", "n1");
	director_rig_run();
	announce(&relay2, 1, "eve", "n1");
	director_rig_send(&relay2, MSG_COUNTERS, msg_counters_fields, &counters);
	connection_ended(&relay2, 1);
	announce(&relay2, 0, "eve", "n1");
	director_rig_run();
	cr_assert_eq(rig.state->n_ignored, 4);
	cr_assert(span_is(connections_find(&rig.state->connections, 1)->facts.user, "ann"));
	cr_assert_eq(connections_find(&rig.state->connections, 1)->counters.bytes_from_client, 0);
	director_rig_send(&relay, MSG_COUNTERS, msg_counters_fields, &counters);
	director_rig_run();
	cr_assert_eq(connections_find(&rig.state->connections, 1)->counters.bytes_from_client, 99);
}

Test(director, messages_that_do_not_fit_the_state_are_ignored)
{
	start("+", "");
	authenticated(1);
	want(1, "ann");
	node_failed(1, 1, NODE_FAILURE_CLOSED);
	ended(&gate, 1);
	accepted(0);
	director_rig_run();
	cr_assert_eq(rig.state->n_ignored, 5);
	(void)node_of(2, "ann");
	accepted(2);
	want(2, "ann");
	node_failed(2, 2, NODE_FAILURE_CLOSED);
	node_failed(2, 1, NODE_FAILURE_NONE);
	node_failed(2, 1, NODE_FAILURE_COUNT);
	director_rig_run();
	cr_assert_eq(rig.state->n_ignored, 10);
	cr_assert_eq(node("n1")->n_dials, 1);
	authenticated(2);
	authenticated(2);
	want(2, "ann");
	director_rig_run();
	cr_assert_eq(rig.state->n_ignored, 12);
}

Test(director, malformed_messages_are_counted_and_change_nothing)
{
	static const uint16_t types[] = {
		0, 1, MSG_ACCEPTED, MSG_PLACE, MSG_PLACED, MSG_CONNECTION, MSG_OFFER, 65535};

	start("+", "");
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		director_rig_send_raw(&gate, types[i], span_str("\x01\x02\x03"));
		director_rig_send_raw(&relay, types[i], span_of(NULL, 0));
	}
	director_rig_run();
	cr_assert_eq(rig.state->n_malformed, 2 * ARRAY_LEN(types));
	cr_assert_not(gate.is_closed);
	cr_assert_not(relay.is_closed);
	/* A gate is no relay. */
	announce(&gate, 5, "eve", "n1");
	accepted_from(&relay, 6, "192.0.2.1");
	director_rig_run();
	cr_assert_eq(rig.state->connections.by_id.n, 0);
	cr_assert_eq(rig.state->logins.by_id.n, 0);
}

Test(director, many_logins_at_once_are_all_placed_though_dials_are_few)
{
	unsigned n = 0;
	char user[16];

	start("+++", "\"unauthenticated_per_source_max\": 500");
	for (uint64_t id = 1; id <= 40; id++) {
		accepted(id);
		(void)snprintf(user, sizeof(user), "user%u", (unsigned)(id % 10));
		want(id, user);
	}
	for (unsigned i = 0; i < 40; i++) {
		struct msg_placed m;

		close(director_rig_take(&gate, MSG_PLACED, msg_placed_fields, &m));
		authenticated(m.conn);
		n++;
	}
	cr_assert_eq(n, 40);
	director_rig_run();
	cr_assert_eq(node("n1")->n_dials + node("n2")->n_dials + node("n3")->n_dials, 0);
}
