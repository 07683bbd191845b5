/*
 * broker/gate/login: director, keyholder and relays that are away, slow or strange.
 */
#include "tests/lib/login_talk.h"

#include <criterion/criterion.h>
#include <unistd.h>

TestSuite(login_roles, .init = talk_init, .fini = talk_clear);

/* --- the hand-over --- */

static const uint8_t early[] = {SSH_MSG_GLOBAL_REQUEST, 'e', 'a', 'r', 'l', 'y'};

Test(login_roles, what_either_side_says_ahead_of_the_success_is_kept)
{
	struct auth_request rq = request_of(AUTH_PASSWORD);
	struct buf b = {0};
	struct span got;

	begin();
	rq.password = span_str("right");
	cr_assert_eq(auth_request_write(&rq, &b), OK);
	cr_assert_eq(transport_send(stage->client.t, buf_span(&b)), OK);
	stage_say(stage, &stage->client, span_of(early, sizeof(early)));
	buf_clear(&b);
	cr_assert_eq(auth_success_write(&b), OK);
	cr_assert_eq(transport_send(stage_node(stage)->peer.t, buf_span(&b)), OK);
	stage_say(stage, &stage_node(stage)->peer, span_of(early, sizeof(early)));
	buf_clear(&b);
	cr_assert_eq(stage_n(stage, MSG_HAND_OVER), 1);
	for (int i = 0; i < 2; i++) {
		cr_assert(stage_next(&stage->taken[i], &got), "leg %d", i);
		cr_assert(span_equal(got, span_of(early, sizeof(early))));
	}
}

Test(login_roles, a_relay_that_refuses_ends_it)
{
	stage->relaying = STAGE_REFUSES;
	begin();
	client_says_password("right");
	node_says_success();
	cr_assert(stage_login(stage) == NULL);
	cr_assert(stage->client.is_eof && stage_node(stage)->peer.is_eof);
	all_are_told_once();
}

Test(login_roles, a_relay_that_dies_with_it_gets_no_successor)
{
	stage->relaying = STAGE_SAYS_NOTHING;
	stage_link(stage, &stage->relays[1]);
	begin();
	client_says_password("right");
	node_says_success();
	cr_assert_eq(state(), LOGIN_HAND_OVER);
	stage_unlink(stage, &stage->relays[1]);
	cr_assert_eq(state(), LOGIN_HAND_OVER);
	stage_unlink(stage, &stage->relays[0]);
	cr_assert(stage_login(stage) == NULL);
	stage_link(stage, &stage->relays[0]);
	cr_assert_eq(stage_n(stage, MSG_HAND_OVER), 1);
	all_are_told_once();
}

/* Whoever hears of no end keeps the connection for ever. */
Test(login_roles, the_keyholder_hears_of_an_end_that_the_director_cannot)
{
	begin();
	cr_assert_eq(sessions_count(stage->core.sessions), 1);
	stage_unlink(stage, &stage->director);
	stage_leave(stage);
	cr_assert_eq(stage_n(stage, MSG_CONN_FORGET), 1);
	cr_assert_eq(sessions_count(stage->core.sessions), 0);
}

Test(login_roles, a_login_without_a_relay_waits_for_one)
{
	stage_unlink(stage, &stage->relays[0]);
	begin();
	client_says_password("right");
	node_says_success();
	cr_assert_eq(state(), LOGIN_HAND_OVER);
	cr_assert_eq(stage_n(stage, MSG_HAND_OVER), 0);
	stage_link(stage, &stage->relays[1]);
	relay_has_it("password");
	relay_carries_on();
}

Test(login_roles, a_relay_that_says_nothing_is_given_up)
{
	stage->relaying = STAGE_SAYS_NOTHING;
	begin();
	client_says_password("right");
	node_says_success();
	cr_assert(step_lasts(10));
	stage_fire_step(stage);
	cr_assert(stage_login(stage) == NULL && stage->client.is_eof);
	all_are_told_once();
}

Test(login_roles, a_client_that_no_relay_has_is_told_why_the_hand_over_failed)
{
	stage_unlink(stage, &stage->relays[0]);
	begin();
	client_says_password("right");
	node_says_success();
	stage_fire_step(stage);
	client_hears(SSH_MSG_USERAUTH_SUCCESS);
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "limits.handover_timeout_s");
	cr_assert(stage_node(stage)->peer.is_eof);
	all_are_told_once();
}

Test(login_roles, only_the_relay_that_was_asked_can_take_it)
{
	struct msg_handed_over m = {.taken = true};

	stage->relaying = STAGE_SAYS_NOTHING;
	stage_link(stage, &stage->relays[1]);
	begin();
	client_says_password("right");
	node_says_success();
	m.conn = stage->id;
	stage_tell(&stage->relays[1], MSG_HANDED_OVER, msg_handed_over_fields, &m);
	stage_run(stage);
	cr_assert_eq(state(), LOGIN_HAND_OVER);
	stage_tell(&stage->relays[0], MSG_HANDED_OVER, msg_handed_over_fields, &m);
	stage_run(stage);
	cr_assert(stage_login(stage) == NULL);
	cr_assert_eq(stage_n(stage, MSG_ENDED), 0);
}

Test(login_roles, a_relay_that_takes_too_long_gets_nothing)
{
	stage->relaying = STAGE_SAYS_NOTHING;
	begin();
	client_says_password("right");
	node_says_success();
	stage_fire_step(stage);
	/* The relay holds the sockets still, and they are of no use. */
	cr_assert(stage->client.is_eof && stage_node(stage)->peer.is_eof);
	cr_assert(stage->taken[0].is_eof && stage->taken[1].is_eof);
}

Test(login_roles, relays_take_turns)
{
	struct msg_conn_moved moved;

	stage_link(stage, &stage->relays[1]);
	for (unsigned i = 0; i < 4; i++) {
		begin();
		client_says_password("right");
		node_says_success();
		client_hears(SSH_MSG_USERAUTH_SUCCESS);
		stage_last(stage, MSG_CONN_MOVED, msg_conn_moved_fields, &moved);
		cr_assert_eq(moved.relay, i % 2);
		cr_assert_eq(moved.relay_pid, 1000 + i % 2);
	}
}

Test(login_roles, a_relay_that_is_replaced_gets_no_second_try)
{
	int fds[2];

	stage->relaying = STAGE_SAYS_NOTHING;
	begin();
	client_says_password("right");
	node_says_success();
	cr_assert_eq(ipc_pair(fds), OK);
	gate_links_set(stage->links, &stage->relays[0].self, fds[0]);
	stage_run(stage);
	cr_assert(stage_login(stage) == NULL);
	cr_assert_eq(stage_n(stage, MSG_HAND_OVER), 1);
	all_are_told_once();
	close(fds[1]);
}

/* --- the director --- */

Test(login_roles, words_of_the_director_reach_the_user)
{
	static char text[MSG_TEXT_MAX + 1];

	stage->director_waits = true;
	stage_connect(stage);
	client_says_none();
	stage_not_place(stage, NOT_PLACED_NO_NODES, "No machine answers.");
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "No machine answers.");
	stage_connect(stage);
	client_says_none();
	/* However long it is, the connection's id is there. */
	memset(text, 'y', MSG_TEXT_MAX);
	stage_not_place(stage, NOT_PLACED_FULL, text);
	client_hears_goodbye(SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "yyy");
	stage_connect(stage);
	client_says_none();
	stage_not_place(stage, NOT_PLACED_BUSY, "\x1b[2J");
	client_hears_goodbye(SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "\\x1b[2J");
}

Test(login_roles, the_director_can_refuse_at_any_time)
{
	struct msg_refuse m = {.text = span_str("enough of you")};

	stage_accept(stage);
	stage_run(stage);
	m.conn = stage->id;
	stage_tell(&stage->director, MSG_REFUSE, msg_refuse_fields, &m);
	stage_run(stage);
	client_hears_goodbye(SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "enough of you");
	begin();
	client_says_password("right");
	m.conn = stage->id;
	stage_tell(&stage->director, MSG_REFUSE, msg_refuse_fields, &m);
	stage_run(stage);
	client_hears_goodbye(SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "enough of you");
	cr_assert(stage_node(stage)->peer.is_eof);
}

Test(login_roles, a_refusal_during_the_hand_over_cuts_both_legs)
{
	struct msg_refuse m = {.text = span_str("enough of you")};

	stage->relaying = STAGE_SAYS_NOTHING;
	begin();
	client_says_password("right");
	node_says_success();
	m.conn = stage->id;
	stage_tell(&stage->director, MSG_REFUSE, msg_refuse_fields, &m);
	stage_run(stage);
	cr_assert(stage_login(stage) == NULL);
	cr_assert(stage->client.is_eof && stage_node(stage)->peer.is_eof);
	all_are_told_once();
}

Test(login_roles, a_login_waits_for_the_next_director)
{
	stage->director_waits = true;
	stage_connect(stage);
	client_says_none();
	stage_unlink(stage, &stage->director);
	cr_assert_eq(state(), LOGIN_PLACE);
	stage->director_waits = false;
	stage_link(stage, &stage->director);
	cr_assert_eq(stage_n(stage, MSG_ACCEPTED), 2);
	client_hears_failure(ALL_METHODS, false);
	client_says_password("right");
	node_says_success();
	relay_has_it("password");
}

Test(login_roles, a_login_goes_on_without_a_director_once_it_has_a_node)
{
	begin();
	stage_unlink(stage, &stage->director);
	client_says_password("wrong");
	node_says_failure("password", false);
	client_hears_failure("password", false);
	client_says_password("right");
	node_says_success();
	cr_assert_eq(stage_n(stage, MSG_HAND_OVER), 1);
	client_hears(SSH_MSG_USERAUTH_SUCCESS);
}

Test(login_roles, a_login_that_is_being_handed_over_is_no_news_for_a_director)
{
	stage->relaying = STAGE_SAYS_NOTHING;
	begin();
	client_says_password("right");
	node_says_success();
	stage_unlink(stage, &stage->director);
	stage_link(stage, &stage->director);
	cr_assert_eq(stage_n(stage, MSG_ACCEPTED), 1);
}

Test(login_roles, a_director_that_says_nothing_is_given_up)
{
	stage->director_waits = true;
	stage_connect(stage);
	client_says_none();
	/* Its own wait, and all that it may dial. */
	cr_assert(step_lasts(25));
	stage_fire_step(stage);
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "placement");
	all_are_told_once();
}

static void
place_for_attempt(uint32_t attempt)
{
	struct msg_placed m = {.conn = stage->id, .attempt = attempt, .node = span_str("n6")};
	struct buf body = {0};
	int fds[2];

	cr_assert_eq(ipc_pair(fds), OK);
	cr_assert_eq(message_encode(msg_placed_fields, &m, &body), OK);
	cr_assert_eq(ipc_send(stage->director.ipc, MSG_PLACED, buf_span(&body), &fds[0], 1), OK);
	close(fds[1]);
	buf_clear(&body);
	stage_run(stage);
}

Test(login_roles, late_and_strange_answers_of_the_director_are_ignored)
{
	struct msg_not_placed m = {.reason = NOT_PLACED_FULL, .text = span_str("no")};

	begin();
	m.conn = stage->id;
	m.attempt = 1;
	stage_tell(&stage->director, MSG_NOT_PLACED, msg_not_placed_fields, &m);
	stage_place(stage);
	stage_run(stage);
	client_hears_nothing();
	cr_assert(stage_node(stage)->peer.is_eof);
	stage->director_waits = true;
	stage_close(stage, &stage->nodes[0].peer);
	client_says_password("right");
	m.attempt = 1;
	stage_tell(&stage->director, MSG_NOT_PLACED, msg_not_placed_fields, &m);
	stage_run(stage);
	cr_assert_eq(state(), LOGIN_PLACE);
	/* The node for the attempt before comes when it is of no use any more; the right one is taken. */
	place_for_attempt(1);
	cr_assert_eq(state(), LOGIN_PLACE);
	stage_place(stage);
	stage_run(stage);
	(void)node_hears(AUTH_PASSWORD);
}

/* --- the keyholder --- */

Test(login_roles, a_key_exchange_waits_for_the_next_keyholder)
{
	stage->keyholder_waits = true;
	stage_accept(stage);
	stage_run(stage);
	cr_assert_eq(stage->client.n_keys, 0);
	stage_unlink(stage, &stage->keyholder);
	stage->keyholder_waits = false;
	stage_restart_keyholder(stage);
	cr_assert_eq(stage->client.n_keys, 1);
	cr_assert_eq(stage_n(stage, MSG_KEX_SIGN), 2);
}

Test(login_roles, a_signature_for_the_keyholder_before_is_ignored)
{
	struct msg_kex_signed m = {.host_key = span_str("key"), .signature = span_str("signature")};

	stage->keyholder_waits = true;
	stage_accept(stage);
	stage_run(stage);
	m.conn = stage->id;
	m.request = stage_login(stage)->request - 1;
	stage_tell(&stage->keyholder, MSG_KEX_SIGNED, msg_kex_signed_fields, &m);
	stage_run(stage);
	cr_assert_eq(stage->client.n_keys, 0);
	client_hears_nothing();
	stage_answer_requests(stage);
	cr_assert_eq(stage->client.n_keys, 1);
}

Test(login_roles, a_client_may_begin_without_any_keyholder)
{
	stage_unlink(stage, &stage->keyholder);
	stage_accept(stage);
	stage_run(stage);
	cr_assert_eq(state(), LOGIN_KEX);
	stage_restart_keyholder(stage);
	cr_assert_eq(stage->client.n_keys, 1);
}

Test(login_roles, a_keyholder_that_is_lost_ends_key_logins_in_words)
{
	for (int i = 0; i < 2; i++) {
		begin();
		if (i == 1) {
			client_asks_about_key(stage_user, "ssh-ed25519");
			node_says_pk_ok();
			client_hears(SSH_MSG_USERAUTH_PK_OK);
		}
		stage->keyholder_waits = true;
		client_signs(stage_user, "ssh-ed25519");
		cr_assert_eq(state(), i == 0 ? LOGIN_OFFER : LOGIN_PROVE);
		stage_unlink(stage, &stage->keyholder);
		stage->keyholder_waits = false;
		stage_restart_keyholder(stage);
		client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "restarted");
	}
}

Test(login_roles, key_logins_without_a_keyholder_are_refused_and_passwords_are_not)
{
	begin();
	stage_unlink(stage, &stage->keyholder);
	client_says_password("wrong");
	node_says_failure("publickey", false);
	client_hears_failure("publickey", false);
	client_signs(stage_user, "ssh-ed25519");
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "interrupted for a moment");
}

Test(login_roles, a_restarted_keyholder_knows_nobody)
{
	begin();
	stage_unlink(stage, &stage->keyholder);
	stage_restart_keyholder(stage);
	client_signs(stage_user, "ssh-ed25519");
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "restarted");
}

Test(login_roles, a_keyholder_that_says_nothing_is_given_up)
{
	begin();
	stage->keyholder_waits = true;
	client_asks_about_key(stage_user, "ssh-ed25519");
	cr_assert_eq(state(), LOGIN_OFFER);
	cr_assert(step_lasts(10));
	stage_fire_step(stage);
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "certificate");
	all_are_told_once();
}

Test(login_roles, answers_of_the_keyholder_to_other_questions_are_ignored)
{
	struct msg_offered offered = {
		.algorithm = span_str("ssh-ed25519"), .certificate = span_str("certificate")};
	struct msg_proved proved = {.algorithm = span_str("ssh-ed25519")};
	struct msg_kex_signed kex_signed = {.host_key = span_str("key")};

	begin();
	stage->keyholder_waits = true;
	client_asks_about_key(stage_user, "ssh-ed25519");
	offered.conn = proved.conn = kex_signed.conn = stage->id;
	offered.request = stage_login(stage)->request - 1;
	proved.request = kex_signed.request = stage_login(stage)->request;
	stage_tell(&stage->keyholder, MSG_OFFERED, msg_offered_fields, &offered);
	stage_tell(&stage->keyholder, MSG_PROVED, msg_proved_fields, &proved);
	stage_tell(&stage->keyholder, MSG_KEX_SIGNED, msg_kex_signed_fields, &kex_signed);
	stage_run(stage);
	cr_assert_eq(state(), LOGIN_OFFER);
	node_hears_nothing();
	stage_answer_requests(stage);
	node_hears_query();
}

Test(login_roles, malformed_answers_of_the_keyholder_end_the_login_and_no_more)
{
	static char long_name[100];
	struct msg_offered offered = {.algorithm = span_str("ssh-ed25519-cert-v01@openssh.com")};

	memset(long_name, 'a', sizeof(long_name) - 1);
	for (int i = 0; i < 3; i++) {
		begin();
		stage->keyholder_waits = true;
		client_asks_about_key(stage_user, "ssh-ed25519");
		offered.conn = stage->id;
		offered.request = stage_login(stage)->request;
		if (i == 1)
			offered = (struct msg_offered){.conn = stage->id,
				.request = offered.request,
				.algorithm = span_str(long_name),
				.certificate = span_str("c")};
		if (i == 2)
			offered = (struct msg_offered){.conn = stage->id,
				.request = offered.request,
				.certificate = span_str("c")};
		stage_tell(&stage->keyholder, MSG_OFFERED, msg_offered_fields, &offered);
		stage_run(stage);
		client_hears_goodbye(SSH_DISCONNECT_BY_APPLICATION, "internal error");
		cr_assert_eq(stage_n(stage, MSG_OFFER), (size_t)i + 1);
		stage->keyholder_waits = false;
		buf_clear(&stage->requests);
	}
}

Test(login_roles, a_signature_that_cannot_be_had_ends_it)
{
	struct msg_kex_signed m = {.err = ERR_LIMIT};

	stage->keyholder_waits = true;
	stage_accept(stage);
	stage_run(stage);
	m.conn = stage->id;
	m.request = stage_login(stage)->request;
	stage_tell(&stage->keyholder, MSG_KEX_SIGNED, msg_kex_signed_fields, &m);
	stage_run(stage);
	cr_assert_eq(stage->client.disconnect, SSH_DISCONNECT_BY_APPLICATION);
	stage_close(stage, &stage->client);
	all_are_told_once();
}

/* --- all of them --- */

Test(login_roles, any_of_them_may_be_lost_at_any_time_and_come_back)
{
	for (enum login_state at = LOGIN_KEX; at <= LOGIN_HAND_OVER; at++) {
		for (int i = 0; i < 3; i++) {
			struct stage_end *ends[] = {
				&stage->director, &stage->keyholder, &stage->relays[0]};

			reach(at);
			cr_assert_eq(state(), at);
			stage_unlink(stage, ends[i]);
			stage->director_waits = stage->keyholder_waits = false;
			if (ends[i] == &stage->keyholder)
				stage_restart_keyholder(stage);
			else
				stage_link(stage, ends[i]);
			/* It goes on, or the user was told why not. */
			cr_assert(stage_login(stage) == NULL || state() != LOGIN_CLOSING ||
				stage->client.disconnect != 0);
			stage_close(stage, &stage->client);
			if (state() == LOGIN_HAND_OVER)
				stage_fire_step(stage);
			all_are_told_once();
			talk_again();
		}
	}
}
