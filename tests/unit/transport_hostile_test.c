/*
 * common/ssh/transport against peers and wires that do not keep to the protocol.
 */
#include "common/ssh/transport_impl.h"
#include "tests/lib/hex_vector.h"
#include "tests/lib/leg_pair.h"
#include "tests/lib/suites.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const char *const kexes[] = {
	"curve25519-sha256", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521"};

/* The first bytes of a peer, as they are. */
static void
arrives(struct leg *l, const void *bytes, size_t len)
{
	cr_assert_eq(buf_append(&l->in, bytes, len), OK);
	leg_take(l);
}

static void
arrives_text(struct leg *l, const char *text)
{
	arrives(l, text, strlen(text));
}

Test(transport_hostile, identifications_are_taken_or_refused)
{
	static const struct {
		const char *bytes;
		const char *ident; /* NULL: refused */
		bool client_only; /* a server may greet first */
	} cases[] = {
		{"SSH-2.0-x\r\n", "SSH-2.0-x", false},
		{"SSH-2.0-x\n", "SSH-2.0-x", false},
		{"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "SSH-2.0-OpenSSH_9.2p1 Debian-2", false},
		{"SSH-1.99-x\r\n", "SSH-1.99-x", false},
		{"SSH-1.5-x\r\n", NULL, false},
		{"SSH-2.1-x\r\n", NULL, false},
		{"SSH-2.0-\r\n", NULL, false},
		{"SSH-\r\n", NULL, false},
		{"SSH-2.0-a\rb\r\n", NULL, false},
		{"SSH-2.0-a\r\r\n", NULL, false},
		{"SSH-2.0-\x1b[2J\r\n", NULL, false},
		{"SSH-2.0-a\tb\r\n", NULL, false},
		{"hello\r\nSSH-2.0-x\r\n", "SSH-2.0-x", true},
		{"\r\n\n\nSSH-2.0-x\r\n", "SSH-2.0-x", true},
		{"ssh-2.0-x\r\nSSH-2.0-y\r\n", "SSH-2.0-y", true},
		{"GET / HTTP/1.1\r\nSSH-2.0-x\n", "SSH-2.0-x", true},
		{"hello\r\nSSH-1.5-x\r\n", NULL, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int client = 0; client < 2; client++) {
			struct leg_pair p;
			struct leg *l = client ? &p.client : &p.server;
			const char *want = client || !cases[i].client_only ? cases[i].ident : NULL;

			leg_pair_begin(&p, NULL);
			arrives_text(l, cases[i].bytes);
			if (want != NULL) {
				cr_assert_eq(l->err, OK, "case %zu", i);
				cr_assert(span_is(transport_peer_ident(l->t), want));
			} else {
				cr_assert_eq(l->err, ERR_PROTO, "case %zu", i);
				cr_assert_eq(transport_failure(l->t)->code,
					SSH_DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED);
			}
			leg_pair_end(&p);
		}
	}
}

Test(transport_hostile, who_speaks_no_ssh_is_answered_in_text)
{
	static const char *const hellos[] = {"\n", "\r\n", "GET / HTTP/1.1\r\n", "ssh-2.0-x\r\n"};
	static const char answer[] = "Invalid SSH identification string.\r\n";

	for (size_t i = 0; i < ARRAY_LEN(hellos); i++) {
		struct leg_pair p;
		struct span out;

		leg_pair_begin(&p, NULL);
		arrives_text(&p.server, hellos[i]);
		cr_assert_eq(p.server.err, ERR_PROTO);
		out = buf_span(transport_out(p.server.t));
		cr_assert(out.len >= sizeof(answer) - 1 &&
				memcmp(out.ptr + out.len - (sizeof(answer) - 1), answer,
					sizeof(answer) - 1) == 0,
			"hello %zu", i);
		leg_pair_end(&p);
	}
}

Test(transport_hostile, a_nul_in_the_identification_is_refused)
{
	static const char ident[] = "SSH-2.0-a\0b\r\n";
	struct leg_pair p;

	leg_pair_begin(&p, NULL);
	arrives(&p.server, ident, sizeof(ident) - 1);
	arrives(&p.client, ident, sizeof(ident) - 1);
	cr_assert_eq(p.server.err, ERR_PROTO);
	cr_assert_eq(p.client.err, ERR_PROTO);
	leg_pair_end(&p);
}

/* 255 bytes with CR LF are the longest (RFC 4253 section 4.2). */
Test(transport_hostile, identifications_end_at_their_limit)
{
	for (size_t len = 250; len < 260; len++) {
		for (int client = 0; client < 2; client++) {
			struct leg_pair p;
			struct leg *l = client ? &p.client : &p.server;
			char line[300];

			memset(line, 'x', sizeof(line));
			memcpy(line, "SSH-2.0-", 8);
			memcpy(line + len, "\r\n", 2);
			leg_pair_begin(&p, NULL);
			arrives(l, line, len + 2);
			cr_assert_eq(l->err == OK, len <= 253, "length %zu", len);
			leg_pair_end(&p);
		}
	}
}

Test(transport_hostile, a_client_without_line_end_is_cut_off_at_the_limit)
{
	struct leg_pair p;
	size_t n = 0;

	leg_pair_begin(&p, NULL);
	for (; n < 65536 && p.server.err == OK; n++)
		arrives(&p.server, "x", 1);
	cr_assert_eq(p.server.err, ERR_LIMIT);
	cr_assert_eq(n, 255);
	cr_assert_eq(transport_failure(p.server.t)->code, SSH_DISCONNECT_PROTOCOL_ERROR);
	leg_pair_end(&p);
}

Test(transport_hostile, a_servers_greeting_ends_at_the_limit)
{
	static const char *const greetings[] = {"x", "\n", "hello there\r\n"};

	for (size_t i = 0; i < ARRAY_LEN(greetings); i++) {
		struct leg_pair p;
		size_t n = 0;

		leg_pair_begin(&p, NULL);
		while (n < 65536 && p.client.err == OK) {
			arrives_text(&p.client, greetings[i]);
			n += strlen(greetings[i]);
		}
		cr_assert_eq(p.client.err, ERR_LIMIT);
		cr_assert_leq(n, TRANSPORT_PRELUDE_MAX + 16);
		cr_assert_geq(n, TRANSPORT_PRELUDE_MAX);
		leg_pair_end(&p);
	}
}

/* Lengths in the cleartext packets of the first exchange. */
Test(transport_hostile, bad_packets_end_the_leg_with_the_right_code)
{
	static const struct {
		uint8_t bytes[16];
		enum err err;
	} cases[] = {
		{{0, 0, 0, 0}, ERR_LIMIT},
		{{0, 0, 0, 1}, ERR_LIMIT},
		{{0, 0, 0, 5}, ERR_LIMIT},
		{{0, 4, 0, 4}, ERR_LIMIT},
		{{0x80, 0, 0, 0}, ERR_LIMIT},
		{{0xff, 0xff, 0xff, 0xff}, ERR_LIMIT},
		{{0, 0, 0, 13, 4, 2}, ERR_FORMAT},
		{{0, 0, 0, 12, 3, 2}, ERR_FORMAT},
		{{0, 0, 0, 12, 11, 2}, ERR_FORMAT},
		{{0, 0, 0, 12, 255, 2}, ERR_FORMAT},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int client = 0; client < 2; client++) {
			struct leg_pair p;
			struct leg *l = client ? &p.client : &p.server;

			leg_pair_begin(&p, NULL);
			arrives_text(l, "SSH-2.0-x\r\n");
			arrives(l, cases[i].bytes, 16);
			cr_assert_eq(l->err, cases[i].err, "case %zu", i);
			cr_assert_eq(transport_failure(l->t)->code, SSH_DISCONNECT_PROTOCOL_ERROR);
			leg_pair_end(&p);
		}
	}
}

Test(transport_hostile, a_wrong_tag_ends_the_leg_with_a_mac_error)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct leg_options o = {.ciphers = suites[i].cipher, .macs = suites[i].mac};
		struct leg_pair p;

		leg_pair_open(&p, &o, TRANSPORT_PHASE_CONNECTION);
		leg_inject(&p.client, span_str("^hello"));
		transport_out(p.client.t)->data[transport_out(p.client.t)->head + 20] ^= 1;
		leg_pair_run(&p);
		cr_assert_eq(p.server.err, ERR_MAC);
		cr_assert_eq(p.server.n_packets, 0);
		cr_assert_eq(p.client.disconnect, SSH_DISCONNECT_MAC_ERROR);
		leg_pair_end(&p);
	}
}

/* Move one cleartext packet, or one line before those. */
static size_t
packet_at_front(const struct leg *from)
{
	struct span s = buf_span(transport_out(from->t));

	if (s.len >= 4 && memcmp(s.ptr, "SSH-", 4) == 0)
		return (size_t)((const uint8_t *)memchr(s.ptr, '\n', s.len) - s.ptr) + 1;
	return s.len >= 4 ? 4 + wire_peek_u32(s.ptr) : 0;
}

static void
insert_ignore(struct leg *to)
{
	struct packet_stream clear = {0};
	static const uint8_t ignore[5] = {SSH_MSG_IGNORE};

	cr_assert_eq(packet_seal(&clear, span_of(ignore, sizeof(ignore)), &to->in), OK);
}

/*
 * A first exchange with an attacker on the wire, who puts a message in front of the packet of this number on the way from
 * one side (the identification is number 0).
 */
static void
exchange_with_insertion(struct leg_pair *p, bool from_client, size_t number)
{
	size_t n[2] = {0};

	for (size_t moved = 1; moved > 0;) {
		moved = 0;
		for (int side = 0; side < 2; side++) {
			struct leg *from = side == 0 ? &p->client : &p->server;
			struct leg *to = side == 0 ? &p->server : &p->client;

			/* What follows NEWKEYS is no cleartext and comes in one piece. */
			size_t size = n[side] <= 3 ? packet_at_front(from) : SIZE_MAX;

			if (transport_out(from->t)->len == 0)
				continue;
			if (n[side]++ == number && (side == 0) == from_client)
				insert_ignore(to);
			moved += leg_move(from, to, size);
			leg_take(to);
		}
	}
}

Test(transport_hostile, what_is_inserted_before_strict_newkeys_is_noticed)
{
	/* From the server: KEXINIT, reply, NEWKEYS; from the client: KEXINIT, its message, NEWKEYS. */
	for (int client = 0; client < 2; client++) {
		for (size_t number = 1; number <= 3; number++) {
			struct leg_pair p;
			struct leg *l = client ? &p.server : &p.client;

			leg_pair_begin(&p, NULL);
			exchange_with_insertion(&p, client, number);
			cr_assert_eq(l->err, ERR_PROTO, "client %d, number %zu", client, number);
			cr_assert_eq(transport_failure(l->t)->code, SSH_DISCONNECT_PROTOCOL_ERROR);
			cr_assert_eq(l->n_keys, 0);
			leg_pair_end(&p);
		}
	}
}

Test(transport_hostile, plain_peers_may_say_ignore_during_the_exchange)
{
	struct leg_options o = {.client_is_plain = true};

	for (int client = 0; client < 2; client++) {
		for (size_t number = 1; number <= 3; number++) {
			struct leg_pair p;

			leg_pair_begin(&p, &o);
			exchange_with_insertion(&p, client, number);
			cr_assert(p.client.n_keys == 1 && p.server.n_keys == 1);
			leg_pair_end(&p);
		}
	}
}

/*
 * The other half of the attack: the first encrypted packet (the server's extensions) is taken out, so that the numbers
 * agree again where they were shifted by an insertion.
 */
Test(transport_hostile, what_is_deleted_after_newkeys_is_noticed)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct leg_options o = {.ciphers = suites[i].cipher, .macs = suites[i].mac};
		static const uint8_t ping[500] = {SSH_MSG_PING};
		struct transport_event event;
		struct leg_pair p;
		size_t before, size;

		leg_pair_begin(&p, &o);
		for (int round = 0; round < 2; round++) {
			leg_move(&p.client, &p.server, SIZE_MAX);
			leg_take(&p.server);
			if (round == 0) {
				leg_move(&p.server, &p.client, SIZE_MAX);
				leg_take(&p.client);
			}
		}
		/* The reply, NEWKEYS, the extensions; and then enough for whatever length is read wrongly. */
		for (int n = 0; n < 800; n++)
			cr_assert_eq(transport_send(p.server.t, span_of(ping, sizeof(ping))), OK);
		leg_move(&p.server, &p.client, SIZE_MAX);
		while (p.client.n_keys == 0)
			cr_assert_eq(leg_step(&p.client, &event), OK);
		before = p.client.in.len;
		cr_assert_eq(leg_step(&p.client, &event), OK);
		size = before - p.client.in.len;
		leg_pair_end(&p);

		leg_pair_begin(&p, &o);
		for (int round = 0; round < 2; round++) {
			leg_move(&p.client, &p.server, SIZE_MAX);
			leg_take(&p.server);
			if (round == 0) {
				leg_move(&p.server, &p.client, SIZE_MAX);
				leg_take(&p.client);
			}
		}
		for (int n = 0; n < 800; n++)
			cr_assert_eq(transport_send(p.server.t, span_of(ping, sizeof(ping))), OK);
		leg_move(&p.server, &p.client, SIZE_MAX);
		while (p.client.n_keys == 0)
			cr_assert_eq(leg_step(&p.client, &event), OK);
		buf_consume(&p.client.in, size);
		leg_take(&p.client);
		cr_assert_neq(p.client.err, OK);
		cr_assert_eq(p.client.n_packets, 0);
		cr_assert_eq(transport_server_sig_algs(p.client.t).len, 0);
		leg_pair_end(&p);
	}
}

/* Flip a bit of byte number at of what goes from one side; false when there is no such byte. */
static bool
exchange_with_flip(struct leg_pair *p, bool from_client, size_t at, uint8_t bit)
{
	size_t n[2] = {0};
	bool done = false;

	for (size_t moved = 1; moved > 0;) {
		moved = 0;
		for (int side = 0; side < 2; side++) {
			struct leg *from = side == 0 ? &p->client : &p->server;
			struct leg *to = side == 0 ? &p->server : &p->client;
			size_t before = to->in.len, size = leg_move(from, to, SIZE_MAX);

			if ((side == 0) == from_client && at >= n[side] && at < n[side] + size) {
				to->in.data[to->in.head + before + at - n[side]] ^= bit;
				done = true;
			}
			n[side] += size;
			moved += size;
			leg_take(to);
		}
	}
	return done;
}

/*
 * Whatever bit is changed on the wire during the first exchange, the two never both come to use keys: only padding is not
 * vouched for.  (With a changed length a side may also wait for ever for more.)
 */
Test(transport_hostile, a_changed_bit_of_the_exchange_is_noticed)
{
	for (int client = 0; client < 2; client++) {
		size_t unnoticed = 0;

		for (size_t at = 0;; at++) {
			struct leg_pair p;
			bool done;

			leg_pair_begin(&p, NULL);
			done = exchange_with_flip(&p, client, at, (uint8_t)(1 << at % 8));
			if (done && p.client.n_keys == 1 && p.server.n_keys == 1 &&
				p.client.err == OK && p.server.err == OK)
				unnoticed++;
			leg_pair_end(&p);
			if (!done)
				break;
		}
		/* The client's and the server's KEXINIT, method's message and NEWKEYS have at most 11 bytes each. */
		cr_assert_leq(unnoticed, 33);
		cr_assert_geq(unnoticed, 12);
	}
}

/* The server has taken KEXINITs and waits for the client's message; what the client had to say is gone. */
static void
server_in_kex(struct leg_pair *p, const char *kex)
{
	struct leg_options o = {.kex = kex};

	leg_pair_begin(p, &o);
	leg_move(&p->client, &p->server, SIZE_MAX);
	leg_take(&p->server);
}

static void
kex_init_is_refused(const char *kex, struct span public, struct span rest)
{
	struct buf b = {0};
	struct leg_pair p;

	server_in_kex(&p, kex);
	cr_assert(wire_put_u8(&b, SSH_MSG_KEX_ECDH_INIT) == OK &&
		wire_put_string(&b, public) == OK && wire_put_bytes(&b, rest) == OK);
	leg_inject(&p.client, buf_span(&b));
	leg_pair_run(&p);
	cr_assert_neq(p.server.err, OK);
	cr_assert_eq(p.client.disconnect, SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
	buf_clear(&b);
	leg_pair_end(&p);
}

Test(transport_hostile, bad_public_values_end_a_server)
{
	static const uint8_t zeros[133], low[] = {1}, powers[] = {0x08}, padded[] = {0, 1, 2, 3, 4},
					 negative[] = {0x81, 2, 3, 4};
	static const char *const groups[] = {
		"diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512"};
	uint8_t all_ones[513];
	uint8_t point[133] = {4, 1, 2, 3};

	for (size_t i = 0; i < ARRAY_LEN(kexes); i++) {
		size_t len = (size_t[]){32, 65, 97, 133}[i];

		kex_init_is_refused(kexes[i], span_of(zeros, len), span_of(NULL, 0));
		kex_init_is_refused(kexes[i], span_of(zeros, len - 1), span_of(NULL, 0));
		kex_init_is_refused(kexes[i], span_of(NULL, 0), span_of(NULL, 0));
		if (i > 0)
			kex_init_is_refused(kexes[i], span_of(point, len), span_of(NULL, 0));
		/* Trailing bytes behind a sound value, and a value over the limit. */
		kex_init_is_refused(kexes[i], span_of(zeros, len), span_str("x"));
	}
	memset(all_ones, 0xff, sizeof(all_ones));
	all_ones[0] = 0;
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		struct span nothing = span_of(NULL, 0);

		kex_init_is_refused(groups[i], nothing, nothing);
		kex_init_is_refused(groups[i], span_of(zeros, 1), nothing);
		kex_init_is_refused(groups[i], span_of(low, 1), nothing);
		kex_init_is_refused(groups[i], span_of(powers, 1), nothing);
		kex_init_is_refused(groups[i], span_of(padded, 5), nothing);
		kex_init_is_refused(groups[i], span_of(negative, 4), nothing);
		kex_init_is_refused(groups[i], span_of(all_ones, i == 0 ? 257 : 513), nothing);
		kex_init_is_refused(groups[i], span_of(padded + 1, 4), span_str("x"));
	}
}

Test(transport_hostile, a_cut_kex_init_ends_a_server)
{
	uint8_t whole[37] = {SSH_MSG_KEX_ECDH_INIT, 0, 0, 0, 32};

	payload_fill(whole + 5, 32, 9, 1);
	for (size_t len = 1; len < sizeof(whole); len++) {
		struct leg_pair p;

		server_in_kex(&p, "curve25519-sha256");
		leg_inject(&p.client, span_of(whole, len));
		leg_pair_run(&p);
		cr_assert_eq(p.server.err, ERR_FORMAT);
		cr_assert_eq(p.client.disconnect, SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
		leg_pair_end(&p);
	}
}

/* What a server's reply holds. */
struct reply {
	struct buf host_key;
	struct buf public;
	struct buf signature;
};

static void
reply_clear(struct reply *r)
{
	buf_clear(&r->host_key);
	buf_clear(&r->public);
	buf_clear(&r->signature);
}

/* Go on until the server has signed, and read its reply, which stays unsent. */
static void
get_reply(struct leg_pair *p, const struct leg_options *o, struct reply *out, struct buf *payload)
{
	struct packet_stream clear = {0};
	struct wire_reader r;
	struct span a, b, c;
	struct packet packet;
	uint8_t type;
	size_t need;

	leg_pair_begin(p, o);
	leg_move(&p->server, &p->client, SIZE_MAX);
	leg_take(&p->client);
	leg_move(&p->client, &p->server, SIZE_MAX);
	leg_take(&p->server);
	cr_assert_eq(packet_open(&clear,
			     transport_out(p->server.t)->data + transport_out(p->server.t)->head,
			     transport_out(p->server.t)->len, &packet, &need),
		OK);
	r = wire_reader_of(packet.payload);
	cr_assert(wire_get_u8(&r, &type) == OK && type == SSH_MSG_KEX_ECDH_REPLY &&
		wire_get_string(&r, &a) == OK && wire_get_string(&r, &b) == OK &&
		wire_get_string(&r, &c) == OK && wire_end(&r) == OK);
	cr_assert(buf_append_span(&out->host_key, a) == OK &&
		buf_append_span(&out->public, b) == OK &&
		buf_append_span(&out->signature, c) == OK);
	cr_assert_eq(buf_append_span(payload, packet.payload), OK);
	buf_clear(transport_out(p->server.t));
}

/* The client gets this as the server's reply. */
static void
deliver_payload(struct leg_pair *p, struct span payload)
{
	struct packet_stream clear = {0};

	cr_assert_eq(packet_seal(&clear, payload, &p->client.in), OK);
	leg_take(&p->client);
}

static void
deliver_reply(struct leg_pair *p, const struct reply *r)
{
	struct buf b = {0};

	cr_assert(wire_put_u8(&b, SSH_MSG_KEX_ECDH_REPLY) == OK &&
		wire_put_string(&b, buf_span(&r->host_key)) == OK &&
		wire_put_string(&b, buf_span(&r->public)) == OK &&
		wire_put_string(&b, buf_span(&r->signature)) == OK);
	deliver_payload(p, buf_span(&b));
	buf_clear(&b);
}

Test(transport_hostile, a_cut_reply_ends_a_client)
{
	struct buf payload = {0}, other = {0};
	struct reply r = {0};
	struct leg_pair p;
	size_t len = 1, whole;

	do {
		get_reply(&p, NULL, &r, &payload);
		whole = payload.len;
		deliver_payload(&p, span_of(payload.data, len));
		cr_assert_eq(p.client.err, ERR_FORMAT, "length %zu", len);
		cr_assert_eq(
			transport_failure(p.client.t)->code, SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
		cr_assert_eq(p.client.n_host_keys, 0);
		leg_pair_end(&p);
		reply_clear(&r);
		buf_clear(&payload);
	} while (++len < whole);
	get_reply(&p, NULL, &r, &payload);
	cr_assert_eq(buf_append(&payload, "x", 1), OK);
	deliver_payload(&p, buf_span(&payload));
	cr_assert_eq(p.client.err, ERR_FORMAT);
	leg_pair_end(&p);
	reply_clear(&r);
	buf_clear(&payload);
	buf_clear(&other);
}

/* Each byte of the reply is vouched for by the signature or is checked. */
static void
changed_replies_are_refused(const struct leg_options *o, size_t stride)
{
	size_t n = 0;

	for (size_t at = 0;; at += stride) {
		struct buf payload = {0};
		struct reply r = {0};
		struct buf *fields[] = {&r.host_key, &r.public, &r.signature};
		struct leg_pair p;
		size_t i = 0, rest = at;

		get_reply(&p, o, &r, &payload);
		while (i < ARRAY_LEN(fields) && rest >= fields[i]->len)
			rest -= fields[i++]->len;
		if (i < ARRAY_LEN(fields)) {
			fields[i]->data[rest] ^= (uint8_t)(1 << at % 8);
			/* The owner is not to be the one that notices. */
			p.client.host_key_seen = buf_span(&r.host_key);
			deliver_reply(&p, &r);
			cr_assert_neq(p.client.err, OK, "%s, field %zu, byte %zu", o->host_key_alg,
				i, rest);
			cr_assert(transport_failure(p.client.t)->code ==
					SSH_DISCONNECT_KEY_EXCHANGE_FAILED ||
				transport_failure(p.client.t)->code ==
					SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE);
			n++;
		}
		reply_clear(&r);
		buf_clear(&payload);
		leg_pair_end(&p);
		if (i == ARRAY_LEN(fields))
			break;
	}
	cr_assert_gt(n, 10);
}

Test(transport_hostile, a_changed_reply_ends_a_client)
{
	static const char *const algs[] = {"ssh-ed25519", "ecdsa-sha2-nistp256",
		"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-256", "rsa-sha2-512"};

	for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
		struct leg_options o = {.host_key_alg = algs[i]};

		changed_replies_are_refused(&o, i == 0 ? 1 : 7);
	}
}

Test(transport_hostile, bad_public_values_end_a_client)
{
	for (size_t i = 0; i < ARRAY_LEN(kexes); i++) {
		struct leg_options o = {.kex = kexes[i]};
		struct buf payload = {0};
		struct reply r = {0};
		struct leg_pair p;

		get_reply(&p, &o, &r, &payload);
		memset(r.public.data + 1, 0, r.public.len - 1);
		r.public.data[0] = i == 0 ? 0 : 4;
		deliver_reply(&p, &r);
		cr_assert_eq(p.client.err, ERR_KEY);
		cr_assert_eq(
			transport_failure(p.client.t)->code, SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
		reply_clear(&r);
		buf_clear(&payload);
		leg_pair_end(&p);
	}
}

Test(transport_hostile, a_strange_host_key_ends_a_client)
{
	struct leg_pair p;

	leg_pair_begin(&p, NULL);
	p.client.is_strange_key = true;
	leg_pair_run(&p);
	cr_assert_eq(p.client.err, ERR_KEY);
	cr_assert_eq(p.client.n_keys, 0);
	cr_assert_eq(p.client.n_host_keys, 1);
	cr_assert_eq(p.server.disconnect, SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE);
	leg_pair_end(&p);
}

Test(transport_hostile, a_client_without_a_check_takes_no_host_key)
{
	struct leg_pair p;

	leg_pair_begin(&p, NULL);
	p.client.config.host_key_ok = NULL;
	leg_pair_run(&p);
	cr_assert_eq(p.client.err, ERR_KEY);
	leg_pair_end(&p);
}

/* A server's answer that is signed with this key and algorithm, and shows that blob. */
static void
answer_of_another_key(const char *negotiated, const char *used, bool shows_used, enum err want)
{
	struct leg_options o = {.host_key_alg = negotiated};
	const struct privkey *key = leg_host_key(used);
	struct span blob = pubkey_blob(privkey_public(shows_used ? key : leg_host_key(negotiated)));
	struct transport_event event;
	struct kex_transcript transcript;
	struct buf signature = {0};
	struct kex_hash hash;
	struct leg_pair p;

	leg_pair_begin(&p, &o);
	p.server.host_key = NULL;
	p.client.host_key_seen = blob;
	leg_move(&p.server, &p.client, SIZE_MAX);
	leg_take(&p.client);
	leg_move(&p.client, &p.server, SIZE_MAX);
	do {
		cr_assert_eq(leg_step(&p.server, &event), OK);
	} while (event.kind != TRANSPORT_EVENT_SIGN);
	cr_assert_str_eq(event.exchange.host_key_alg, negotiated);
	transcript = event.exchange.transcript;
	transcript.host_key = blob;
	cr_assert_eq(kex_exchange_hash(event.exchange.method, &transcript, &hash), OK);
	cr_assert_eq(
		privkey_sign(key, span_str(used), span_of(hash.bytes, hash.len), &signature), OK);
	cr_assert_eq(transport_signed(p.server.t, blob, buf_span(&signature)), OK);
	leg_pair_run(&p);
	cr_assert_eq(p.client.err, want, "%s %s: %s", negotiated, used, err_text(p.client.err));
	cr_assert_eq(p.client.n_keys, want == OK);
	buf_clear(&signature);
	leg_pair_end(&p);
}

Test(transport_hostile, only_the_negotiated_signature_of_the_shown_key_counts)
{
	answer_of_another_key("ssh-ed25519", "ssh-ed25519", true, OK);
	/* A key of another type than negotiated, properly signed. */
	answer_of_another_key("ssh-ed25519", "ecdsa-sha2-nistp256", true, ERR_UNSUPPORTED);
	answer_of_another_key("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp256", true, ERR_UNSUPPORTED);
	/* The right key in another hash than negotiated. */
	answer_of_another_key("rsa-sha2-512", "rsa-sha2-256", true, ERR_PROTO);
	answer_of_another_key("rsa-sha2-256", "rsa-sha2-512", true, ERR_PROTO);
	/* The expected key is shown, another one has signed. */
	answer_of_another_key("ssh-ed25519", "rsa-sha2-512", false, ERR_PROTO);
}

Test(transport_hostile, another_host_key_in_a_rekey_is_refused)
{
	struct privkey *other;
	struct leg_pair p;

	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &other), OK);
	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	p.server.host_key = other;
	p.client.host_key_seen = pubkey_blob(privkey_public(other));
	cr_assert_eq(transport_rekey(p.client.t), OK);
	leg_pair_run(&p);
	cr_assert_eq(p.client.err, ERR_KEY);
	cr_assert_eq(p.server.disconnect, SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE);
	cr_assert_eq(p.client.n_host_keys, 1);
	leg_pair_end(&p);
	privkey_free(other);
}

Test(transport_hostile, a_newkeys_with_content_is_refused)
{
	struct leg_pair p;

	server_in_kex(&p, "curve25519-sha256");
	leg_move(&p.server, &p.client, SIZE_MAX);
	leg_take(&p.client);
	leg_move(&p.client, &p.server, SIZE_MAX);
	leg_take(&p.server);
	leg_inject(&p.client, span_str("\x15x"));
	leg_move(&p.client, &p.server, SIZE_MAX);
	leg_take(&p.server);
	cr_assert_eq(p.server.err, ERR_FORMAT);
	leg_pair_end(&p);
}

/* The client gets this EXT_INFO. */
static void
tell_extensions(struct leg_pair *p, uint32_t n, struct span rest)
{
	struct buf b = {0};

	cr_assert(wire_put_u8(&b, SSH_MSG_EXT_INFO) == OK && wire_put_u32(&b, n) == OK &&
		wire_put_bytes(&b, rest) == OK);
	leg_inject(&p->server, buf_span(&b));
	leg_pair_run(p);
	buf_clear(&b);
}

Test(transport_hostile, extensions_are_parsed_with_care)
{
	static const char two[] = "\0\0\0\x0fserver-sig-algs\0\0\0\1x\0\0\0\2ab\0\0\0\0";
	struct leg_options o = {.client_is_plain = true};
	struct leg_pair p;

	for (size_t len = 0; len <= sizeof(two) - 1; len++) {
		leg_pair_open(&p, &o, TRANSPORT_PHASE_SERVICE);
		tell_extensions(&p, 2, span_of(two, len));
		cr_assert_eq(p.client.err, len == sizeof(two) - 1 ? OK : ERR_FORMAT, "%zu", len);
		leg_pair_end(&p);
	}
	leg_pair_open(&p, &o, TRANSPORT_PHASE_SERVICE);
	tell_extensions(&p, 2, span_of(two, sizeof(two) - 1));
	cr_assert(span_is(transport_server_sig_algs(p.client.t), "x"));
	cr_assert_not(transport_peer_has_ping(p.client.t));
	tell_extensions(&p, UINT32_MAX, span_of(two, sizeof(two) - 1));
	cr_assert_eq(p.client.err, ERR_FORMAT);
	cr_assert_eq(p.server.disconnect, SSH_DISCONNECT_PROTOCOL_ERROR);
	leg_pair_end(&p);
}

Test(transport_hostile, malformed_disconnects_still_disconnect)
{
	static const uint8_t whole[] = {1, 0, 0, 0, 11, 0, 0, 0, 3, 'b', 'y', 'e', 0, 0, 0, 0};

	for (size_t len = 1; len <= sizeof(whole); len++) {
		struct leg_pair p;

		leg_pair_open(&p, NULL, TRANSPORT_PHASE_AUTH);
		leg_inject(&p.client, span_of(whole, len));
		leg_pair_run(&p);
		/* The language may be missing. */
		cr_assert_eq(p.server.disconnect, len < 12 ? SSH_DISCONNECT_PROTOCOL_ERROR : 11);
		cr_assert_eq(transport_out(p.server.t)->len, 0);
		leg_pair_end(&p);
	}
}

Test(transport_hostile, malformed_unimplemented_is_a_protocol_error)
{
	static const uint8_t whole[] = {3, 0, 0, 0, 7, 0};

	for (size_t len = 1; len <= sizeof(whole); len++) {
		struct leg_pair p;

		leg_pair_open(&p, NULL, TRANSPORT_PHASE_AUTH);
		leg_inject(&p.client, span_of(whole, len));
		leg_pair_run(&p);
		cr_assert_eq(p.server.err, len == 5 ? OK : ERR_FORMAT);
		cr_assert_eq(p.server.n_unimplemented, len == 5);
		leg_pair_end(&p);
	}
}

/* The peer's KEXINIT may be as long as a packet; the exchange still works. */
Test(transport_hostile, the_longest_kexinit_is_taken)
{
	struct leg_options o = {.client_is_plain = true};
	struct buf *own;
	struct leg_pair p;
	char *names = malloc(200000);

	memset(names, ',', 199999);
	names[199999] = '\0';
	for (size_t i = 0; i < 199000; i += 2)
		names[i] = 'x';
	strcpy(names + 199000, ",curve25519-sha256");
	leg_pair_begin(&p, &o);
	own = &p.client.t->exchange->own_kexinit;
	buf_clear(own);
	buf_clear(transport_out(p.client.t));
	p.client.t->sealed.seq = 0;
	cr_assert_eq(buf_append(transport_out(p.client.t), "SSH-2.0-x\n", 10), OK);
	free(p.client.t->own_ident);
	p.client.t->own_ident = strdup("SSH-2.0-x");
	{
		struct kexinit_offer offer = {.kex = names,
			.host_keys = "ssh-ed25519",
			.ciphers = "aes128-gcm@openssh.com"};

		cr_assert_eq(kexinit_write(&offer, own), OK);
	}
	leg_inject(&p.client, buf_span(own));
	leg_pair_run(&p);
	cr_assert(p.client.n_keys == 1 && p.server.n_keys == 1);
	free(names);
	leg_pair_end(&p);
}
