/*
 * broker/gate/login: clients that take their time, or leave, or do not read; and how many there may be.
 */
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

Test(login_limits, one_too_many_is_told_so)
{
	struct stage_peer others[2];

	for (int i = 0; i < 2; i++) {
		stage_accept(stage);
		stage_run(stage);
		others[i] = stage->client;
		stage->client = (struct stage_peer){.fd = -1};
	}
	stage_accept(stage);
	stage_run(stage);
	client_hears_goodbye(SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "limits.unauthenticated_max");
	cr_assert_eq(stage_n(stage, MSG_ENDED), 1);
	cr_assert_eq(login_table_count(stage->table), 2);
	stage_leave(stage);
	for (int i = 0; i < 2; i++) {
		stage->client = others[i];
		stage_leave(stage);
	}
}
