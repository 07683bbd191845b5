/*
 * Message authentication codes for ciphers that do not authenticate: HMAC over the packet and its sequence number.
 * (RFC 4253 section 6.4, RFC 6668, OpenSSH PROTOCOL section 1.6 for the encrypt-then-MAC forms)
 */
#ifndef COMMON_SSH_MAC_H
#define COMMON_SSH_MAC_H

#include "common/err.h"
#include "common/span.h"

enum mac_kind {
	MAC_NONE = 0, /* with ciphers that authenticate themselves, and in cleartext */
	MAC_SHA2_256_ETM,
	MAC_SHA2_512_ETM,
	MAC_SHA2_256,
	MAC_SHA2_512,
	MAC_KIND_COUNT
};

#define MAC_LEN_MAX 64

/* Static data. */
struct mac_info {
	const char *name; /* as negotiated */
	const char *digest; /* OpenSSL's name */
	size_t len; /* of the key and of the code */
	bool is_etm; /* over what is sent, with the length field in clear; else over what is meant */
};

const struct mac_info *mac_info(enum mac_kind kind);
/* MAC_NONE when the name is unknown (or "none", which is never negotiated). */
enum mac_kind mac_by_name(struct span name);
/* All names, in order of preference (OpenSSH's), comma-separated.  Static. */
const char *mac_names(void);

struct mac;

/* key has the length of mac_info(); copied.  *out is owned.  ERR_CRYPTO, ERR_NOMEM. */
MUST_CHECK enum err mac_new(enum mac_kind kind, const uint8_t *key, struct mac **out);
/* Wipes the key. */
void mac_free(struct mac *m);

/* The code of the packet with this number, whose bytes these are, to out (MAC_LEN_MAX bytes). */
MUST_CHECK enum err mac_make(struct mac *m, uint32_t seq, struct span bytes, uint8_t *out);
/* ERR_MAC: code (of mac_info()'s length) is not the packet's.  The comparison takes the same time wherever they differ. */
MUST_CHECK enum err mac_check(struct mac *m, uint32_t seq, struct span bytes, const uint8_t *code);

#endif
