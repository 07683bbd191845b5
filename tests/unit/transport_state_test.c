/*
 * common/ssh/transport_state: a leg goes on in another process as if nothing had happened.
 */
#include "common/ssh/transport_state.h"

#include "common/ssh/transport_impl.h"
#include "tests/lib/leg_pair.h"
#include "tests/lib/suites.h"

#include <criterion/criterion.h>

#define STATE_MAX                                                                                  \
	(TRANSPORT_OUT_MAX + TRANSPORT_SEALED_GROWTH * TRANSPORT_WAITING_MAX +                     \
		TRANSPORT_STATE_SIZE_MAX)

static void
facts_are_equal(const struct transport *a, const struct transport *b)
{
	cr_assert(span_equal(transport_session_id(a), transport_session_id(b)));
	cr_assert(span_equal(transport_peer_ident(a), transport_peer_ident(b)));
	cr_assert(span_equal(transport_server_sig_algs(a), transport_server_sig_algs(b)));
	cr_assert_str_eq(transport_host_key_alg(a), transport_host_key_alg(b));
	cr_assert_eq(transport_kex_method(a), transport_kex_method(b));
	cr_assert_eq(transport_next_seq(a), transport_next_seq(b));
	cr_assert_eq(transport_is_strict(a), transport_is_strict(b));
	cr_assert_eq(transport_peer_has_ping(a), transport_peer_has_ping(b));
	cr_assert_eq(transport_is_clear(a), transport_is_clear(b));
	cr_assert_eq(transport_rekey_is_due(a), transport_rekey_is_due(b));
	for (int d = CIPHER_OPEN; d <= CIPHER_SEAL; d++) {
		cr_assert_eq(transport_cipher(a, (enum cipher_direction)d),
			transport_cipher(b, (enum cipher_direction)d));
		cr_assert_eq(transport_mac(a, (enum cipher_direction)d),
			transport_mac(b, (enum cipher_direction)d));
		cr_assert_eq(transport_total_bytes(a, (enum cipher_direction)d),
			transport_total_bytes(b, (enum cipher_direction)d));
	}
}

/* Write the leg out and go on with what is read back; false when it cannot be written now. */
static bool
move_house(struct leg *l)
{
	struct transport *copy;
	struct buf state, again;
	enum err e;

	buf_init(&state, STATE_MAX);
	buf_init(&again, STATE_MAX);
	e = transport_state_write(l->t, &state);
	cr_assert(e == OK || e == ERR_AGAIN);
	cr_assert_eq(e == OK, !transport_is_rekeying(l->t));
	if (e == OK) {
		cr_assert_leq(state.len, transport_out(l->t)->len + TRANSPORT_STATE_SIZE_MAX);
		cr_assert_eq(transport_state_read(buf_span(&state), &l->config, &copy), OK);
		facts_are_equal(copy, l->t);
		cr_assert_eq(transport_state_write(copy, &again), OK);
		cr_assert(span_equal(buf_span(&state), buf_span(&again)));
		transport_free(l->t);
		l->t = copy;
	} else {
		cr_assert_eq(state.len, 0);
	}
	buf_clear(&state);
	buf_clear(&again);
	return e == OK;
}

/* As leg_pair_run(), moving house between any two packets. */
static size_t
run_and_move(struct leg_pair *p, size_t cut)
{
	struct leg *legs[2] = {&p->client, &p->server};
	struct transport_event event;
	size_t n = 0, moved = 1;

	while (moved > 0) {
		moved = 0;
		for (int side = 0; side < 2; side++) {
			n += move_house(legs[side]);
			moved += leg_move(legs[side], legs[1 - side], cut);
			while (leg_step(legs[1 - side], &event) == OK)
				n += move_house(legs[1 - side]);
		}
	}
	return n;
}

static void
send_numbered(struct leg *l, uint32_t i)
{
	uint8_t payload[700];

	payload_fill(payload, 20 + i * 31 % 680, 94, i);
	cr_assert_eq(transport_send(l->t, span_of(payload, 20 + i * 31 % 680)), OK);
}

static void
got_numbered(struct leg *l, uint32_t n)
{
	struct wire_reader r = {0};
	uint8_t payload[700];
	struct span got;

	cr_assert_eq(l->err, OK, "%s", transport_failure(l->t)->text);
	for (uint32_t i = 0; i < n; i++) {
		payload_fill(payload, 20 + i * 31 % 680, 94, i);
		cr_assert(leg_next_got(l, &r, &got));
		cr_assert(span_equal(got, span_of(payload, 20 + i * 31 % 680)), "message %u", i);
	}
	cr_assert_eq(l->n_packets, n);
}

static void
conversation(const struct leg_options *o, size_t cut)
{
	enum { ROUNDS = 8, EACH = 10 };
	struct leg_pair p;
	size_t n = 0;

	leg_pair_open(&p, o, TRANSPORT_PHASE_CONNECTION);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < EACH; i++) {
			send_numbered(&p.client, round * EACH + i);
			send_numbered(&p.server, round * EACH + i);
			if (i == EACH / 2 && round % 4 == 1)
				cr_assert_eq(transport_rekey(p.client.t), OK);
			if (i == EACH / 2 && round % 4 >= 2)
				cr_assert_eq(transport_rekey(p.server.t), OK);
			if (i == EACH / 2 && round % 4 == 3)
				cr_assert_eq(transport_rekey(p.client.t), OK);
		}
		n += run_and_move(&p, cut);
	}
	got_numbered(&p.client, ROUNDS * EACH);
	got_numbered(&p.server, ROUNDS * EACH);
	cr_assert_eq(p.client.n_keys, 7);
	cr_assert_eq(p.server.n_keys, 7);
	/* The host key was asked about before the first move only. */
	cr_assert_eq(p.client.n_host_keys, 1);
	cr_assert_gt(n, ROUNDS * EACH);
	leg_pair_end(&p);
}

Test(transport_state, a_leg_goes_on_at_every_packet_boundary)
{
	for (size_t i = 0; i < SUITES; i++) {
		for (int plain = 0; plain < 2; plain++) {
			struct leg_options o = {.ciphers = suites[i].cipher,
				.macs = suites[i].mac,
				.client_is_plain = plain,
				.server_is_plain = plain};

			conversation(&o, SIZE_MAX);
			conversation(&o, 777);
		}
	}
}

Test(transport_state, a_leg_goes_on_with_every_method_and_host_key)
{
	static const char *const kexes[] = {"ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
		"ecdh-sha2-nistp521", "diffie-hellman-group16-sha512",
		"diffie-hellman-group14-sha256"};
	static const char *const algs[] = {"rsa-sha2-256", "ecdsa-sha2-nistp384", "rsa-sha2-512",
		"ssh-ed25519", "ssh-ed25519"};

	for (size_t i = 0; i < ARRAY_LEN(kexes); i++) {
		struct leg_options o = {.kex = kexes[i], .host_key_alg = algs[i]};

		conversation(&o, 4096);
	}
}

/* The same leg in two processes: what one seals next, the other seals as well, but for the padding's randomness. */
Test(transport_state, writing_changes_nothing)
{
	struct leg_pair p;
	struct buf state;

	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	buf_init(&state, STATE_MAX);
	for (uint32_t i = 0; i < 30; i++) {
		send_numbered(&p.client, i);
		send_numbered(&p.server, i);
		for (int n = 0; n < 3; n++) {
			cr_assert_eq(transport_state_write(p.client.t, &state), OK);
			cr_assert_eq(transport_state_write(p.server.t, &state), OK);
			buf_reset(&state);
		}
		leg_pair_run(&p);
	}
	got_numbered(&p.client, 30);
	got_numbered(&p.server, 30);
	buf_clear(&state);
	leg_pair_end(&p);
}

Test(transport_state, the_phase_goes_along)
{
	for (int phase = 0; phase <= TRANSPORT_PHASE_CONNECTION; phase++) {
		struct leg_pair p;

		leg_pair_open(&p, NULL, (enum transport_phase)phase);
		cr_assert(move_house(&p.server));
		leg_inject_type(&p.client, SSH_MSG_CHANNEL_DATA);
		leg_pair_run(&p);
		cr_assert_eq(p.server.err == OK, phase == TRANSPORT_PHASE_CONNECTION);
		leg_pair_end(&p);
	}
}

Test(transport_state, what_was_not_sent_yet_goes_along)
{
	static uint8_t payload[100000];
	struct leg_pair p;

	payload_fill(payload, sizeof(payload), 94, 1);
	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	for (int i = 0; i < 30; i++)
		cr_assert_eq(transport_send(p.client.t, span_of(payload, sizeof(payload))), OK);
	cr_assert_gt(transport_out(p.client.t)->len, 3000000);
	cr_assert(move_house(&p.client));
	leg_pair_run(&p);
	cr_assert_eq(p.server.n_packets, 30);
	cr_assert_eq(p.server.err, OK);
	leg_pair_end(&p);
}

Test(transport_state, no_state_while_an_exchange_runs_or_when_dead)
{
	struct buf state = {0};
	struct leg_pair p;

	leg_pair_begin(&p, NULL);
	cr_assert_eq(transport_state_write(p.client.t, &state), ERR_AGAIN);
	leg_pair_run(&p);
	cr_assert_eq(transport_state_write(p.client.t, &state), OK);
	buf_reset(&state);
	cr_assert_eq(transport_rekey(p.client.t), OK);
	cr_assert_eq(transport_state_write(p.client.t, &state), ERR_AGAIN);
	leg_pair_run(&p);
	transport_disconnect(p.client.t, SSH_DISCONNECT_BY_APPLICATION, "bye");
	cr_assert_eq(transport_state_write(p.client.t, &state), ERR_BAD_STATE);
	leg_pair_run(&p);
	cr_assert_eq(transport_state_write(p.server.t, &state), ERR_BAD_STATE);
	cr_assert_eq(state.len, 0);
	buf_clear(&state);
	leg_pair_end(&p);
}

/* A state of a client after some traffic. */
static void
get_state(struct leg_pair *p, const struct suite *suite, struct buf *state)
{
	struct leg_options o = {.ciphers = suite->cipher, .macs = suite->mac};

	leg_pair_open(p, &o, TRANSPORT_PHASE_CONNECTION);
	send_numbered(&p->client, 1);
	send_numbered(&p->server, 2);
	leg_pair_run(p);
	send_numbered(&p->client, 3);
	cr_assert_eq(transport_state_write(p->client.t, state), OK);
}

Test(transport_state, too_little_room_leaves_nothing_of_it)
{
	struct buf whole = {0};
	struct leg_pair p;
	uint8_t key[16];

	get_state(&p, &suites[0], &whole);
	/* Version, role, phase, flags, "there is a cipher", its name and direction come before the key. */
	memcpy(key, whole.data + whole.head + 7 + 1 + 4 + strlen(suites[0].cipher) + 1 + 4,
		sizeof(key));
	for (size_t max = 4; max < whole.len; max++) {
		struct buf small;

		buf_init(&small, max);
		cr_assert_eq(buf_append(&small, "abc", 3), OK);
		cr_assert_eq(transport_state_write(p.client.t, &small), ERR_LIMIT);
		cr_assert(span_is(buf_span(&small), "abc"));
		cr_assert_null(
			memmem(small.data, small.cap, key, sizeof(key)), "a key stays behind");
		buf_clear(&small);
	}
	buf_clear(&whole);
	leg_pair_end(&p);
}

Test(transport_state, a_cut_or_longer_state_is_refused)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct transport *t = NULL;
		struct buf state = {0};
		struct leg_pair p;

		get_state(&p, &suites[i], &state);
		for (size_t len = 0; len < state.len; len++)
			cr_assert_eq(transport_state_read(
					     span_of(state.data, len), &p.client.config, &t),
				ERR_FORMAT);
		cr_assert_eq(buf_append(&state, "", 1), OK);
		cr_assert_eq(
			transport_state_read(buf_span(&state), &p.client.config, &t), ERR_FORMAT);
		cr_assert_null(t);
		buf_clear(&state);
		leg_pair_end(&p);
	}
}

/* Use a leg in every way, whatever comes of it. */
static void
use(struct transport *t, struct span bytes)
{
	uint8_t copy[4096], payload[40] = {94};
	struct transport_event event;
	size_t used = 0;

	cr_assert_leq(bytes.len, sizeof(copy));
	memcpy(copy, bytes.ptr, bytes.len);
	(void)!transport_step(t, copy, bytes.len, &used, &event);
	(void)!transport_send(t, span_of(payload, sizeof(payload)));
	(void)transport_rekey_is_due(t);
	(void)!transport_rekey(t);
	transport_disconnect(t, SSH_DISCONNECT_BY_APPLICATION, "bye");
}

Test(transport_state, a_flipped_bit_is_refused_or_harmless)
{
	for (size_t i = 0; i < SUITES; i++) {
		size_t n_refused = 0;
		struct buf state = {0};
		struct leg_pair p;

		get_state(&p, &suites[i], &state);
		send_numbered(&p.server, 4);
		for (size_t bit = 0; bit < state.len * 8; bit++) {
			struct transport *t;
			enum err e;

			state.data[state.head + bit / 8] ^= (uint8_t)(1 << bit % 8);
			e = transport_state_read(buf_span(&state), &p.client.config, &t);
			cr_assert(e == OK || e == ERR_FORMAT || e == ERR_UNSUPPORTED, "%s",
				err_text(e));
			if (e == OK) {
				use(t, buf_span(transport_out(p.server.t)));
				transport_free(t);
			} else {
				n_refused++;
			}
			state.data[state.head + bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		cr_assert_gt(n_refused, 500);
		buf_clear(&state);
		leg_pair_end(&p);
	}
}

Test(transport_state, another_role_or_version_is_refused)
{
	struct transport *t = NULL;
	struct buf state = {0};
	struct leg_pair p;

	get_state(&p, &suites[0], &state);
	cr_assert_eq(transport_state_read(buf_span(&state), &p.server.config, &t), ERR_FORMAT);
	state.data[state.head]++;
	cr_assert_eq(transport_state_read(buf_span(&state), &p.client.config, &t), ERR_UNSUPPORTED);
	cr_assert_null(t);
	buf_clear(&state);
	leg_pair_end(&p);
}

Test(transport_state, as_much_goes_along_as_can_be_unsent)
{
	static uint8_t payload[200000];
	struct leg_pair p;
	size_t n = 0;

	payload_fill(payload, sizeof(payload), 94, 1);
	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	while (transport_send(p.client.t, span_of(payload, sizeof(payload))) == OK)
		n++;
	cr_assert_gt(transport_out(p.client.t)->len, TRANSPORT_OUT_MAX);
	cr_assert(move_house(&p.client));
	leg_pair_run(&p);
	cr_assert_eq(p.server.n_packets, n);
	leg_pair_end(&p);
}

/* The process that goes on may have been configured otherwise since. */
Test(transport_state, the_new_process_rekeys_by_its_own_lists)
{
	struct leg_pair p;

	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	p.server.config.ident = "SSH-2.0-newer";
	p.server.config.ciphers = "aes128-gcm@openssh.com";
	p.server.config.kex = "ecdh-sha2-nistp384";
	p.client.config.host_keys = "rsa-sha2-512";
	cr_assert(move_house(&p.server));
	cr_assert(move_house(&p.client));
	cr_assert_eq(transport_rekey(p.server.t), OK);
	leg_pair_run(&p);
	cr_assert(p.client.err == OK && p.server.err == OK);
	cr_assert_eq(p.client.n_keys, 2);
	cr_assert_eq(transport_cipher(p.client.t, CIPHER_OPEN), CIPHER_AES128_GCM);
	cr_assert_eq(transport_kex_method(p.client.t), KEX_ECDH_P384);
	cr_assert_str_eq(transport_host_key_alg(p.client.t), "ssh-ed25519");
	leg_pair_end(&p);
}

Test(transport_state, a_moved_client_still_knows_the_host_key)
{
	struct privkey *other;
	struct leg_pair p;

	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &other), OK);
	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	cr_assert(move_house(&p.client));
	p.server.host_key = other;
	p.client.host_key_seen = pubkey_blob(privkey_public(other));
	cr_assert_eq(transport_rekey(p.server.t), OK);
	leg_pair_run(&p);
	cr_assert_eq(p.client.err, ERR_KEY);
	leg_pair_end(&p);
	privkey_free(other);
}
