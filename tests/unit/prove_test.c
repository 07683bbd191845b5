/*
 * broker/keyholder/prove: nobody gets a signature for the node leg without the user's own, once per key and node.
 */
#include "broker/keyholder/prove.h"

#include "common/ssh/auth_msg.h"
#include "common/ssh/cert.h"
#include "tests/lib/keyholder_world.h"

#include <criterion/criterion.h>

static struct keyholder_world w;
static struct kex_hash session_id;

static void
init(void)
{
	world_init(&w);
	session_id = world_connect(&w, &world_gate_a, 1);
}

static void
clear(void)
{
	world_clear(&w);
}

TestSuite(prove, .init = init, .fini = clear);

static void
offer(uint64_t conn, const struct privkey *key, const char *algorithm)
{
	struct msg_offer m = world_offer_of(conn, key, algorithm);

	cr_assert_eq(world_offer(&w, &world_gate_a, &m, NULL), OK);
}

static enum err
prove_with(const struct privkey *key, const char *algorithm)
{
	struct world_request rq = world_request_of(key, algorithm, &session_id);

	return world_prove_request(&w, &world_gate_a, 1, &rq);
}

Test(prove, a_right_signature_makes_the_node_legs_request)
{
	offer(1, w.user, "ssh-ed25519");
	cr_assert_eq(prove_with(w.user, "ssh-ed25519"), OK);
}

Test(prove, every_plain_algorithm_works)
{
	offer(1, w.user_rsa, "rsa-sha2-512");
	cr_assert_eq(prove_with(w.user_rsa, "rsa-sha2-512"), OK);
	offer(1, w.user_ecdsa, "ecdsa-sha2-nistp256");
	cr_assert_eq(prove_with(w.user_ecdsa, "ecdsa-sha2-nistp256"), OK);
}

Test(prove, without_an_offer_there_is_nothing)
{
	cr_assert_eq(prove_with(w.user, "ssh-ed25519"), ERR_BAD_STATE);
}

Test(prove, a_signature_counts_once)
{
	offer(1, w.user, "ssh-ed25519");
	cr_assert_eq(prove_with(w.user, "ssh-ed25519"), OK);
	cr_assert_eq(prove_with(w.user, "ssh-ed25519"), ERR_BAD_STATE);
}

Test(prove, a_key_that_logged_in_is_not_offered_again_but_on_another_node)
{
	struct msg_offer m = world_offer_of(1, w.user, "ssh-ed25519");

	offer(1, w.user, "ssh-ed25519");
	cr_assert_eq(prove_with(w.user, "ssh-ed25519"), OK);
	cr_assert_eq(world_offer(&w, &world_gate_a, &m, NULL), ERR_DENIED);
	m.node = span_str("beta");
	m.node_identity = span_str(WORLD_BETA);
	cr_assert_eq(world_offer(&w, &world_gate_a, &m, NULL), OK);
	cr_assert_eq(prove_with(w.user, "ssh-ed25519"), OK);
	cr_assert_eq(world_offer(&w, &world_gate_a, &m, NULL), ERR_DENIED);
}

Test(prove, an_rsa_key_counts_once_whatever_the_hash)
{
	struct msg_offer m = world_offer_of(1, w.user_rsa, "rsa-sha2-256");

	offer(1, w.user_rsa, "rsa-sha2-512");
	cr_assert_eq(world_offer(&w, &world_gate_a, &m, NULL), OK);
	cr_assert_eq(prove_with(w.user_rsa, "rsa-sha2-512"), OK);
	cr_assert_eq(prove_with(w.user_rsa, "rsa-sha2-256"), ERR_BAD_STATE);
	cr_assert_eq(world_offer(&w, &world_gate_a, &m, NULL), ERR_DENIED);
}

Test(prove, two_keys_are_two_certificates)
{
	struct buf first = {0}, second = {0};
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &session_id);
	struct buf payload = {0};
	struct cert *a, *b;

	offer(1, w.user, "ssh-ed25519");
	offer(1, w.user_ecdsa, "ecdsa-sha2-nistp256");
	world_write_request(&rq, &payload);
	cr_assert_eq(world_prove(&w, &world_gate_a, 1, buf_span(&payload), &first), OK);
	buf_reset(&payload);
	rq = world_request_of(w.user_ecdsa, "ecdsa-sha2-nistp256", &session_id);
	world_write_request(&rq, &payload);
	cr_assert_eq(world_prove(&w, &world_gate_a, 1, buf_span(&payload), &second), OK);
	cr_assert(!cert_parse(buf_span(&first), &a) && !cert_parse(buf_span(&second), &b));
	cr_assert_not(pubkey_equal(cert_key(a), cert_key(b)));
	cert_free(a);
	cert_free(b);
	buf_clear(&payload);
	buf_clear(&first);
	buf_clear(&second);
}

/* What a signature says must be what the request and the offer say. */
Test(prove, a_signature_over_anything_else_is_wrong)
{
	struct kex_hash other = session_id;
	struct privkey *another = NULL;
	enum err made = privkey_generate(KEY_ED25519, 0, &another);
	const struct {
		const char *name;
		struct world_request change;
		enum err want;
	} cases[] = {
		{"another session", {.session_id = span_of(other.bytes, other.len)}, ERR_SIGNATURE},
		{"a cut session id", {.session_id = span_of(session_id.bytes, 31)}, ERR_SIGNATURE},
		{"another user signed", {.signs_user = "bob"}, ERR_SIGNATURE},
		{"another user sent", {.user = "bob", .signs_user = "alice"}, ERR_BAD_STATE},
		{"another user in all", {.user = "bob"}, ERR_BAD_STATE},
		{"another service signed", {.signs_service = "ssh-userauth"}, ERR_SIGNATURE},
		{"another service in all", {.service = "ssh-userauth"}, ERR_DENIED},
		{"another key signed",
			{.key = w.user_ecdsa,
				.claims = privkey_public(w.user),
				.signs_algorithm = "ecdsa-sha2-nistp256"},
			ERR_SIGNATURE},
		{"another key in all", {.key = w.user_ecdsa, .algorithm = "ecdsa-sha2-nistp256"},
			ERR_BAD_STATE},
		{"another key of its kind", {.key = another}, ERR_BAD_STATE},
		{"another key of its kind named", {.claims = privkey_public(another)},
			ERR_BAD_STATE},
		{"another algorithm named",
			{.algorithm = "rsa-sha2-512", .signs_algorithm = "ssh-ed25519"},
			ERR_BAD_STATE},
		{"a host key that is not ours", {.host_key = span_str("somebody's")}, ERR_DENIED},
	};

	cr_assert_eq(made, OK);
	other.bytes[0] ^= 1;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world_request rq = cases[i].change;
		struct world_request right = world_request_of(w.user, "ssh-ed25519", &session_id);

		rq.key = rq.key != NULL ? rq.key : right.key;
		rq.user = rq.user != NULL ? rq.user : right.user;
		rq.service = rq.service != NULL ? rq.service : right.service;
		rq.algorithm = rq.algorithm != NULL ? rq.algorithm : right.algorithm;
		rq.session_id = rq.session_id.len > 0 ? rq.session_id : right.session_id;
		w.config.limits.auth_tries_max = 100;
		offer(1, w.user, "ssh-ed25519");
		cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), cases[i].want, "%s",
			cases[i].name);
	}
	/* None of it has used the offer up. */
	cr_assert_eq(prove_with(w.user, "ssh-ed25519"), OK);
	privkey_free(another);
}

Test(prove, rsa_signs_with_the_hash_that_was_offered)
{
	struct world_request rq = world_request_of(w.user_rsa, "rsa-sha2-512", &session_id);

	offer(1, w.user_rsa, "rsa-sha2-512");
	rq.signs_algorithm = "rsa-sha2-256";
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), ERR_SIGNATURE);
	cr_assert_eq(prove_with(w.user_rsa, "rsa-sha2-256"), ERR_BAD_STATE);
}

/* number, "alice", "ssh-connection", "publickey": then the boolean, where every non-zero byte means the same. */
#define BOOLEAN_AT (1 + 4 + 5 + 4 + 14 + 4 + 9)

Test(prove, a_flipped_bit_anywhere_in_the_request_gets_nothing)
{
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &session_id);
	struct buf payload = {0};

	w.config.limits.auth_tries_max = 100000;
	offer(1, w.user, "ssh-ed25519");
	world_write_request(&rq, &payload);
	for (size_t bit = 0; bit < payload.len * 8; bit++) {
		uint8_t *byte = &payload.data[payload.head + bit / 8];

		if (bit / 8 == BOOLEAN_AT && bit % 8 != 0)
			continue;
		*byte ^= (uint8_t)(1 << bit % 8);
		cr_assert_neq(world_prove(&w, &world_gate_a, 1, buf_span(&payload), NULL), OK,
			"bit %zu", bit);
		*byte ^= (uint8_t)(1 << bit % 8);
	}
	cr_assert_eq(world_prove(&w, &world_gate_a, 1, buf_span(&payload), NULL), OK);
	buf_clear(&payload);
}

Test(prove, what_is_not_a_signed_publickey_request_gets_nothing)
{
	struct auth_request rq = {.user = span_str("alice"),
		.service = span_str("ssh-connection"),
		.kind = AUTH_PUBLICKEY,
		.algorithm = span_str("ssh-ed25519"),
		.key = pubkey_blob(privkey_public(w.user))};
	struct buf b = {0};

	offer(1, w.user, "ssh-ed25519");
	cr_assert_eq(auth_request_write(&rq, &b), OK);
	cr_assert_eq(world_prove(&w, &world_gate_a, 1, buf_span(&b), NULL), ERR_DENIED);
	rq.kind = AUTH_NONE;
	buf_reset(&b);
	cr_assert_eq(auth_request_write(&rq, &b), OK);
	cr_assert_eq(world_prove(&w, &world_gate_a, 1, buf_span(&b), NULL), ERR_DENIED);
	rq.kind = AUTH_PASSWORD;
	rq.password = span_str("secret");
	buf_reset(&b);
	cr_assert_eq(auth_request_write(&rq, &b), OK);
	cr_assert_eq(world_prove(&w, &world_gate_a, 1, buf_span(&b), NULL), ERR_DENIED);
	cr_assert_eq(world_prove(&w, &world_gate_a, 1, span_str("2"), NULL), ERR_FORMAT);
	cr_assert_eq(world_prove(&w, &world_gate_a, 1, span_str(""), NULL), ERR_FORMAT);
	buf_clear(&b);
}

Test(prove, hostbound_names_the_key_of_the_first_exchange)
{
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &session_id);
	const struct privkey *used = keys_host_for(w.keys, span_str("ssh-ed25519"));
	const struct privkey *other = keys_host_for(w.keys, span_str("ecdsa-sha2-nistp384"));

	offer(1, w.user, "ssh-ed25519");
	rq.host_key = pubkey_blob(privkey_public(other));
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), ERR_DENIED);
	rq.host_key = pubkey_blob(privkey_public(used));
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), OK);
}

Test(prove, an_offer_of_another_connection_does_not_help)
{
	struct kex_hash second;
	struct msg_kex_sign m = world_transcript(2, "ssh-ed25519", 2);
	struct world_request rq;

	cr_assert_eq(world_kex_sign(&w, &world_gate_a, &m, &second), OK);
	offer(1, w.user, "ssh-ed25519");
	rq = world_request_of(w.user, "ssh-ed25519", &second);
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 2, &rq), ERR_BAD_STATE);
	/* Nor does its session. */
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), ERR_SIGNATURE);
}

Test(prove, only_the_connections_own_gate_may_prove)
{
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &session_id);

	offer(1, w.user, "ssh-ed25519");
	cr_assert_eq(world_prove_request(&w, &world_gate_b, 1, &rq), ERR_PROTO);
	cr_assert_eq(world_prove_request(&w, &world_relay_a, 1, &rq), ERR_PROTO);
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 3, &rq), ERR_NOT_FOUND);
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), OK);
}

Test(prove, wrong_signatures_are_bounded)
{
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &session_id);

	rq.signs_user = "bob";
	offer(1, w.user, "ssh-ed25519");
	for (unsigned i = 0; i < WORLD_TRIES_MAX; i++)
		cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), ERR_SIGNATURE);
	rq.signs_user = NULL;
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), ERR_LIMIT);
}

Test(prove, a_wrong_signature_leaves_the_offer_for_a_right_one)
{
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &session_id);

	rq.signs_user = "bob";
	offer(1, w.user, "ssh-ed25519");
	for (unsigned i = 0; i + 1 < WORLD_TRIES_MAX; i++)
		cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), ERR_SIGNATURE);
	rq.signs_user = NULL;
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), OK);
}

/* A gate that keeps a user's signature cannot use it when the user has long gone. */
Test(prove, a_connection_proves_nothing_after_the_time_to_log_in)
{
	struct msg_offer m = world_offer_of(1, w.user, "ssh-ed25519");

	offer(1, w.user, "ssh-ed25519");
	w.now += w.config.limits.login_grace_s + 1;
	cr_assert_eq(prove_with(w.user, "ssh-ed25519"), ERR_TIMEOUT);
	cr_assert_eq(world_offer(&w, &world_gate_a, &m, NULL), ERR_TIMEOUT);
	w.now--;
	cr_assert_eq(prove_with(w.user, "ssh-ed25519"), OK);
}

/* The same exchange shown again would be the same session id, and the signature right for it once more. */
Test(prove, a_proof_is_worth_one_login_even_to_a_gate_that_begins_again)
{
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &session_id);
	struct msg_kex_sign m = world_transcript(2, "ssh-ed25519", 1);
	struct msg_offer again = world_offer_of(2, w.user, "ssh-ed25519");
	uint8_t kexinit[WORLD_KEXINIT_SIZE];
	struct kex_hash hash;

	m = world_freshened(&w, &world_gate_a, &m, kexinit);
	cr_assert_eq(world_kex_sign_exactly(&w, &world_gate_a, &m, &hash), OK);
	rq.session_id = span_of(hash.bytes, hash.len);
	cr_assert_eq(world_offer(&w, &world_gate_a, &again, NULL), OK);
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 2, &rq), OK);
	sessions_forget(w.core.sessions, sessions_find(w.core.sessions, 2));
	cr_assert_eq(world_kex_sign_exactly(&w, &world_gate_a, &m, NULL), ERR_EXISTS);
	cr_assert_eq(world_offer(&w, &world_gate_a, &again, NULL), ERR_NOT_FOUND);
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 2, &rq), ERR_NOT_FOUND);
}

/* Whoever types a passphrase for a minute gets a certificate that is not about to end. */
Test(prove, the_certificate_is_dated_by_the_proof)
{
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &session_id);
	struct buf payload = {0}, blob = {0};
	struct cert *c;

	offer(1, w.user, "ssh-ed25519");
	w.now += 100;
	world_write_request(&rq, &payload);
	cr_assert_eq(world_prove(&w, &world_gate_a, 1, buf_span(&payload), &blob), OK);
	cr_assert_eq(cert_parse(buf_span(&blob), &c), OK);
	cr_assert_eq(cert_fields(c)->valid_before, WORLD_NOW + 100 + 120);
	cert_free(c);
	buf_clear(&payload);
	buf_clear(&blob);
}

Test(prove, an_offer_ends_when_the_connection_turns_to_another_node)
{
	struct msg_offer m = world_offer_of(1, w.user_ecdsa, "ecdsa-sha2-nistp256");

	offer(1, w.user, "ssh-ed25519");
	m.node = span_str("beta");
	m.node_identity = span_str(WORLD_BETA);
	cr_assert_eq(world_offer(&w, &world_gate_a, &m, NULL), OK);
	cr_assert_eq(prove_with(w.user, "ssh-ed25519"), ERR_BAD_STATE);
}

Test(prove, a_node_session_id_has_the_length_of_a_hash)
{
	static const uint8_t bytes[KEX_HASH_MAX + 1];
	struct world_request rq = world_request_of(w.user, "ssh-ed25519", &session_id);
	struct buf payload = {0}, certificate = {0}, signature = {0};
	struct proof out = {&certificate, &signature};
	struct msg_prove m = {.conn = 1};

	offer(1, w.user, "ssh-ed25519");
	world_write_request(&rq, &payload);
	m.client_request = buf_span(&payload);
	m.node_session_id = span_of(bytes, PROVE_SESSION_ID_MIN - 1);
	cr_assert_eq(prove(&w.core, &world_gate_a, &m, &out), ERR_FORMAT);
	m.node_session_id = span_of(bytes, KEX_HASH_MAX + 1);
	cr_assert_eq(prove(&w.core, &world_gate_a, &m, &out), ERR_FORMAT);
	m.node_session_id = span_of(bytes, KEX_HASH_MAX);
	cr_assert_eq(prove(&w.core, &world_gate_a, &m, &out), OK);
	buf_clear(&payload);
	buf_clear(&certificate);
	buf_clear(&signature);
}

/* The later hash is of a rekey: the session id stays the first one. */
Test(prove, a_rekey_does_not_change_the_session_id)
{
	struct msg_kex_sign m = world_transcript(1, "rsa-sha2-512", 3);
	struct kex_hash later;
	struct world_request rq;

	cr_assert_eq(world_kex_sign(&w, &world_gate_a, &m, &later), OK);
	offer(1, w.user, "ssh-ed25519");
	rq = world_request_of(w.user, "ssh-ed25519", &later);
	cr_assert_eq(world_prove_request(&w, &world_gate_a, 1, &rq), ERR_SIGNATURE);
	cr_assert_eq(prove_with(w.user, "ssh-ed25519"), OK);
}
