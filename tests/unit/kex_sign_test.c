/*
 * broker/keyholder/kex_sign: what is signed, for whom, and whose connection it becomes.
 */
#include "broker/keyholder/kex_sign.h"

#include "tests/lib/keyholder_world.h"

#include <criterion/criterion.h>

static struct keyholder_world w;

static void
init(void)
{
	world_init(&w);
}

static void
clear(void)
{
	world_clear(&w);
}

TestSuite(kex_sign, .init = init, .fini = clear);

static enum err
sign(const struct role_peer *peer, uint64_t conn, uint8_t seed)
{
	struct msg_kex_sign m = world_transcript(conn, "ssh-ed25519", seed);

	return world_kex_sign(&w, peer, &m, NULL);
}

static void
move_to(const struct role_peer *from, uint64_t conn, const struct role_peer *relay)
{
	struct session *session;

	cr_assert_eq(sessions_get(w.core.sessions, conn, from, &session), OK);
	cr_assert_eq(sessions_move(w.core.sessions, session, relay), OK);
}

/* world_kex_sign checks each signature against a hash that it computes itself. */
Test(kex_sign, every_host_key_algorithm_and_method_signs)
{
	static const char *const algorithms[] = {
		"ssh-ed25519", "ecdsa-sha2-nistp384", "rsa-sha2-512", "rsa-sha2-256"};
	static const char *const methods[] = {"curve25519-sha256", "curve25519-sha256@libssh.org",
		"ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
		"diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512"};
	uint64_t conn = 0;

	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		struct msg_kex_sign m = world_transcript(++conn, algorithms[i], 1);

		cr_assert_eq(world_kex_sign(&w, &world_gate_a, &m, NULL), OK, "%s", algorithms[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		struct msg_kex_sign m = world_transcript(++conn, "ssh-ed25519", 1);

		struct kex *client = NULL, *server = NULL;

		cr_assert_eq(kex_new(kex_by_name(span_str(methods[i])), 32, &client), OK);
		cr_assert_eq(kex_new(kex_by_name(span_str(methods[i])), 32, &server), OK);
		m.method = span_str(methods[i]);
		m.client_public = kex_public(client);
		m.server_public = kex_public(server);
		cr_assert_eq(world_kex_sign(&w, &world_gate_a, &m, NULL), OK, "%s", methods[i]);
		kex_free(client);
		kex_free(server);
	}
}

Test(kex_sign, what_we_do_not_have_is_not_signed)
{
	static const char *const algorithms[] = {"ecdsa-sha2-nistp256", "ssh-rsa", "ssh-dss", "",
		"ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519,rsa-sha2-512"};
	static const char *const methods[] = {
		"diffie-hellman-group1-sha1", "", "curve25519", "curve25519-sha256,"};
	struct msg_kex_sign m;

	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		m = world_transcript(1, algorithms[i], 1);
		cr_assert_eq(world_kex_sign(&w, &world_gate_a, &m, NULL), ERR_UNSUPPORTED);
	}
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		m = world_transcript(1, "ssh-ed25519", 1);
		m.method = span_str(methods[i]);
		cr_assert_eq(world_kex_sign(&w, &world_gate_a, &m, NULL), ERR_UNSUPPORTED);
	}
	cr_assert_eq(sessions_count(w.core.sessions), 0);
}

Test(kex_sign, what_is_no_transcript_is_not_signed)
{
	static const uint8_t negative[] = {0, 0, 0, 1, 0x80}, zero[] = {0, 0, 0, 0},
			     trailing[] = {0, 0, 0, 1, 1, 0};
	static uint8_t too_long[KEX_PUBLIC_MAX + 1];
	struct msg_kex_sign good = world_transcript(1, "ssh-ed25519", 1), bad[12];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = good;
	bad[n++].client_ident = span_str("");
	bad[n++].client_ident = span_str("GET / HTTP/1.1");
	bad[n++].server_ident = span_str("SSH-");
	bad[n++].client_kexinit = span_str("");
	bad[n++].server_kexinit = span_str("2");
	bad[n++].client_public = span_str("");
	bad[n++].server_public = span_of(too_long, sizeof(too_long));
	bad[n++].secret = span_of(negative, sizeof(negative));
	bad[n++].secret = span_of(zero, sizeof(zero));
	bad[n++].secret = span_of(trailing, sizeof(trailing));
	bad[n++].secret = span_str("");
	bad[n++].secret = span_of(too_long, sizeof(too_long));
	cr_assert_eq(n, ARRAY_LEN(bad));
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(world_kex_sign(&w, &world_gate_a, &bad[i], NULL), ERR_FORMAT,
			"case %zu", i);
	cr_assert_eq(sessions_count(w.core.sessions), 0);
	cr_assert_eq(world_kex_sign(&w, &world_gate_a, &good, NULL), OK);
}

/* Numbers that the hash would cover in another form than they were sent in, or that no peer of ours would take. */
Test(kex_sign, what_is_no_number_of_the_group_is_not_signed)
{
	static const uint8_t padded[] = {0, 0x12, 0x34, 0x56}, negative[] = {0x92, 0x34, 0x56},
			     one[] = {1}, zeros[2];
	static uint8_t large[257] = {0, 0xff, 0xff};
	const struct span bad[] = {span_of(padded, 4), span_of(negative, 3), span_of(one, 1),
		span_of(zeros, 1), span_of(zeros, 2), span_of(large, 257), span_of(large + 1, 256),
		span_of(NULL, 0)};
	struct msg_kex_sign good = world_transcript(1, "ssh-ed25519", 1), m;

	memset(large + 1, 0xff, 256);
	good.method = span_str("diffie-hellman-group14-sha256");
	good.client_public = span_of(padded + 1, 3);
	good.server_public = span_of(padded + 1, 3);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		m = good;
		m.client_public = bad[i];
		cr_assert_eq(world_kex_sign(&w, &world_gate_a, &m, NULL), ERR_FORMAT, "%zu", i);
		m = good;
		m.server_public = bad[i];
		cr_assert_eq(world_kex_sign(&w, &world_gate_a, &m, NULL), ERR_FORMAT, "%zu", i);
	}
	cr_assert_eq(world_kex_sign(&w, &world_gate_a, &good, NULL), OK);
}

Test(kex_sign, the_first_hash_is_the_session_id_for_good)
{
	struct msg_kex_sign m = world_transcript(1, "ssh-ed25519", 1);
	struct kex_hash first, later;
	struct session *session;

	cr_assert_eq(world_kex_sign(&w, &world_gate_a, &m, &first), OK);
	m = world_transcript(1, "rsa-sha2-256", 2);
	cr_assert_eq(world_kex_sign(&w, &world_gate_a, &m, &later), OK);
	session = sessions_find(w.core.sessions, 1);
	cr_assert(span_equal(
		span_of(session->id.bytes, session->id.len), span_of(first.bytes, first.len)));
	cr_assert_str_eq(session->host_key_alg, "rsa-sha2-256");
	cr_assert_eq(session->host_key, keys_host_for(w.keys, span_str("ssh-ed25519")));
}

Test(kex_sign, a_second_gate_gets_nothing_for_anothers_connection)
{
	cr_assert_eq(sign(&world_gate_a, 1, 1), OK);
	cr_assert_eq(sign(&world_gate_b, 1, 1), ERR_PROTO);
	cr_assert_eq(sign(&world_gate_b, 1, 2), ERR_PROTO);
	cr_assert_eq(sign(&world_gate_a, 1, 2), OK);
}

Test(kex_sign, a_relay_rekeys_what_was_moved_to_it_alone)
{
	cr_assert_eq(sign(&world_gate_a, 1, 1), OK);
	cr_assert_eq(sign(&world_relay_a, 1, 2), ERR_PROTO);
	move_to(&world_gate_a, 1, &world_relay_a);
	cr_assert_eq(sign(&world_relay_a, 1, 2), OK);
	cr_assert_eq(sign(&world_relay_b, 1, 3), ERR_PROTO);
	cr_assert_eq(sign(&world_gate_a, 1, 3), ERR_PROTO);
}

/* Sessions outlive the keyholder, so a new one cannot know them. */
Test(kex_sign, a_relay_rekeys_an_unknown_connection_which_stays_unknown)
{
	struct msg_offer m = world_offer_of(1, w.user, "ssh-ed25519");

	cr_assert_eq(sign(&world_relay_a, 1, 1), OK);
	cr_assert_eq(sessions_count(w.core.sessions), 0);
	cr_assert_eq(world_offer(&w, &world_gate_a, &m, NULL), ERR_NOT_FOUND);
	/* The id is still free for a gate. */
	cr_assert_eq(sign(&world_gate_a, 1, 1), OK);
}

Test(kex_sign, a_gates_connections_are_bounded_and_take_no_others_place)
{
	for (uint64_t conn = 1; conn <= WORLD_SESSIONS_MAX; conn++)
		cr_assert_eq(sign(&world_gate_a, conn, 1), OK);
	cr_assert_eq(sign(&world_gate_a, WORLD_SESSIONS_MAX + 1, 1), ERR_LIMIT);
	/* Those that are known go on, and so do others. */
	cr_assert_eq(sign(&world_gate_a, 1, 2), OK);
	cr_assert_eq(sign(&world_relay_a, WORLD_SESSIONS_MAX + 1, 1), OK);
	cr_assert_eq(sign(&world_gate_b, WORLD_SESSIONS_MAX + 1, 1), OK);
}

/* --- an old exchange shown again: what a gate in wrong hands could keep --- */

static struct msg_kex_sign
recorded(uint8_t kexinit[WORLD_KEXINIT_SIZE])
{
	struct msg_kex_sign m = world_transcript(1, "ssh-ed25519", 1);

	m = world_freshened(&w, &world_gate_a, &m, kexinit);
	cr_assert_eq(world_kex_sign_exactly(&w, &world_gate_a, &m, NULL), OK);
	return m;
}

Test(kex_sign, an_exchange_makes_one_connection_and_never_another)
{
	uint8_t kexinit[WORLD_KEXINIT_SIZE];
	struct msg_kex_sign m = recorded(kexinit);

	m.conn = 2;
	cr_assert_eq(world_kex_sign_exactly(&w, &world_gate_a, &m, NULL), ERR_EXISTS);
	sessions_forget(w.core.sessions, sessions_find(w.core.sessions, 1));
	cr_assert_eq(world_kex_sign_exactly(&w, &world_gate_a, &m, NULL), ERR_EXISTS);
	m.conn = 1;
	cr_assert_eq(world_kex_sign_exactly(&w, &world_gate_a, &m, NULL), ERR_EXISTS);
	cr_assert_eq(world_kex_sign_exactly(&w, &world_gate_b, &m, NULL), ERR_TIMEOUT);
	cr_assert_eq(sessions_count(w.core.sessions), 0);
}

Test(kex_sign, an_exchange_of_earlier_makes_no_connection_however_long_ago)
{
	uint8_t kexinit[WORLD_KEXINIT_SIZE];
	struct msg_kex_sign m = recorded(kexinit);

	sessions_forget(w.core.sessions, sessions_find(w.core.sessions, 1));
	for (unsigned i = 0; i < 24 * 60; i++) {
		w.now += FRESH_PERIOD_S;
		/* Others log in meanwhile. */
		cr_assert_eq(sign(&world_gate_a, 2, 1), OK);
		sessions_forget(w.core.sessions, sessions_find(w.core.sessions, 2));
		cr_assert_neq(world_kex_sign_exactly(&w, &world_gate_a, &m, NULL), OK);
	}
	cr_assert_lt(sessions_fresh_of(w.core.sessions, &world_gate_a)->seen.n, 10);
}

Test(kex_sign, a_word_counts_as_long_as_a_login_may_take)
{
	struct msg_kex_sign m = world_transcript(1, "ssh-ed25519", 1);
	uint8_t kexinit[WORLD_KEXINIT_SIZE];

	m = world_freshened(&w, &world_gate_a, &m, kexinit);
	w.now += w.config.limits.login_grace_s + FRESH_PERIOD_S;
	cr_assert_eq(world_kex_sign_exactly(&w, &world_gate_a, &m, NULL), OK);
}

Test(kex_sign, a_cookie_without_the_gates_own_word_makes_no_connection)
{
	static const uint8_t chance[WORLD_KEXINIT_SIZE] = {20};
	struct msg_kex_sign m = world_transcript(1, "ssh-ed25519", 1);
	uint8_t kexinit[WORLD_KEXINIT_SIZE];

	m.server_kexinit = span_of(chance, sizeof(chance));
	cr_assert_eq(world_kex_sign_exactly(&w, &world_gate_a, &m, NULL), ERR_TIMEOUT);
	m.server_kexinit = span_of(chance, KEXINIT_COOKIE_START_SIZE);
	cr_assert_eq(world_kex_sign_exactly(&w, &world_gate_a, &m, NULL), ERR_FORMAT);
	m = world_freshened(&w, &world_gate_b, &m, kexinit);
	cr_assert_neq(world_kex_sign_exactly(&w, &world_gate_a, &m, NULL), OK);
	cr_assert_eq(sessions_count(w.core.sessions), 0);
	/* A rekey makes nothing known, and needs none. */
	cr_assert_eq(sign(&world_gate_a, 1, 1), OK);
	m = world_transcript(1, "ssh-ed25519", 2);
	cr_assert_eq(world_kex_sign_exactly(&w, &world_gate_a, &m, NULL), OK);
}
