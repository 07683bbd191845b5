/*
 * broker/keyholder/hostkeys: proofs for our own keys and known sessions.
 */
#include "broker/keyholder/hostkeys.h"

#include "common/ssh/wire.h"
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

TestSuite(hostkeys, .init = init, .fini = clear);

static enum err
ask(const struct role_peer *peer, uint64_t conn, struct span keys, struct buf *signatures)
{
	struct msg_hostkeys_prove m = {conn, 11, keys};
	struct msg_hostkeys_proved a;
	struct world_call call = {MSG_HOSTKEYS_PROVE, msg_hostkeys_prove_fields, &m,
		MSG_HOSTKEYS_PROVED, msg_hostkeys_proved_fields, &a, {0}};
	enum err e = world_ask(&w, peer, &call);

	cr_assert(a.err == e && a.conn == conn && a.request == 11);
	if (e == OK && signatures != NULL)
		cr_assert_eq(buf_append_span(signatures, a.signatures), OK);
	else if (e != OK)
		cr_assert_eq(a.signatures.len, 0);
	buf_clear(&call.keep);
	return e;
}

/* The signature that comes next must be blob's, over what OpenSSH's client rebuilds. */
static void
check_next(struct wire_reader *signatures, struct span blob, const char *algorithm)
{
	struct buf data = {0};
	struct pubkey *key;
	struct span signature;

	cr_assert_eq(wire_put_cstring(&data, "hostkeys-prove-00@openssh.com"), OK);
	cr_assert_eq(wire_put_string(&data, span_of(session_id.bytes, session_id.len)), OK);
	cr_assert_eq(wire_put_string(&data, blob), OK);
	cr_assert_eq(wire_get_string(signatures, &signature), OK);
	cr_assert_eq(pubkey_parse(blob, &key), OK);
	cr_assert_eq(pubkey_verify(key, span_str(algorithm), buf_span(&data), signature), OK);
	pubkey_free(key);
	buf_clear(&data);
}

static void
check_all(const char *rsa_algorithm)
{
	static const char *const algorithms[] = {"ssh-ed25519", "ecdsa-sha2-nistp384", NULL};
	struct wire_reader keys = wire_reader_of(keys_host_blobs(w.keys)), r;
	struct buf signatures = {0};
	struct span blob;

	cr_assert_eq(ask(&world_gate_a, 1, keys_host_blobs(w.keys), &signatures), OK);
	r = wire_reader_of(buf_span(&signatures));
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		cr_assert_eq(wire_get_string(&keys, &blob), OK);
		check_next(&r, blob, algorithms[i] != NULL ? algorithms[i] : rsa_algorithm);
	}
	cr_assert_eq(wire_end(&r), OK);
	buf_clear(&signatures);
}

Test(hostkeys, all_keys_are_proved_in_their_order)
{
	check_all("rsa-sha2-512");
}

Test(hostkeys, rsa_signs_as_the_latest_exchange_did)
{
	struct msg_kex_sign m = world_transcript(1, "rsa-sha2-256", 2);

	cr_assert_eq(world_kex_sign(&w, &world_gate_a, &m, NULL), OK);
	check_all("rsa-sha2-256");
}

Test(hostkeys, a_key_that_is_not_ours_spoils_all)
{
	struct buf keys = {0};

	cr_assert_eq(buf_append_span(&keys, keys_host_blobs(w.keys)), OK);
	cr_assert_eq(wire_put_string(&keys, pubkey_blob(privkey_public(w.user))), OK);
	cr_assert_eq(ask(&world_gate_a, 1, buf_span(&keys), NULL), ERR_NOT_FOUND);
	buf_reset(&keys);
	cr_assert_eq(wire_put_string(&keys, pubkey_blob(privkey_public(keys_user_ca(w.keys)))), OK);
	cr_assert_eq(ask(&world_gate_a, 1, buf_span(&keys), NULL), ERR_NOT_FOUND);
	buf_clear(&keys);
}

Test(hostkeys, only_the_owner_of_a_known_connection_may_ask)
{
	struct span keys = keys_host_blobs(w.keys);
	struct session *session = sessions_find(w.core.sessions, 1);

	cr_assert_eq(ask(&world_gate_b, 1, keys, NULL), ERR_PROTO);
	cr_assert_eq(ask(&world_relay_a, 1, keys, NULL), ERR_PROTO);
	cr_assert_eq(ask(&world_relay_a, 2, keys, NULL), ERR_NOT_FOUND);
	cr_assert_eq(sessions_move(w.core.sessions, session, &world_relay_a), OK);
	cr_assert_eq(ask(&world_relay_a, 1, keys, NULL), OK);
	cr_assert_eq(ask(&world_gate_a, 1, keys, NULL), ERR_PROTO);
}

Test(hostkeys, malformed_and_endless_lists_are_refused)
{
	struct buf keys = {0};
	struct span own = pubkey_blob(
		privkey_public(keys_host_for(w.keys, span_str("ssh-ed25519"))));

	cr_assert_eq(ask(&world_gate_a, 1, span_str("\x01"), NULL), ERR_FORMAT);
	for (unsigned i = 0; i < CONFIG_HOST_KEYS_MAX; i++)
		cr_assert_eq(wire_put_string(&keys, own), OK);
	cr_assert_eq(ask(&world_gate_a, 1, buf_span(&keys), NULL), OK);
	cr_assert_eq(wire_put_string(&keys, own), OK);
	cr_assert_eq(ask(&world_gate_a, 1, buf_span(&keys), NULL), ERR_LIMIT);
	buf_clear(&keys);
}
