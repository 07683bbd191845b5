/*
 * The binary packet protocol of RFC 4253 section 6, one struct per direction: framing, padding, sequence numbers,
 * counters, over a cipher.
 */
#ifndef COMMON_SSH_PACKET_H
#define COMMON_SSH_PACKET_H

#include "common/ssh/cipher.h"

/* The largest packet_length accepted and sent; OpenSSH's own limit (RFC 4253 section 6.1 asks for 35,000 at least). */
#define PACKET_LENGTH_MAX ((uint32_t)256 * 1024)
/* The least padding (RFC 4253 section 6). */
#define PACKET_PADDING_MIN 4
/* All of a packet: length field, content, tag. */
#define PACKET_SIZE_MAX (4 + (size_t)PACKET_LENGTH_MAX + CIPHER_TAG_MAX)
/*
 * The largest payload that is accepted and sent: what can be opened can be sealed again, under each cipher of ours.  Where
 * the length field is padded, too, the largest length is 4 less than PACKET_LENGTH_MAX.
 */
#define PACKET_PAYLOAD_MAX ((size_t)PACKET_LENGTH_MAX - 4 - 1 - PACKET_PADDING_MIN)

/* Where the payload stands in a packet: behind its length and its padding length. */
#define PACKET_PAYLOAD_AT 5

/* Packets under one key, at most, in either direction (RFC 4344 section 3.1). */
#define PACKET_COUNT_MAX ((uint64_t)1 << 31)

/* One direction of a leg.  Embedded; zeroed it is the cleartext start of a connection. */
struct packet_stream {
	struct cipher *cipher; /* owned; NULL before the first NEWKEYS */
	uint32_t seq; /* of the next packet */
	uint64_t n_packets; /* since the current key */
	uint64_t n_bytes; /* since the current key, length fields and tags included */
	uint64_t total_bytes; /* since the beginning */
};

/* A packet in the caller's bytes. */
struct packet {
	uint8_t *start; /* its length field, in clear */
	uint32_t length; /* the value of the length field */
	uint32_t seq; /* its sequence number */
	struct span payload; /* borrowed from the caller's bytes; at least 1 byte */
	size_t size; /* all its bytes, tag included */
};

/*
 * Decrypt the packet at the front of bytes in place.  ERR_AGAIN: not a whole packet yet, nothing changed; *need is then
 * how many bytes it takes (as far as known).  ERR_LIMIT, ERR_FORMAT, ERR_MAC: the leg is dead, disconnect it.
 */
MUST_CHECK enum err packet_open(
	struct packet_stream *s, uint8_t *bytes, size_t len, struct packet *out, size_t *need);

/* Append payload as a sealed packet with fresh padding.  ERR_LIMIT: payload or out too large. */
MUST_CHECK enum err packet_seal(struct packet_stream *s, struct span payload, struct buf *out);

/*
 * The same into memory that has room for packet_sealed_size(); *size is what was written.  The payload may stand there
 * already, at PACKET_PAYLOAD_AT.
 */
MUST_CHECK enum err packet_seal_at(
	struct packet_stream *s, struct span payload, uint8_t *at, size_t *size);
size_t packet_sealed_size(const struct packet_stream *s, size_t payload_len);

/*
 * Can a packet that was opened under from be sealed under to where it stands, with its own padding?  The padding must suit
 * the other layout, and the tag must not reach into what follows.
 */
bool packet_fits_in_place(
	const struct packet_stream *to, const struct packet_stream *from, const struct packet *p);
/* Seal it there; p->size is its size then.  Only when packet_fits_in_place(). */
MUST_CHECK enum err packet_reseal(struct packet_stream *to, struct packet *p);

/* NEWKEYS: from here on this cipher.  Takes it.  reset_seq: strict KEX. */
void packet_stream_rekey(struct packet_stream *s, struct cipher *c, bool reset_seq);
/* Frees the cipher and wipes. */
void packet_stream_clear(struct packet_stream *s);

MUST_CHECK enum err packet_stream_write(const struct packet_stream *s, struct buf *out);
MUST_CHECK enum err packet_stream_read(
	struct wire_reader *r, enum cipher_direction direction, struct packet_stream *out);

#endif
