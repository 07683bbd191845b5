/*
 * The protection of packets in one direction: raw keys, counters, and the OpenSSL contexts made from them.
 *
 * The counters are kept here and not only in the EVP contexts, because those cannot be written out: a cipher can be saved
 * between any two packets and made again in another process.
 * (RFC 5647 and OpenSSH PROTOCOL for AES-GCM, PROTOCOL.chacha20poly1305, RFC 4344 section 4 for AES-CTR)
 */
#ifndef COMMON_SSH_CIPHER_H
#define COMMON_SSH_CIPHER_H

#include "common/buf.h"
#include "common/err.h"
#include "common/ssh/mac.h"
#include "common/ssh/wire.h"

enum cipher_kind {
	CIPHER_NONE = 0, /* cleartext, before the first NEWKEYS */
	CIPHER_CHACHA20_POLY1305,
	CIPHER_AES128_GCM,
	CIPHER_AES256_GCM,
	CIPHER_AES128_CTR,
	CIPHER_AES192_CTR,
	CIPHER_AES256_CTR,
	CIPHER_KIND_COUNT
};

enum cipher_direction { CIPHER_OPEN, CIPHER_SEAL };

#define CIPHER_KEY_MAX 64
#define CIPHER_IV_MAX 16
#define CIPHER_TAG_MAX 64

/* What a kind needs.  Static data. */
struct cipher_info {
	const char *name; /* as negotiated */
	const char *evp; /* OpenSSL's name; NULL: put together from several */
	size_t key_len;
	size_t iv_len;
	size_t tag_len; /* 0: it does not authenticate, and goes with a MAC */
	size_t block; /* lengths are multiples of this */
	uint64_t rekey_bytes; /* volume after which a key must be replaced (RFC 4344 section 3.2) */
};

const struct cipher_info *cipher_info(enum cipher_kind kind);
/* CIPHER_NONE when the name is unknown (or "none", which is never negotiated). */
enum cipher_kind cipher_by_name(struct span name);
/*
 * All names, in order of preference, comma-separated.  Static.  The order is that of OpenSSH since 10.0 (before, it had CTR
 * in front of GCM): ciphers that authenticate come first.
 */
const char *cipher_names(void);
/* Is a MAC negotiated besides? */
bool cipher_needs_mac(enum cipher_kind kind);

/* What protects one direction: a cipher, and MAC_NONE or what it needs. */
struct cipher_suite {
	enum cipher_kind kind;
	enum mac_kind mac;
};

/* The length of the longest key, IV, block or MAC key: what a key exchange has to be strong enough for. */
size_t cipher_suite_need(struct cipher_suite suite);

/* Borrowed, with the lengths of cipher_info() and mac_info(); what has no length is not looked at. */
struct cipher_keys {
	const uint8_t *key;
	const uint8_t *iv;
	const uint8_t *mac_key;
};

/* How packets are laid out. */
struct cipher_layout {
	size_t block; /* the length of what follows the length field is a multiple of this */
	size_t tag_len; /* what follows that */
	bool length_is_aligned; /* the length field counts in that alignment too */
};

struct cipher;

/*
 * The keys are copied.  *out is owned.  ERR_UNSUPPORTED: no cipher, or one that does not go with this MAC.  ERR_CRYPTO,
 * ERR_NOMEM.
 */
MUST_CHECK enum err cipher_new(struct cipher_suite suite, enum cipher_direction direction,
	const struct cipher_keys *keys, struct cipher **out);
/* Wipes the keys. */
void cipher_free(struct cipher *c);
struct cipher_suite cipher_suite(const struct cipher *c);
/* Borrowed from c; of cleartext when c is NULL. */
const struct cipher_layout *cipher_layout(const struct cipher *c);

/*
 * The packet_length field of the packet that begins at bytes (4 bytes at least), unverified.  Changes nothing.
 */
MUST_CHECK enum err cipher_peek_length(
	struct cipher *c, uint32_t seq, const uint8_t *bytes, uint32_t *out);

/*
 * Verify and decrypt in place: packet holds the 4-byte length field, then length bytes, then the tag.  Afterwards the
 * length field is in clear too.  ERR_MAC: the tag is wrong, nothing of the packet may be used and nothing more be opened.
 */
MUST_CHECK enum err cipher_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t length);

/* Encrypt in place, the length field included, and write the tag behind: packet has room for 4 + length + tag_len. */
MUST_CHECK enum err cipher_seal(struct cipher *c, uint32_t seq, uint8_t *packet, size_t length);

/* The written form: names, direction, keys, current iv.  It holds the keys in clear: wipe what you put it into. */
MUST_CHECK enum err cipher_write(const struct cipher *c, struct buf *out);
/* ERR_FORMAT: not what cipher_write wrote for this direction. */
MUST_CHECK enum err cipher_read(
	struct wire_reader *r, enum cipher_direction direction, struct cipher **out);

#endif
