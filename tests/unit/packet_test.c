/*
 * common/ssh/packet: framing, padding, limits and counters, under each cipher.
 */
#include "common/ssh/packet.h"

#include "tests/lib/leg_pair.h"

#include <criterion/criterion.h>

/* Two ends of one direction under the same key, which depends on the kind only. */
static void
streams_make(enum cipher_kind kind, struct packet_stream *seal, struct packet_stream *open)
{
	uint8_t key[CIPHER_KEY_MAX], iv[CIPHER_IV_MAX];

	*seal = (struct packet_stream){0};
	*open = (struct packet_stream){0};
	if (kind == CIPHER_NONE)
		return;
	payload_fill(key, sizeof(key), (uint8_t)kind, 1);
	payload_fill(iv, sizeof(iv), (uint8_t)kind, 2);
	cr_assert_eq(cipher_new(kind, CIPHER_SEAL, key, iv, &seal->cipher), OK);
	cr_assert_eq(cipher_new(kind, CIPHER_OPEN, key, iv, &open->cipher), OK);
}

Test(packet, the_largest_payload_that_can_be_opened_can_be_sealed_under_each_cipher)
{
	static uint8_t payload[PACKET_PAYLOAD_MAX + 1];

	for (enum cipher_kind kind = CIPHER_NONE + 1; kind < CIPHER_KIND_COUNT; kind++) {
		struct packet_stream seal, open;
		struct packet p;
		struct buf b = {0};
		size_t need;

		streams_make(kind, &seal, &open);
		payload_fill(payload, sizeof(payload), 94, kind);
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

static const enum cipher_kind kinds[] = {
	CIPHER_NONE, CIPHER_CHACHA20_POLY1305, CIPHER_AES256_GCM, CIPHER_AES128_GCM};

static void
streams_free(struct packet_stream *seal, struct packet_stream *open)
{
	packet_stream_clear(seal);
	packet_stream_clear(open);
}

Test(packet, payloads_of_every_length_come_back)
{
	uint8_t payload[600];

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct packet_stream seal, open;
		uint64_t total = 0;

		streams_make(kinds[k], &seal, &open);
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
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct packet_stream seal, open;
		uint8_t before[256], payload[50];
		struct buf b = {0};
		struct packet p;
		size_t need = 0;

		streams_make(kinds[k], &seal, &open);
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
flip_is_caught(enum cipher_kind kind, const struct buf *sealed, size_t bit)
{
	static uint8_t bytes[PACKET_SIZE_MAX];
	struct packet_stream seal, open;
	struct packet p;
	size_t need = 0;
	enum err e;

	streams_make(kind, &seal, &open);
	memset(bytes, 0x5a, sizeof(bytes));
	memcpy(bytes, sealed->data, sealed->len);
	bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	e = packet_open(&open, bytes, sizeof(bytes), &p, &need);
	cr_assert(e == ERR_MAC || (bit < 32 && (e == ERR_LIMIT || e == ERR_FORMAT)),
		"kind %d, bit %zu: %s", kind, bit, err_text(e));
	cr_assert_eq(open.seq, 0);
	streams_free(&seal, &open);
}

Test(packet, every_flipped_bit_is_caught)
{
	static const size_t lens[] = {1, 40, 203};

	for (size_t k = 1; k < ARRAY_LEN(kinds); k++) {
		for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
			struct packet_stream seal, open;
			uint8_t payload[256];
			struct buf b = {0};

			streams_make(kinds[k], &seal, &open);
			payload_fill(payload, lens[i], 94, 1);
			cr_assert_eq(packet_seal(&seal, span_of(payload, lens[i]), &b), OK);
			for (size_t bit = 0; bit < b.len * 8; bit++)
				flip_is_caught(kinds[k], &b, bit);
			buf_clear(&b);
			streams_free(&seal, &open);
		}
	}
}

/* Packets that are lost, repeated or swapped have the wrong sequence number or invocation counter. */
Test(packet, lost_repeated_and_swapped_packets_are_caught)
{
	for (size_t k = 1; k < ARRAY_LEN(kinds); k++) {
		for (int what = 0; what < 3; what++) {
			struct packet_stream seal, open;
			uint8_t payload[20];
			uint8_t packets[3][100];
			size_t size, need;
			struct packet p;

			streams_make(kinds[k], &seal, &open);
			for (uint8_t i = 0; i < 3; i++) {
				payload_fill(payload, sizeof(payload), 94, i);
				cr_assert_eq(
					packet_seal_at(&seal, span_of(payload, sizeof(payload)),
						packets[i], &size),
					OK);
			}
			if (what == 1) {
				uint8_t copy[100];

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
					OK, "kind %d, case %d", kinds[k], what);
			}
			streams_free(&seal, &open);
		}
	}
}

/* A packet whose length field says so, sealed as it stands. */
static enum err
open_length(enum cipher_kind kind, uint32_t length, uint8_t padding)
{
	static uint8_t bytes[PACKET_SIZE_MAX + 1024];
	struct packet_stream seal, open;
	struct packet p;
	size_t need = 0;
	enum err e;

	streams_make(kind, &seal, &open);
	memset(bytes, 0, sizeof(bytes));
	wire_poke_u32(bytes, length);
	bytes[4] = padding;
	if (kind != CIPHER_NONE && length <= PACKET_LENGTH_MAX + 512)
		cr_assert_eq(cipher_seal(seal.cipher, 0, bytes, length), OK);
	else if (kind != CIPHER_NONE)
		cr_assert_eq(cipher_seal(seal.cipher, 0, bytes, 64), OK);
	e = packet_open(&open, bytes, sizeof(bytes), &p, &need);
	cr_assert(e != OK || p.payload.len + padding + 1 == length);
	streams_free(&seal, &open);
	return e;
}

Test(packet, lengths_out_of_range_are_refused)
{
	static const uint32_t bad[] = {0, 1, 2, 3, 4, 5, 262145, 262146, 262160, 262148, 262152,
		0x7fffffff, 0x80000000, 0xfffffffb, 0xfffffffc, 0xfffffff0, 0xffffffff};

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			cr_assert_eq(open_length(kinds[k], bad[i], 4), ERR_LIMIT, "kind %d, %u",
				kinds[k], bad[i]);
	}
	cr_assert_eq(open_length(CIPHER_NONE, 262140, 4), OK);
	cr_assert_eq(open_length(CIPHER_CHACHA20_POLY1305, 262144, 4), OK);
	cr_assert_eq(open_length(CIPHER_AES256_GCM, 262144, 4), OK);
}

Test(packet, lengths_out_of_step_are_refused)
{
	for (uint32_t length = 6; length < 200; length++) {
		enum err clear = (length + 4) % 8 == 0 ? OK : ERR_FORMAT;
		enum err chacha = length % 8 == 0 ? OK : ERR_FORMAT;
		enum err gcm = length % 16 == 0 ? OK : ERR_FORMAT;

		cr_assert_eq(open_length(CIPHER_NONE, length, 4), clear);
		cr_assert_eq(open_length(CIPHER_CHACHA20_POLY1305, length, 4), chacha);
		cr_assert_eq(open_length(CIPHER_AES128_GCM, length, 4), gcm);
	}
}

Test(packet, padding_out_of_range_is_refused)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		uint32_t length = kinds[k] == CIPHER_NONE ? 44 : 48;

		for (unsigned padding = 0; padding < 256; padding++) {
			enum err want = padding >= 4 && padding <= length - 2 ? OK : ERR_FORMAT;

			cr_assert_eq(open_length(kinds[k], length, (uint8_t)padding), want,
				"kind %d, padding %u", kinds[k], padding);
		}
	}
}

Test(packet, an_empty_payload_cannot_be_sealed)
{
	struct packet_stream seal, open;
	struct buf b = {0};

	streams_make(CIPHER_AES256_GCM, &seal, &open);
	cr_assert_eq(packet_seal(&seal, span_of(NULL, 0), &b), ERR_LIMIT);
	cr_assert_eq(seal.seq, 0);
	streams_free(&seal, &open);
}

Test(packet, no_more_packets_under_one_key_than_allowed)
{
	uint8_t payload[1] = {94}, bytes[64];

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct packet_stream seal, open;
		struct packet p;
		size_t size, need;

		streams_make(kinds[k], &seal, &open);
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
	uint8_t payload[9], bytes[64];

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct packet_stream seal, open;
		struct packet p;
		size_t size, need;

		streams_make(kinds[k], &seal, &open);
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

/* What a relay does: open under one leg's cipher, seal under the other's where it stands. */
static void
reseal_works(enum cipher_kind from, enum cipher_kind to, size_t len)
{
	struct packet_stream seal, open, next_seal, next_open;
	uint8_t payload[300], bytes[512];
	struct packet p, q;
	size_t size, need;

	streams_make(from, &seal, &open);
	streams_make(to, &next_seal, &next_open);
	next_seal.seq = next_open.seq = 77;
	payload_fill(payload, len, 94, (uint32_t)len);
	cr_assert_eq(packet_seal_at(&seal, span_of(payload, len), bytes, &size), OK);
	cr_assert_eq(packet_open(&open, bytes, size, &p, &need), OK);
	if (!packet_fits_in_place(&next_seal, &open, &p)) {
		cr_assert_eq(from, CIPHER_CHACHA20_POLY1305);
		cr_assert_neq(p.length % 16, 0);
	} else {
		cr_assert_eq(packet_reseal(&next_seal, &p), OK);
		cr_assert_eq(packet_open(&next_open, bytes, p.size, &q, &need), OK);
		cr_assert(span_equal(q.payload, span_of(payload, len)));
		cr_assert_eq(q.size, size);
		cr_assert_eq(next_seal.n_bytes, size);
	}
	streams_free(&seal, &open);
	streams_free(&next_seal, &next_open);
}

Test(packet, a_packet_is_resealed_where_it_stands)
{
	for (size_t i = 1; i < ARRAY_LEN(kinds); i++) {
		for (size_t j = 1; j < ARRAY_LEN(kinds); j++) {
			for (size_t len = 1; len < 300; len++)
				reseal_works(kinds[i], kinds[j], len);
		}
	}
}

Test(packet, nothing_is_resealed_in_cleartext)
{
	struct packet_stream clear = {0}, seal, open;
	uint8_t payload[20] = {94}, bytes[64];
	struct packet p;
	size_t size, need;

	streams_make(CIPHER_AES256_GCM, &seal, &open);
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
		uint8_t payload[1] = {94}, bytes[64];
		size_t size;

		streams_make(CIPHER_AES256_GCM, &seal, &open);
		streams_make(CIPHER_CHACHA20_POLY1305, &other, &unused);
		for (int i = 0; i < 3; i++)
			cr_assert_eq(packet_seal_at(&seal, span_of(payload, 1), bytes, &size), OK);
		packet_stream_rekey(&seal, other.cipher, strict);
		cr_assert_eq(seal.seq, strict ? 0 : 3);
		cr_assert_eq(seal.n_packets, 0);
		cr_assert_eq(seal.n_bytes, 0);
		cr_assert_eq(seal.total_bytes, 3 * size);
		cr_assert_eq(cipher_kind(seal.cipher), CIPHER_CHACHA20_POLY1305);
		packet_stream_clear(&unused);
		streams_free(&seal, &open);
	}
}

Test(packet, a_written_stream_is_read_back_whole_or_not_at_all)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct packet_stream seal, open, copy;
		struct buf b = {0};
		struct wire_reader r;

		streams_make(kinds[k], &seal, &open);
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
