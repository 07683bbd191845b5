/*
 * common/ssh/transport: both roles against each other in memory.
 */
#include "common/ssh/transport.h"

#include "common/ssh/transport_impl.h"
#include "tests/lib/leg_pair.h"
#include "tests/lib/suites.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const char *const kexes[] = {"curve25519-sha256", "curve25519-sha256@libssh.org",
	"ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
	"diffie-hellman-group16-sha512", "diffie-hellman-group14-sha256"};
static const char *const host_keys[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256"};

static void
exchange_works(const struct leg_options *o)
{
	struct leg_pair p;

	leg_pair_begin(&p, o);
	leg_pair_run(&p);
	cr_assert_eq(p.client.err, OK, "%s %s %s: %s", o->kex, o->ciphers, o->host_key_alg,
		transport_failure(p.client.t)->text);
	cr_assert_eq(p.server.err, OK, "%s %s %s: %s", o->kex, o->ciphers, o->host_key_alg,
		transport_failure(p.server.t)->text);
	cr_assert_eq(p.client.n_keys, 1);
	cr_assert_eq(p.server.n_keys, 1);
	leg_pair_end(&p);
}

Test(transport, each_algorithm_with_each_other)
{
	for (size_t i = 0; i < ARRAY_LEN(kexes); i++) {
		for (size_t j = 0; j < SUITES; j++) {
			for (size_t k = 0; k < ARRAY_LEN(host_keys); k++) {
				struct leg_options o = {.kex = kexes[i],
					.ciphers = suites[j].cipher,
					.macs = suites[j].mac,
					.host_key_alg = host_keys[k]};

				exchange_works(&o);
			}
		}
	}
}

/* A KEXINIT of a client that speaks what we speak, and more, with this first method and guess. */
static void
inject_kexinit(struct leg *l, const char *kex, bool guess)
{
	struct kexinit_offer offer = {
		.kex = kex, .host_keys = "ssh-ed25519", .ciphers = "aes128-gcm@openssh.com"};
	struct buf b = {0};

	cr_assert_eq(kexinit_write(&offer, &b), OK);
	b.data[b.head + b.len - 5] = guess;
	leg_inject(l, buf_span(&b));
	buf_clear(&b);
}

/* A server that has got the identification of a client, and whose own first bytes are out of the way. */
static void
begin_with_ident(struct leg_pair *p)
{
	leg_pair_begin(p, NULL);
	leg_move(&p->client, &p->server, strlen(p->client.config.ident) + 2);
	leg_take(&p->server);
	buf_clear(transport_out(p->client.t));
	leg_move(&p->server, &p->client, SIZE_MAX);
	buf_reset(&p->client.in);
}

Test(transport, a_wrong_guess_is_skipped_whatever_its_method)
{
	static const uint8_t guesses[] = {30, 32, 34, 49};

	for (size_t i = 0; i < ARRAY_LEN(guesses); i++) {
		struct leg_pair p;

		begin_with_ident(&p);
		inject_kexinit(
			&p.client, "sntrup761x25519-sha512@openssh.com,curve25519-sha256", true);
		leg_inject_type(&p.client, guesses[i]);
		leg_move(&p.client, &p.server, SIZE_MAX);
		leg_take(&p.server);
		cr_assert_eq(p.server.err, OK, "type %u", guesses[i]);
		leg_inject_type(&p.client, guesses[i]);
		leg_move(&p.client, &p.server, SIZE_MAX);
		leg_take(&p.server);
		cr_assert_neq(p.server.err, OK, "only one packet is skipped");
		leg_pair_end(&p);
	}
}

static void
unread_answers_end(enum transport_phase phase, size_t max)
{
	struct leg_pair p;

	leg_pair_open(&p, NULL, phase);
	for (size_t i = 0; i < max / 8 && p.server.err == OK; i++) {
		leg_inject_type(&p.client, 200);
		leg_move(&p.client, &p.server, SIZE_MAX);
		leg_take(&p.server);
	}
	cr_assert_eq(p.server.err, ERR_LIMIT);
	cr_assert_eq(transport_failure(p.server.t)->code, SSH_DISCONNECT_BY_APPLICATION);
	cr_assert_leq(transport_out(p.server.t)->len, max);
	leg_pair_end(&p);
}

Test(transport, answers_that_nobody_reads_end_the_leg)
{
	size_t max = TRANSPORT_OUT_MAX + TRANSPORT_SEALED_GROWTH * TRANSPORT_WAITING_MAX;

	unread_answers_end(TRANSPORT_PHASE_CONNECTION, max);
	unread_answers_end(TRANSPORT_PHASE_AUTH, TRANSPORT_UNREAD_MAX + 200);
	unread_answers_end(TRANSPORT_PHASE_SERVICE, TRANSPORT_UNREAD_MAX + 200);
}

Test(transport, nothing_but_the_exchange_is_sent_before_the_first_keys)
{
	struct leg_pair p;
	uint8_t ignore[5] = {SSH_MSG_IGNORE};

	leg_pair_begin(&p, NULL);
	cr_assert_eq(transport_send(p.client.t, span_of(ignore, sizeof(ignore))), OK);
	cr_assert_eq(transport_send(p.server.t, span_of(ignore, sizeof(ignore))), OK);
	leg_pair_run(&p);
	cr_assert(p.client.err == OK && p.server.err == OK);
	cr_assert(transport_is_strict(p.client.t) && transport_is_strict(p.server.t));
	leg_pair_end(&p);
}

Test(transport, a_kex_list_that_is_too_long_is_refused_and_not_cut)
{
	char kex[2000];
	struct transport_config config = {
		.role = TRANSPORT_CLIENT, .ident = "SSH-2.0-x", .kex = kex};
	struct transport *t;

	memset(kex, 'k', sizeof(kex) - 1);
	kex[sizeof(kex) - 1] = '\0';
	cr_assert_eq(transport_new(&config, &t), ERR_LIMIT);
}

Test(transport, a_dead_leg_keeps_nothing_waiting)
{
	struct leg_pair p;
	uint8_t data[100] = {94};

	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	cr_assert_eq(transport_rekey(p.server.t), OK);
	cr_assert_eq(transport_send(p.server.t, span_of(data, sizeof(data))), OK);
	cr_assert_gt(transport_n_waiting(p.server.t), 0);
	transport_disconnect(p.server.t, SSH_DISCONNECT_BY_APPLICATION, "bye");
	cr_assert_eq(transport_n_waiting(p.server.t), 0);
	cr_assert_eq(transport_rekey(p.client.t), OK);
	cr_assert_eq(transport_send(p.client.t, span_of(data, sizeof(data))), OK);
	leg_pair_run(&p);
	cr_assert_eq(p.client.disconnect, SSH_DISCONNECT_BY_APPLICATION);
	cr_assert_str_eq(p.client.text, "bye");
	cr_assert_eq(transport_n_waiting(p.client.t), 0);
	leg_pair_end(&p);
}

Test(transport, host_keys_default_to_all)
{
	struct leg_pair p;

	leg_pair_begin(&p, NULL);
	leg_pair_end(&p);
	p.client.config = (struct transport_config){.role = TRANSPORT_CLIENT, .ident = "SSH-2.0-x"};
	cr_assert_eq(transport_new(&p.client.config, &p.client.t), OK);
	cr_assert_not_null(memmem(transport_out(p.client.t)->data, transport_out(p.client.t)->len,
		sigalg_names(), strlen(sigalg_names())));
	transport_free(p.client.t);
}

/* Number i of a conversation: its type, and a content and length that follow from i. */
static size_t
make_message(uint32_t i, uint8_t payload[70000])
{
	size_t len = i % 17 == 0 ? 60000 + i : 5 + i * 7919 % 3000;

	payload_fill(payload, len, (uint8_t)(80 + i % 40), i);
	return len;
}

static void
send_messages(struct leg *l, uint32_t first, uint32_t n)
{
	static uint8_t payload[70000];

	for (uint32_t i = first; i < first + n; i++) {
		size_t len = make_message(i, payload);

		cr_assert_eq(transport_send(l->t, span_of(payload, len)), OK);
	}
}

/* l got these messages, all and in order, and no others. */
static void
got_messages(struct leg *l, uint32_t n)
{
	static uint8_t payload[70000];
	struct wire_reader r = {0};
	struct span got;

	cr_assert_eq(l->err, OK, "%s", transport_failure(l->t)->text);
	cr_assert_eq(l->n_packets, n);
	for (uint32_t i = 0; i < n; i++) {
		size_t len = make_message(i, payload);

		cr_assert(leg_next_got(l, &r, &got));
		cr_assert(span_equal(got, span_of(payload, len)), "message %u", i);
	}
	cr_assert_not(leg_next_got(l, &r, &got));
}

/* Who begins a key exchange in a round, and when. */
enum who { NOBODY = 0, CLIENT = 1, SERVER = 2, BOTH = 3 };

static void
rekey(struct leg_pair *p, enum who who)
{
	if ((who & CLIENT) != 0)
		cr_assert_eq(transport_rekey(p->client.t), OK);
	if ((who & SERVER) != 0)
		cr_assert_eq(transport_rekey(p->server.t), OK);
}

/*
 * Both sides talk for some rounds, with key exchanges before, among and after what they send, and the wire cut up.
 * Everything arrives, in order.
 */
static void
conversation(const struct leg_options *o, enum leg_cut cut, uint32_t seed, enum who who)
{
	enum { ROUNDS = 6, EACH = 5 };
	struct leg_pair p;

	leg_pair_open(&p, o, TRANSPORT_PHASE_CONNECTION);
	p.cut = cut;
	p.seed = seed;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		if (round % 3 == 0)
			rekey(&p, who);
		send_messages(&p.client, round * EACH, 2);
		send_messages(&p.server, round * EACH, 3);
		if (round % 3 == 1)
			rekey(&p, who);
		send_messages(&p.client, round * EACH + 2, 3);
		send_messages(&p.server, round * EACH + 3, 2);
		if (round % 3 == 2)
			rekey(&p, who);
		leg_pair_run(&p);
		cr_assert(transport_is_clear(p.client.t) && transport_is_clear(p.server.t));
		cr_assert_not(transport_is_rekeying(p.client.t));
		cr_assert_not(transport_is_rekeying(p.server.t));
	}
	got_messages(&p.client, ROUNDS * EACH);
	got_messages(&p.server, ROUNDS * EACH);
	cr_assert_eq(p.client.n_keys, who == NOBODY ? 1 : 1 + ROUNDS);
	cr_assert_eq(p.server.n_keys, p.client.n_keys);
	cr_assert_eq(p.client.n_host_keys, 1);
	leg_pair_end(&p);
}

Test(transport, nothing_is_lost_however_the_wire_is_cut)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct leg_options o = {.ciphers = suites[i].cipher, .macs = suites[i].mac};

		conversation(&o, CUT_NOT, 0, NOBODY);
		conversation(&o, CUT_SINGLE_BYTES, 0, BOTH);
		for (uint32_t seed = 0; seed < 10; seed++)
			conversation(&o, CUT_ODD, seed, NOBODY);
	}
}

Test(transport, nothing_is_lost_whoever_rekeys)
{
	for (size_t i = 0; i < SUITES; i++) {
		for (int plain = 0; plain < 2; plain++) {
			struct leg_options o = {.ciphers = suites[i].cipher,
				.macs = suites[i].mac,
				.server_is_plain = plain};

			for (enum who who = CLIENT; who <= BOTH; who++) {
				conversation(&o, CUT_NOT, 0, who);
				for (uint32_t seed = 0; seed < 4; seed++)
					conversation(&o, CUT_ODD, seed, who);
			}
		}
	}
}

Test(transport, each_method_rekeys)
{
	for (size_t i = 0; i < ARRAY_LEN(kexes); i++) {
		for (size_t k = 0; k < ARRAY_LEN(host_keys); k++) {
			struct leg_options o = {.kex = kexes[i], .host_key_alg = host_keys[k]};

			conversation(&o, CUT_ODD, (uint32_t)i, BOTH);
		}
	}
}

Test(transport, the_handshake_works_byte_by_byte)
{
	struct leg_pair p;

	leg_pair_begin(&p, NULL);
	p.cut = CUT_SINGLE_BYTES;
	leg_pair_run(&p);
	cr_assert(p.client.n_keys == 1 && p.server.n_keys == 1);
	cr_assert(transport_is_strict(p.client.t) && transport_is_strict(p.server.t));
	cr_assert(span_equal(transport_session_id(p.client.t), transport_session_id(p.server.t)));
	cr_assert_eq(transport_session_id(p.client.t).len, 32);
	cr_assert(span_is(transport_peer_ident(p.server.t), p.client.config.ident));
	cr_assert(span_is(transport_peer_ident(p.client.t), p.server.config.ident));
	leg_pair_end(&p);
}

Test(transport, rekeys_back_to_back_in_every_phase)
{
	struct leg_pair p;
	uint8_t id[KEX_HASH_MAX];

	leg_pair_open(&p, NULL, TRANSPORT_PHASE_SERVICE);
	memcpy(id, transport_session_id(p.client.t).ptr, transport_session_id(p.client.t).len);
	for (int phase = 0; phase <= TRANSPORT_PHASE_CONNECTION; phase++) {
		leg_pair_set_phase(&p, (enum transport_phase)phase);
		for (enum who who = CLIENT; who <= BOTH; who++) {
			rekey(&p, who);
			rekey(&p, who);
			leg_pair_run(&p);
		}
	}
	cr_assert_eq(p.client.n_keys, 10);
	cr_assert_eq(p.server.n_keys, 10);
	cr_assert(p.client.err == OK && p.server.err == OK);
	/* The session id is that of the first exchange for ever (RFC 4253 section 7.2). */
	cr_assert_eq(memcmp(id, transport_session_id(p.client.t).ptr, 32), 0);
	cr_assert_eq(memcmp(id, transport_session_id(p.server.t).ptr, 32), 0);
	leg_pair_end(&p);
}

Test(transport, strangers_get_a_few_key_exchanges_and_users_any_number)
{
	struct leg_pair p;

	leg_pair_open(&p, NULL, TRANSPORT_PHASE_AUTH);
	for (int i = 0; i < 100 && p.server.err == OK; i++) {
		transport_set_phase(p.client.t, TRANSPORT_PHASE_CONNECTION);
		rekey(&p, CLIENT);
		leg_pair_run(&p);
	}
	cr_assert_eq(p.server.err, ERR_LIMIT);
	cr_assert_eq(p.server.n_keys, TRANSPORT_EARLY_EXCHANGES_MAX);
	cr_assert_eq(p.client.disconnect, SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
	leg_pair_end(&p);
	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	for (int i = 0; i < 50; i++) {
		rekey(&p, CLIENT);
		leg_pair_run(&p);
	}
	cr_assert_eq(p.server.n_keys, 51);
	leg_pair_end(&p);
}

Test(transport, either_side_may_rekey_right_behind_its_newkeys)
{
	for (enum who who = CLIENT; who <= BOTH; who++) {
		struct leg_pair p;

		leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
		for (int i = 0; i < 200 && p.client.n_keys < 5; i++) {
			rekey(&p, who);
			leg_move(&p.client, &p.server, 97);
			leg_take(&p.server);
			leg_move(&p.server, &p.client, 89);
			leg_take(&p.client);
		}
		leg_pair_run(&p);
		cr_assert(p.client.err == OK && p.server.err == OK);
		cr_assert_geq(p.client.n_keys, 5);
		cr_assert_eq(p.client.n_keys, p.server.n_keys);
		leg_pair_end(&p);
	}
}

Test(transport, sequence_numbers_start_anew_only_when_strict)
{
	for (int plain = 0; plain < 2; plain++) {
		struct leg_options o = {.client_is_plain = plain};
		struct leg_pair p;

		leg_pair_open(&p, &o, TRANSPORT_PHASE_CONNECTION);
		cr_assert_eq(transport_is_strict(p.server.t), !plain);
		send_messages(&p.client, 0, 10);
		leg_pair_run(&p);
		/* Plain: KEXINIT, KEX_ECDH_INIT and NEWKEYS come before. */
		cr_assert_eq(transport_next_seq(p.client.t), plain ? 13 : 10);
		rekey(&p, CLIENT);
		leg_pair_run(&p);
		cr_assert_eq(transport_next_seq(p.client.t), plain ? 16 : 0);
		leg_pair_end(&p);
	}
}

Test(transport, what_waits_is_bounded_and_goes_out_in_order)
{
	struct leg_options o = {.waiting_max = 10000};
	uint8_t payload[1000], ignore[5] = {SSH_MSG_IGNORE};
	struct wire_reader r = {0};
	struct leg_pair p;
	struct span got;
	size_t n = 0;

	leg_pair_open(&p, &o, TRANSPORT_PHASE_CONNECTION);
	rekey(&p, CLIENT);
	cr_assert_not(transport_is_clear(p.client.t));
	for (; n < 100; n++) {
		enum err e;

		payload_fill(payload, sizeof(payload), 94, (uint32_t)n);
		e = transport_send(p.client.t, span_of(payload, sizeof(payload)));
		if (e != OK) {
			cr_assert_eq(e, ERR_LIMIT);
			break;
		}
	}
	cr_assert_eq(n, 9);
	cr_assert_leq(transport_n_waiting(p.client.t), 10000);
	cr_assert_eq(transport_failure(p.client.t)->code, SSH_DISCONNECT_NONE);
	/* A small one still fits, and these need not wait at all. */
	payload_fill(payload, 50, 95, 7);
	cr_assert_eq(transport_send(p.client.t, span_of(payload, 50)), OK);
	cr_assert_eq(transport_send(p.client.t, span_of(ignore, sizeof(ignore))), OK);
	leg_pair_run(&p);
	cr_assert_eq(transport_n_waiting(p.client.t), 0);
	for (size_t i = 0; i < n; i++) {
		payload_fill(payload, sizeof(payload), 94, (uint32_t)i);
		cr_assert(leg_next_got(&p.server, &r, &got));
		cr_assert(span_equal(got, span_of(payload, sizeof(payload))));
	}
	cr_assert(leg_next_got(&p.server, &r, &got) && got.len == 50);
	leg_pair_end(&p);
}

Test(transport, what_is_sent_before_the_first_keys_waits)
{
	struct leg_pair p;
	static const uint8_t request[] = {SSH_MSG_SERVICE_REQUEST, 0, 0, 0, 0};

	leg_pair_begin(&p, NULL);
	cr_assert_eq(transport_send(p.client.t, span_of(request, sizeof(request))), OK);
	leg_pair_run(&p);
	cr_assert_eq(p.server.n_packets, 1);
	leg_pair_end(&p);
}

/* Until the server's NEWKEYS it must say nothing else, and then this first (RFC 8308 section 2.4). */
Test(transport, extensions_are_the_first_thing_after_newkeys)
{
	static const uint8_t debug[] = {SSH_MSG_PING, 0, 0, 0, 0};
	struct transport_event event;
	struct leg_pair p;

	leg_pair_begin(&p, NULL);
	cr_assert_eq(transport_send(p.server.t, span_of(debug, sizeof(debug))), OK);
	leg_move(&p.client, &p.server, SIZE_MAX);
	leg_take(&p.server);
	leg_move(&p.server, &p.client, SIZE_MAX);
	leg_take(&p.client);
	leg_move(&p.client, &p.server, SIZE_MAX);
	leg_take(&p.server);
	leg_move(&p.server, &p.client, SIZE_MAX);
	while (p.client.n_keys == 0)
		cr_assert_eq(leg_step(&p.client, &event), OK);
	cr_assert_eq(transport_server_sig_algs(p.client.t).len, 0);
	cr_assert_eq(leg_step(&p.client, &event), OK);
	cr_assert_eq(event.kind, TRANSPORT_EVENT_NONE);
	cr_assert(span_is(transport_server_sig_algs(p.client.t), sigalg_names()));
	cr_assert(transport_peer_has_ping(p.client.t));
	cr_assert_not(transport_peer_has_ping(p.server.t));
	cr_assert_eq(leg_step(&p.client, &event), OK);
	cr_assert_eq(event.kind, TRANSPORT_EVENT_PACKET);
	leg_pair_end(&p);
}

Test(transport, extensions_are_told_once_and_only_to_who_asks)
{
	for (int plain = 0; plain < 2; plain++) {
		struct leg_options o = {.client_is_plain = plain};
		struct leg_pair p;

		leg_pair_open(&p, &o, TRANSPORT_PHASE_CONNECTION);
		cr_assert_eq(transport_server_sig_algs(p.client.t).len == 0, plain);
		free(p.client.t->sig_algs);
		p.client.t->sig_algs = NULL;
		/* In this phase they would be taken. */
		leg_pair_set_phase(&p, TRANSPORT_PHASE_AUTH);
		rekey(&p, CLIENT);
		leg_pair_run(&p);
		cr_assert_eq(transport_server_sig_algs(p.client.t).len, 0);
		leg_pair_end(&p);
	}
}

Test(transport, a_leg_that_waits_for_its_signature_takes_nothing)
{
	struct transport_event event;
	struct leg_pair p;

	leg_pair_begin(&p, NULL);
	cr_assert_eq(transport_signed(p.server.t, span_str("a"), span_str("b")), ERR_BAD_STATE);
	p.server.host_key = NULL;
	leg_pair_run(&p);
	cr_assert(transport_waits_for_signature(p.server.t));
	leg_inject_type(&p.client, SSH_MSG_IGNORE);
	leg_pair_run(&p);
	cr_assert_gt(p.server.in.len, 0);
	cr_assert_eq(leg_step(&p.server, &event), ERR_AGAIN);
	transport_disconnect(p.server.t, SSH_DISCONNECT_BY_APPLICATION, "no key");
	cr_assert_eq(transport_signed(p.server.t, span_str("a"), span_str("b")), ERR_BAD_STATE);
	leg_pair_run(&p);
	cr_assert_str_eq(p.client.text, "no key");
	leg_pair_end(&p);
}

Test(transport, a_signature_may_come_late_while_both_sides_send)
{
	struct leg_pair p;

	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	p.server.host_key = NULL;
	rekey(&p, SERVER);
	leg_pair_run(&p);
	cr_assert(transport_waits_for_signature(p.server.t));
	send_messages(&p.client, 0, 4);
	send_messages(&p.server, 0, 4);
	leg_pair_run(&p);
	cr_assert_eq(p.client.n_packets + p.server.n_packets, 0);
	{
		struct transport_exchange x = {.method = p.server.t->exchange->choice.method,
			.host_key_alg = p.server.t->exchange->choice.host_key_alg};
		struct exchange *e = p.server.t->exchange;

		x.transcript = (struct kex_transcript){span_str(p.client.config.ident),
			span_str(p.server.config.ident), buf_span(&e->peer_kexinit),
			buf_span(&e->own_kexinit), span_of(NULL, 0), buf_span(&e->peer_public),
			kex_public(e->kex), buf_span(&e->secret)};
		leg_sign(&p.server, &x, leg_host_key("ssh-ed25519"));
	}
	leg_pair_run(&p);
	got_messages(&p.client, 4);
	got_messages(&p.server, 4);
	leg_pair_end(&p);
}

/* Take the first packet that l has for its peer out of its way, and have it send this KEXINIT in its stead. */
static void
offer_instead(struct leg *l, const char *kex, bool guess)
{
	struct buf *own = &l->t->exchange->own_kexinit;
	struct kexinit_offer o = {
		.kex = kex, .host_keys = l->config.host_keys, .ciphers = "aes256-gcm@openssh.com"};

	buf_clear(transport_out(l->t));
	buf_clear(own);
	l->t->sealed.seq = 0;
	cr_assert_eq(buf_append(transport_out(l->t), l->config.ident, strlen(l->config.ident)), OK);
	cr_assert_eq(buf_append(transport_out(l->t), "\r\n", 2), OK);
	cr_assert_eq(kexinit_write(&o, own), OK);
	own->data[own->head + own->len - 5] = guess;
	leg_inject(l, buf_span(own));
}

Test(transport, an_exchange_goes_on_behind_a_guess)
{
	static const struct {
		const char *kex;
		bool is_wrong;
		bool is_strict;
	} cases[] = {
		{"curve25519-sha256,ecdh-sha2-nistp256", false, false},
		{"curve25519-sha256,kex-strict-c-v00@openssh.com,kex-strict-s-v00@openssh.com",
			false, true},
		{"ecdh-sha2-nistp521,curve25519-sha256", true, false},
		{"unknown@example.com,curve25519-sha256", true, false},
		{"unknown@example.com,curve25519-sha256,kex-strict-c-v00@openssh.com,"
		 "kex-strict-s-v00@openssh.com",
			true, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int side = 0; side < 2; side++) {
			struct leg_pair p;
			struct leg *l = side == 0 ? &p.client : &p.server;

			leg_pair_begin(&p, NULL);
			offer_instead(l, cases[i].kex, true);
			/* A right guess of a client's is the message that its engine sends anyway. */
			if (cases[i].is_wrong)
				leg_inject(l, span_str(side == 0 ? "\x1e guess" : "\x1f guess"));
			if (side == 1 && !cases[i].is_wrong) {
				leg_pair_end(&p);
				continue;
			}
			leg_pair_run(&p);
			cr_assert(p.client.err == OK && p.server.err == OK, "case %zu: %s", i,
				transport_failure(p.client.t)->text);
			cr_assert(p.client.n_keys == 1 && p.server.n_keys == 1);
			cr_assert_eq(transport_is_strict(p.client.t), cases[i].is_strict);
			cr_assert_eq(transport_is_strict(p.server.t), cases[i].is_strict);
			leg_pair_end(&p);
		}
	}
}

Test(transport, nothing_in_common_is_said_in_words)
{
	static const struct {
		struct leg_options client, server;
		const char *text;
	} cases[] = {
		{{.kex = "curve25519-sha256"}, {.kex = "ecdh-sha2-nistp256"},
			"no key exchange method in common"},
		{{.ciphers = "aes128-gcm@openssh.com"}, {.ciphers = "aes256-gcm@openssh.com"},
			"no cipher from client to server in common"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct leg_pair p, q;

		leg_pair_begin(&p, &cases[i].client);
		leg_pair_begin(&q, &cases[i].server);
		transport_free(p.server.t);
		p.server.t = q.server.t;
		q.server.t = NULL;
		leg_pair_run(&p);
		cr_assert(p.client.err == ERR_NO_MATCH || p.server.err == ERR_NO_MATCH);
		cr_assert_str_eq(transport_failure(p.server.t)->text, cases[i].text);
		cr_assert_eq(
			transport_failure(p.server.t)->code, SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
		leg_pair_end(&p);
		leg_pair_end(&q);
	}
}

Test(transport, a_disconnect_arrives_from_every_state)
{
	struct leg_pair p;

	/* The number of steps that have been taken decides what both are at. */
	for (size_t steps = 0; steps < 40; steps++) {
		for (int side = 0; side < 2; side++) {
			struct leg *l = side == 0 ? &p.client : &p.server;
			struct leg *peer = side == 0 ? &p.server : &p.client;

			leg_pair_begin(&p, NULL);
			for (size_t i = 0; i < steps; i++) {
				leg_move(&p.client, &p.server, 150);
				leg_take(&p.server);
				leg_move(&p.server, &p.client, 150);
				leg_take(&p.client);
				if (i == 15)
					rekey(&p, CLIENT);
			}
			transport_disconnect(l->t, SSH_DISCONNECT_TOO_MANY_CONNECTIONS, "full");
			transport_disconnect(l->t, SSH_DISCONNECT_BY_APPLICATION, "again");
			leg_pair_run(&p);
			cr_assert_eq(peer->disconnect, SSH_DISCONNECT_TOO_MANY_CONNECTIONS,
				"steps %zu, side %d: %s", steps, side,
				transport_failure(peer->t)->text);
			cr_assert_str_eq(peer->text, "full");
			cr_assert_eq(l->err == OK || l->err == ERR_CLOSED, 1);
			cr_assert_eq(
				transport_failure(peer->t)->code, SSH_DISCONNECT_CONNECTION_LOST);
			leg_pair_end(&p);
		}
	}
}

Test(transport, a_rekey_is_due_when_either_direction_is_used_up)
{
	struct leg_options o = {.rekey_bytes = 5000};
	uint8_t payload[1000];
	struct leg_pair p;

	payload_fill(payload, sizeof(payload), 94, 1);
	leg_pair_open(&p, &o, TRANSPORT_PHASE_CONNECTION);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(transport_send(p.client.t, span_of(payload, sizeof(payload))), OK);
	leg_pair_run(&p);
	cr_assert_not(transport_rekey_is_due(p.client.t));
	cr_assert_not(transport_rekey_is_due(p.server.t));
	cr_assert_eq(transport_send(p.client.t, span_of(payload, sizeof(payload))), OK);
	cr_assert(transport_rekey_is_due(p.client.t));
	leg_pair_run(&p);
	cr_assert(transport_rekey_is_due(p.server.t));
	leg_pair_set_phase(&p, TRANSPORT_PHASE_AUTH);
	cr_assert_not(transport_rekey_is_due(p.server.t));
	leg_pair_set_phase(&p, TRANSPORT_PHASE_CONNECTION);
	rekey(&p, SERVER);
	cr_assert_not(transport_rekey_is_due(p.server.t), "one runs");
	leg_pair_run(&p);
	cr_assert_not(transport_rekey_is_due(p.client.t));
	cr_assert_not(transport_rekey_is_due(p.server.t));
	cr_assert_eq(p.server.n_keys, 2);
	transport_disconnect(p.server.t, SSH_DISCONNECT_BY_APPLICATION, "");
	p.server.t->in.n_bytes = 1 << 20;
	cr_assert_not(transport_rekey_is_due(p.server.t));
	leg_pair_end(&p);
}

Test(transport, a_rekey_is_due_as_the_cipher_says)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct leg_options o = {.ciphers = suites[i].cipher, .macs = suites[i].mac};
		/* 1 GiB for ChaCha20, 2^32 blocks for AES. */
		uint64_t limit = (uint64_t)1 << (i == 0 ? 30 : 36);
		struct leg_pair p;

		leg_pair_open(&p, &o, TRANSPORT_PHASE_CONNECTION);
		p.client.t->sealed.n_bytes = limit - 1;
		cr_assert_not(transport_rekey_is_due(p.client.t));
		p.client.t->sealed.n_bytes = limit;
		cr_assert(transport_rekey_is_due(p.client.t));
		p.client.t->sealed.n_bytes = 0;
		p.client.t->in.n_packets = PACKET_COUNT_MAX / 2;
		cr_assert(transport_rekey_is_due(p.client.t));
		/* What arrives under a used-up key ends the leg. */
		p.server.t->in.n_packets = PACKET_COUNT_MAX;
		send_messages(&p.client, 0, 1);
		leg_pair_run(&p);
		cr_assert_eq(p.server.err, ERR_LIMIT);
		leg_pair_end(&p);
	}
}

Test(transport, sequence_numbers_wrap_in_the_middle_of_a_conversation)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct leg_options o = {.ciphers = suites[i].cipher,
			.macs = suites[i].mac,
			.client_is_plain = true};
		struct leg_pair p;

		leg_pair_open(&p, &o, TRANSPORT_PHASE_CONNECTION);
		p.client.t->sealed.seq = p.server.t->in.seq = UINT32_MAX - 3;
		p.server.t->sealed.seq = p.client.t->in.seq = UINT32_MAX - 5;
		send_messages(&p.client, 0, 10);
		send_messages(&p.server, 0, 10);
		leg_pair_run(&p);
		rekey(&p, BOTH);
		leg_pair_run(&p);
		got_messages(&p.client, 10);
		got_messages(&p.server, 10);
		cr_assert_eq(transport_next_seq(p.client.t), 9);
		leg_pair_end(&p);
	}
}

/* What a relay does with two legs: packets go from one to the other where they stand, over rekeys of either. */
Test(transport, packets_are_resealed_from_one_leg_to_another)
{
	struct leg_pair a, b;
	struct transport_event event;
	uint8_t payload[500], relayed[2048];
	struct packet p;
	size_t need;

	leg_pair_open(&a, NULL, TRANSPORT_PHASE_CONNECTION);
	leg_pair_open(&b, NULL, TRANSPORT_PHASE_CONNECTION);
	for (uint32_t i = 0; i < 50; i++) {
		if (i % 10 == 9) {
			rekey(&a, CLIENT);
			leg_pair_run(&a);
		}
		if (i % 7 == 6) {
			rekey(&b, BOTH);
			leg_pair_run(&b);
		}
		payload_fill(payload, sizeof(payload), 94, i);
		cr_assert_eq(transport_send(a.client.t, span_of(payload, sizeof(payload))), OK);
		leg_move(&a.client, &a.server, SIZE_MAX);
		cr_assert_leq(a.server.in.len, sizeof(relayed));
		memcpy(relayed, buf_span(&a.server.in).ptr, a.server.in.len);
		cr_assert_eq(
			transport_step(a.server.t, relayed, a.server.in.len, &need, &event), OK);
		cr_assert_eq(event.kind, TRANSPORT_EVENT_PACKET);
		p = event.packet;
		cr_assert(transport_fits_in_place(b.client.t, a.server.t, &p));
		cr_assert_eq(transport_reseal(b.client.t, &p), OK);
		buf_reset(&a.server.in);
		cr_assert_eq(buf_append(&b.server.in, relayed, p.size), OK);
		leg_take(&b.server);
		cr_assert_eq(b.server.err, OK);
		cr_assert_eq(b.server.n_packets, i + 1);
	}
	leg_pair_end(&a);
	leg_pair_end(&b);
}

Test(transport, exchange_secrets_are_gone_while_the_peers_newkeys_is_due)
{
	struct leg_pair p;

	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	rekey(&p, CLIENT);
	leg_move(&p.client, &p.server, SIZE_MAX);
	leg_take(&p.server);
	leg_move(&p.server, &p.client, SIZE_MAX);
	leg_take(&p.client);
	leg_move(&p.client, &p.server, SIZE_MAX);
	leg_take(&p.server);
	cr_assert_eq(p.server.t->state, TRANSPORT_NEWKEYS);
	cr_assert_null(p.server.t->exchange->kex);
	cr_assert_null(p.server.t->exchange->secret.data);
	leg_pair_end(&p);
}
