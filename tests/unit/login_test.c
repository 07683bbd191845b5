/*
 * broker/gate/login: a client's login against every kind of node, director, keyholder and relay.
 */
#include "broker/gate/login_impl.h"
#include "common/ssh/cert.h"
#include "common/ssh/keyfile.h"
#include "tests/lib/keyholder_world.h"
#include "tests/lib/login_stage.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ALL_METHODS "publickey,password,keyboard-interactive"
#define TINY_LIMITS "\"auth_tries_max\": 3, \"node_tries_max\": 3, \"unauthenticated_max\": 2"

static struct stage *s;
static struct privkey *user, *user_rsa, *user_ecdsa;

static void
init(void)
{
	struct buf text = {0};

	s = stage_new(TINY_LIMITS, NULL);
	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &user), OK);
	cr_assert_eq(privkey_generate(KEY_ECDSA_P256, 0, &user_ecdsa), OK);
	vector_read("rsa", &text);
	cr_assert_eq(keyfile_parse(buf_span(&text), &user_rsa), OK);
	buf_clear(&text);
}

static void
clear(void)
{
	stage_free(s);
	privkey_free(user);
	privkey_free(user_ecdsa);
	privkey_free(user_rsa);
}

TestSuite(login, .init = init, .fini = clear);

/* --- what the client says --- */

static struct auth_request
request_of(enum auth_method kind)
{
	return (struct auth_request){.user = span_str("alice"),
		.service = span_str(AUTH_SERVICE_CONNECTION),
		.kind = kind};
}

static void
client_says_request(const struct auth_request *rq)
{
	struct buf b = {0};

	cr_assert_eq(auth_request_write(rq, &b), OK);
	stage_say(s, &s->client, buf_span(&b));
	buf_clear(&b);
}

static void
client_says_none(void)
{
	struct auth_request rq = request_of(AUTH_NONE);

	client_says_request(&rq);
}

static void
client_says_password(const char *password)
{
	struct auth_request rq = request_of(AUTH_PASSWORD);

	rq.password = span_str(password);
	client_says_request(&rq);
}

static void
client_says_kbdint(void)
{
	struct auth_request rq = request_of(AUTH_KBDINT);

	client_says_request(&rq);
}

static void
client_asks_about_key(const struct privkey *key, const char *algorithm)
{
	struct auth_request rq = request_of(AUTH_PUBLICKEY);

	rq.algorithm = span_str(algorithm);
	rq.key = pubkey_blob(privkey_public(key));
	client_says_request(&rq);
}

static struct world_request
signed_by(const struct privkey *key, const char *algorithm)
{
	return (struct world_request){
		.key = key,
		.user = "alice",
		.service = AUTH_SERVICE_CONNECTION,
		.algorithm = algorithm,
		.session_id = transport_session_id(s->client.t),
	};
}

static void
client_signs_request(const struct world_request *rq)
{
	struct buf b = {0};

	world_write_request(rq, &b);
	stage_say(s, &s->client, buf_span(&b));
	buf_clear(&b);
}

static void
client_signs(const struct privkey *key, const char *algorithm)
{
	struct world_request rq = signed_by(key, algorithm);

	client_signs_request(&rq);
}

static void
client_answers(unsigned n)
{
	struct buf b = {0};

	cr_assert_eq(wire_put_u8(&b, SSH_MSG_USERAUTH_INFO_RESPONSE), OK);
	cr_assert_eq(wire_put_u32(&b, n), OK);
	for (unsigned i = 0; i < n; i++)
		cr_assert_eq(wire_put_cstring(&b, "one-time code"), OK);
	stage_say(s, &s->client, buf_span(&b));
	buf_clear(&b);
}

/* --- what the client hears --- */

static void
client_hears_nothing(void)
{
	struct span got;

	cr_assert(!stage_next(&s->client, &got), "message %u", got.ptr[0]);
	cr_assert_eq(s->client.disconnect, 0, "%s", s->client.text);
	cr_assert(!s->client.is_eof);
}

static void
client_hears(uint8_t type)
{
	struct span got;

	cr_assert(stage_next(&s->client, &got), "nothing came: %s", s->client.text);
	cr_assert_eq(got.ptr[0], type, "%u", got.ptr[0]);
}

static void
client_hears_failure(const char *methods, bool partial)
{
	struct auth_failure failure;
	struct span got;

	cr_assert(stage_next(&s->client, &got), "nothing came: %s", s->client.text);
	cr_assert_eq(auth_failure_parse(got, &failure), OK, "message %u", got.ptr[0]);
	cr_assert(span_is(failure.methods, methods), "%.*s", (int)failure.methods.len,
		(const char *)failure.methods.ptr);
	cr_assert_eq(failure.partial_success, partial);
}

static void
client_hears_banner(const char *text)
{
	struct auth_banner banner;
	struct span got;

	cr_assert(stage_next(&s->client, &got), "nothing came: %s", s->client.text);
	cr_assert_eq(auth_banner_parse(got, &banner), OK, "message %u", got.ptr[0]);
	cr_assert(memmem(banner.text.ptr, banner.text.len, text, strlen(text)) != NULL, "%.*s",
		(int)banner.text.len, (const char *)banner.text.ptr);
}

/* The reason, and who to ask about it. */
static void
client_hears_goodbye(uint32_t code, const char *text)
{
	char id[CONN_ID_TEXT_SIZE];

	cr_assert_eq(s->client.disconnect, code, "%u: %s", s->client.disconnect, s->client.text);
	cr_assert(strstr(s->client.text, text) != NULL, "%s", s->client.text);
	cr_assert(strstr(s->client.text, conn_id_text(s->id, id)) != NULL, "%s", s->client.text);
	cr_assert(s->client.is_eof);
	stage_close(s, &s->client);
	cr_assert(stage_login(s) == NULL);
}

/* Both are told that it is over, and only once. */
static void
all_are_told_once(void)
{
	cr_assert_eq(stage_n(s, MSG_ENDED), 1);
	cr_assert_eq(stage_n(s, MSG_CONN_FORGET), 1);
	cr_assert_eq(login_table_count(s->table), 0);
}

/* --- what the node hears and says --- */

static void
node_hears_nothing(void)
{
	struct span got;

	cr_assert(s->n_nodes == 0 || !stage_next(&stage_node(s)->peer, &got));
}

/* The spans borrow until the node hears something else. */
static struct auth_request
node_hears(enum auth_method kind)
{
	struct auth_request rq;
	struct span got;

	cr_assert(stage_next(&stage_node(s)->peer, &got), "the node heard nothing");
	cr_assert_eq(auth_request_parse(got, &rq), OK, "message %u", got.ptr[0]);
	cr_assert_eq(rq.kind, kind);
	cr_assert(span_is(rq.user, "alice"));
	return rq;
}

static void
node_hears_type(uint8_t type)
{
	struct span got;

	cr_assert(stage_next(&stage_node(s)->peer, &got), "the node heard nothing");
	cr_assert_eq(got.ptr[0], type, "%u", got.ptr[0]);
}

/* A certificate for this user's key, and for this node. */
static void
check_certificate(const struct auth_request *rq, struct cert **out)
{
	cr_assert(span_is(rq->algorithm, "ssh-ed25519-cert-v01@openssh.com"));
	cr_assert_eq(cert_parse(rq->key, out), OK);
}

static void
node_hears_query(void)
{
	struct auth_request rq = node_hears(AUTH_PUBLICKEY);
	struct cert *c;

	cr_assert(!rq.has_signature);
	check_certificate(&rq, &c);
	cert_free(c);
}

static void
node_hears_signature(void)
{
	struct auth_request rq = node_hears(AUTH_PUBLICKEY);
	struct buf data = {0};
	struct cert *c;

	cr_assert(rq.has_signature);
	check_certificate(&rq, &c);
	cr_assert_eq(auth_signed_data(transport_session_id(stage_node(s)->peer.t), &rq, &data), OK);
	cr_assert_eq(
		pubkey_verify(cert_key(c), span_str("ssh-ed25519"), buf_span(&data), rq.signature),
		OK);
	buf_clear(&data);
	cert_free(c);
}

static void
node_says(struct buf *payload)
{
	stage_say(s, &stage_node(s)->peer, buf_span(payload));
	buf_clear(payload);
}

static void
node_says_failure(const char *methods, bool partial)
{
	struct buf b = {0};

	cr_assert_eq(auth_failure_write(span_str(methods), partial, &b), OK);
	node_says(&b);
}

static void
node_says_success(void)
{
	struct buf b = {0};

	cr_assert_eq(auth_success_write(&b), OK);
	transport_set_phase(stage_node(s)->peer.t, TRANSPORT_PHASE_CONNECTION);
	node_says(&b);
}

static void
node_says_banner(const char *text)
{
	struct buf b = {0};

	cr_assert_eq(auth_banner_write(span_str(text), span_str(""), &b), OK);
	node_says(&b);
}

static void
node_says_pk_ok(void)
{
	struct buf b = {0};

	cr_assert_eq(auth_pk_ok_write(span_str("any"), span_str("key"), &b), OK);
	node_says(&b);
}

static void
node_asks(unsigned n_prompts)
{
	struct buf b = {0};

	cr_assert_eq(wire_put_u8(&b, SSH_MSG_USERAUTH_INFO_REQUEST), OK);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(wire_put_cstring(&b, ""), OK);
	cr_assert_eq(wire_put_u32(&b, n_prompts), OK);
	for (unsigned i = 0; i < n_prompts; i++) {
		cr_assert_eq(wire_put_cstring(&b, "Code: "), OK);
		cr_assert_eq(wire_put_bool(&b, false), OK);
	}
	node_says(&b);
}

static void
node_asks_for_new_password(void)
{
	struct buf b = {0};

	cr_assert_eq(auth_changereq_write(span_str("New one, please"), span_str(""), &b), OK);
	node_says(&b);
}

static void
node_disconnects(enum ssh_disconnect code, const char *text)
{
	transport_disconnect(stage_node(s)->peer.t, code, text);
	stage_run(s);
}

static void
know_methods(const char *methods)
{
	struct msg_known_methods m = {span_str(methods)};

	stage_tell(&s->director, MSG_KNOWN_METHODS, msg_known_methods_fields, &m);
	stage_run(s);
}

/* --- arrangements --- */

static enum login_state
state(void)
{
	return stage_login(s) != NULL ? stage_login(s)->state : LOGIN_OVER;
}

/* Give or take what a busy machine needs. */
static bool
step_lasts(unsigned seconds)
{
	return stage_step_s(s) <= seconds && stage_step_s(s) + 5 > seconds;
}

/* A client that has a node, and whose turn it is. */
static void
begin(void)
{
	stage_connect(s);
	client_says_none();
	client_hears_failure(ALL_METHODS, false);
}

static void
begin_on(const struct stage_manner *manner)
{
	s->nodes[s->n_nodes].manner = *manner;
	stage_connect(s);
	client_says_none();
}

static void
relay_has_it(const char *method)
{
	struct msg_connection c;

	cr_assert(stage_login(s) == NULL);
	cr_assert_eq(stage_n(s, MSG_HAND_OVER), 1);
	cr_assert_eq(stage_n(s, MSG_CONN_MOVED), 1);
	cr_assert_eq(stage_n(s, MSG_AUTHENTICATED), 1);
	cr_assert_eq(stage_n(s, MSG_ENDED), 0);
	cr_assert_eq(stage_n(s, MSG_CONN_FORGET), 0);
	cr_assert_eq(message_decode(msg_connection_fields, buf_span(&s->connection), &c), OK);
	cr_assert(span_is(c.user, "alice"));
	cr_assert(span_is(c.node, stage_node(s)->name));
	cr_assert(span_is(c.method, method), "%.*s", (int)c.method.len, (const char *)c.method.ptr);
	cr_assert(span_is(c.client_ident, "SSH-2.0-OpenSSH_stage"));
	client_hears(SSH_MSG_USERAUTH_SUCCESS);
	cr_assert(!s->client.is_eof && !stage_node(s)->peer.is_eof);
}

/* Whatever one end says now, the relay hears and can say too. */
static void
relay_carries_on(void)
{
	static const uint8_t ping[] = {SSH_MSG_GLOBAL_REQUEST, 1, 2, 3};
	struct stage_peer *ends[] = {&s->client, &stage_node(s)->peer};
	struct span got;

	while (stage_next(ends[1], &got))
		;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		stage_say(s, ends[i], span_of(ping, sizeof(ping)));
		cr_assert(stage_next(&s->taken[i], &got));
		cr_assert(span_equal(got, span_of(ping, sizeof(ping))));
		stage_say(s, &s->taken[i], span_of(ping, sizeof(ping)));
		cr_assert(stage_next(ends[i], &got));
		cr_assert(span_equal(got, span_of(ping, sizeof(ping))));
	}
}

/* --- "none" --- */

Test(login, none_is_answered_from_known_methods_without_a_dial)
{
	know_methods("publickey,gssapi-with-mic,password");
	stage_connect(s);
	client_says_none();
	client_hears_failure("publickey,password", false);
	cr_assert_eq(stage_n(s, MSG_PLACE), 0);
	client_says_none();
	client_hears_failure("publickey,password", false);
	cr_assert_eq(stage_n(s, MSG_PLACE), 0);
}

Test(login, a_node_is_dialled_at_once_where_no_methods_are_known)
{
	struct msg_place place;
	struct msg_node_methods methods;

	s->nodes[0].manner.methods = "publickey,hostbased";
	stage_connect(s);
	client_says_none();
	client_hears_failure("publickey", false);
	stage_last(s, MSG_PLACE, msg_place_fields, &place);
	cr_assert(place.conn == s->id && place.attempt == 1 && !place.authenticated);
	cr_assert(span_is(place.user, "alice") && place.excluded.len == 0);
	stage_last(s, MSG_NODE_METHODS, msg_node_methods_fields, &methods);
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
	client_hears_banner(conn_id_text(s->id, id));
	client_hears_failure("", false);
}

Test(login, a_node_that_lets_everybody_in_is_believed)
{
	begin_on(&(struct stage_manner){.is_open = true});
	relay_has_it("none");
	relay_carries_on();
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
	stage_free(s);
	s = stage_new(TINY_LIMITS, "Welcome to the pool");
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

	stage_accept(s);
	stage_run(s);
	for (int i = 0; i < 2; i++) {
		stage_say(s, &s->client, span_of(ping, sizeof(ping)));
		cr_assert(stage_next(&s->client, &got));
		cr_assert_eq(got.ptr[0], SSH_MSG_PONG);
		cr_assert(span_equal(
			span_of(got.ptr + 1, got.len - 1), span_of(ping + 1, sizeof(ping) - 1)));
		if (i == 0) {
			stage_close(s, &s->client);
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
	client_asks_about_key(user, "ssh-ed25519");
	node_hears_query();
	node_says_pk_ok();
	cr_assert(stage_next(&s->client, &got));
	cr_assert_eq(auth_pk_ok_parse(got, &ok), OK);
	/* It is the user's key that is said to do, not our certificate. */
	cr_assert(span_is(ok.algorithm, "ssh-ed25519"));
	cr_assert(span_equal(ok.key, pubkey_blob(privkey_public(user))));
	client_signs(user, "ssh-ed25519");
	node_hears_signature();
	cr_assert_eq(stage_n(s, MSG_OFFER), 1);
	node_says_success();
	relay_has_it("publickey");
	cr_assert_eq(message_decode(msg_connection_fields, buf_span(&s->connection), &c), OK);
	key_fingerprint(pubkey_blob(privkey_public(user)), fingerprint);
	cr_assert(span_is(c.fingerprint, fingerprint));
	relay_carries_on();
}

Test(login, every_kind_of_key_works_without_a_question_first)
{
	struct {
		const struct privkey *key;
		const char *algorithm;
	} const cases[] = {
		{user, "ssh-ed25519"},
		{user_rsa, "rsa-sha2-256"},
		{user_rsa, "rsa-sha2-512"},
		{user_ecdsa, "ecdsa-sha2-nistp256"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin();
		client_signs(cases[i].key, cases[i].algorithm);
		node_hears_signature();
		node_says_success();
		client_hears(SSH_MSG_USERAUTH_SUCCESS);
		cr_assert_eq(stage_n(s, MSG_HAND_OVER), i + 1);
	}
}

Test(login, a_hostbound_request_works_with_our_host_key_alone)
{
	struct wire_reader keys = wire_reader_of(keys_host_blobs(s->keys));
	struct world_request rq;
	struct span host_key;

	begin();
	rq = signed_by(user, "ssh-ed25519");
	rq.host_key = pubkey_blob(privkey_public(user));
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
	rq = signed_by(user, "ssh-ed25519");
	rq.signs_user = "bob";
	client_signs_request(&rq);
	client_hears_failure(ALL_METHODS, false);
	node_hears_nothing();
}

Test(login, a_key_that_cannot_be_used_is_a_failure_and_the_next_one_works)
{
	begin();
	client_asks_about_key(user, "ssh-dss");
	client_hears_failure(ALL_METHODS, false);
	client_asks_about_key(user, "rsa-sha2-512");
	client_hears_failure(ALL_METHODS, false);
	client_signs(user, "ssh-ed25519");
	node_hears_signature();
}

Test(login, the_second_key_works_when_the_first_is_refused)
{
	begin();
	client_asks_about_key(user_rsa, "rsa-sha2-512");
	node_hears_query();
	node_says_failure(ALL_METHODS, false);
	client_hears_failure(ALL_METHODS, false);
	client_asks_about_key(user, "ssh-ed25519");
	node_hears_query();
	node_says_pk_ok();
	client_hears(SSH_MSG_USERAUTH_PK_OK);
	client_signs(user, "ssh-ed25519");
	node_hears_signature();
	node_says_success();
	relay_has_it("publickey");
}

Test(login, a_node_may_want_two_keys_and_gets_two_different_ones)
{
	begin();
	client_signs(user, "ssh-ed25519");
	node_hears_signature();
	node_says_failure("publickey", true);
	client_hears_failure("publickey", true);
	client_signs(user, "ssh-ed25519");
	client_hears_failure("publickey", false);
	node_hears_nothing();
	client_signs(user_ecdsa, "ecdsa-sha2-nistp256");
	node_hears_signature();
	node_says_success();
	relay_has_it("publickey+publickey");
}

Test(login, a_key_then_a_password)
{
	begin();
	client_signs(user, "ssh-ed25519");
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
	cr_assert_eq(stage_n(s, MSG_HAND_OVER), 1);
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
	cr_assert_eq(stage_login(s)->payload.len, 0);
	cr_assert(stage_login(s)->payload.data == NULL);
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
		stage_connect(s);
		stage_say_type(s, &s->client, types[i]);
		client_hears_goodbye(SSH_DISCONNECT_PROTOCOL_ERROR, "");
		cr_assert_eq(stage_n(s, MSG_ENDED), i + 1);
	}
	cr_assert_eq(stage_n(s, MSG_PLACE), 0);
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
		stage_connect(s);
		stage_say(s, &s->client, span_of(cases[i].bytes, cases[i].len));
		client_hears_goodbye(
			SSH_DISCONNECT_PROTOCOL_ERROR, "malformed authentication request");
	}
	cr_assert_eq(stage_n(s, MSG_PLACE), 0);
}

Test(login, another_user_or_service_in_the_middle_ends_it)
{
	struct auth_request rq = request_of(AUTH_NONE);

	begin();
	rq.user = span_str("bob");
	client_says_request(&rq);
	client_hears_goodbye(SSH_DISCONNECT_PROTOCOL_ERROR, "change of user name");
	all_are_told_once();
	stage_connect(s);
	rq.service = span_str("ssh-userauth");
	client_says_request(&rq);
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "ssh-connection");
}

Test(login, another_service_than_authentication_is_refused)
{
	struct buf b = {0};

	stage_accept(s);
	stage_run(s);
	cr_assert_eq(
		auth_service_write(SSH_MSG_SERVICE_REQUEST, span_str("ssh-connection"), &b), OK);
	stage_say(s, &s->client, buf_span(&b));
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
	cr_assert(stage_node(s)->peer.is_eof);
	client_hears_goodbye(SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, "auth_tries_max");
	all_are_told_once();
}

Test(login, questions_about_keys_that_would_do_are_no_failures)
{
	begin();
	for (int i = 0; i < 6; i++) {
		client_asks_about_key(user, "ssh-ed25519");
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
		cr_assert_eq(transport_send(s->client.t, buf_span(&b)), OK);
	stage_run(s);
	for (int i = 0; i < 3; i++) {
		(void)node_hears(AUTH_PASSWORD);
		node_hears_nothing();
		node_says_failure("password", false);
		client_hears_failure("password", false);
	}
	buf_clear(&b);
}

/* --- the hand-over --- */

static const uint8_t early[] = {SSH_MSG_GLOBAL_REQUEST, 'e', 'a', 'r', 'l', 'y'};

Test(login, what_either_side_says_ahead_of_the_success_is_kept)
{
	struct auth_request rq = request_of(AUTH_PASSWORD);
	struct buf b = {0};
	struct span got;

	begin();
	rq.password = span_str("right");
	cr_assert_eq(auth_request_write(&rq, &b), OK);
	cr_assert_eq(transport_send(s->client.t, buf_span(&b)), OK);
	stage_say(s, &s->client, span_of(early, sizeof(early)));
	buf_clear(&b);
	cr_assert_eq(auth_success_write(&b), OK);
	cr_assert_eq(transport_send(stage_node(s)->peer.t, buf_span(&b)), OK);
	stage_say(s, &stage_node(s)->peer, span_of(early, sizeof(early)));
	buf_clear(&b);
	cr_assert_eq(stage_n(s, MSG_HAND_OVER), 1);
	for (int i = 0; i < 2; i++) {
		cr_assert(stage_next(&s->taken[i], &got), "leg %d", i);
		cr_assert(span_equal(got, span_of(early, sizeof(early))));
	}
}

Test(login, a_relay_that_refuses_ends_it)
{
	s->relaying = STAGE_REFUSES;
	begin();
	client_says_password("right");
	node_says_success();
	cr_assert(stage_login(s) == NULL);
	cr_assert(s->client.is_eof && stage_node(s)->peer.is_eof);
	all_are_told_once();
}

Test(login, a_relay_that_dies_with_it_gets_no_successor)
{
	s->relaying = STAGE_SAYS_NOTHING;
	stage_link(s, &s->relays[1]);
	begin();
	client_says_password("right");
	node_says_success();
	cr_assert_eq(state(), LOGIN_HAND_OVER);
	stage_unlink(s, &s->relays[1]);
	cr_assert_eq(state(), LOGIN_HAND_OVER);
	stage_unlink(s, &s->relays[0]);
	cr_assert(stage_login(s) == NULL);
	stage_link(s, &s->relays[0]);
	cr_assert_eq(stage_n(s, MSG_HAND_OVER), 1);
	all_are_told_once();
}

Test(login, a_login_without_a_relay_waits_for_one)
{
	stage_unlink(s, &s->relays[0]);
	begin();
	client_says_password("right");
	node_says_success();
	cr_assert_eq(state(), LOGIN_HAND_OVER);
	cr_assert_eq(stage_n(s, MSG_HAND_OVER), 0);
	stage_link(s, &s->relays[1]);
	relay_has_it("password");
	relay_carries_on();
}

Test(login, a_relay_that_says_nothing_is_given_up)
{
	s->relaying = STAGE_SAYS_NOTHING;
	begin();
	client_says_password("right");
	node_says_success();
	cr_assert(step_lasts(10));
	stage_fire_step(s);
	cr_assert(stage_login(s) == NULL && s->client.is_eof);
	all_are_told_once();
}

Test(login, a_client_that_no_relay_has_is_told_why_the_hand_over_failed)
{
	stage_unlink(s, &s->relays[0]);
	begin();
	client_says_password("right");
	node_says_success();
	stage_fire_step(s);
	client_hears(SSH_MSG_USERAUTH_SUCCESS);
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "limits.handover_timeout_s");
	cr_assert(stage_node(s)->peer.is_eof);
	all_are_told_once();
}

Test(login, only_the_relay_that_was_asked_can_take_it)
{
	struct msg_handed_over m = {.taken = true};

	s->relaying = STAGE_SAYS_NOTHING;
	stage_link(s, &s->relays[1]);
	begin();
	client_says_password("right");
	node_says_success();
	m.conn = s->id;
	stage_tell(&s->relays[1], MSG_HANDED_OVER, msg_handed_over_fields, &m);
	stage_run(s);
	cr_assert_eq(state(), LOGIN_HAND_OVER);
	stage_tell(&s->relays[0], MSG_HANDED_OVER, msg_handed_over_fields, &m);
	stage_run(s);
	cr_assert(stage_login(s) == NULL);
	cr_assert_eq(stage_n(s, MSG_ENDED), 0);
}

Test(login, a_relay_that_takes_too_long_gets_nothing)
{
	s->relaying = STAGE_SAYS_NOTHING;
	begin();
	client_says_password("right");
	node_says_success();
	stage_fire_step(s);
	/* The relay holds the sockets still, and they are of no use. */
	cr_assert(s->client.is_eof && stage_node(s)->peer.is_eof);
	cr_assert(s->taken[0].is_eof && s->taken[1].is_eof);
}

Test(login, relays_take_turns)
{
	struct msg_conn_moved moved;

	stage_link(s, &s->relays[1]);
	for (unsigned i = 0; i < 4; i++) {
		begin();
		client_says_password("right");
		node_says_success();
		client_hears(SSH_MSG_USERAUTH_SUCCESS);
		stage_last(s, MSG_CONN_MOVED, msg_conn_moved_fields, &moved);
		cr_assert_eq(moved.relay, i % 2);
		cr_assert_eq(moved.relay_pid, 1000 + i % 2);
	}
}

/* --- nodes that fail --- */

static void
expect_cause(enum node_failure cause)
{
	struct msg_node_failed failed;

	stage_last(s, MSG_NODE_FAILED, msg_node_failed_fields, &failed);
	cr_assert_eq(failed.cause, cause, "%u: %.*s", failed.cause, (int)failed.text.len,
		(const char *)failed.text.ptr);
	cr_assert(failed.conn == s->id && failed.text.len > 0);
}

Test(login, a_node_that_fails_early_is_followed_by_the_next_one_unnoticed)
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
		s->nodes[0].manner = cases[i].manner;
		stage_connect(s);
		client_says_none();
		client_hears_failure(ALL_METHODS, false);
		client_hears_nothing();
		expect_cause(cases[i].cause);
		stage_last(s, MSG_PLACE, msg_place_fields, &place);
		cr_assert(place.attempt == 2 && span_is(place.excluded, "n1"), "case %zu", i);
		clear();
		init();
	}
}

Test(login, a_node_that_says_nothing_is_timed_out)
{
	s->nodes[0].manner.is_mute = true;
	stage_connect(s);
	client_says_none();
	cr_assert_eq(state(), LOGIN_DIAL);
	cr_assert(step_lasts(20));
	stage_fire_step(s);
	expect_cause(NODE_FAILURE_TIMEOUT);
	client_hears_failure(ALL_METHODS, false);
	cr_assert(s->nodes[0].peer.is_eof);
}

Test(login, a_node_that_fails_after_none_is_followed_at_the_next_request)
{
	struct auth_request rq;

	begin();
	stage_close(s, &stage_node(s)->peer);
	client_hears_nothing();
	expect_cause(NODE_FAILURE_CLOSED);
	cr_assert_eq(stage_n(s, MSG_PLACE), 1);
	client_says_password("first time");
	cr_assert_eq(s->n_nodes, 2);
	rq = node_hears(AUTH_PASSWORD);
	cr_assert(span_is(rq.password, "first time"));
	node_says_success();
	relay_has_it("password");
}

Test(login, a_key_that_was_asked_about_is_shown_to_the_next_node)
{
	begin();
	client_asks_about_key(user, "ssh-ed25519");
	node_hears_query();
	stage_close(s, &stage_node(s)->peer);
	cr_assert_eq(s->n_nodes, 2);
	client_hears_nothing();
	node_hears_query();
	node_says_pk_ok();
	client_hears(SSH_MSG_USERAUTH_PK_OK);
	stage_close(s, &stage_node(s)->peer);
	client_signs(user, "ssh-ed25519");
	cr_assert_eq(s->n_nodes, 3);
	node_hears_signature();
	node_says_success();
	relay_has_it("publickey");
}

Test(login, a_signed_request_is_shown_to_the_next_node)
{
	begin();
	client_signs(user, "ssh-ed25519");
	node_hears_signature();
	stage_close(s, &stage_node(s)->peer);
	cr_assert_eq(s->n_nodes, 2);
	node_hears_signature();
	node_says_success();
	relay_has_it("publickey");
}

Test(login, partial_success_by_key_is_replayed_and_the_lists_stay)
{
	struct msg_place place;

	begin();
	client_signs(user, "ssh-ed25519");
	node_hears_signature();
	node_says_failure("password", true);
	client_hears_failure("password", true);
	stage_close(s, &stage_node(s)->peer);
	client_hears_nothing();
	client_says_password("right");
	stage_last(s, MSG_PLACE, msg_place_fields, &place);
	cr_assert(place.authenticated);
	node_hears_signature();
	node_hears_nothing();
	node_says_failure("password", true);
	(void)node_hears(AUTH_PASSWORD);
	client_hears_nothing();
	node_says_success();
	relay_has_it("publickey+password");
}

Test(login, a_replay_that_is_refused_ends_it)
{
	begin();
	client_signs(user, "ssh-ed25519");
	node_says_failure("password", true);
	client_hears_failure("password", true);
	stage_close(s, &stage_node(s)->peer);
	client_says_password("right");
	node_hears_signature();
	node_says_failure("publickey", false);
	node_hears_nothing();
	client_hears_goodbye(
		SSH_DISCONNECT_BY_APPLICATION, "the node failed in the middle of the login");
}

Test(login, a_password_never_goes_to_a_second_node)
{
	begin();
	client_says_password("secret");
	(void)node_hears(AUTH_PASSWORD);
	stage_close(s, &stage_node(s)->peer);
	cr_assert_eq(s->n_nodes, 1);
	client_hears_goodbye(SSH_DISCONNECT_CONNECTION_LOST, "a password was sent to it");
	all_are_told_once();
}

Test(login, a_node_that_knows_a_password_is_the_only_one_even_later)
{
	begin();
	client_says_password("secret");
	node_says_failure("password", false);
	client_hears_failure("password", false);
	stage_close(s, &stage_node(s)->peer);
	cr_assert_eq(s->n_nodes, 1);
	client_hears_goodbye(SSH_DISCONNECT_CONNECTION_LOST, "a password was sent to it");
}

Test(login, an_answer_never_goes_to_a_second_node)
{
	begin();
	client_says_kbdint();
	node_asks(1);
	client_hears(SSH_MSG_USERAUTH_INFO_REQUEST);
	client_answers(1);
	stage_close(s, &stage_node(s)->peer);
	cr_assert_eq(s->n_nodes, 1);
	client_hears_goodbye(SSH_DISCONNECT_CONNECTION_LOST, "was sent to it");
}

Test(login, an_answer_to_a_node_that_is_gone_is_forgotten_and_asked_for_again)
{
	begin();
	client_says_kbdint();
	node_asks(1);
	client_hears(SSH_MSG_USERAUTH_INFO_REQUEST);
	stage_close(s, &stage_node(s)->peer);
	client_hears_nothing();
	client_answers(1);
	cr_assert_eq(s->n_nodes, 1);
	client_hears_banner("n1");
	client_hears_failure(ALL_METHODS, false);
	cr_assert_eq(stage_login(s)->n_failures, 0);
	client_says_kbdint();
	cr_assert_eq(s->n_nodes, 2);
	(void)node_hears(AUTH_KBDINT);
	node_hears_nothing();
	node_asks(1);
	client_hears(SSH_MSG_USERAUTH_INFO_REQUEST);
	client_answers(1);
	node_hears_type(SSH_MSG_USERAUTH_INFO_RESPONSE);
	node_says_success();
	relay_has_it("keyboard-interactive");
}

Test(login, what_a_node_says_at_the_end_after_an_attempt_is_passed_on)
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
}

Test(login, a_node_that_disconnects_before_any_attempt_is_followed_by_the_next)
{
	begin();
	node_disconnects(SSH_DISCONNECT_BY_APPLICATION, "maintenance");
	client_hears_nothing();
	client_says_password("right");
	cr_assert_eq(s->n_nodes, 2);
	(void)node_hears(AUTH_PASSWORD);
}

Test(login, only_so_many_nodes_are_tried)
{
	for (size_t i = 0; i < STAGE_NODES_MAX; i++)
		s->nodes[i].manner.death = STAGE_DIES_AT_SERVICE;
	stage_connect(s);
	client_says_none();
	cr_assert_eq(s->n_nodes, 3);
	cr_assert_eq(stage_n(s, MSG_NODE_FAILED), 3);
	client_hears_goodbye(SSH_DISCONNECT_CONNECTION_LOST, "limits.node_tries_max");
	all_are_told_once();
}

Test(login, a_second_nodes_copy_of_a_banner_is_not_shown)
{
	s->nodes[0].manner = (struct stage_manner){.banner = "Property of the lab"};
	s->nodes[1].manner = s->nodes[0].manner;
	stage_connect(s);
	client_says_none();
	client_hears_banner("Property of the lab");
	client_hears_failure(ALL_METHODS, false);
	stage_close(s, &stage_node(s)->peer);
	client_says_password("right");
	(void)node_hears(AUTH_PASSWORD);
	client_hears_nothing();
	node_says_banner("Something new");
	client_hears_banner("Something new");
}

Test(login, what_one_node_repeats_is_shown_again)
{
	begin();
	for (int i = 0; i < 3; i++) {
		node_says_banner("Your password is about to expire");
		client_hears_banner("Your password is about to expire");
	}
}

Test(login, a_node_cannot_flood_the_client_with_banners)
{
	static char text[60000];
	struct span got;
	size_t n = 0;

	memset(text, 'x', sizeof(text) - 1);
	begin();
	for (int i = 0; i < 40 && stage_node(s)->peer.fd >= 0 && !stage_node(s)->peer.is_eof; i++)
		node_says_banner(text);
	while (stage_next(&s->client, &got))
		n += got.len;
	cr_assert(stage_node(s)->peer.is_eof);
	cr_assert(n > sizeof(text) && n < (size_t)512 * 1024, "%zu", n);
	expect_cause(NODE_FAILURE_PROTOCOL);
}

Test(login, nonsense_from_a_node_is_its_failure)
{
	static const char *const nonsense[] = {
		"\x33", "\x34 and more", "\x35", "\x3c", "\x3d", "\x3e", "\x4f"};

	for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
		begin();
		client_asks_about_key(user, "ssh-ed25519");
		node_hears_query();
		stage_say(s, &stage_node(s)->peer, span_str(nonsense[i]));
		expect_cause(NODE_FAILURE_PROTOCOL);
		cr_assert_eq(s->n_nodes, 2, "case %zu", i);
		client_hears_nothing();
		clear();
		init();
	}
}

Test(login, a_node_that_speaks_out_of_turn_fails)
{
	static const uint8_t types[] = {
		SSH_MSG_USERAUTH_SUCCESS, SSH_MSG_USERAUTH_FAILURE, SSH_MSG_USERAUTH_INFO_REQUEST};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		begin();
		stage_say_type(s, &stage_node(s)->peer, types[i]);
		expect_cause(NODE_FAILURE_PROTOCOL);
		client_hears_nothing();
		cr_assert_eq(stage_n(s, MSG_HAND_OVER), 0);
		clear();
		init();
	}
}

Test(login, a_packet_that_is_too_long_for_a_login_ends_the_leg_in_words)
{
	static uint8_t huge[100 * 1024] = {SSH_MSG_USERAUTH_BANNER};

	begin();
	stage_say(s, &stage_node(s)->peer, span_of(huge, sizeof(huge)));
	expect_cause(NODE_FAILURE_PROTOCOL);
	huge[0] = SSH_MSG_USERAUTH_REQUEST;
	stage_say(s, &s->client, span_of(huge, sizeof(huge)));
	cr_assert_eq(s->client.disconnect, SSH_DISCONNECT_PROTOCOL_ERROR);
	cr_assert(s->client.is_eof);
}

Test(login, a_node_that_does_not_answer_is_timed_out_and_the_next_one_asked)
{
	begin();
	client_asks_about_key(user, "ssh-ed25519");
	node_hears_query();
	cr_assert(step_lasts(20));
	stage_fire_step(s);
	expect_cause(NODE_FAILURE_TIMEOUT);
	node_hears_query();
	/* One that thinks about a password may think for as long as the login may last. */
	client_hears_nothing();
	node_says_failure(ALL_METHODS, false);
	client_hears_failure(ALL_METHODS, false);
	client_says_password("right");
	cr_assert_eq(stage_step_s(s), 0);
}

/* --- the director --- */

Test(login, words_of_the_director_reach_the_user)
{
	static char text[MSG_TEXT_MAX + 1];

	s->director_waits = true;
	stage_connect(s);
	client_says_none();
	stage_not_place(s, NOT_PLACED_NO_NODES, "No machine answers.");
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "No machine answers.");
	stage_connect(s);
	client_says_none();
	/* However long it is, the connection's id is there. */
	memset(text, 'y', MSG_TEXT_MAX);
	stage_not_place(s, NOT_PLACED_FULL, text);
	client_hears_goodbye(SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "yyy");
	stage_connect(s);
	client_says_none();
	stage_not_place(s, NOT_PLACED_BUSY, "\x1b[2J");
	client_hears_goodbye(SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "\\x1b[2J");
}

Test(login, the_director_can_refuse_at_any_time)
{
	struct msg_refuse m = {.text = span_str("enough of you")};

	stage_accept(s);
	stage_run(s);
	m.conn = s->id;
	stage_tell(&s->director, MSG_REFUSE, msg_refuse_fields, &m);
	stage_run(s);
	client_hears_goodbye(SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "enough of you");
	begin();
	client_says_password("right");
	m.conn = s->id;
	stage_tell(&s->director, MSG_REFUSE, msg_refuse_fields, &m);
	stage_run(s);
	client_hears_goodbye(SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "enough of you");
	cr_assert(stage_node(s)->peer.is_eof);
}

Test(login, a_refusal_during_the_hand_over_cuts_both_legs)
{
	struct msg_refuse m = {.text = span_str("enough of you")};

	s->relaying = STAGE_SAYS_NOTHING;
	begin();
	client_says_password("right");
	node_says_success();
	m.conn = s->id;
	stage_tell(&s->director, MSG_REFUSE, msg_refuse_fields, &m);
	stage_run(s);
	cr_assert(stage_login(s) == NULL);
	cr_assert(s->client.is_eof && stage_node(s)->peer.is_eof);
	all_are_told_once();
}

Test(login, a_login_waits_for_the_next_director)
{
	s->director_waits = true;
	stage_connect(s);
	client_says_none();
	stage_unlink(s, &s->director);
	cr_assert_eq(state(), LOGIN_PLACE);
	s->director_waits = false;
	stage_link(s, &s->director);
	cr_assert_eq(stage_n(s, MSG_ACCEPTED), 2);
	client_hears_failure(ALL_METHODS, false);
	client_says_password("right");
	node_says_success();
	relay_has_it("password");
}

Test(login, a_login_goes_on_without_a_director_once_it_has_a_node)
{
	begin();
	stage_unlink(s, &s->director);
	client_says_password("wrong");
	node_says_failure("password", false);
	client_hears_failure("password", false);
	client_says_password("right");
	node_says_success();
	cr_assert_eq(stage_n(s, MSG_HAND_OVER), 1);
	client_hears(SSH_MSG_USERAUTH_SUCCESS);
}

Test(login, a_login_that_is_being_handed_over_is_no_news_for_a_director)
{
	s->relaying = STAGE_SAYS_NOTHING;
	begin();
	client_says_password("right");
	node_says_success();
	stage_unlink(s, &s->director);
	stage_link(s, &s->director);
	cr_assert_eq(stage_n(s, MSG_ACCEPTED), 1);
}

Test(login, a_director_that_says_nothing_is_given_up)
{
	s->director_waits = true;
	stage_connect(s);
	client_says_none();
	/* Its own wait, and all that it may dial. */
	cr_assert(step_lasts(25));
	stage_fire_step(s);
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "placement");
	all_are_told_once();
}

static void
place_for_attempt(uint32_t attempt)
{
	struct msg_placed m = {.conn = s->id, .attempt = attempt, .node = span_str("n6")};
	struct buf body = {0};
	int fds[2];

	cr_assert_eq(ipc_pair(fds), OK);
	cr_assert_eq(message_encode(msg_placed_fields, &m, &body), OK);
	cr_assert_eq(ipc_send(s->director.ipc, MSG_PLACED, buf_span(&body), &fds[0], 1), OK);
	close(fds[1]);
	buf_clear(&body);
	stage_run(s);
}

Test(login, late_and_strange_answers_of_the_director_are_ignored)
{
	struct msg_not_placed m = {.reason = NOT_PLACED_FULL, .text = span_str("no")};

	begin();
	m.conn = s->id;
	m.attempt = 1;
	stage_tell(&s->director, MSG_NOT_PLACED, msg_not_placed_fields, &m);
	stage_place(s);
	stage_run(s);
	client_hears_nothing();
	cr_assert(stage_node(s)->peer.is_eof);
	s->director_waits = true;
	stage_close(s, &s->nodes[0].peer);
	client_says_password("right");
	m.attempt = 1;
	stage_tell(&s->director, MSG_NOT_PLACED, msg_not_placed_fields, &m);
	stage_run(s);
	cr_assert_eq(state(), LOGIN_PLACE);
	/* The node for the attempt before comes when it is of no use any more; the right one is taken. */
	place_for_attempt(1);
	cr_assert_eq(state(), LOGIN_PLACE);
	stage_place(s);
	stage_run(s);
	(void)node_hears(AUTH_PASSWORD);
}

/* --- the keyholder --- */

Test(login, a_key_exchange_waits_for_the_next_keyholder)
{
	s->keyholder_waits = true;
	stage_accept(s);
	stage_run(s);
	cr_assert_eq(s->client.n_keys, 0);
	stage_unlink(s, &s->keyholder);
	s->keyholder_waits = false;
	stage_restart_keyholder(s);
	cr_assert_eq(s->client.n_keys, 1);
	cr_assert_eq(stage_n(s, MSG_KEX_SIGN), 2);
}

Test(login, a_signature_for_the_keyholder_before_is_ignored)
{
	struct msg_kex_signed m = {.host_key = span_str("key"), .signature = span_str("signature")};

	s->keyholder_waits = true;
	stage_accept(s);
	stage_run(s);
	m.conn = s->id;
	m.request = stage_login(s)->request - 1;
	stage_tell(&s->keyholder, MSG_KEX_SIGNED, msg_kex_signed_fields, &m);
	stage_run(s);
	cr_assert_eq(s->client.n_keys, 0);
	client_hears_nothing();
	stage_answer_requests(s);
	cr_assert_eq(s->client.n_keys, 1);
}

Test(login, a_client_may_begin_without_any_keyholder)
{
	stage_unlink(s, &s->keyholder);
	stage_accept(s);
	stage_run(s);
	cr_assert_eq(state(), LOGIN_KEX);
	stage_restart_keyholder(s);
	cr_assert_eq(s->client.n_keys, 1);
}

Test(login, a_keyholder_that_is_lost_ends_key_logins_in_words)
{
	for (int i = 0; i < 2; i++) {
		begin();
		if (i == 1) {
			client_asks_about_key(user, "ssh-ed25519");
			node_says_pk_ok();
			client_hears(SSH_MSG_USERAUTH_PK_OK);
		}
		s->keyholder_waits = true;
		client_signs(user, "ssh-ed25519");
		cr_assert_eq(state(), i == 0 ? LOGIN_OFFER : LOGIN_PROVE);
		stage_unlink(s, &s->keyholder);
		s->keyholder_waits = false;
		stage_restart_keyholder(s);
		client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "restarted");
	}
}

Test(login, key_logins_without_a_keyholder_are_refused_and_passwords_are_not)
{
	begin();
	stage_unlink(s, &s->keyholder);
	client_says_password("wrong");
	node_says_failure("publickey", false);
	client_hears_failure("publickey", false);
	client_signs(user, "ssh-ed25519");
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "interrupted for a moment");
}

Test(login, a_restarted_keyholder_knows_nobody)
{
	begin();
	stage_unlink(s, &s->keyholder);
	stage_restart_keyholder(s);
	client_signs(user, "ssh-ed25519");
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "restarted");
}

Test(login, a_keyholder_that_says_nothing_is_given_up)
{
	begin();
	s->keyholder_waits = true;
	client_asks_about_key(user, "ssh-ed25519");
	cr_assert_eq(state(), LOGIN_OFFER);
	cr_assert(step_lasts(10));
	stage_fire_step(s);
	client_hears_goodbye(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, "certificate");
	all_are_told_once();
}

Test(login, answers_of_the_keyholder_to_other_questions_are_ignored)
{
	struct msg_offered offered = {
		.algorithm = span_str("ssh-ed25519"), .certificate = span_str("certificate")};
	struct msg_proved proved = {.algorithm = span_str("ssh-ed25519")};
	struct msg_kex_signed kex_signed = {.host_key = span_str("key")};

	begin();
	s->keyholder_waits = true;
	client_asks_about_key(user, "ssh-ed25519");
	offered.conn = proved.conn = kex_signed.conn = s->id;
	offered.request = stage_login(s)->request - 1;
	proved.request = kex_signed.request = stage_login(s)->request;
	stage_tell(&s->keyholder, MSG_OFFERED, msg_offered_fields, &offered);
	stage_tell(&s->keyholder, MSG_PROVED, msg_proved_fields, &proved);
	stage_tell(&s->keyholder, MSG_KEX_SIGNED, msg_kex_signed_fields, &kex_signed);
	stage_run(s);
	cr_assert_eq(state(), LOGIN_OFFER);
	node_hears_nothing();
	stage_answer_requests(s);
	node_hears_query();
}

Test(login, malformed_answers_of_the_keyholder_end_the_login_and_no_more)
{
	static char long_name[100];
	struct msg_offered offered = {.algorithm = span_str("ssh-ed25519-cert-v01@openssh.com")};

	memset(long_name, 'a', sizeof(long_name) - 1);
	for (int i = 0; i < 3; i++) {
		begin();
		s->keyholder_waits = true;
		client_asks_about_key(user, "ssh-ed25519");
		offered.conn = s->id;
		offered.request = stage_login(s)->request;
		if (i == 1)
			offered = (struct msg_offered){.conn = s->id,
				.request = offered.request,
				.algorithm = span_str(long_name),
				.certificate = span_str("c")};
		if (i == 2)
			offered = (struct msg_offered){.conn = s->id,
				.request = offered.request,
				.certificate = span_str("c")};
		stage_tell(&s->keyholder, MSG_OFFERED, msg_offered_fields, &offered);
		stage_run(s);
		client_hears_goodbye(SSH_DISCONNECT_BY_APPLICATION, "internal error");
		cr_assert_eq(stage_n(s, MSG_OFFER), (size_t)i + 1);
		s->keyholder_waits = false;
		buf_clear(&s->requests);
	}
}

Test(login, a_signature_that_cannot_be_had_ends_it)
{
	struct msg_kex_signed m = {.err = ERR_LIMIT};

	s->keyholder_waits = true;
	stage_accept(s);
	stage_run(s);
	m.conn = s->id;
	m.request = stage_login(s)->request;
	stage_tell(&s->keyholder, MSG_KEX_SIGNED, msg_kex_signed_fields, &m);
	stage_run(s);
	cr_assert_eq(s->client.disconnect, SSH_DISCONNECT_BY_APPLICATION);
	stage_close(s, &s->client);
	all_are_told_once();
}

/* --- key exchanges in between --- */

Test(login, the_client_and_the_node_may_exchange_keys_again_in_between)
{
	begin();
	stage_rekey(s, &s->client);
	stage_rekey(s, &stage_node(s)->peer);
	cr_assert(s->client.n_keys == 2 && stage_node(s)->peer.n_keys == 2);
	client_says_password("wrong");
	stage_rekey(s, &stage_node(s)->peer);
	node_says_failure("password", false);
	client_hears_failure("password", false);
	client_signs(user, "ssh-ed25519");
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
	cr_assert_eq(transport_rekey(s->client.t), OK);
	stage_run(s);
	cr_assert_eq(s->client.n_keys, 1);
	node_says_success();
	cr_assert_eq(stage_n(s, MSG_HAND_OVER), 1);
	cr_assert(transport_is_rekeying(s->taken[0].t));
}

Test(login, endless_key_exchanges_are_no_login)
{
	begin();
	for (int i = 0; i < 40 && s->client.disconnect == 0; i++)
		stage_rekey(s, &s->client);
	cr_assert(s->client.disconnect != 0 && s->client.is_eof);
	cr_assert(stage_n(s, MSG_KEX_SIGN) < 20);
	stage_close(s, &s->client);
	all_are_told_once();
}

/* --- the whole login's time --- */

Test(login, the_whole_login_may_take_so_long)
{
	static const enum login_state states[] = {LOGIN_KEX, LOGIN_AUTH, LOGIN_ANSWER, LOGIN_PLACE};

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		s->director_waits = states[i] == LOGIN_PLACE;
		stage_accept(s);
		stage_run(s);
		if (states[i] != LOGIN_KEX) {
			stage_close(s, &s->client);
			stage_connect(s);
			client_says_none();
		}
		if (states[i] == LOGIN_ANSWER)
			client_says_password("slow");
		cr_assert_eq(state(), states[i]);
		stage_fire_grace(s);
		client_hears_goodbye(SSH_DISCONNECT_BY_APPLICATION, "limits.login_grace_s");
	}
}

Test(login, one_that_is_being_handed_over_has_logged_in_in_time)
{
	s->relaying = STAGE_SAYS_NOTHING;
	begin();
	client_says_password("right");
	node_says_success();
	cr_assert_eq(state(), LOGIN_HAND_OVER);
	cr_assert(event_pending(stage_login(s)->grace, EV_TIMEOUT, NULL) == 0);
}

/* --- clients that leave, or do not read --- */

static void
reach(enum login_state wanted)
{
	s->director_waits = wanted == LOGIN_PLACE;
	s->nodes[0].manner.is_mute = wanted == LOGIN_DIAL;
	s->relaying = STAGE_SAYS_NOTHING;
	if (wanted == LOGIN_KEX) {
		stage_accept(s);
		stage_run(s);
		return;
	}
	stage_connect(s);
	client_says_none();
	s->keyholder_waits = wanted == LOGIN_OFFER;
	if (wanted == LOGIN_OFFER || wanted == LOGIN_PROVE)
		client_asks_about_key(user, "ssh-ed25519");
	if (wanted == LOGIN_PROVE) {
		node_says_pk_ok();
		s->keyholder_waits = true;
		client_signs(user, "ssh-ed25519");
	}
	if (wanted == LOGIN_ANSWER || wanted == LOGIN_HAND_OVER)
		client_says_password("right");
	if (wanted == LOGIN_HAND_OVER)
		node_says_success();
}

Test(login, a_client_that_leaves_leaves_nothing_behind)
{
	static const enum login_state states[] = {LOGIN_KEX, LOGIN_AUTH, LOGIN_PLACE, LOGIN_DIAL,
		LOGIN_OFFER, LOGIN_PROVE, LOGIN_ANSWER};

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		reach(states[i]);
		cr_assert_eq(state(), states[i]);
		stage_close(s, &s->client);
		cr_assert(stage_login(s) == NULL, "state %u", states[i]);
		cr_assert(s->n_nodes == 0 || stage_node(s)->peer.is_eof);
		all_are_told_once();
		/* What was asked for comes too late. */
		stage_answer_requests(s);
		if (states[i] == LOGIN_PLACE)
			stage_place(s);
		stage_run(s);
		cr_assert_eq(login_table_count(s->table), 0);
		clear();
		init();
	}
}

Test(login, a_client_that_leaves_politely_is_understood)
{
	struct msg_ended ended;

	begin();
	transport_disconnect(
		s->client.t, SSH_DISCONNECT_AUTH_CANCELLED_BY_USER, "no\x1b[31m patience");
	stage_run(s);
	stage_last(s, MSG_ENDED, msg_ended_fields, &ended);
	cr_assert(memmem(ended.text.ptr, ended.text.len, "no\\x1b[31m patience", 18) != NULL);
	all_are_told_once();
}

Test(login, a_login_whose_links_are_down_ends_all_the_same)
{
	begin();
	stage_unlink(s, &s->director);
	stage_unlink(s, &s->keyholder);
	stage_close(s, &s->client);
	cr_assert_eq(login_table_count(s->table), 0);
}

Test(login, a_client_that_never_closes_is_closed)
{
	struct msg_refuse m = {.text = span_str("go")};

	stage_accept(s);
	stage_run(s);
	m.conn = s->id;
	stage_tell(&s->director, MSG_REFUSE, msg_refuse_fields, &m);
	stage_run(s);
	cr_assert_eq(state(), LOGIN_CLOSING);
	/* Whatever it says, its time does not begin again. */
	cr_assert_eq(send(s->client.fd, "anything", 8, MSG_NOSIGNAL), 8);
	stage_run(s);
	cr_assert_eq(state(), LOGIN_CLOSING);
	stage_fire_goodbye(s);
	cr_assert(stage_login(s) == NULL);
	all_are_told_once();
}

/* Fill the way to the client: it sends pings and reads no answer. */
static void
stop_reading(void)
{
	static uint8_t ping[16 * 1024] = {SSH_MSG_PING};

	s->client.is_stalled = true;
	wire_poke_u32(ping + 1, sizeof(ping) - 5);
	for (int i = 0; i < 2000; i++)
		cr_assert_eq(transport_send(s->client.t, span_of(ping, sizeof(ping))), OK);
	stage_run(s);
}

Test(login, a_client_that_does_not_read_is_not_read_from)
{
	begin();
	buf_init(transport_out(s->client.t), (size_t)64 << 20);
	stop_reading();
	cr_assert(stage_login(s) != NULL);
	cr_assert(transport_out(login_leg_transport(stage_login(s)->client))->len <
		(size_t)512 * 1024);
	/* Its end is not put off for that. */
	stage_fire_grace(s);
	cr_assert_eq(state(), LOGIN_CLOSING);
	stage_fire_goodbye(s);
	cr_assert(stage_login(s) == NULL);
	all_are_told_once();
}

Test(login, a_client_that_reads_again_is_read_from_again)
{
	begin();
	buf_init(transport_out(s->client.t), (size_t)64 << 20);
	stop_reading();
	s->client.is_stalled = false;
	stage_run(s);
	for (int i = 0; i < 2000; i++)
		client_hears(SSH_MSG_PONG);
	client_says_password("right");
	(void)node_hears(AUTH_PASSWORD);
}

/* What was sealed for the client is more than it may be: everything that is said to it fails. */
static void
make_client_unreachable(void)
{
	transport_out(login_leg_transport(stage_login(s)->client))->max = 1;
}

Test(login, a_client_that_cannot_be_told_ends_and_nobody_else)
{
	for (int i = 0; i < 6; i++) {
		begin();
		if (i == 0)
			client_asks_about_key(user, "ssh-ed25519");
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
		stage_close(s, &s->client);
		all_are_told_once();
		clear();
		init();
	}
}

Test(login, a_client_that_cannot_be_shown_the_banner_ends)
{
	stage_free(s);
	s = stage_new(TINY_LIMITS, "Welcome");
	stage_connect(s);
	make_client_unreachable();
	client_says_none();
	cr_assert_eq(state(), LOGIN_CLOSING);
	cr_assert_eq(stage_n(s, MSG_PLACE), 0);
}

/* --- limits of the table --- */

Test(login, one_too_many_is_told_so)
{
	struct stage_peer others[2];

	for (int i = 0; i < 2; i++) {
		stage_accept(s);
		stage_run(s);
		others[i] = s->client;
		s->client = (struct stage_peer){.fd = -1};
	}
	stage_accept(s);
	stage_run(s);
	client_hears_goodbye(SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "limits.unauthenticated_max");
	cr_assert_eq(stage_n(s, MSG_ENDED), 1);
	cr_assert_eq(login_table_count(s->table), 2);
	stage_leave(s);
	for (int i = 0; i < 2; i++) {
		s->client = others[i];
		stage_leave(s);
	}
}
