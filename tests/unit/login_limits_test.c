/*
 * broker/gate/login: clients that take their time, or leave, or do not read; and how many there may be.
 */
#include "broker/messages/sign_turns.h"
#include "tests/lib/login_talk.h"

#include <criterion/criterion.h>
#include <sys/socket.h>

TestSuite(login_limits, .init = talk_init, .fini = talk_clear);

/* --- the whole login's time --- */

Test(login_limits, the_whole_login_may_take_so_long)
{
	static const enum login_state states[] = {LOGIN_KEX, LOGIN_AUTH, LOGIN_ANSWER, LOGIN_PLACE};

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		stage->director_waits = states[i] == LOGIN_PLACE;
		stage_accept(stage);
		stage_run(stage);
		if (states[i] != LOGIN_KEX) {
			stage_close(stage, &stage->client);
			stage_connect(stage);
			client_says_none();
		}
		if (states[i] == LOGIN_ANSWER)
			client_says_password("slow");
		cr_assert_eq(state(), states[i]);
		stage_fire_grace(stage);
		client_hears_goodbye(SSH_DISCONNECT_BY_APPLICATION, "limits.login_grace_s");
	}
}

Test(login_limits, one_that_is_being_handed_over_has_logged_in_in_time)
{
	stage->relaying = STAGE_SAYS_NOTHING;
	begin();
	client_says_password("right");
	node_says_success();
	cr_assert_eq(state(), LOGIN_HAND_OVER);
	cr_assert(event_pending(stage_login(stage)->grace, EV_TIMEOUT, NULL) == 0);
}

/* --- clients that leave, or do not read --- */

Test(login_limits, a_client_that_leaves_leaves_nothing_behind)
{
	static const enum login_state states[] = {LOGIN_KEX, LOGIN_AUTH, LOGIN_PLACE, LOGIN_DIAL,
		LOGIN_OFFER, LOGIN_PROVE, LOGIN_ANSWER};

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		reach(states[i]);
		cr_assert_eq(state(), states[i]);
		stage_close(stage, &stage->client);
		cr_assert(stage_login(stage) == NULL, "state %u", states[i]);
		cr_assert(stage->n_nodes == 0 || stage_node(stage)->peer.is_eof);
		all_are_told_once();
		/* What was asked for comes too late. */
		stage_answer_requests(stage);
		if (states[i] == LOGIN_PLACE)
			stage_place(stage);
		stage_run(stage);
		cr_assert_eq(login_table_count(stage->table), 0);
		talk_again();
	}
}

Test(login_limits, a_client_that_leaves_politely_is_understood)
{
	struct msg_ended ended;

	begin();
	transport_disconnect(
		stage->client.t, SSH_DISCONNECT_AUTH_CANCELLED_BY_USER, "no\x1b[31m patience");
	stage_run(stage);
	stage_last(stage, MSG_ENDED, msg_ended_fields, &ended);
	cr_assert(memmem(ended.text.ptr, ended.text.len, "no\\x1b[31m patience", 18) != NULL);
	all_are_told_once();
}

Test(login_limits, a_login_whose_links_are_down_ends_all_the_same)
{
	begin();
	stage_unlink(stage, &stage->director);
	stage_unlink(stage, &stage->keyholder);
	stage_close(stage, &stage->client);
	cr_assert_eq(login_table_count(stage->table), 0);
}

Test(login_limits, a_client_that_never_closes_is_closed)
{
	struct msg_refuse m = {.text = span_str("go")};

	stage_accept(stage);
	stage_run(stage);
	m.conn = stage->id;
	stage_tell(&stage->director, MSG_REFUSE, msg_refuse_fields, &m);
	stage_run(stage);
	cr_assert_eq(state(), LOGIN_CLOSING);
	/* Whatever it says, its time does not begin again. */
	cr_assert_eq(send(stage->client.fd, "anything", 8, MSG_NOSIGNAL), 8);
	stage_run(stage);
	cr_assert_eq(state(), LOGIN_CLOSING);
	stage_fire_goodbye(stage);
	cr_assert(stage_login(stage) == NULL);
	all_are_told_once();
}

/* Fill the way to the client: it sends pings and reads no answer. */
static void
stop_reading(void)
{
	static uint8_t ping[16 * 1024] = {SSH_MSG_PING};

	stage->client.is_stalled = true;
	wire_poke_u32(ping + 1, sizeof(ping) - 5);
	for (int i = 0; i < 2000; i++)
		cr_assert_eq(transport_send(stage->client.t, span_of(ping, sizeof(ping))), OK);
	stage_run(stage);
}

Test(login_limits, a_client_that_does_not_read_is_not_read_from)
{
	begin();
	buf_init(transport_out(stage->client.t), (size_t)64 << 20);
	stop_reading();
	cr_assert(stage_login(stage) != NULL);
	cr_assert(transport_out(login_leg_transport(stage_login(stage)->client))->len <
		(size_t)512 * 1024);
	/* Its end is not put off for that. */
	stage_fire_grace(stage);
	cr_assert_eq(state(), LOGIN_CLOSING);
	stage_fire_goodbye(stage);
	cr_assert(stage_login(stage) == NULL);
	all_are_told_once();
}

Test(login_limits, a_client_that_reads_again_is_read_from_again)
{
	begin();
	buf_init(transport_out(stage->client.t), (size_t)64 << 20);
	stop_reading();
	stage->client.is_stalled = false;
	stage_run(stage);
	for (int i = 0; i < 2000; i++)
		client_hears(SSH_MSG_PONG);
	client_says_password("right");
	(void)node_hears(AUTH_PASSWORD);
}

/* What was sealed for the client is more than it may be: everything that is said to it fails. */
static void
make_client_unreachable(void)
{
	transport_out(login_leg_transport(stage_login(stage)->client))->max = 1;
}

Test(login_limits, a_client_that_cannot_be_told_ends_and_nobody_else)
{
	for (int i = 0; i < 6; i++) {
		begin();
		if (i == 0)
			client_asks_about_key(stage_user, "ssh-ed25519");
		else if (i < 3)
			client_says_kbdint();
		else if (i < 5)
			client_says_password("secret");
		make_client_unreachable();
		if (i == 0)
			node_says_pk_ok();
		else if (i == 1)
			node_asks(1);
		else if (i == 2)
			node_says_failure("publickey", false);
		else if (i == 3)
			node_asks_for_new_password();
		else if (i == 4)
			node_says_success();
		else
			node_says_banner("hello");
		cr_assert_eq(state(), LOGIN_CLOSING, "case %d", i);
		stage_close(stage, &stage->client);
		all_are_told_once();
		talk_again();
	}
}

Test(login_limits, a_client_that_cannot_be_shown_the_banner_ends)
{
	stage_free(stage);
	stage = stage_new(TINY_LIMITS, "Welcome");
	stage_connect(stage);
	make_client_unreachable();
	client_says_none();
	cr_assert_eq(state(), LOGIN_CLOSING);
	cr_assert_eq(stage_n(stage, MSG_PLACE), 0);
}

/* --- limits of the table --- */

/* Of what the stage's table has beyond its two logins, an eighth is for newcomers. */
#define NEWCOMERS ((2 + LOGIN_TABLE_REFUSALS_MAX) / 4 / 2)

static void
keep_client(struct stage_peer *out)
{
	stage_accept(stage);
	stage_run(stage);
	*out = stage->client;
	stage->client = (struct stage_peer){.fd = -1};
}

static void
drop_peer(struct stage_peer *p)
{
	stage->client = *p;
	stage_leave(stage);
}

/* The director says nothing to all this. */
Test(login_limits, one_too_many_is_told_so)
{
	struct stage_peer others[2 + NEWCOMERS];

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		keep_client(&others[i]);
	stage_accept(stage);
	stage_run(stage);
	client_hears_goodbye(SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "limits.unauthenticated_max");
	cr_assert_eq(stage_n(stage, MSG_ENDED), 1);
	cr_assert_eq(login_table_count(stage->table), ARRAY_LEN(others));
	stage_leave(stage);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		drop_peer(&others[i]);
}

Test(login_limits, without_a_director_nobody_is_taken_beyond_the_limit)
{
	struct stage_peer others[3];

	keep_client(&others[0]);
	stage_unlink(stage, &stage->director);
	keep_client(&others[1]);
	keep_client(&others[2]);
	cr_assert_eq(others[1].disconnect, 0);
	cr_assert_eq(others[2].disconnect, SSH_DISCONNECT_TOO_MANY_CONNECTIONS);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		drop_peer(&others[i]);
}

Test(login_limits, who_was_let_in_meanwhile_is_spared)
{
	struct msg_refuse m = {.text = span_str("others wait"), .spares_success = true};

	stage->relaying = STAGE_SAYS_NOTHING;
	begin();
	client_says_password("right");
	node_says_success();
	m.conn = stage->id;
	stage_tell(&stage->director, MSG_REFUSE, msg_refuse_fields, &m);
	stage_run(stage);
	cr_assert_eq(state(), LOGIN_HAND_OVER);
	talk_again();
	begin();
	m.conn = stage->id;
	stage_tell(&stage->director, MSG_REFUSE, msg_refuse_fields, &m);
	stage_run(stage);
	client_hears_goodbye(SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "others wait");
}

/* The director refuses this one client, which does not close. */
static void
refuse_and_keep(struct stage_peer *out)
{
	struct msg_refuse m = {.text = span_str("too many from your address")};

	stage_accept(stage);
	stage_run(stage);
	m.conn = stage->id;
	stage_tell(&stage->director, MSG_REFUSE, msg_refuse_fields, &m);
	stage_run(stage);
	*out = stage->client;
	stage->client = (struct stage_peer){.fd = -1};
}

/* One address could otherwise keep everybody out with clients that are refused again and again. */
Test(login_limits, those_who_were_refused_take_no_place_of_others)
{
	struct stage_peer refused[4];

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		refuse_and_keep(&refused[i]);
	stage_connect(stage);
	client_says_none();
	cr_assert(login_is_alive(stage_login(stage)));
	stage_leave(stage);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		drop_peer(&refused[i]);
}

/* The stage's table has places for two logins, and for as many refusals as there may be. */
Test(login_limits, only_so_many_goodbyes_are_waited_for)
{
	static struct stage_peer refused[LOGIN_TABLE_REFUSALS_MAX + 8];

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		refuse_and_keep(&refused[i]);
		cr_assert_neq(refused[i].disconnect, 0, "client %zu was not told", i);
		cr_assert(login_table_count(stage->table) <= LOGIN_TABLE_REFUSALS_MAX);
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		drop_peer(&refused[i]);
}

/* --- requests that never fail --- */

static void
flood_with_none(unsigned i)
{
	(void)i;
	client_says_none();
}

/* Each is good, and costs the keyholder a certificate: the two take turns. */
static void
flood_with_queries(unsigned i)
{
	client_asks_about_key(i % 2 == 0 ? stage_user : stage_user_ecdsa,
		i % 2 == 0 ? "ssh-ed25519" : "ecdsa-sha2-nistp256");
	if (state() == LOGIN_ANSWER)
		node_says_pk_ok();
}

static void
flood_with_abandoned_questions(unsigned i)
{
	(void)i;
	client_says_kbdint();
	if (state() == LOGIN_ANSWER)
		node_asks(1);
}

Test(login_limits, requests_are_limited_that_never_fail)
{
	static const struct {
		void (*flood)(unsigned i);
		unsigned at_most;
	} cases[] = {
		{flood_with_none, 5},
		{flood_with_queries, 12},
		{flood_with_abandoned_questions, 12},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned n = 0;

		begin();
		while (state() == LOGIN_AUTH && n < 100)
			cases[i].flood(n++);
		cr_assert(n > 3 && n <= cases[i].at_most + 1, "case %zu: %u", i, n);
		client_hears_goodbye(
			SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, "limits.auth_tries_max");
		talk_again();
	}
}

/* --- the keyholder's time --- */

/* With KEXINITs as long as may be, the questions of all of them would be the end of the link. */
Test(login_limits, only_so_many_key_exchanges_are_with_the_keyholder)
{
	static struct stage_peer clients[3 * SIGN_TURNS_MAX];
	size_t n_keys = 0;

	stage_free(stage);
	stage = stage_new("\"unauthenticated_max\": 100", NULL);
	stage->keyholder_waits = true;
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		stage_accept(stage);
		stage_run(stage);
		clients[i] = stage->client;
		stage->client = (struct stage_peer){.fd = -1};
	}
	cr_assert_eq(stage_n(stage, MSG_KEX_SIGN), SIGN_TURNS_MAX);
	/* One that goes makes room. */
	drop_peer(&clients[0]);
	cr_assert_eq(stage_n(stage, MSG_KEX_SIGN), SIGN_TURNS_MAX + 1);
	/* Another keyholder hears what the one before did not answer. */
	stage_unlink(stage, &stage->keyholder);
	stage_restart_keyholder(stage);
	stage_run(stage);
	cr_assert_eq(stage_n(stage, MSG_KEX_SIGN), 2 * SIGN_TURNS_MAX + 1);
	stage->keyholder_waits = false;
	stage_answer_requests(stage);
	for (size_t i = 1; i < ARRAY_LEN(clients); i++) {
		stage->client = clients[i];
		stage_run(stage);
		n_keys += stage->client.n_keys;
		stage_leave(stage);
	}
	cr_assert_eq(n_keys, ARRAY_LEN(clients) - 1);
}

/* --- what the director hears of limits --- */

/* The latest that was told of a limit. */
static struct msg_limit_use
use_of(enum limit limit)
{
	struct msg_limit_use m, found = {.limit = LIMIT_COUNT};

	login_table_report(stage->table);
	stage_run(stage);
	for (size_t i = 0; i < stage->n_seen; i++) {
		if (stage->seen[i].type != MSG_LIMIT_USE)
			continue;
		cr_assert_eq(
			message_decode(msg_limit_use_fields, buf_span(&stage->seen[i].body), &m),
			OK);
		if (m.limit == limit)
			found = m;
	}
	cr_assert_eq(found.limit, limit, "%s was not told", limit_name(limit));
	return found;
}

Test(login_limits, the_director_hears_of_limits_that_were_reached)
{
	size_t n;

	stage_accept(stage);
	stage_run(stage);
	stage_fire_grace(stage);
	cr_assert_eq(use_of(LIMIT_LOGIN_GRACE).n_hits, 1);
	cr_assert_eq(use_of(LIMIT_GATE_GOODBYES).now, 1);
	cr_assert_eq(
		use_of(LIMIT_GATE_GOODBYES).max, (2 + LOGIN_TABLE_REFUSALS_MAX) / 4 - NEWCOMERS);
	cr_assert_eq(use_of(LIMIT_GATE_PACKET_BYTES).max, LOGIN_LEG_CLIENT_IN_MAX);
	client_hears_goodbye(SSH_DISCONNECT_BY_APPLICATION, "limits.login_grace_s");
	begin();
	while (state() == LOGIN_AUTH)
		client_says_none();
	cr_assert_eq(use_of(LIMIT_AUTH_TRIES).n_hits, 1);
	/* No news, no message. */
	n = stage_n(stage, MSG_LIMIT_USE);
	login_table_report(stage->table);
	stage_run(stage);
	cr_assert_eq(stage_n(stage, MSG_LIMIT_USE), n);
	/* The next director has heard nothing yet. */
	stage_unlink(stage, &stage->director);
	stage_link(stage, &stage->director);
	cr_assert_eq(use_of(LIMIT_AUTH_TRIES).n_hits, 1);
	cr_assert(stage_n(stage, MSG_LIMIT_USE) > n + 4);
}

Test(login_limits, limits_wait_for_a_director_that_is_away)
{
	stage_accept(stage);
	stage_run(stage);
	stage_unlink(stage, &stage->director);
	stage_fire_grace(stage);
	login_table_report(stage->table);
	stage_link(stage, &stage->director);
	cr_assert_eq(use_of(LIMIT_LOGIN_GRACE).n_hits, 1);
}
