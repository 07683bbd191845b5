/*
 * A keyholder without links, the gates and relays that ask it, and clients that sign.
 */
#include "tests/lib/keyholder_world.h"

#include "broker/keyholder/requests.h"
#include "common/ssh/auth_msg.h"
#include "common/ssh/cert.h"
#include "common/ssh/keyfile.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>

const struct role_peer world_gate_a = {ROLE_GATE, 0, 100};
const struct role_peer world_gate_b = {ROLE_GATE, 1, 101};
const struct role_peer world_relay_a = {ROLE_RELAY, 0, 200};
const struct role_peer world_relay_b = {ROLE_RELAY, 1, 201};

static uint64_t
now_s(void *arg)
{
	struct keyholder_world *w = arg;

	return w->now;
}

static bool
is_linked(void *arg, const struct role_peer *peer)
{
	struct keyholder_world *w = arg;

	(void)peer;
	return w->is_linked;
}

static struct privkey *
load_vector(const char *name)
{
	struct privkey *key = NULL;
	struct buf text = {0};

	vector_read(name, &text);
	cr_assert_eq(keyfile_parse(buf_span(&text), &key), OK, "%s", name);
	buf_clear(&text);
	return key;
}

static struct privkey *
generate(enum key_type type)
{
	struct privkey *key = NULL;

	cr_assert_eq(privkey_generate(type, 0, &key), OK);
	return key;
}

static void
init_config(struct keyholder_world *w)
{
	static char alpha[] = "alpha", beta[] = "beta", id_alpha[] = WORLD_ALPHA,
		    id_beta[] = WORLD_BETA;

	w->nodes[0] = (struct config_node){.name = alpha, .identity = id_alpha};
	w->nodes[1] = (struct config_node){.name = beta, .identity = id_beta};
	w->pool.nodes = (struct config_node_list){w->nodes, 2};
	w->config.pools = (struct config_pool_list){&w->pool, 1};
	w->config.limits.auth_tries_max = WORLD_TRIES_MAX;
	w->config.limits.login_grace_s = 120;
	w->config.certificate.lifetime_s = 120;
	w->config.certificate.backdate_s = 300;
}

void
world_init(struct keyholder_world *w)
{
	struct privkey *host[] = {
		generate(KEY_ED25519), generate(KEY_ECDSA_P384), load_vector("rsa")};
	struct config_list no_preference = {NULL, 0};
	static const struct sessions_limits limits = {WORLD_SESSIONS_MAX, WORLD_SESSIONS_MAX};

	*w = (struct keyholder_world){.now = WORLD_NOW, .is_linked = true};
	init_config(w);
	cr_assert_eq(
		keys_new(host, ARRAY_LEN(host), generate(KEY_ED25519), &no_preference, &w->keys),
		OK);
	w->core = (struct core){
		.config = &w->config,
		.keys = w->keys,
		.clock = {now_s, now_s, w},
		.is_linked = is_linked,
		.is_linked_arg = w,
	};
	cr_assert_eq(sessions_new(&limits, &w->core.sessions), OK);
	w->user = load_vector("ed25519");
	w->user_rsa = load_vector("rsa");
	w->user_ecdsa = load_vector("ecdsa256");
}

void
world_clear(struct keyholder_world *w)
{
	sessions_free(w->core.sessions);
	keys_free(w->keys);
	privkey_free(w->user);
	privkey_free(w->user_rsa);
	privkey_free(w->user_ecdsa);
}

enum err
world_ask(struct keyholder_world *w, const struct role_peer *peer, struct world_call *call)
{
	struct reply reply = {0};
	struct buf body = {0};
	enum err e;

	cr_assert_eq(message_encode(call->fields, call->message, &body), OK);
	cr_assert_eq(requests_handle(&w->core, peer, call->type, buf_span(&body), &reply), OK);
	cr_assert_eq(reply.type, call->answer_type);
	buf_clear(&call->keep);
	buf_take(&call->keep, &reply.body);
	cr_assert_eq(message_decode(call->answer_fields, buf_span(&call->keep), call->answer), OK);
	e = reply.err;
	reply_clear(&reply);
	buf_clear(&body);
	return e;
}

struct msg_kex_sign
world_transcript(uint64_t conn, const char *algorithm, uint8_t seed)
{
	static const uint8_t publics[64] = {1, 2, 3, 4, 5, 6, 7, 8}, kexinit[] = {20, 1, 2, 3};
	static const uint8_t secret[] = {0, 0, 0, 2, 0x12, 0x34};

	return (struct msg_kex_sign){
		.conn = conn,
		.request = 7,
		.method = span_str("curve25519-sha256"),
		.host_key_alg = span_str(algorithm),
		.client_ident = span_str("SSH-2.0-client"),
		.server_ident = span_str("SSH-2.0-server"),
		.client_kexinit = span_of(kexinit, sizeof(kexinit)),
		.server_kexinit = span_of(kexinit, sizeof(kexinit)),
		.client_public = span_of(&publics[seed % 8], 32),
		.server_public = span_of(publics, 32),
		.secret = span_of(secret, sizeof(secret)),
	};
}

static void
check_kex_signature(
	const struct msg_kex_sign *m, const struct msg_kex_signed *a, struct kex_hash *hash)
{
	struct kex_transcript t = {m->client_ident, m->server_ident, m->client_kexinit,
		m->server_kexinit, a->host_key, m->client_public, m->server_public, m->secret};
	struct pubkey *key;

	cr_assert_eq(kex_exchange_hash(kex_by_name(m->method), &t, hash), OK);
	cr_assert_eq(pubkey_parse(a->host_key, &key), OK);
	cr_assert_eq(
		pubkey_verify(key, m->host_key_alg, span_of(hash->bytes, hash->len), a->signature),
		OK);
	pubkey_free(key);
}

struct msg_kex_sign
world_freshened(const struct keyholder_world *w, const struct role_peer *peer,
	const struct msg_kex_sign *m, uint8_t kexinit[WORLD_KEXINIT_SIZE])
{
	struct fresh_query q = core_fresh_query(&w->core, peer);
	struct msg_kex_sign fresh = *m;
	size_t len = 1 + KEXINIT_COOKIE_START_SIZE;

	if (m->server_kexinit.len == 0 || m->server_kexinit.ptr[0] != 20)
		return fresh;
	kexinit[0] = 20;
	cr_assert_eq(fresh_word(&q, kexinit + 1), OK);
	memcpy(kexinit + len, &m->conn, sizeof(m->conn));
	len += sizeof(m->conn);
	memcpy(kexinit + len, m->server_kexinit.ptr, m->server_kexinit.len);
	fresh.server_kexinit = span_of(kexinit, len + m->server_kexinit.len);
	return fresh;
}

enum err
world_kex_sign(struct keyholder_world *w, const struct role_peer *peer,
	const struct msg_kex_sign *m, struct kex_hash *hash)
{
	uint8_t kexinit[WORLD_KEXINIT_SIZE];
	struct msg_kex_sign fresh = world_freshened(w, peer, m, kexinit);

	return world_kex_sign_exactly(w, peer, &fresh, hash);
}

enum err
world_kex_sign_exactly(struct keyholder_world *w, const struct role_peer *peer,
	const struct msg_kex_sign *m, struct kex_hash *hash)
{
	struct msg_kex_signed a;
	struct world_call call = {MSG_KEX_SIGN, msg_kex_sign_fields, m, MSG_KEX_SIGNED,
		msg_kex_signed_fields, &a, {0}};
	struct kex_hash h;
	enum err e = world_ask(w, peer, &call);

	cr_assert_eq(a.err, e);
	cr_assert(a.conn == m->conn && a.request == m->request);
	if (e == OK)
		check_kex_signature(m, &a, hash != NULL ? hash : &h);
	else
		cr_assert(a.host_key.len == 0 && a.signature.len == 0);
	buf_clear(&call.keep);
	return e;
}

struct kex_hash
world_connect(struct keyholder_world *w, const struct role_peer *peer, uint64_t conn)
{
	struct msg_kex_sign m = world_transcript(conn, "ssh-ed25519", 1);
	struct kex_hash hash;

	cr_assert_eq(world_kex_sign(w, peer, &m, &hash), OK);
	return hash;
}

struct msg_offer
world_offer_of(uint64_t conn, const struct privkey *key, const char *algorithm)
{
	return (struct msg_offer){
		.conn = conn,
		.request = 8,
		.client = {.family = 4, .ip = {203, 0, 113, 7}, .port = 51234},
		.source = {.family = 4, .ip = {10, 0, 0, 1}, .port = 40000},
		.user = span_str("alice"),
		.node = span_str("alpha"),
		.node_identity = span_str(WORLD_ALPHA),
		.algorithm = span_str(algorithm),
		.key = pubkey_blob(privkey_public(key)),
	};
}

enum err
world_offer(struct keyholder_world *w, const struct role_peer *peer, const struct msg_offer *m,
	struct buf *certificate)
{
	struct msg_offered a;
	struct world_call call = {
		MSG_OFFER, msg_offer_fields, m, MSG_OFFERED, msg_offered_fields, &a, {0}};
	enum err e = world_ask(w, peer, &call);

	cr_assert_eq(a.err, e);
	cr_assert(a.conn == m->conn && a.request == m->request);
	cr_assert((e == OK) == (a.certificate.len > 0));
	if (e == OK)
		cr_assert(span_is(a.algorithm, "ssh-ed25519-cert-v01@openssh.com"));
	if (e == OK && certificate != NULL)
		cr_assert_eq(buf_append_span(certificate, a.certificate), OK);
	buf_clear(&call.keep);
	return e;
}

struct world_request
world_request_of(
	const struct privkey *key, const char *algorithm, const struct kex_hash *session_id)
{
	return (struct world_request){
		.key = key,
		.user = "alice",
		.service = "ssh-connection",
		.algorithm = algorithm,
		.session_id = span_of(session_id->bytes, session_id->len),
	};
}

/* What rq's signature covers; it may be about something else than the request. */
static void
sign_request(const struct world_request *rq, const struct auth_request *sent, struct buf *signature)
{
	struct auth_request covered = *sent;
	struct buf data = {0};

	if (rq->signs_user != NULL)
		covered.user = span_str(rq->signs_user);
	if (rq->signs_service != NULL)
		covered.service = span_str(rq->signs_service);
	if (rq->signs_algorithm != NULL)
		covered.algorithm = span_str(rq->signs_algorithm);
	cr_assert_eq(auth_signed_data(rq->session_id, &covered, &data), OK);
	if (cert_is_type_name(covered.algorithm))
		cr_assert_eq(cert_sigalg(covered.algorithm, &covered.algorithm), OK);
	if (rq->token != NULL)
		sk_token_sign(rq->token, buf_span(&data), signature);
	else
		cr_assert_eq(
			privkey_sign(rq->key, covered.algorithm, buf_span(&data), signature), OK);
	buf_clear(&data);
}

void
world_write_request(const struct world_request *rq, struct buf *out)
{
	const struct pubkey *key = rq->claims != NULL ? rq->claims : privkey_public(rq->key);
	struct span shown = rq->shown.len > 0 ? rq->shown : pubkey_blob(key);
	struct auth_request sent = {
		.user = span_str(rq->user),
		.service = span_str(rq->service),
		.kind = AUTH_PUBLICKEY,
		.is_hostbound = rq->host_key.len > 0,
		.has_signature = true,
		.algorithm = span_str(rq->algorithm),
		.key = shown,
		.host_key = rq->host_key,
	};
	struct buf signature = {0};

	sign_request(rq, &sent, &signature);
	sent.signature = buf_span(&signature);
	cr_assert_eq(auth_request_write(&sent, out), OK);
	buf_clear(&signature);
}

struct span
world_node_session_id(void)
{
	return span_str("0123456789abcdef0123456789abcdef");
}

static void
check_proof(const struct msg_proved *a)
{
	struct auth_request rq = {
		.user = span_str("alice"),
		.service = span_str("ssh-connection"),
		.kind = AUTH_PUBLICKEY,
		.algorithm = a->algorithm,
		.key = a->certificate,
	};
	struct buf data = {0};
	struct cert *c;

	cr_assert_eq(cert_parse(a->certificate, &c), OK);
	cr_assert_eq(auth_signed_data(world_node_session_id(), &rq, &data), OK);
	cr_assert_eq(
		pubkey_verify(cert_key(c), span_str("ssh-ed25519"), buf_span(&data), a->signature),
		OK);
	buf_clear(&data);
	cert_free(c);
}

enum err
world_prove(struct keyholder_world *w, const struct role_peer *peer, uint64_t conn,
	struct span payload, struct buf *certificate)
{
	struct msg_prove m = {conn, 9, payload, world_node_session_id()};
	struct msg_proved a;
	struct world_call call = {
		MSG_PROVE, msg_prove_fields, &m, MSG_PROVED, msg_proved_fields, &a, {0}};
	enum err e = world_ask(w, peer, &call);

	cr_assert_eq(a.err, e);
	cr_assert(a.conn == conn && a.request == 9);
	if (e == OK)
		check_proof(&a);
	else
		cr_assert(a.certificate.len == 0 && a.signature.len == 0 && a.algorithm.len == 0);
	if (e == OK && certificate != NULL)
		cr_assert_eq(buf_append_span(certificate, a.certificate), OK);
	buf_clear(&call.keep);
	return e;
}

enum err
world_prove_request(struct keyholder_world *w, const struct role_peer *peer, uint64_t conn,
	const struct world_request *rq)
{
	struct buf payload = {0};
	enum err e;

	world_write_request(rq, &payload);
	e = world_prove(w, peer, conn, buf_span(&payload), NULL);
	buf_clear(&payload);
	return e;
}
