/*
 * What client and nodes say and hear in tests of logins.
 */
#include "tests/lib/login_talk.h"

#include "common/ssh/cert.h"
#include "common/ssh/keyfile.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>

struct stage *stage;
struct privkey *stage_user, *stage_user_rsa, *stage_user_ecdsa;

void
talk_init(void)
{
	struct buf text = {0};

	stage = stage_new(TINY_LIMITS, NULL);
	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &stage_user), OK);
	cr_assert_eq(privkey_generate(KEY_ECDSA_P256, 0, &stage_user_ecdsa), OK);
	vector_read("rsa", &text);
	cr_assert_eq(keyfile_parse(buf_span(&text), &stage_user_rsa), OK);
	buf_clear(&text);
}

void
talk_clear(void)
{
	stage_free(stage);
	privkey_free(stage_user);
	privkey_free(stage_user_ecdsa);
	privkey_free(stage_user_rsa);
}

void
talk_again(void)
{
	talk_clear();
	talk_init();
}

/* --- what the client says --- */

struct auth_request
request_of(enum auth_method kind)
{
	return (struct auth_request){.user = span_str("alice"),
		.service = span_str(AUTH_SERVICE_CONNECTION),
		.kind = kind};
}

void
client_says_request(const struct auth_request *rq)
{
	struct buf b = {0};

	cr_assert_eq(auth_request_write(rq, &b), OK);
	stage_say(stage, &stage->client, buf_span(&b));
	buf_clear(&b);
}

void
client_says_none(void)
{
	struct auth_request rq = request_of(AUTH_NONE);

	client_says_request(&rq);
}

void
client_says_password(const char *password)
{
	struct auth_request rq = request_of(AUTH_PASSWORD);

	rq.password = span_str(password);
	client_says_request(&rq);
}

void
client_says_kbdint(void)
{
	struct auth_request rq = request_of(AUTH_KBDINT);

	client_says_request(&rq);
}

void
client_asks_about_key(const struct privkey *key, const char *algorithm)
{
	struct auth_request rq = request_of(AUTH_PUBLICKEY);

	rq.algorithm = span_str(algorithm);
	rq.key = pubkey_blob(privkey_public(key));
	client_says_request(&rq);
}

struct world_request
signed_by(const struct privkey *key, const char *algorithm)
{
	return (struct world_request){
		.key = key,
		.user = "alice",
		.service = AUTH_SERVICE_CONNECTION,
		.algorithm = algorithm,
		.session_id = transport_session_id(stage->client.t),
	};
}

void
client_signs_request(const struct world_request *rq)
{
	struct buf b = {0};

	world_write_request(rq, &b);
	stage_say(stage, &stage->client, buf_span(&b));
	buf_clear(&b);
}

void
client_signs(const struct privkey *key, const char *algorithm)
{
	struct world_request rq = signed_by(key, algorithm);

	client_signs_request(&rq);
}

void
client_answers(unsigned n)
{
	struct buf b = {0};

	cr_assert_eq(wire_put_u8(&b, SSH_MSG_USERAUTH_INFO_RESPONSE), OK);
	cr_assert_eq(wire_put_u32(&b, n), OK);
	for (unsigned i = 0; i < n; i++)
		cr_assert_eq(wire_put_cstring(&b, "one-time code"), OK);
	stage_say(stage, &stage->client, buf_span(&b));
	buf_clear(&b);
}

/* --- what the client hears --- */

void
client_hears_nothing(void)
{
	struct span got;

	cr_assert(!stage_next(&stage->client, &got), "message %u", got.ptr[0]);
	cr_assert_eq(stage->client.disconnect, 0, "%s", stage->client.text);
	cr_assert(!stage->client.is_eof);
}

void
client_hears(uint8_t type)
{
	struct span got;

	cr_assert(stage_next(&stage->client, &got), "nothing came: %s", stage->client.text);
	cr_assert_eq(got.ptr[0], type, "%u", got.ptr[0]);
}

void
client_hears_failure(const char *methods, bool partial)
{
	struct auth_failure failure;
	struct span got;

	cr_assert(stage_next(&stage->client, &got), "nothing came: %s", stage->client.text);
	cr_assert_eq(auth_failure_parse(got, &failure), OK, "message %u", got.ptr[0]);
	cr_assert(span_is(failure.methods, methods), "%.*s", (int)failure.methods.len,
		(const char *)failure.methods.ptr);
	cr_assert_eq(failure.partial_success, partial);
}

void
client_hears_banner(const char *text)
{
	struct auth_banner banner;
	struct span got;

	cr_assert(stage_next(&stage->client, &got), "nothing came: %s", stage->client.text);
	cr_assert_eq(auth_banner_parse(got, &banner), OK, "message %u", got.ptr[0]);
	cr_assert(memmem(banner.text.ptr, banner.text.len, text, strlen(text)) != NULL, "%.*s",
		(int)banner.text.len, (const char *)banner.text.ptr);
}

/* The reason, and who to ask about it. */
void
client_hears_goodbye(uint32_t code, const char *text)
{
	char id[CONN_ID_TEXT_SIZE], *at;

	cr_assert_eq(stage->client.disconnect, code, "%u: %s", stage->client.disconnect,
		stage->client.text);
	cr_assert(strstr(stage->client.text, text) != NULL, "%s", stage->client.text);
	at = strstr(stage->client.text, conn_id_text(stage->id, id));
	cr_assert(at != NULL, "%s", stage->client.text);
	cr_assert(strstr(at + 1, id) == NULL, "twice: %s", stage->client.text);
	cr_assert(stage->client.is_eof);
	stage_close(stage, &stage->client);
	cr_assert(stage_login(stage) == NULL);
}

/* Both are told that it is over, and only once. */
void
all_are_told_once(void)
{
	cr_assert_eq(stage_n(stage, MSG_ENDED), 1);
	cr_assert_eq(stage_n(stage, MSG_CONN_FORGET), 1);
	cr_assert_eq(login_table_count(stage->table), 0);
}

/* --- what the node hears and says --- */

void
node_hears_nothing(void)
{
	struct span got;

	cr_assert(stage->n_nodes == 0 || !stage_next(&stage_node(stage)->peer, &got));
}

/* The spans borrow until the node hears something else. */
struct auth_request
node_hears(enum auth_method kind)
{
	struct auth_request rq;
	struct span got;

	cr_assert(stage_next(&stage_node(stage)->peer, &got), "the node heard nothing");
	cr_assert_eq(auth_request_parse(got, &rq), OK, "message %u", got.ptr[0]);
	cr_assert_eq(rq.kind, kind);
	cr_assert(span_is(rq.user, "alice"));
	return rq;
}

void
node_hears_type(uint8_t type)
{
	struct span got;

	cr_assert(stage_next(&stage_node(stage)->peer, &got), "the node heard nothing");
	cr_assert_eq(got.ptr[0], type, "%u", got.ptr[0]);
}

/* A certificate for this user's key, and for this node. */
static void
check_certificate(const struct auth_request *rq, struct cert **out)
{
	cr_assert(span_is(rq->algorithm, "ssh-ed25519-cert-v01@openssh.com"));
	cr_assert_eq(cert_parse(rq->key, out), OK);
}

void
node_hears_query(void)
{
	struct auth_request rq = node_hears(AUTH_PUBLICKEY);
	struct cert *c;

	cr_assert(!rq.has_signature);
	check_certificate(&rq, &c);
	cert_free(c);
}

void
node_hears_signature(void)
{
	struct auth_request rq = node_hears(AUTH_PUBLICKEY);
	struct buf data = {0};
	struct cert *c;

	cr_assert(rq.has_signature);
	check_certificate(&rq, &c);
	cr_assert_eq(
		auth_signed_data(transport_session_id(stage_node(stage)->peer.t), &rq, &data), OK);
	cr_assert_eq(
		pubkey_verify(cert_key(c), span_str("ssh-ed25519"), buf_span(&data), rq.signature),
		OK);
	buf_clear(&data);
	cert_free(c);
}

void
node_says(struct buf *payload)
{
	stage_say(stage, &stage_node(stage)->peer, buf_span(payload));
	buf_clear(payload);
}

void
node_says_failure(const char *methods, bool partial)
{
	struct buf b = {0};

	cr_assert_eq(auth_failure_write(span_str(methods), partial, &b), OK);
	node_says(&b);
}

void
node_says_success(void)
{
	struct buf b = {0};

	cr_assert_eq(auth_success_write(&b), OK);
	transport_set_phase(stage_node(stage)->peer.t, TRANSPORT_PHASE_CONNECTION);
	node_says(&b);
}

void
node_says_banner(const char *text)
{
	struct buf b = {0};

	cr_assert_eq(auth_banner_write(span_str(text), span_str(""), &b), OK);
	node_says(&b);
}

void
node_says_pk_ok(void)
{
	struct buf b = {0};

	cr_assert_eq(auth_pk_ok_write(span_str("any"), span_str("key"), &b), OK);
	node_says(&b);
}

void
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

void
node_asks_for_new_password(void)
{
	struct buf b = {0};

	cr_assert_eq(auth_changereq_write(span_str("New one, please"), span_str(""), &b), OK);
	node_says(&b);
}

void
node_disconnects(enum ssh_disconnect code, const char *text)
{
	transport_disconnect(stage_node(stage)->peer.t, code, text);
	stage_run(stage);
}

void
know_methods(const char *methods)
{
	struct msg_known_methods m = {span_str(methods)};

	stage_tell(&stage->director, MSG_KNOWN_METHODS, msg_known_methods_fields, &m);
	stage_run(stage);
}

/* --- arrangements --- */

enum login_state
state(void)
{
	return stage_login(stage) != NULL ? stage_login(stage)->state : LOGIN_OVER;
}

/* Give or take what a busy machine needs. */
bool
step_lasts(unsigned seconds)
{
	return stage_step_s(stage) <= seconds && stage_step_s(stage) + 5 > seconds;
}

/* A client that has a node, and whose turn it is. */
void
begin(void)
{
	stage_connect(stage);
	client_says_none();
	client_hears_failure(ALL_METHODS, false);
}

void
begin_on(const struct stage_manner *manner)
{
	stage->nodes[stage->n_nodes].manner = *manner;
	stage_connect(stage);
	client_says_none();
}

void
relay_has_it(const char *method)
{
	struct msg_connection c;

	cr_assert(stage_login(stage) == NULL);
	cr_assert_eq(stage_n(stage, MSG_HAND_OVER), 1);
	cr_assert_eq(stage_n(stage, MSG_CONN_MOVED), 1);
	cr_assert_eq(stage_n(stage, MSG_AUTHENTICATED), 1);
	cr_assert_eq(stage_n(stage, MSG_ENDED), 0);
	cr_assert_eq(stage_n(stage, MSG_CONN_FORGET), 0);
	cr_assert_eq(message_decode(msg_connection_fields, buf_span(&stage->connection), &c), OK);
	cr_assert(span_is(c.user, "alice"));
	cr_assert(span_is(c.node, stage_node(stage)->name));
	cr_assert(span_is(c.method, method), "%.*s", (int)c.method.len, (const char *)c.method.ptr);
	cr_assert(span_is(c.client_ident, "SSH-2.0-OpenSSH_stage"));
	client_hears(SSH_MSG_USERAUTH_SUCCESS);
	cr_assert(!stage->client.is_eof && !stage_node(stage)->peer.is_eof);
}

/* Whatever one end says now, the relay hears and can say too. */
void
relay_carries_on(void)
{
	static const uint8_t ping[] = {SSH_MSG_GLOBAL_REQUEST, 1, 2, 3};
	struct stage_peer *ends[] = {&stage->client, &stage_node(stage)->peer};
	struct span got;

	while (stage_next(ends[1], &got))
		;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		stage_say(stage, ends[i], span_of(ping, sizeof(ping)));
		cr_assert(stage_next(&stage->taken[i], &got));
		cr_assert(span_equal(got, span_of(ping, sizeof(ping))));
		stage_say(stage, &stage->taken[i], span_of(ping, sizeof(ping)));
		cr_assert(stage_next(ends[i], &got));
		cr_assert(span_equal(got, span_of(ping, sizeof(ping))));
	}
}

void
reach(enum login_state wanted)
{
	stage->director_waits = wanted == LOGIN_PLACE;
	stage->nodes[0].manner.is_mute = wanted == LOGIN_DIAL;
	stage->relaying = STAGE_SAYS_NOTHING;
	if (wanted == LOGIN_KEX) {
		stage_accept(stage);
		stage_run(stage);
		return;
	}
	stage_connect(stage);
	client_says_none();
	stage->keyholder_waits = wanted == LOGIN_OFFER;
	if (wanted == LOGIN_OFFER || wanted == LOGIN_PROVE)
		client_asks_about_key(stage_user, "ssh-ed25519");
	if (wanted == LOGIN_PROVE) {
		node_says_pk_ok();
		stage->keyholder_waits = true;
		client_signs(stage_user, "ssh-ed25519");
	}
	if (wanted == LOGIN_ANSWER || wanted == LOGIN_HAND_OVER)
		client_says_password("right");
	if (wanted == LOGIN_HAND_OVER)
		node_says_success();
}
