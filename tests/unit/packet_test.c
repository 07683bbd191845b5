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
