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
		TRANSPORT_WAITING_MAX + TRANSPORT_STATE_SIZE_MAX)

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

/* Write the leg out and go on with what is read back, whatever a key exchange is at. */
static void
move_house(struct leg *l)
{
	struct transport *copy;
	struct buf state, again;

	buf_init(&state, STATE_MAX);
	buf_init(&again, STATE_MAX);
	cr_assert_eq(transport_state_write(l->t, &state), OK);
	cr_assert_leq(state.len,
		transport_out(l->t)->len + transport_n_waiting(l->t) + TRANSPORT_STATE_SIZE_MAX);
	cr_assert_eq(transport_state_read(buf_span(&state), &l->config, &copy), OK);
	facts_are_equal(copy, l->t);
	cr_assert_eq(transport_state_write(copy, &again), OK);
	cr_assert(span_equal(buf_span(&state), buf_span(&again)));
	transport_free(l->t);
	l->t = copy;
	buf_clear(&state);
	buf_clear(&again);
}

/* How often legs moved, and in the middle of what. */
struct moves {
	size_t n;
	size_t in[TRANSPORT_STATE_COUNT];
	size_t n_awaiting_kexinit;
	size_t n_waiting; /* with packets that waited for the end of a key exchange */
};

/* A signature that is due is asked for again, by the leg's new owner. */
static void
move(struct leg *l, struct moves *m)
{
	struct transport_exchange exchange;

	m->n++;
	m->in[l->t->state]++;
	m->n_awaiting_kexinit += l->t->state == TRANSPORT_OPEN && transport_is_rekeying(l->t);
	m->n_waiting += transport_n_waiting(l->t) > 0;
	move_house(l);
	if (transport_to_sign(l->t, &exchange) == OK)
		leg_sign(l, &exchange, leg_host_key(exchange.host_key_alg));
}

/* As leg_pair_run(), moving house between any two packets. */
static void
run_and_move(struct leg_pair *p, size_t cut, struct moves *m)
{
	struct leg *legs[2] = {&p->client, &p->server};
	struct transport_event event;
	size_t moved = 1;

	while (moved > 0) {
		moved = 0;
		for (int side = 0; side < 2; side++) {
			move(legs[side], m);
			moved += leg_move(legs[side], legs[1 - side], cut);
			while (leg_step(legs[1 - side], &event) == OK)
				move(legs[1 - side], m);
		}
	}
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
conversation(const struct leg_options *o, size_t cut, struct moves *m)
{
	enum { ROUNDS = 8, EACH = 10 };
	struct leg_pair p;

	leg_pair_open(&p, o, TRANSPORT_PHASE_CONNECTION);
	p.server.host_key = NULL;
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
		run_and_move(&p, cut, m);
	}
	got_numbered(&p.client, ROUNDS * EACH);
	got_numbered(&p.server, ROUNDS * EACH);
	cr_assert_eq(p.client.n_keys, 7);
	cr_assert_eq(p.server.n_keys, 7);
	/* The host key was asked about before the first move only. */
	cr_assert_eq(p.client.n_host_keys, 1);
	leg_pair_end(&p);
}

Test(transport_state, a_leg_goes_on_at_every_packet_boundary)
{
	struct moves m = {0};

	for (size_t i = 0; i < SUITES; i++) {
		for (int plain = 0; plain < 2; plain++) {
			struct leg_options o = {.ciphers = suites[i].cipher,
				.macs = suites[i].mac,
				.client_is_plain = plain,
				.server_is_plain = plain};

			conversation(&o, SIZE_MAX, &m);
			conversation(&o, 777, &m);
		}
	}
	/* Each state that there is was moved in. */
	cr_assert_gt(m.in[TRANSPORT_KEX], 0);
	cr_assert_gt(m.in[TRANSPORT_SIGN], 0);
	cr_assert_gt(m.in[TRANSPORT_NEWKEYS], 0);
	cr_assert_gt(m.in[TRANSPORT_OPEN], 0);
	cr_assert_gt(m.n_awaiting_kexinit, 0);
	cr_assert_gt(m.n_waiting, 0);
}

Test(transport_state, a_leg_goes_on_with_every_method_and_host_key)
{
	static const char *const kexes[] = {"ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
		"ecdh-sha2-nistp521", "diffie-hellman-group16-sha512",
		"diffie-hellman-group14-sha256"};
	static const char *const algs[] = {"rsa-sha2-256", "ecdsa-sha2-nistp384", "rsa-sha2-512",
		"ssh-ed25519", "ssh-ed25519"};
	struct moves m = {0};

	for (size_t i = 0; i < ARRAY_LEN(kexes); i++) {
		struct leg_options o = {.kex = kexes[i], .host_key_alg = algs[i]};

		conversation(&o, 4096, &m);
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
		move_house(&p.server);
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
	move_house(&p.client);
	leg_pair_run(&p);
	cr_assert_eq(p.server.n_packets, 30);
	cr_assert_eq(p.server.err, OK);
	leg_pair_end(&p);
}

Test(transport_state, no_state_before_the_first_exchange_is_over_or_when_dead)
{
	struct buf state = {0};
	struct leg_pair p;

	leg_pair_begin(&p, NULL);
	cr_assert_eq(transport_state_write(p.client.t, &state), ERR_AGAIN);
	leg_pair_run(&p);
	cr_assert_eq(transport_state_write(p.client.t, &state), OK);
	buf_reset(&state);
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
	struct buf whole = {0}, cipher = {0};
	struct leg_pair p;
	uint8_t key[16];

	get_state(&p, &suites[0], &whole);
	/* The name and the direction come before the key. */
	cr_assert_eq(cipher_write(p.client.t->in.cipher, &cipher), OK);
	memcpy(key, cipher.data + 4 + strlen(suites[0].cipher) + 1 + 4, sizeof(key));
	cr_assert_not_null(memmem(whole.data, whole.len, key, sizeof(key)));
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
	buf_clear(&cipher);
	leg_pair_end(&p);
}

/* One packet at a time, until leg is in this state of a key exchange that the other side began. */
static void
go_to(struct leg_pair *p, struct leg *leg, enum transport_state state)
{
	struct leg *other = leg == &p->client ? &p->server : &p->client;
	struct transport_event event;

	p->server.host_key = NULL;
	cr_assert_eq(transport_rekey(other->t), OK);
	send_numbered(other, 4);
	for (int i = 0; i < 20 && leg->t->state != state; i++) {
		struct transport_exchange x;

		leg_move(other, leg, SIZE_MAX);
		if (leg_step(leg, &event) != OK) {
			leg_move(leg, other, SIZE_MAX);
			leg_take(other);
		}
		if (leg->t->state != state && transport_to_sign(p->server.t, &x) == OK)
			leg_sign(&p->server, &x, leg_host_key("ssh-ed25519"));
	}
	cr_assert_eq(leg->t->state, state);
	send_numbered(leg, 5);
}

Test(transport_state, a_state_of_a_key_exchange_is_refused_when_cut_and_by_the_other_role)
{
	static const struct {
		bool server;
		enum transport_state state;
	} cases[] = {{true, TRANSPORT_KEX}, {false, TRANSPORT_KEX}, {true, TRANSPORT_SIGN},
		{true, TRANSPORT_NEWKEYS}, {false, TRANSPORT_NEWKEYS}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct transport *t = NULL;
		struct buf state = {0};
		struct leg_pair p;
		struct leg *leg = cases[i].server ? &p.server : &p.client;
		struct leg *other = cases[i].server ? &p.client : &p.server;

		leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
		go_to(&p, leg, cases[i].state);
		cr_assert_eq(transport_state_write(leg->t, &state), OK);
		for (size_t len = 0; len < state.len; len++)
			cr_assert_eq(
				transport_state_read(span_of(state.data, len), &leg->config, &t),
				ERR_FORMAT, "case %zu, %zu bytes", i, len);
		cr_assert_eq(
			transport_state_read(buf_span(&state), &other->config, &t), ERR_FORMAT);
		cr_assert_null(t);
		move_house(leg);
		buf_clear(&state);
		leg_pair_end(&p);
	}
}

/* What stands in a written state at the byte that says what the leg is at. */
static size_t
find_state_byte(struct leg_pair *p, struct buf *state)
{
	struct buf other = {0};
	size_t at = 0;

	cr_assert_eq(transport_state_write(p->client.t, state), OK);
	p->client.t->state = TRANSPORT_NEWKEYS;
	p->client.t->clear = true;
	cr_assert_eq(transport_state_write(p->client.t, &other), OK);
	p->client.t->state = TRANSPORT_OPEN;
	while (at < state->len && state->data[at] == other.data[at])
		at++;
	cr_assert_eq(state->data[at], TRANSPORT_OPEN);
	buf_clear(&other);
	return at;
}

Test(transport_state, a_state_that_no_leg_can_be_in_is_refused)
{
	struct transport *t = NULL;
	struct buf state = {0};
	struct leg_pair p;
	size_t at;

	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	at = find_state_byte(&p, &state);
	for (unsigned value = 0; value < 256; value++) {
		if (value == TRANSPORT_OPEN)
			continue;
		state.data[at] = (uint8_t)value;
		cr_assert_eq(transport_state_read(buf_span(&state), &p.client.config, &t),
			ERR_FORMAT, "%u", value);
	}
	buf_clear(&state);
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
	move_house(&p.client);
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
	move_house(&p.server);
	move_house(&p.client);
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
	move_house(&p.client);
	p.server.host_key = other;
	p.client.host_key_seen = pubkey_blob(privkey_public(other));
	cr_assert_eq(transport_rekey(p.server.t), OK);
	leg_pair_run(&p);
	cr_assert_eq(p.client.err, ERR_KEY);
	leg_pair_end(&p);
	privkey_free(other);
}
