/*
 * The protection of packets in one direction: raw keys, counters, and the OpenSSL contexts made from them.
 *
 * The counters are kept here and not in the EVP contexts, because those cannot be written out: a cipher can be saved
 * between any two packets and made again in another process.
 * (RFC 5647 and OpenSSH PROTOCOL for AES-GCM, PROTOCOL.chacha20poly1305)
 */
#ifndef COMMON_SSH_CIPHER_H
#define COMMON_SSH_CIPHER_H

#include "common/buf.h"
#include "common/err.h"
#include "common/ssh/wire.h"

enum cipher_kind {
	CIPHER_NONE = 0, /* cleartext, before the first NEWKEYS */
	CIPHER_CHACHA20_POLY1305,
	CIPHER_AES256_GCM,
	CIPHER_AES128_GCM,
	CIPHER_KIND_COUNT
};

enum cipher_direction { CIPHER_OPEN, CIPHER_SEAL };

#define CIPHER_KEY_MAX 64
#define CIPHER_IV_MAX 16
#define CIPHER_TAG_MAX 64

/* What a kind needs and how its packets are laid out.  Static data. */
struct cipher_info {
	const char *name; /* as negotiated */
	size_t key_len;
	size_t iv_len;
	size_t tag_len;
	size_t block; /* the length of what follows the length field is a multiple of this */
	bool length_is_aligned; /* the length field counts in that alignment too */
	uint64_t rekey_bytes; /* volume after which a key must be replaced (RFC 4344 section 3.2) */
};

const struct cipher_info *cipher_info(enum cipher_kind kind);
/* CIPHER_NONE when the name is unknown (or "none", which is never negotiated). */
enum cipher_kind cipher_by_name(struct span name);
/* All names, in order of preference, comma-separated.  Static. */
const char *cipher_names(void);

struct cipher;

/*
 * key and iv have the lengths of cipher_info(); copied.  *out is owned.  ERR_CRYPTO, ERR_NOMEM.
 */
MUST_CHECK enum err cipher_new(enum cipher_kind kind, enum cipher_direction direction,
	const uint8_t *key, const uint8_t *iv, struct cipher **out);
/* Wipes the keys. */
void cipher_free(struct cipher *c);
enum cipher_kind cipher_kind(const struct cipher *c);

/*
 * The packet_length field of the packet that begins at bytes (4 bytes at least), unverified.  Changes nothing.
 */
MUST_CHECK enum err cipher_peek_length(
	struct cipher *c, uint32_t seq, const uint8_t *bytes, uint32_t *out);

/*
 * Verify and decrypt in place: packet holds the 4-byte length field, then length bytes, then the tag.  Afterwards the
 * length field is in clear too.  ERR_MAC: the tag is wrong, nothing of the packet may be used.
 */
MUST_CHECK enum err cipher_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t length);

/* Encrypt in place, the length field included, and write the tag behind: packet has room for 4 + length + tag_len. */
MUST_CHECK enum err cipher_seal(struct cipher *c, uint32_t seq, uint8_t *packet, size_t length);

/* The written form: kind, direction, key, current iv.  It holds the key in clear: wipe what you put it into. */
MUST_CHECK enum err cipher_write(const struct cipher *c, struct buf *out);
/* ERR_FORMAT: not what cipher_write wrote for this direction. */
MUST_CHECK enum err cipher_read(
	struct wire_reader *r, enum cipher_direction direction, struct cipher **out);

#endif
