/*
 * The binary packet protocol of RFC 4253 section 6.
 */
#include "common/ssh/packet.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#define LENGTH_LEN 4
/* packet_length covers the padding length byte, one byte of payload and the least padding. */
#define LENGTH_MIN (1 + 1 + PACKET_PADDING_MIN)

static const struct cipher_layout *
layout_of(const struct packet_stream *s)
{
	return cipher_layout(s->cipher);
}

static bool
length_is_aligned(const struct cipher_layout *layout, size_t length)
{
	return (length + (layout->length_is_aligned ? LENGTH_LEN : 0)) % layout->block == 0;
}

static void
count(struct packet_stream *s, size_t size)
{
	s->seq++;
	s->n_packets++;
	s->n_bytes += size;
	s->total_bytes += size;
}

static enum err
peek_length(struct packet_stream *s, const uint8_t *bytes, uint32_t *out)
{
	uint32_t length;
	enum err e = OK;

	if (s->cipher != NULL)
		e = cipher_peek_length(s->cipher, s->seq, bytes, &length);
	else
		length = wire_peek_u32(bytes);
	if (e != OK)
		return e;
	if (length < LENGTH_MIN || length > PACKET_LENGTH_MAX)
		return ERR_LIMIT;
	if (!length_is_aligned(layout_of(s), length))
		return ERR_FORMAT;
	*out = length;
	return OK;
}

enum err
packet_open(struct packet_stream *s, uint8_t *bytes, size_t len, struct packet *out, size_t *need)
{
	uint32_t length;
	uint8_t padding;
	size_t size;
	enum err e;

	if (len < LENGTH_LEN) {
		*need = LENGTH_LEN;
		return ERR_AGAIN;
	}
	e = peek_length(s, bytes, &length);
	if (e != OK)
		return e;
	size = LENGTH_LEN + length + layout_of(s)->tag_len;
	if (len < size) {
		*need = size;
		return ERR_AGAIN;
	}
	if (s->n_packets >= PACKET_COUNT_MAX)
		return ERR_LIMIT;
	if (s->cipher != NULL)
		e = cipher_open(s->cipher, s->seq, bytes, length);
	if (e != OK)
		return e;
	padding = bytes[LENGTH_LEN];
	if (padding < PACKET_PADDING_MIN || (uint32_t)padding + 2 > length)
		return ERR_FORMAT;
	if (length - 1 - padding > PACKET_PAYLOAD_MAX)
		return ERR_LIMIT;
	*out = (struct packet){.start = bytes,
		.length = length,
		.seq = s->seq,
		.payload = span_of(bytes + LENGTH_LEN + 1, length - 1 - padding),
		.size = size};
	count(s, size);
	return OK;
}

static size_t
padding_for(const struct cipher_layout *layout, size_t payload_len)
{
	size_t covered = 1 + payload_len + (layout->length_is_aligned ? LENGTH_LEN : 0);
	size_t padding = layout->block - covered % layout->block;

	return padding < PACKET_PADDING_MIN ? padding + layout->block : padding;
}

size_t
packet_sealed_size(const struct packet_stream *s, size_t payload_len)
{
	const struct cipher_layout *layout = layout_of(s);

	return LENGTH_LEN + 1 + payload_len + padding_for(layout, payload_len) + layout->tag_len;
}

static enum err
seal(struct packet_stream *s, uint8_t *start, size_t length)
{
	enum err e;

	if (s->n_packets >= PACKET_COUNT_MAX)
		return ERR_LIMIT;
	if (s->cipher != NULL) {
		e = cipher_seal(s->cipher, s->seq, start, length);
		if (e != OK)
			return e;
	}
	count(s, LENGTH_LEN + length + layout_of(s)->tag_len);
	return OK;
}

enum err
packet_seal_at(struct packet_stream *s, struct span payload, uint8_t *at, size_t *size)
{
	const struct cipher_layout *layout = layout_of(s);
	size_t padding, length;
	uint8_t *end;
	enum err e;

	if (payload.len == 0 || payload.len > PACKET_PAYLOAD_MAX)
		return ERR_LIMIT;
	padding = padding_for(layout, payload.len);
	length = 1 + payload.len + padding;
	assert(length <= PACKET_LENGTH_MAX);
	wire_poke_u32(at, (uint32_t)length);
	at[LENGTH_LEN] = (uint8_t)padding;
	memmove(at + PACKET_PAYLOAD_AT, payload.ptr, payload.len);
	end = at + PACKET_PAYLOAD_AT + payload.len;
	/* Padding of cleartext packets is seen by everybody, so it may as well say nothing. */
	if (s->cipher == NULL)
		memset(end, 0, padding);
	else if (RAND_bytes(end, (int)padding) != 1)
		return ERR_CRYPTO;
	e = seal(s, at, length);
	if (e == OK)
		*size = LENGTH_LEN + length + layout->tag_len;
	return e;
}

enum err
packet_seal(struct packet_stream *s, struct span payload, struct buf *out)
{
	uint8_t *at;
	size_t size;
	enum err e;

	if (payload.len == 0 || payload.len > PACKET_PAYLOAD_MAX)
		return ERR_LIMIT;
	e = buf_reserve(out, packet_sealed_size(s, payload.len), &at);
	if (e == OK)
		e = packet_seal_at(s, payload, at, &size);
	if (e == OK)
		buf_commit(out, size);
	return e;
}

bool
packet_fits_in_place(
	const struct packet_stream *to, const struct packet_stream *from, const struct packet *p)
{
	const struct cipher_layout *layout = layout_of(to);

	return to->cipher != NULL && layout->tag_len <= layout_of(from)->tag_len &&
		length_is_aligned(layout, p->length);
}

enum err
packet_reseal(struct packet_stream *to, struct packet *p)
{
	enum err e;

	assert(to->cipher != NULL && length_is_aligned(layout_of(to), p->length));
	e = seal(to, p->start, p->length);
	if (e == OK)
		p->size = LENGTH_LEN + p->length + layout_of(to)->tag_len;
	return e;
}

void
packet_stream_rekey(struct packet_stream *s, struct cipher *c, bool reset_seq)
{
	cipher_free(s->cipher);
	s->cipher = c;
	s->n_packets = 0;
	s->n_bytes = 0;
	if (reset_seq)
		s->seq = 0;
}

void
packet_stream_clear(struct packet_stream *s)
{
	cipher_free(s->cipher);
	OPENSSL_cleanse(s, sizeof(*s));
}

enum err
packet_stream_write(const struct packet_stream *s, struct buf *out)
{
	enum err e;

	e = wire_put_bool(out, s->cipher != NULL);
	if (e == OK && s->cipher != NULL)
		e = cipher_write(s->cipher, out);
	if (e == OK)
		e = wire_put_u32(out, s->seq);
	if (e == OK)
		e = wire_put_u64(out, s->n_packets);
	if (e == OK)
		e = wire_put_u64(out, s->n_bytes);
	if (e == OK)
		e = wire_put_u64(out, s->total_bytes);
	return e;
}

enum err
packet_stream_read(
	struct wire_reader *r, enum cipher_direction direction, struct packet_stream *out)
{
	struct packet_stream s = {0};
	bool has_cipher;
	enum err e;

	if (wire_get_bool(r, &has_cipher) != OK)
		return ERR_FORMAT;
	if (has_cipher) {
		e = cipher_read(r, direction, &s.cipher);
		if (e != OK)
			return e;
	}
	if (wire_get_u32(r, &s.seq) != OK || wire_get_u64(r, &s.n_packets) != OK ||
		wire_get_u64(r, &s.n_bytes) != OK || wire_get_u64(r, &s.total_bytes) != OK) {
		packet_stream_clear(&s);
		return ERR_FORMAT;
	}
	*out = s;
	return OK;
}
