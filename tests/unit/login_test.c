/*
 * broker/gate/login: a client's requests, and what the node and the user see of them.
 */
#include "tests/lib/login_talk.h"

#include <criterion/criterion.h>

TestSuite(login, .init = talk_init, .fini = talk_clear);

/* --- "none" --- */

Test(login, none_is_answered_from_known_methods_without_a_dial)
{
	know_methods("publickey,gssapi-with-mic,password");
	stage_connect(stage);
	client_says_none();
	client_hears_failure("publickey,password", false);
	cr_assert_eq(stage_n(stage, MSG_PLACE), 0);
	client_says_none();
	client_hears_failure("publickey,password", false);
	cr_assert_eq(stage_n(stage, MSG_PLACE), 0);
}

Test(login, a_node_is_dialled_at_once_where_no_methods_are_known)
{
	struct msg_place place;
	struct msg_node_methods methods;

	stage->nodes[0].manner.methods = "publickey,hostbased";
	stage_connect(stage);
	client_says_none();
	client_hears_failure("publickey", false);
	stage_last(stage, MSG_PLACE, msg_place_fields, &place);
	cr_assert(place.conn == stage->id && place.attempt == 1 && !place.authenticated);
	cr_assert(span_is(place.user, "alice") && place.excluded.len == 0);
	stage_last(stage, MSG_NODE_METHODS, msg_node_methods_fields, &methods);
	cr_assert(span_is(methods.node, "n1") && span_is(methods.methods, "publickey,hostbased"));
	/* The node was asked once, and is not asked again. */
	client_says_none();
	client_hears_failure("publickey", false);
	node_hears_nothing();
}

Test(login, an_empty_list_of_methods_is_explained)
{
	char id[CONN_ID_TEXT_SIZE];

	begin_on(&(struct stage_manner){.methods = "hostbased,gssapi-with-mic"});
	client_hears_banner(conn_id_text(stage->id, id));
	client_hears_failure("", false);
}

Test(login, a_node_that_lets_everybody_in_is_believed)
{
	struct msg_node_methods methods;

	begin_on(&(struct stage_manner){.is_open = true});
	stage_last(stage, MSG_NODE_METHODS, msg_node_methods_fields, &methods);
	cr_assert(span_is(methods.methods, "none"));
	relay_has_it("none");
	relay_carries_on();
}

/* Whom they let in is for them to say, each time. */
Test(login, nodes_that_let_somebody_in_by_none_are_asked_about_others)
{
	know_methods("publickey,none");
	stage_connect(stage);
	client_says_none();
	client_hears_failure(ALL_METHODS, false);
	cr_assert_eq(stage_n(stage, MSG_PLACE), 1);
	talk_again();
	know_methods("none,password");
	begin_on(&(struct stage_manner){.is_open = true});
	relay_has_it("none");
}

Test(login, unknown_methods_are_refused_and_never_reach_the_node)
{
	struct auth_request rq = request_of(AUTH_OTHER);

	begin();
	rq.method = span_str("gssapi-with-mic");
	client_says_request(&rq);
	client_hears_failure(ALL_METHODS, false);
	node_hears_nothing();
}

Test(login, the_brokers_banner_comes_first_and_once)
{
	stage_free(stage);
	stage = stage_new(TINY_LIMITS, "Welcome to the pool");
	begin_on(&(struct stage_manner){.banner = "Welcome to the node"});
	client_hears_banner("Welcome to the pool");
	client_hears_banner("Welcome to the node");
	client_hears_failure(ALL_METHODS, false);
	client_says_password("wrong");
	node_says_failure("password", false);
	client_hears_failure("password", false);
	client_hears_nothing();
}

Test(login, pings_are_answered_before_and_during_authentication)
{
	static const uint8_t ping[] = {SSH_MSG_PING, 0, 0, 0, 2, 'h', 'i'};
	struct span got;

	stage_accept(stage);
	stage_run(stage);
	for (int i = 0; i < 2; i++) {
		stage_say(stage, &stage->client, span_of(ping, sizeof(ping)));
		cr_assert(stage_next(&stage->client, &got));
		cr_assert_eq(got.ptr[0], SSH_MSG_PONG);
		cr_assert(span_equal(
			span_of(got.ptr + 1, got.len - 1), span_of(ping + 1, sizeof(ping) - 1)));
		if (i == 0) {
			stage_close(stage, &stage->client);
			begin();
		}
	}
}

/* --- publickey --- */

Test(login, a_key_is_asked_about_then_proved_then_handed_over)
{
	struct auth_pk_ok ok;
	struct msg_connection c;
	struct span got;
	char fingerprint[KEY_FINGERPRINT_SIZE];

	begin();
	client_asks_about_key(stage_user, "ssh-ed25519");
	node_hears_query();
	node_says_pk_ok();
	cr_assert(stage_next(&stage->client, &got));
	cr_assert_eq(auth_pk_ok_parse(got, &ok), OK);
	/* It is the user's key that is said to do, not our certificate. */
	cr_assert(span_is(ok.algorithm, "ssh-ed25519"));
	cr_assert(span_equal(ok.key, pubkey_blob(privkey_public(stage_user))));
	client_signs(stage_user, "ssh-ed25519");
	node_hears_signature();
	cr_assert_eq(stage_n(stage, MSG_OFFER), 1);
	node_says_success();
	relay_has_it("publickey");
	cr_assert_eq(message_decode(msg_connection_fields, buf_span(&stage->connection), &c), OK);
	key_fingerprint(pubkey_blob(privkey_public(stage_user)), fingerprint);
	cr_assert(span_is(c.fingerprint, fingerprint));
	relay_carries_on();
}

Test(login, every_kind_of_key_works_without_a_question_first)
{
	struct {
		const struct privkey *key;
		const char *algorithm;
	} const cases[] = {
		{stage_user, "ssh-ed25519"},
		{stage_user_rsa, "rsa-sha2-256"},
		{stage_user_rsa, "rsa-sha2-512"},
		{stage_user_ecdsa, "ecdsa-sha2-nistp256"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin();
		client_signs(cases[i].key, cases[i].algorithm);
		node_hears_signature();
		node_says_success();
		client_hears(SSH_MSG_USERAUTH_SUCCESS);
		cr_assert_eq(stage_n(stage, MSG_HAND_OVER), i + 1);
	}
}

Test(login, a_hostbound_request_works_with_our_host_key_alone)
{
	struct wire_reader keys = wire_reader_of(keys_host_blobs(stage->keys));
	struct world_request rq;
	struct span host_key;

	begin();
	rq = signed_by(stage_user, "ssh-ed25519");
	rq.host_key = pubkey_blob(privkey_public(stage_user));
	client_signs_request(&rq);
	client_hears_failure(ALL_METHODS, false);
	node_hears_nothing();
	while (wire_get_string(&keys, &host_key) == OK &&
		memmem(host_key.ptr, host_key.len, "ssh-ed25519", 11) == NULL)
		;
	rq.host_key = host_key;
	client_signs_request(&rq);
	node_hears_signature();
}

Test(login, a_wrong_signature_is_a_failure_that_the_node_never_sees)
{
	struct world_request rq;

	begin();
	rq = signed_by(stage_user, "ssh-ed25519");
	rq.signs_user = "bob";
	client_signs_request(&rq);
	client_hears_failure(ALL_METHODS, false);
	node_hears_nothing();
}

Test(login, a_key_that_cannot_be_used_is_a_failure_and_the_next_one_works)
{
	begin();
	client_asks_about_key(stage_user, "ssh-dss");
	client_hears_failure(ALL_METHODS, false);
	client_asks_about_key(stage_user, "rsa-sha2-512");
	client_hears_failure(ALL_METHODS, false);
	client_signs(stage_user, "ssh-ed25519");
	node_hears_signature();
}

Test(login, the_second_key_works_when_the_first_is_refused)
{
	begin();
	client_asks_about_key(stage_user_rsa, "rsa-sha2-512");
	node_hears_query();
	node_says_failure(ALL_METHODS, false);
	client_hears_failure(ALL_METHODS, false);
	client_asks_about_key(stage_user, "ssh-ed25519");
	node_hears_query();
	node_says_pk_ok();
	client_hears(SSH_MSG_USERAUTH_PK_OK);
	client_signs(stage_user, "ssh-ed25519");
	node_hears_signature();
	node_says_success();
	relay_has_it("publickey");
}

Test(login, a_node_may_want_two_keys_and_gets_two_different_ones)
{
	begin();
	client_signs(stage_user, "ssh-ed25519");
	node_hears_signature();
	node_says_failure("publickey", true);
	client_hears_failure("publickey", true);
	client_signs(stage_user, "ssh-ed25519");
	client_hears_failure("publickey", false);
	node_hears_nothing();
	client_signs(stage_user_ecdsa, "ecdsa-sha2-nistp256");
	node_hears_signature();
	node_says_success();
	relay_has_it("publickey+publickey");
}

Test(login, a_key_then_a_password)
{
	begin();
	client_signs(stage_user, "ssh-ed25519");
	node_hears_signature();
	node_says_failure("password", true);
	client_hears_failure("password", true);
	client_says_password("right");
	(void)node_hears(AUTH_PASSWORD);
	node_says_success();
	relay_has_it("publickey+password");
}

Test(login, the_longest_chain_of_methods_is_cut_and_harms_nobody)
{
	begin();
	for (int i = 0; i < 12; i++) {
		client_says_password("part");
		(void)node_hears(AUTH_PASSWORD);
		node_says_failure("password", true);
		client_hears_failure("password", true);
	}
	client_says_password("last");
	node_says_success();
	cr_assert_eq(stage_n(stage, MSG_HAND_OVER), 1);
}

/* --- passwords --- */

Test(login, a_wrong_password_then_the_right_one)
{
	struct auth_request rq;

	begin();
	client_says_password("wrong");
	rq = node_hears(AUTH_PASSWORD);
	cr_assert(span_is(rq.password, "wrong"));
	node_says_failure("publickey,password,hostbased", false);
	client_hears_failure("publickey,password", false);
	client_says_password("right");
	rq = node_hears(AUTH_PASSWORD);
	cr_assert(span_is(rq.password, "right"));
	node_says_success();
	relay_has_it("password");
	relay_carries_on();
}

Test(login, a_password_change_goes_there_and_back)
{
	struct auth_request rq = request_of(AUTH_PASSWORD);

	begin();
	client_says_password("old");
	(void)node_hears(AUTH_PASSWORD);
	node_asks_for_new_password();
	client_hears(SSH_MSG_USERAUTH_PASSWD_CHANGEREQ);
	rq.is_password_change = true;
	rq.password = span_str("old");
	rq.new_password = span_str("new");
	client_says_request(&rq);
	rq = node_hears(AUTH_PASSWORD);
	cr_assert(rq.is_password_change && span_is(rq.new_password, "new"));
	node_says_success();
	relay_has_it("password");
}

Test(login, a_password_is_forgotten_when_it_is_answered)
{
	begin();
	client_says_password("secret");
	node_says_failure("password", false);
	cr_assert_eq(stage_login(stage)->payload.len, 0);
	cr_assert(stage_login(stage)->payload.data == NULL);
}

/* --- keyboard-interactive --- */

Test(login, any_number_of_rounds_and_prompts_passes)
{
	static const unsigned rounds[] = {2, 0, 1, 100, 0};

	begin();
	client_says_kbdint();
	(void)node_hears(AUTH_KBDINT);
	for (size_t i = 0; i < ARRAY_LEN(rounds); i++) {
		node_asks(rounds[i]);
		client_hears(SSH_MSG_USERAUTH_INFO_REQUEST);
		client_answers(rounds[i]);
		node_hears_type(SSH_MSG_USERAUTH_INFO_RESPONSE);
	}
	node_says_success();
	relay_has_it("keyboard-interactive");
}

Test(login, keyboard_interactive_may_be_refused_without_a_question)
{
	begin();
	client_says_kbdint();
	node_says_failure("publickey", false);
	client_hears_failure("publickey", false);
}

Test(login, a_new_request_abandons_a_conversation)
{
	begin();
	client_says_kbdint();
	(void)node_hears(AUTH_KBDINT);
	node_asks(1);
	client_hears(SSH_MSG_USERAUTH_INFO_REQUEST);
	client_says_password("instead");
	(void)node_hears(AUTH_PASSWORD);
	node_says_failure("password", false);
	client_hears_failure("password", false);
	/* The question is no more. */
	client_answers(1);
	client_hears_goodbye(SSH_DISCONNECT_PROTOCOL_ERROR, "an answer where nothing was asked");
}

Test(login, a_question_is_answered_once)
{
	begin();
	client_says_kbdint();
	(void)node_hears(AUTH_KBDINT);
	node_asks(1);
	client_answers(1);
	node_hears_type(SSH_MSG_USERAUTH_INFO_RESPONSE);
	node_says_failure("keyboard-interactive", false);
	client_answers(1);
	node_hears_nothing();
	client_hears(SSH_MSG_USERAUTH_INFO_REQUEST);
	client_hears_failure("keyboard-interactive", false);
	client_hears_goodbye(SSH_DISCONNECT_PROTOCOL_ERROR, "nothing was asked");
	all_are_told_once();
}

/* --- clients that break the rules --- */

Test(login, messages_that_are_not_the_clients_end_it)
{
	static const uint8_t types[] = {SSH_MSG_USERAUTH_FAILURE, SSH_MSG_USERAUTH_SUCCESS,
		SSH_MSG_USERAUTH_BANNER, SSH_MSG_USERAUTH_PK_OK, SSH_MSG_USERAUTH_INFO_RESPONSE, 62,
		79};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		stage_connect(stage);
		stage_say_type(stage, &stage->client, types[i]);
		client_hears_goodbye(SSH_DISCONNECT_PROTOCOL_ERROR, "");
		cr_assert_eq(stage_n(stage, MSG_ENDED), i + 1);
	}
	cr_assert_eq(stage_n(stage, MSG_PLACE), 0);
}

Test(login, malformed_requests_end_it)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{"\x32", 1},
		{"\x32\0\0\0\1a", 6},
		{"\x32\xff\xff\xff\xff", 5},
		{"\x32\0\0\0\1a\0\0\0\016ssh-connection\0\0\0\4noneX", 33},
		{"\x32\0\0\0\1\0\0\0\0\016ssh-connection\0\0\0\4none", 32},
		{"\x32\0\0\0\1a\0\0\0\016ssh-connection\0\0\0\010password", 36},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		stage_connect(stage);
		stage_say(stage, &stage->client, span_of(cases[i].bytes, cases[i].len));
		client_hears_goodbye(
			SSH_DISCONNECT_PROTOCOL_ERROR, "malformed authentication request");
	}
	cr_assert_eq(stage_n(stage, MSG_PLACE), 0);
}

Test(login, malformed_pings_end_it)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {{"\xc0", 1}, {"\xc0\0\0\0\3hi", 7}, {"\xc0\0\0\0\1hi", 7},
		{"\xc0\xff\xff\xff\xff", 5}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		stage_connect(stage);
		stage_say(stage, &stage->client, span_of(cases[i].bytes, cases[i].len));
		client_hears_goodbye(SSH_DISCONNECT_PROTOCOL_ERROR, "malformed ping");
	}
}

Test(login, another_user_or_service_in_the_middle_ends_it)
{
	struct auth_request rq = request_of(AUTH_NONE);

	begin();
	rq.user = span_str("bob");
	client_says_request(&rq);
	client_hears_goodbye(SSH_DISCONNECT_PROTOCOL_ERROR, "change of user name");
	all_are_told_once();
	stage_connect(stage);
	rq.service = span_str("ssh-userauth");
	client_says_request(&rq);
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "ssh-connection");
}

Test(login, another_service_than_authentication_is_refused)
{
	struct buf b = {0};

	stage_accept(stage);
	stage_run(stage);
	cr_assert_eq(
		auth_service_write(SSH_MSG_SERVICE_REQUEST, span_str("ssh-connection"), &b), OK);
	stage_say(stage, &stage->client, buf_span(&b));
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "ssh-userauth");
	buf_clear(&b);
}

Test(login, too_many_failures_end_it)
{
	begin();
	for (int i = 0; i < 3; i++) {
		client_says_password("wrong");
		node_says_failure("password", false);
		client_hears_failure("password", false);
	}
	client_says_password("wrong");
	node_says_failure("password", false);
	/* The node is not left waiting for the client's last look. */
	cr_assert(stage_node(stage)->peer.is_eof);
	client_hears_goodbye(SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, "auth_tries_max");
	all_are_told_once();
}

Test(login, questions_about_keys_that_would_do_are_no_failures)
{
	begin();
	for (int i = 0; i < 6; i++) {
		client_asks_about_key(stage_user, "ssh-ed25519");
		node_hears_query();
		node_says_pk_ok();
		client_hears(SSH_MSG_USERAUTH_PK_OK);
	}
}

Test(login, only_one_request_at_a_time_reaches_the_node)
{
	struct auth_request rq = request_of(AUTH_PASSWORD);
	struct buf b = {0};

	begin();
	rq.password = span_str("one");
	cr_assert_eq(auth_request_write(&rq, &b), OK);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(transport_send(stage->client.t, buf_span(&b)), OK);
	stage_run(stage);
	for (int i = 0; i < 3; i++) {
		(void)node_hears(AUTH_PASSWORD);
		node_hears_nothing();
		node_says_failure("password", false);
		client_hears_failure("password", false);
	}
	buf_clear(&b);
}

/* --- key exchanges in between --- */

Test(login, the_client_and_the_node_may_exchange_keys_again_in_between)
{
	begin();
	stage_rekey(stage, &stage->client);
	stage_rekey(stage, &stage_node(stage)->peer);
	cr_assert(stage->client.n_keys == 2 && stage_node(stage)->peer.n_keys == 2);
	client_says_password("wrong");
	stage_rekey(stage, &stage_node(stage)->peer);
	node_says_failure("password", false);
	client_hears_failure("password", false);
	client_signs(stage_user, "ssh-ed25519");
	node_hears_type(SSH_MSG_USERAUTH_REQUEST);
	node_hears_signature();
	node_says_success();
	client_hears(SSH_MSG_USERAUTH_SUCCESS);
	relay_carries_on();
}

Test(login, a_key_exchange_that_the_client_began_too_early_is_the_relays)
{
	begin();
	client_says_password("right");
	cr_assert_eq(transport_rekey(stage->client.t), OK);
	stage_run(stage);
	cr_assert_eq(stage->client.n_keys, 1);
	node_says_success();
	cr_assert_eq(stage_n(stage, MSG_HAND_OVER), 1);
	cr_assert(transport_is_rekeying(stage->taken[0].t));
}

Test(login, endless_key_exchanges_are_no_login)
{
	begin();
	for (int i = 0; i < 40 && stage->client.disconnect == 0; i++)
		stage_rekey(stage, &stage->client);
	cr_assert(stage->client.disconnect != 0 && stage->client.is_eof);
	cr_assert(stage_n(stage, MSG_KEX_SIGN) < 20);
	stage_close(stage, &stage->client);
	all_are_told_once();
}
