/*
 * common/ssh/transport with zlib@openssh.com: when it begins, when it begins anew, and what a hostile peer makes of it.
 */
#include "common/ssh/transport_impl.h"
#include "common/ssh/transport_state.h"
#include "tests/lib/leg_pair.h"

#include <criterion/criterion.h>
#include <openssl/rand.h>
#include <stdlib.h>

#define LEN 20000
#define STATE_MAX (TRANSPORT_STATE_SIZE_MAX + TRANSPORT_OUT_MAX)

static const struct leg_options zlib = {.compression = "zlib@openssh.com,none"};

/* Send payloads that get much smaller, from both sides; all of it arrives.  Returns the bytes on the wire from the client. */
static uint64_t
talk(struct leg_pair *p)
{
	uint64_t before = transport_total_bytes(p->client.t, CIPHER_SEAL);
	static uint8_t payload[LEN];
	struct wire_reader r[2] = {0};
	struct span got;

	payload[0] = p->client.t->phase == TRANSPORT_PHASE_CONNECTION ? SSH_MSG_CHANNEL_DATA
								      : SSH_MSG_USERAUTH_REQUEST;
	buf_reset(&p->client.got);
	buf_reset(&p->server.got);
	for (int i = 0; i < 3; i++) {
		payload[1] = (uint8_t)i;
		cr_assert_eq(transport_send(p->client.t, span_of(payload, LEN)), OK);
		cr_assert_eq(transport_send(p->server.t, span_of(payload, LEN)), OK);
		leg_pair_run(p);
	}
	cr_assert(p->client.err == OK && p->server.err == OK);
	for (int i = 0; i < 3; i++) {
		payload[1] = (uint8_t)i;
		cr_assert(leg_next_got(&p->client, &r[0], &got));
		cr_assert(span_equal(got, span_of(payload, LEN)));
		cr_assert(leg_next_got(&p->server, &r[1], &got));
		cr_assert(span_equal(got, span_of(payload, LEN)));
	}
	return transport_total_bytes(p->client.t, CIPHER_SEAL) - before;
}

Test(transport_compress, it_begins_with_the_first_packet_after_authentication)
{
	struct leg_pair p;

	leg_pair_open(&p, &zlib, TRANSPORT_PHASE_AUTH);
	cr_assert_not(transport_is_compressed(p.client.t, CIPHER_SEAL));
	cr_assert_gt(talk(&p), 3 * LEN);
	leg_pair_set_phase(&p, TRANSPORT_PHASE_CONNECTION);
	cr_assert(transport_is_compressed(p.client.t, CIPHER_SEAL));
	cr_assert(transport_is_compressed(p.server.t, CIPHER_OPEN));
	cr_assert_lt(talk(&p), LEN / 10);
	leg_pair_end(&p);
}

Test(transport_compress, either_direction_may_be_compressed_alone_or_none)
{
	static const char *const lists[][2] = {{"none", "zlib@openssh.com,none"},
		{"zlib@openssh.com,none", "none"}, {"none,zlib@openssh.com", "zlib@openssh.com"}};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		bool zlib_is_chosen = i == 2;
		struct leg_options o = zlib;
		struct leg_pair p;

		leg_pair_begin(&p, &o);
		p.server.config.compression = lists[i][1];
		/* The first KEXINIT stands in the output since the leg was made. */
		transport_free(p.client.t);
		transport_free(p.server.t);
		p.client.config.compression = lists[i][0];
		cr_assert_eq(transport_new(&p.client.config, &p.client.t), OK);
		cr_assert_eq(transport_new(&p.server.config, &p.server.t), OK);
		leg_pair_run(&p);
		leg_pair_set_phase(&p, TRANSPORT_PHASE_CONNECTION);
		cr_assert_eq(transport_is_compressed(p.client.t, CIPHER_SEAL), zlib_is_chosen);
		cr_assert_eq(transport_is_compressed(p.server.t, CIPHER_SEAL), zlib_is_chosen);
		cr_assert_eq(talk(&p) < LEN, zlib_is_chosen);
		leg_pair_end(&p);
	}
}

Test(transport_compress, each_key_exchange_begins_the_streams_anew)
{
	for (enum leg_cut cut = CUT_NOT; cut <= CUT_ODD; cut++) {
		struct leg_pair p;

		leg_pair_open(&p, &zlib, TRANSPORT_PHASE_CONNECTION);
		p.cut = cut;
		for (int i = 0; i < 6; i++) {
			talk(&p);
			cr_assert_not_null(p.client.t->deflate);
			cr_assert_not_null(p.server.t->inflate);
			cr_assert_eq(transport_rekey(i % 2 == 0 ? p.client.t : p.server.t), OK);
			leg_pair_run(&p);
			cr_assert_eq(p.client.n_keys, (size_t)i + 2);
			cr_assert_null(p.client.t->deflate);
			cr_assert_null(p.client.t->inflate);
			cr_assert_null(p.server.t->deflate);
			cr_assert_null(p.server.t->inflate);
		}
		talk(&p);
		leg_pair_end(&p);
	}
}

/* A SUCCESS that waits for the end of a key exchange is read by a peer that does not inflate yet. */
Test(transport_compress, what_waited_since_before_authentication_is_not_compressed)
{
	uint8_t success = SSH_MSG_USERAUTH_SUCCESS, data[100] = {SSH_MSG_CHANNEL_DATA};
	struct wire_reader r = {0};
	struct leg_pair p;
	struct span got;

	leg_pair_open(&p, &zlib, TRANSPORT_PHASE_AUTH);
	cr_assert_eq(transport_rekey(p.server.t), OK);
	cr_assert_eq(transport_send(p.server.t, span_of(&success, 1)), OK);
	transport_set_phase(p.server.t, TRANSPORT_PHASE_CONNECTION);
	cr_assert_eq(transport_send(p.server.t, span_of(data, sizeof(data))), OK);
	/* Until SUCCESS the client is in its own phase; the packet behind it is the first of the stream. */
	while (p.client.n_packets == 0) {
		leg_move(&p.client, &p.server, SIZE_MAX);
		leg_take(&p.server);
		leg_move(&p.server, &p.client, 1);
		leg_take(&p.client);
		cr_assert(p.client.err == OK && p.server.err == OK);
	}
	transport_set_phase(p.client.t, TRANSPORT_PHASE_CONNECTION);
	leg_pair_run(&p);
	cr_assert(leg_next_got(&p.client, &r, &got));
	cr_assert(span_equal(got, span_of(&success, 1)));
	cr_assert(leg_next_got(&p.client, &r, &got));
	cr_assert(span_equal(got, span_of(data, sizeof(data))));
	leg_pair_end(&p);
}

static enum err
move_house(struct leg *l)
{
	struct transport *copy;
	struct buf state;
	enum err e;

	buf_init(&state, STATE_MAX);
	e = transport_state_write(l->t, &state);
	if (e == OK) {
		cr_assert_eq(transport_state_read(buf_span(&state), &l->config, &copy), OK);
		transport_free(l->t);
		l->t = copy;
	}
	buf_clear(&state);
	return e;
}

Test(transport_compress,
	a_leg_moves_before_its_first_compressed_byte_and_right_after_a_key_exchange)
{
	struct leg_pair p;

	leg_pair_open(&p, &zlib, TRANSPORT_PHASE_CONNECTION);
	cr_assert_eq(move_house(&p.server), OK);
	cr_assert_lt(talk(&p), LEN / 10);
	cr_assert_eq(move_house(&p.server), ERR_AGAIN);
	cr_assert_eq(transport_rekey(p.server.t), OK);
	leg_pair_run(&p);
	cr_assert_eq(move_house(&p.server), OK);
	cr_assert_eq(move_house(&p.client), OK);
	cr_assert_lt(talk(&p), LEN / 10);
	leg_pair_end(&p);
}

/* Seal content as it is, where a compressed payload is due. */
static void
inject_content(struct leg *from, struct span content)
{
	cr_assert_eq(packet_seal(&from->t->sealed, content, &from->t->out), OK);
}

static void
dies_of(struct leg_pair *p, enum err e, const char *text)
{
	leg_pair_run(p);
	cr_assert_eq(p->server.err, e);
	cr_assert_eq(p->client.disconnect, SSH_DISCONNECT_COMPRESSION_ERROR);
	cr_assert_str_eq(p->client.text, text);
	leg_pair_end(p);
}

Test(transport_compress, hostile_content_ends_the_leg_with_the_code_for_it)
{
	static const uint8_t no_stream[] = {0x5e, 1, 2, 3, 4}, nothing[] = {0x78, 0x9c};
	struct leg_pair p;

	leg_pair_open(&p, &zlib, TRANSPORT_PHASE_CONNECTION);
	/* The goodbye would be compressed, too; this client reads it in the clear. */
	p.server.t->compression_out = COMPRESSION_NONE;
	p.client.t->compression_in = COMPRESSION_NONE;
	inject_content(&p.client, span_of(no_stream, sizeof(no_stream)));
	dies_of(&p, ERR_FORMAT, "a packet is not compressed as negotiated");

	leg_pair_open(&p, &zlib, TRANSPORT_PHASE_CONNECTION);
	inject_content(&p.client, span_of(nothing, sizeof(nothing)));
	dies_of(&p, ERR_FORMAT, "a packet is not compressed as negotiated");
}

Test(transport_compress, a_small_packet_does_not_become_a_large_one)
{
	size_t len = 64 * PACKET_PAYLOAD_MAX, room = compress_bound(len), n;
	uint8_t *zeros = calloc(1, len), *bomb = malloc(room);
	struct compress *c;
	struct leg_pair p;

	cr_assert(zeros != NULL && bomb != NULL);
	zeros[0] = SSH_MSG_CHANNEL_DATA;
	cr_assert_eq(compress_new_deflate(&c), OK);
	cr_assert_eq(compress_deflate(c, span_of(zeros, len), bomb, room, &n), OK);
	leg_pair_open(&p, &zlib, TRANSPORT_PHASE_CONNECTION);
	inject_content(&p.client, span_of(bomb, n));
	dies_of(&p, ERR_LIMIT, "a compressed packet is too large");
	compress_free(c);
	free(zeros);
	free(bomb);
}

Test(transport_compress,
	the_largest_payload_that_cannot_be_made_smaller_ends_the_leg_and_not_the_process)
{
	uint8_t *random = malloc(PACKET_PAYLOAD_MAX);
	struct leg_pair p;
	size_t len;

	cr_assert_not_null(random);
	leg_pair_open(&p, &zlib, TRANSPORT_PHASE_CONNECTION);
	cr_assert_eq(RAND_bytes(random, (int)PACKET_PAYLOAD_MAX), 1);
	random[0] = SSH_MSG_CHANNEL_DATA;
	cr_assert_eq(transport_send(p.client.t, span_of(random, PACKET_PAYLOAD_MAX)), ERR_LIMIT);
	leg_pair_end(&p);
	leg_pair_open(&p, &zlib, TRANSPORT_PHASE_CONNECTION);
	len = PACKET_PAYLOAD_MAX - 200;
	cr_assert_eq(transport_send(p.client.t, span_of(random, len)), OK);
	leg_pair_run(&p);
	cr_assert_eq(p.server.n_packets, 1);
	leg_pair_end(&p);
	free(random);
}

/* A packet that is compressed on either leg cannot go on where it stands. */
Test(transport_compress, nothing_compressed_is_sealed_in_place)
{
	static uint8_t payload[LEN] = {SSH_MSG_CHANNEL_DATA};
	struct transport_event event;
	struct leg_pair a, b;

	leg_pair_open(&a, &zlib, TRANSPORT_PHASE_CONNECTION);
	leg_pair_open(&b, NULL, TRANSPORT_PHASE_CONNECTION);
	cr_assert_eq(transport_send(a.client.t, span_of(payload, LEN)), OK);
	leg_move(&a.client, &a.server, SIZE_MAX);
	cr_assert_eq(leg_step(&a.server, &event), OK);
	cr_assert_eq(event.kind, TRANSPORT_EVENT_PACKET);
	cr_assert(span_equal(event.packet.payload, span_of(payload, LEN)));
	cr_assert_not(transport_fits_in_place(b.client.t, a.server.t, &event.packet));
	cr_assert_eq(transport_send(b.server.t, span_of(payload, LEN)), OK);
	leg_move(&b.server, &b.client, SIZE_MAX);
	cr_assert_eq(leg_step(&b.client, &event), OK);
	cr_assert_not(transport_fits_in_place(a.server.t, b.client.t, &event.packet));
	leg_pair_end(&a);
	leg_pair_end(&b);
}
