/*
 * common/ssh/packet: framing, padding, limits and counters, under each cipher.
 */
#include "common/ssh/packet.h"

#include "tests/lib/leg_pair.h"
#include "tests/lib/suites.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* Number 0 is cleartext, the others are the suites. */
#define KINDS (1 + SUITES)

static struct cipher_suite
suite_at(size_t k)
{
	return k > 0 ? suite_kinds(&suites[k - 1]) : (struct cipher_suite){.kind = CIPHER_NONE};
}

static const char *
text_of(size_t k)
{
	static char text[80];

	(void)snprintf(text, sizeof(text), "%s %s", cipher_info(suite_at(k).kind)->name,
		mac_info(suite_at(k).mac)->name);
	return text;
}

/* Two ends of one direction under the same key, which depends on the suite only. */
static void
streams_make(size_t k, struct packet_stream *seal, struct packet_stream *open)
{
	*seal = (struct packet_stream){0};
	*open = (struct packet_stream){0};
	if (k == 0)
		return;
	suite_cipher(suite_at(k), CIPHER_SEAL, &seal->cipher);
	suite_cipher(suite_at(k), CIPHER_OPEN, &open->cipher);
}

static size_t
kind_of(enum cipher_kind kind)
{
	size_t k = 0;

	while (suite_at(k).kind != kind)
		k++;
	return k;
}

static bool
length_counts(size_t k)
{
	return k == 0 || (suite_at(k).mac != MAC_NONE && !mac_info(suite_at(k).mac)->is_etm);
}

static uint32_t
block_of(size_t k)
{
	return (uint32_t)cipher_info(suite_at(k).kind)->block;
}

Test(packet, the_largest_payload_that_can_be_opened_can_be_sealed_under_each_cipher)
{
	static uint8_t payload[PACKET_PAYLOAD_MAX + 1];

	for (size_t k = 0; k < KINDS; k++) {
		struct packet_stream seal, open;
		struct packet p;
		struct buf b = {0};
		size_t need;

		streams_make(k, &seal, &open);
		payload_fill(payload, sizeof(payload), 94, (uint32_t)k);
		cr_assert_eq(packet_seal(&seal, span_of(payload, PACKET_PAYLOAD_MAX + 1), &b),
			ERR_LIMIT);
		for (size_t len = PACKET_PAYLOAD_MAX - 20; len <= PACKET_PAYLOAD_MAX; len++) {
			cr_assert_eq(packet_seal(&seal, span_of(payload, len), &b), OK);
			cr_assert_leq(b.len, PACKET_SIZE_MAX);
			cr_assert_eq(packet_open(&open, b.data + b.head, b.len, &p, &need), OK);
			cr_assert(span_equal(p.payload, span_of(payload, len)));
			cr_assert_leq(p.length, PACKET_LENGTH_MAX);
			buf_reset(&b);
		}
		buf_clear(&b);
		packet_stream_clear(&seal);
		packet_stream_clear(&open);
	}
}

static void
streams_free(struct packet_stream *seal, struct packet_stream *open)
{
	packet_stream_clear(seal);
	packet_stream_clear(open);
}

Test(packet, payloads_of_every_length_come_back)
{
	uint8_t payload[600];

	for (size_t k = 0; k < KINDS; k++) {
		struct packet_stream seal, open;
		uint64_t total = 0;

		streams_make(k, &seal, &open);
		for (size_t len = 1; len <= sizeof(payload); len++) {
			struct buf b = {0};
			struct packet p;
			size_t need, size = packet_sealed_size(&seal, len);

			payload_fill(payload, len, 94, (uint32_t)len);
			cr_assert_eq(packet_seal(&seal, span_of(payload, len), &b), OK);
			cr_assert_eq(b.len, size);
			total += size;
			cr_assert_eq(packet_open(&open, b.data + b.head, b.len, &p, &need), OK);
			cr_assert(span_equal(p.payload, span_of(payload, len)));
			cr_assert_eq(p.size, size);
			cr_assert_eq(p.seq, len - 1);
			cr_assert_eq(wire_peek_u32(p.start), p.length);
			cr_assert_eq(seal.n_bytes, total);
			cr_assert_eq(open.n_bytes, total);
			buf_clear(&b);
		}
		cr_assert_eq(seal.n_packets, sizeof(payload));
		cr_assert_eq(open.n_packets, sizeof(payload));
		streams_free(&seal, &open);
	}
}

Test(packet, nothing_happens_before_the_last_byte)
{
	for (size_t k = 0; k < KINDS; k++) {
		struct packet_stream seal, open;
		uint8_t before[256], payload[50];
		struct buf b = {0};
		struct packet p;
		size_t need = 0;

		streams_make(k, &seal, &open);
		payload_fill(payload, sizeof(payload), 94, 1);
		cr_assert_eq(packet_seal(&seal, span_of(payload, sizeof(payload)), &b), OK);
		memcpy(before, b.data, b.len);
		for (size_t len = 0; len < b.len; len++) {
			cr_assert_eq(packet_open(&open, b.data, len, &p, &need), ERR_AGAIN);
			cr_assert_eq(need, len < 4 ? 4 : b.len);
			cr_assert_eq(open.seq, 0);
			cr_assert_eq(memcmp(before, b.data, b.len), 0);
		}
		cr_assert_eq(packet_open(&open, b.data, b.len, &p, &need), OK);
		buf_clear(&b);
		streams_free(&seal, &open);
	}
}

/*
 * Flip one bit of a packet that is followed by others, and give the stream all the bytes that it may ask for: it must end
 * with an error, and the next streams must not be disturbed.
 */
static void
flip_is_caught(size_t k, const struct buf *sealed, size_t bit)
{
	static uint8_t bytes[PACKET_SIZE_MAX];
	struct packet_stream seal, open;
	struct packet p;
	size_t need = 0;
	enum err e;

	streams_make(k, &seal, &open);
	memset(bytes, 0x5a, sizeof(bytes));
	memcpy(bytes, sealed->data, sealed->len);
	bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	e = packet_open(&open, bytes, sizeof(bytes), &p, &need);
	cr_assert(e == ERR_MAC || (bit < 32 && (e == ERR_LIMIT || e == ERR_FORMAT)),
		"%s, bit %zu: %s", text_of(k), bit, err_text(e));
	cr_assert_eq(open.seq, 0);
	streams_free(&seal, &open);
}

Test(packet, every_flipped_bit_is_caught)
{
	static const size_t lens[] = {1, 40, 203};

	for (size_t k = 1; k < KINDS; k++) {
		for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
			struct packet_stream seal, open;
			uint8_t payload[256];
			struct buf b = {0};

			streams_make(k, &seal, &open);
			payload_fill(payload, lens[i], 94, 1);
			cr_assert_eq(packet_seal(&seal, span_of(payload, lens[i]), &b), OK);
			for (size_t bit = 0; bit < b.len * 8; bit++)
				flip_is_caught(k, &b, bit);
			buf_clear(&b);
			streams_free(&seal, &open);
		}
	}
}

/* Packets that are lost, repeated or swapped have the wrong sequence number or invocation counter. */
Test(packet, lost_repeated_and_swapped_packets_are_caught)
{
	for (size_t k = 1; k < KINDS; k++) {
		for (int what = 0; what < 3; what++) {
			struct packet_stream seal, open;
			uint8_t payload[20];
			uint8_t packets[3][160];
			size_t size, need;
			struct packet p;

			streams_make(k, &seal, &open);
			for (uint8_t i = 0; i < 3; i++) {
				payload_fill(payload, sizeof(payload), 94, i);
				cr_assert_eq(
					packet_seal_at(&seal, span_of(payload, sizeof(payload)),
						packets[i], &size),
					OK);
			}
			if (what == 1) {
				uint8_t copy[160];

				memcpy(copy, packets[0], size);
				cr_assert_eq(packet_open(&open, copy, size, &p, &need), OK);
			}
			cr_assert_eq(open.seq, what == 1);
			/* Behind the packet there are enough bytes for whatever length it seems to have. */
			{
				static uint8_t bytes[PACKET_SIZE_MAX];
				int first = what == 0 ? 1 : what == 1 ? 0 : 2;

				memcpy(bytes, packets[first], size);
				cr_assert_neq(packet_open(&open, bytes, sizeof(bytes), &p, &need),
					OK, "%s, case %d", text_of(k), what);
			}
			streams_free(&seal, &open);
		}
	}
}

/* A packet whose length field says so, sealed as it stands. */
static enum err
open_length(size_t k, uint32_t length, uint8_t padding)
{
	static uint8_t bytes[PACKET_SIZE_MAX + 1024];
	struct packet_stream seal, open;
	struct packet p;
	size_t need = 0, sealed = 64;
	enum err e;

	streams_make(k, &seal, &open);
	memset(bytes, 0, sizeof(bytes));
	wire_poke_u32(bytes, length);
	bytes[4] = padding;
	/* Only whole blocks can be sealed; a length that is refused does not get so far that the rest matters. */
	if (k != 0 && length <= PACKET_LENGTH_MAX + 512)
		sealed = length;
	if (length_counts(k))
		sealed = sealed / 16 * 16 + 12;
	else if (suite_at(k).mac != MAC_NONE)
		sealed = (sealed + 15) / 16 * 16;
	if (k != 0)
		cr_assert_eq(cipher_seal(seal.cipher, 0, bytes, sealed), OK);
	e = packet_open(&open, bytes, sizeof(bytes), &p, &need);
	cr_assert(e != OK || p.payload.len + padding + 1 == length);
	streams_free(&seal, &open);
	return e;
}

Test(packet, lengths_out_of_range_are_refused)
{
	static const uint32_t bad[] = {0, 1, 2, 3, 4, 5, 262145, 262146, 262160, 262148, 262152,
		0x7fffffff, 0x80000000, 0xfffffffb, 0xfffffffc, 0xfffffff0, 0xffffffff};

	for (size_t k = 0; k < KINDS; k++) {
		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			cr_assert_eq(
				open_length(k, bad[i], 4), ERR_LIMIT, "%s, %u", text_of(k), bad[i]);
		if (length_counts(k)) {
			cr_assert_eq(open_length(k, 262140, 4), OK);
			continue;
		}
		/* What could not be sealed again where the length counts is refused everywhere. */
		cr_assert_eq(open_length(k, 262144, 8), OK);
		cr_assert_eq(open_length(k, 262144, 7), ERR_LIMIT);
		cr_assert_eq(open_length(k, 262144, 4), ERR_LIMIT);
	}
}

Test(packet, lengths_out_of_step_are_refused)
{
	for (size_t k = 0; k < KINDS; k++) {
		for (uint32_t length = 6; length < 200; length++) {
			uint32_t aligned = length + (length_counts(k) ? 4 : 0);
			enum err want = aligned % block_of(k) == 0 ? OK : ERR_FORMAT;

			cr_assert_eq(open_length(k, length, 4), want, "%s, %u", text_of(k), length);
		}
	}
}

Test(packet, padding_out_of_range_is_refused)
{
	for (size_t k = 0; k < KINDS; k++) {
		uint32_t length = length_counts(k) ? 44 : 48;

		for (unsigned padding = 0; padding < 256; padding++) {
			enum err want = padding >= 4 && padding <= length - 2 ? OK : ERR_FORMAT;

			cr_assert_eq(open_length(k, length, (uint8_t)padding), want,
				"%s, padding %u", text_of(k), padding);
		}
	}
}

Test(packet, an_empty_payload_cannot_be_sealed)
{
	struct packet_stream seal, open;
	struct buf b = {0};

	streams_make(kind_of(CIPHER_AES256_GCM), &seal, &open);
	cr_assert_eq(packet_seal(&seal, span_of(NULL, 0), &b), ERR_LIMIT);
	cr_assert_eq(seal.seq, 0);
	streams_free(&seal, &open);
}

Test(packet, no_more_packets_under_one_key_than_allowed)
{
	uint8_t payload[1] = {94}, bytes[128];

	for (size_t k = 0; k < KINDS; k++) {
		struct packet_stream seal, open;
		struct packet p;
		size_t size, need;

		streams_make(k, &seal, &open);
		seal.n_packets = PACKET_COUNT_MAX - 1;
		open.n_packets = PACKET_COUNT_MAX - 1;
		cr_assert_eq(packet_seal_at(&seal, span_of(payload, 1), bytes, &size), OK);
		cr_assert_eq(packet_open(&open, bytes, size, &p, &need), OK);
		seal.n_packets = 1;
		cr_assert_eq(packet_seal_at(&seal, span_of(payload, 1), bytes, &size), OK);
		cr_assert_eq(packet_open(&open, bytes, size, &p, &need), ERR_LIMIT);
		seal.n_packets = PACKET_COUNT_MAX;
		cr_assert_eq(packet_seal_at(&seal, span_of(payload, 1), bytes, &size), ERR_LIMIT);
		streams_free(&seal, &open);
	}
}

Test(packet, the_sequence_number_wraps)
{
	uint8_t payload[9], bytes[128];

	for (size_t k = 0; k < KINDS; k++) {
		struct packet_stream seal, open;
		struct packet p;
		size_t size, need;

		streams_make(k, &seal, &open);
		seal.seq = open.seq = UINT32_MAX - 1;
		for (uint32_t i = 0; i < 4; i++) {
			payload_fill(payload, sizeof(payload), 94, i);
			cr_assert_eq(packet_seal_at(&seal, span_of(payload, sizeof(payload)), bytes,
					     &size),
				OK);
			cr_assert_eq(packet_open(&open, bytes, size, &p, &need), OK);
			cr_assert_eq(p.seq, UINT32_MAX - 1 + i);
			cr_assert(span_equal(p.payload, span_of(payload, sizeof(payload))));
		}
		cr_assert_eq(open.seq, 2);
		streams_free(&seal, &open);
	}
}

/* Must a packet of this length be sealed elsewhere? */
static bool
must_move(size_t from, size_t to, uint32_t length)
{
	struct packet_stream seal, open;
	size_t from_tag, to_tag;

	streams_make(from, &seal, &open);
	from_tag = cipher_layout(seal.cipher)->tag_len;
	streams_free(&seal, &open);
	streams_make(to, &seal, &open);
	to_tag = cipher_layout(seal.cipher)->tag_len;
	streams_free(&seal, &open);
	return to_tag > from_tag || (length + (length_counts(to) ? 4 : 0)) % block_of(to) != 0;
}

/* What a relay does: open under one leg's cipher, seal under the other's where it stands, and leave alone what follows. */
static void
reseal_works(size_t from, size_t to, size_t len)
{
	struct packet_stream seal, open, next_seal, next_open;
	uint8_t payload[300], bytes[512];
	struct packet p, q;
	size_t size, need;

	streams_make(from, &seal, &open);
	streams_make(to, &next_seal, &next_open);
	next_seal.seq = next_open.seq = 77;
	payload_fill(payload, len, 94, (uint32_t)len);
	memset(bytes, 0xee, sizeof(bytes));
	cr_assert_eq(packet_seal_at(&seal, span_of(payload, len), bytes, &size), OK);
	cr_assert_eq(packet_open(&open, bytes, size, &p, &need), OK);
	cr_assert_eq(packet_fits_in_place(&next_seal, &open, &p), !must_move(from, to, p.length));
	if (packet_fits_in_place(&next_seal, &open, &p)) {
		cr_assert_eq(packet_reseal(&next_seal, &p), OK);
		cr_assert_eq(next_seal.n_bytes, p.size);
		cr_assert_leq(p.size, size);
		cr_assert_eq(bytes[size], 0xee);
		cr_assert_eq(packet_open(&next_open, bytes, p.size, &q, &need), OK);
		cr_assert(span_equal(q.payload, span_of(payload, len)));
		cr_assert_eq(q.size, p.size);
	}
	streams_free(&seal, &open);
	streams_free(&next_seal, &next_open);
}

Test(packet, a_packet_is_resealed_where_it_stands)
{
	for (size_t i = 1; i < KINDS; i++) {
		for (size_t j = 1; j < KINDS; j++) {
			for (size_t len = 1; len < 300; len += 7)
				reseal_works(i, j, len);
		}
	}
}

Test(packet, nothing_is_resealed_in_cleartext)
{
	struct packet_stream clear = {0}, seal, open;
	uint8_t payload[20] = {94}, bytes[64];
	struct packet p;
	size_t size, need;

	streams_make(kind_of(CIPHER_AES256_GCM), &seal, &open);
	cr_assert_eq(packet_seal_at(&clear, span_of(payload, sizeof(payload)), bytes, &size), OK);
	clear.seq = 0;
	cr_assert_eq(packet_open(&clear, bytes, size, &p, &need), OK);
	cr_assert_not(packet_fits_in_place(&seal, &clear, &p));
	cr_assert_not(packet_fits_in_place(&clear, &open, &p));
	streams_free(&seal, &open);
}

Test(packet, a_rekey_counts_anew_and_resets_the_number_only_when_strict)
{
	for (int strict = 0; strict < 2; strict++) {
		struct packet_stream seal, open, other, unused;
		uint8_t payload[1] = {94}, bytes[128];
		size_t size;

		streams_make(kind_of(CIPHER_AES256_GCM), &seal, &open);
		streams_make(kind_of(CIPHER_CHACHA20_POLY1305), &other, &unused);
		for (int i = 0; i < 3; i++)
			cr_assert_eq(packet_seal_at(&seal, span_of(payload, 1), bytes, &size), OK);
		packet_stream_rekey(&seal, other.cipher, strict);
		cr_assert_eq(seal.seq, strict ? 0 : 3);
		cr_assert_eq(seal.n_packets, 0);
		cr_assert_eq(seal.n_bytes, 0);
		cr_assert_eq(seal.total_bytes, 3 * size);
		cr_assert_eq(cipher_suite(seal.cipher).kind, CIPHER_CHACHA20_POLY1305);
		packet_stream_clear(&unused);
		streams_free(&seal, &open);
	}
}

Test(packet, a_written_stream_is_read_back_whole_or_not_at_all)
{
	for (size_t k = 0; k < KINDS; k++) {
		struct packet_stream seal, open, copy;
		struct buf b = {0};
		struct wire_reader r;

		streams_make(k, &seal, &open);
		seal.seq = 7;
		seal.n_packets = 8;
		seal.n_bytes = (uint64_t)1 << 40;
		seal.total_bytes = (uint64_t)1 << 41;
		cr_assert_eq(packet_stream_write(&seal, &b), OK);
		for (size_t len = 0; len < b.len; len++) {
			r = wire_reader_of(span_of(b.data, len));
			cr_assert_eq(packet_stream_read(&r, CIPHER_SEAL, &copy), ERR_FORMAT);
		}
		r = wire_reader_of(buf_span(&b));
		cr_assert_eq(packet_stream_read(&r, CIPHER_SEAL, &copy), OK);
		cr_assert(copy.seq == seal.seq && copy.n_packets == seal.n_packets &&
			copy.n_bytes == seal.n_bytes && copy.total_bytes == seal.total_bytes);
		cr_assert_eq(copy.cipher == NULL, seal.cipher == NULL);
		packet_stream_clear(&copy);
		buf_clear(&b);
		streams_free(&seal, &open);
	}
}
