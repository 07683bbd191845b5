/*
 * broker/gate/login: nodes that fail, at every step and in every way.
 */
#include "tests/lib/login_talk.h"

#include <criterion/criterion.h>

TestSuite(login_nodes, .init = talk_init, .fini = talk_clear);

/* --- nodes that fail --- */

static void
expect_cause(enum node_failure cause)
{
	struct msg_node_failed failed;

	stage_last(stage, MSG_NODE_FAILED, msg_node_failed_fields, &failed);
	cr_assert_eq(failed.cause, cause, "%u: %.*s", failed.cause, (int)failed.text.len,
		(const char *)failed.text.ptr);
	cr_assert(failed.conn == stage->id && failed.text.len > 0);
}

Test(login_nodes, a_node_that_fails_early_is_followed_by_the_next_one_unnoticed)
{
	static const struct {
		struct stage_manner manner;
		enum node_failure cause;
	} cases[] = {
		{{.death = STAGE_DIES_AT_ONCE}, NODE_FAILURE_CLOSED},
		{{.death = STAGE_DIES_AFTER_IDENT}, NODE_FAILURE_CLOSED},
		{{.death = STAGE_DIES_IN_KEX}, NODE_FAILURE_CLOSED},
		{{.death = STAGE_DIES_AFTER_KEX}, NODE_FAILURE_CLOSED},
		{{.death = STAGE_DIES_AT_SERVICE}, NODE_FAILURE_CLOSED},
		{{.death = STAGE_DIES_AT_NONE}, NODE_FAILURE_CLOSED},
		{{.has_wrong_key = true}, NODE_FAILURE_HOST_KEY},
		{{.has_wrong_signature = true}, NODE_FAILURE_HOST_KEY},
		{{.garbage = "SSH-1.5-old\r\n"}, NODE_FAILURE_PROTOCOL},
		{{.garbage = "SSH-2.0-x\r\n\x7f\xff\xff\xff garbage garbage"},
			NODE_FAILURE_PROTOCOL},
	};
	struct msg_place place;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		stage->nodes[0].manner = cases[i].manner;
		stage_connect(stage);
		client_says_none();
		client_hears_failure(ALL_METHODS, false);
		client_hears_nothing();
		expect_cause(cases[i].cause);
		stage_last(stage, MSG_PLACE, msg_place_fields, &place);
		cr_assert(place.attempt == 2 && span_is(place.excluded, "n1"), "case %zu", i);
		talk_again();
	}
}

Test(login_nodes, a_list_of_methods_that_is_too_long_is_a_failure)
{
	static char methods[600];

	memset(methods, 'm', sizeof(methods) - 1);
	begin_on(&(struct stage_manner){.methods = methods});
	expect_cause(NODE_FAILURE_PROTOCOL);
	client_hears_failure(ALL_METHODS, false);
}

Test(login_nodes, methods_of_any_name_are_no_news_for_the_client)
{
	begin_on(&(struct stage_manner){.methods = "\x1b[2J,,password,password@x,none"});
	client_hears_failure("password", false);
}

Test(login_nodes, a_node_that_says_nothing_is_timed_out)
{
	stage->nodes[0].manner.is_mute = true;
	stage_connect(stage);
	client_says_none();
	cr_assert_eq(state(), LOGIN_DIAL);
	cr_assert(step_lasts(20));
	stage_fire_step(stage);
	expect_cause(NODE_FAILURE_TIMEOUT);
	client_hears_failure(ALL_METHODS, false);
	cr_assert(stage->nodes[0].peer.is_eof);
}

Test(login_nodes, a_node_that_fails_after_none_is_followed_at_the_next_request)
{
	struct auth_request rq;

	begin();
	stage_close(stage, &stage_node(stage)->peer);
	client_hears_nothing();
	expect_cause(NODE_FAILURE_CLOSED);
	cr_assert_eq(stage_n(stage, MSG_PLACE), 1);
	client_says_password("first time");
	cr_assert_eq(stage->n_nodes, 2);
	rq = node_hears(AUTH_PASSWORD);
	cr_assert(span_is(rq.password, "first time"));
	node_says_success();
	relay_has_it("password");
}

Test(login_nodes, a_key_that_was_asked_about_is_shown_to_the_next_node)
{
	begin();
	client_asks_about_key(stage_user, "ssh-ed25519");
	node_hears_query();
	stage_close(stage, &stage_node(stage)->peer);
	cr_assert_eq(stage->n_nodes, 2);
	client_hears_nothing();
	node_hears_query();
	node_says_pk_ok();
	client_hears(SSH_MSG_USERAUTH_PK_OK);
	stage_close(stage, &stage_node(stage)->peer);
	client_signs(stage_user, "ssh-ed25519");
	cr_assert_eq(stage->n_nodes, 3);
	node_hears_signature();
	node_says_success();
	relay_has_it("publickey");
}

Test(login_nodes, a_signed_request_is_shown_to_the_next_node)
{
	begin();
	client_signs(stage_user, "ssh-ed25519");
	node_hears_signature();
	stage_close(stage, &stage_node(stage)->peer);
	cr_assert_eq(stage->n_nodes, 2);
	node_hears_signature();
	node_says_success();
	relay_has_it("publickey");
}

Test(login_nodes, partial_success_by_key_is_replayed_and_the_lists_stay)
{
	struct msg_place place;

	begin();
	client_signs(stage_user, "ssh-ed25519");
	node_hears_signature();
	node_says_failure("password", true);
	client_hears_failure("password", true);
	stage_close(stage, &stage_node(stage)->peer);
	client_hears_nothing();
	client_says_password("right");
	stage_last(stage, MSG_PLACE, msg_place_fields, &place);
	cr_assert(place.authenticated);
	node_hears_signature();
	node_hears_nothing();
	node_says_failure("password", true);
	(void)node_hears(AUTH_PASSWORD);
	client_hears_nothing();
	node_says_success();
	relay_has_it("publickey+password");
}

Test(login_nodes, a_replay_that_is_refused_ends_it)
{
	begin();
	client_signs(stage_user, "ssh-ed25519");
	node_says_failure("password", true);
	client_hears_failure("password", true);
	stage_close(stage, &stage_node(stage)->peer);
	client_says_password("right");
	node_hears_signature();
	node_says_failure("publickey", false);
	node_hears_nothing();
	client_hears_goodbye(
		SSH_DISCONNECT_BY_APPLICATION, "the node failed in the middle of the login");
}

Test(login_nodes, a_password_never_goes_to_a_second_node)
{
	begin();
	client_says_password("secret");
	(void)node_hears(AUTH_PASSWORD);
	stage_close(stage, &stage_node(stage)->peer);
	cr_assert_eq(stage->n_nodes, 1);
	client_hears_goodbye(SSH_DISCONNECT_CONNECTION_LOST, "a password was sent to it");
	all_are_told_once();
}

Test(login_nodes, a_node_that_knows_a_password_is_the_only_one_even_later)
{
	begin();
	client_says_password("secret");
	node_says_failure("password", false);
	client_hears_failure("password", false);
	stage_close(stage, &stage_node(stage)->peer);
	cr_assert_eq(stage->n_nodes, 1);
	client_hears_goodbye(SSH_DISCONNECT_CONNECTION_LOST, "a password was sent to it");
}

Test(login_nodes, an_answer_never_goes_to_a_second_node)
{
	begin();
	client_says_kbdint();
	node_asks(1);
	client_hears(SSH_MSG_USERAUTH_INFO_REQUEST);
	client_answers(1);
	stage_close(stage, &stage_node(stage)->peer);
	cr_assert_eq(stage->n_nodes, 1);
	client_hears_goodbye(SSH_DISCONNECT_CONNECTION_LOST, "was sent to it");
}

Test(login_nodes, an_answer_to_a_node_that_is_gone_is_forgotten_and_asked_for_again)
{
	begin();
	client_says_kbdint();
	node_asks(1);
	client_hears(SSH_MSG_USERAUTH_INFO_REQUEST);
	stage_close(stage, &stage_node(stage)->peer);
	client_hears_nothing();
	client_answers(1);
	cr_assert_eq(stage->n_nodes, 1);
	client_hears_banner("n1");
	client_hears_failure(ALL_METHODS, false);
	cr_assert_eq(stage_login(stage)->n_failures, 0);
	client_says_kbdint();
	cr_assert_eq(stage->n_nodes, 2);
	(void)node_hears(AUTH_KBDINT);
	node_hears_nothing();
	node_asks(1);
	client_hears(SSH_MSG_USERAUTH_INFO_REQUEST);
	client_answers(1);
	node_hears_type(SSH_MSG_USERAUTH_INFO_RESPONSE);
	node_says_success();
	relay_has_it("keyboard-interactive");
}

Test(login_nodes, what_a_node_says_at_the_end_after_an_attempt_is_passed_on)
{
	begin();
	client_says_password("wrong");
	node_says_failure("password", false);
	client_hears_failure("password", false);
	node_disconnects(SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE,
		"Too many authentication \x1b[31mfailures");
	client_hears_goodbye(SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE,
		"Too many authentication \\x1b[31mfailures");
	all_are_told_once();
	cr_assert_eq(stage_n(stage, MSG_NODE_FAILED), 0);
}

/* As sshd with MaxAuthTries 1: it is the user who failed, and every other node would say the same. */
Test(login_nodes, what_a_node_says_at_the_first_attempt_is_passed_on_and_no_failure_of_its)
{
	static const char text[] = "Too many authentication failures";

	for (int with_key = 0; with_key < 2; with_key++) {
		begin();
		if (with_key) {
			client_asks_about_key(stage_user, "ssh-ed25519");
			node_hears_query();
		} else {
			client_says_password("wrong");
		}
		node_disconnects(SSH_DISCONNECT_PROTOCOL_ERROR, text);
		client_hears_goodbye(SSH_DISCONNECT_PROTOCOL_ERROR, text);
		all_are_told_once();
		cr_assert_eq(stage->n_nodes, 1);
		cr_assert_eq(stage_n(stage, MSG_NODE_FAILED), 0);
		talk_again();
	}
}

Test(login_nodes, a_node_that_disconnects_before_any_attempt_is_followed_by_the_next)
{
	begin();
	node_disconnects(SSH_DISCONNECT_BY_APPLICATION, "maintenance");
	client_hears_nothing();
	client_says_password("right");
	cr_assert_eq(stage->n_nodes, 2);
	(void)node_hears(AUTH_PASSWORD);
}

Test(login_nodes, only_so_many_nodes_are_tried)
{
	for (size_t i = 0; i < STAGE_NODES_MAX; i++)
		stage->nodes[i].manner.death = STAGE_DIES_AT_SERVICE;
	stage_connect(stage);
	client_says_none();
	cr_assert_eq(stage->n_nodes, 3);
	cr_assert_eq(stage_n(stage, MSG_NODE_FAILED), 3);
	client_hears_goodbye(SSH_DISCONNECT_CONNECTION_LOST, "limits.node_tries_max");
	all_are_told_once();
}

Test(login_nodes, a_second_nodes_copy_of_a_banner_is_not_shown)
{
	stage->nodes[0].manner = (struct stage_manner){.banner = "Property of the lab"};
	stage->nodes[1].manner = stage->nodes[0].manner;
	stage_connect(stage);
	client_says_none();
	client_hears_banner("Property of the lab");
	client_hears_failure(ALL_METHODS, false);
	stage_close(stage, &stage_node(stage)->peer);
	client_says_password("right");
	(void)node_hears(AUTH_PASSWORD);
	client_hears_nothing();
	node_says_banner("Something new");
	client_hears_banner("Something new");
}

Test(login_nodes, what_one_node_repeats_is_shown_again)
{
	begin();
	for (int i = 0; i < 3; i++) {
		node_says_banner("Your password is about to expire");
		client_hears_banner("Your password is about to expire");
	}
}

/* OpenSSH's sshd sends a banner file of any size in one packet, and its ssh shows that. */
Test(login_nodes, a_banner_may_fill_a_packet)
{
	static char text[PACKET_PAYLOAD_MAX - 1 - 4 - 4 + 1];

	memset(text, 'x', sizeof(text) - 1);
	begin();
	node_says_banner(text);
	client_hears_banner(text);
}

Test(login_nodes, a_node_cannot_flood_the_client_with_banners)
{
	static char text[60000];
	struct span got;
	size_t n = 0;

	memset(text, 'x', sizeof(text) - 1);
	begin();
	for (int i = 0;
		i < 40 && stage_node(stage)->peer.fd >= 0 && !stage_node(stage)->peer.is_eof; i++)
		node_says_banner(text);
	while (stage_next(&stage->client, &got))
		n += got.len;
	cr_assert(stage_node(stage)->peer.is_eof);
	cr_assert(n > sizeof(text) && n < (size_t)512 * 1024, "%zu", n);
	expect_cause(NODE_FAILURE_PROTOCOL);
}

Test(login_nodes, nonsense_from_a_node_is_its_failure)
{
	static const char *const nonsense[] = {
		"\x33", "\x34 and more", "\x35", "\x3c", "\x3d", "\x3e", "\x4f"};

	for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
		begin();
		client_asks_about_key(stage_user, "ssh-ed25519");
		node_hears_query();
		stage_say(stage, &stage_node(stage)->peer, span_str(nonsense[i]));
		expect_cause(NODE_FAILURE_PROTOCOL);
		cr_assert_eq(stage->n_nodes, 2, "case %zu", i);
		cr_assert_eq(stage->nodes[0].peer.disconnect, SSH_DISCONNECT_PROTOCOL_ERROR);
		client_hears_nothing();
		talk_again();
	}
}

Test(login_nodes, a_node_that_speaks_out_of_turn_fails)
{
	static const uint8_t types[] = {
		SSH_MSG_USERAUTH_SUCCESS, SSH_MSG_USERAUTH_FAILURE, SSH_MSG_USERAUTH_INFO_REQUEST};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		begin();
		stage_say_type(stage, &stage_node(stage)->peer, types[i]);
		expect_cause(NODE_FAILURE_PROTOCOL);
		cr_assert_eq(stage->nodes[0].peer.disconnect, SSH_DISCONNECT_PROTOCOL_ERROR);
		client_hears_nothing();
		cr_assert_eq(stage_n(stage, MSG_HAND_OVER), 0);
		talk_again();
	}
}

Test(login_nodes, a_packet_that_is_too_long_for_a_login_ends_the_leg_in_words)
{
	static uint8_t huge[100 * 1024] = {SSH_MSG_USERAUTH_BANNER};

	begin();
	stage_say(stage, &stage_node(stage)->peer, span_of(huge, sizeof(huge)));
	expect_cause(NODE_FAILURE_PROTOCOL);
	huge[0] = SSH_MSG_USERAUTH_REQUEST;
	stage_say(stage, &stage->client, span_of(huge, sizeof(huge)));
	cr_assert_eq(stage->client.disconnect, SSH_DISCONNECT_PROTOCOL_ERROR);
	cr_assert(stage->client.is_eof);
}

Test(login_nodes, a_node_that_does_not_answer_is_timed_out_and_the_next_one_asked)
{
	begin();
	client_asks_about_key(stage_user, "ssh-ed25519");
	node_hears_query();
	cr_assert(step_lasts(20));
	stage_fire_step(stage);
	expect_cause(NODE_FAILURE_TIMEOUT);
	node_hears_query();
	/* One that thinks about a password may think for as long as the login may last. */
	client_hears_nothing();
	node_says_failure(ALL_METHODS, false);
	client_hears_failure(ALL_METHODS, false);
	client_says_password("right");
	cr_assert_eq(stage_step_s(stage), 0);
}
