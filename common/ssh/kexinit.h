/*
 * SSH_MSG_KEXINIT: what each side offers, and what follows from both.  (RFC 4253 section 7.1)
 */
#ifndef COMMON_SSH_KEXINIT_H
#define COMMON_SSH_KEXINIT_H

#include "common/ssh/cipher.h"
#include "common/ssh/compress.h"
#include "common/ssh/kex.h"

/* The name lists in their order on the wire. */
enum kexinit_list {
	KEXINIT_KEX = 0,
	KEXINIT_HOST_KEY,
	KEXINIT_CIPHER_C2S,
	KEXINIT_CIPHER_S2C,
	KEXINIT_MAC_C2S,
	KEXINIT_MAC_S2C,
	KEXINIT_COMPRESSION_C2S,
	KEXINIT_COMPRESSION_S2C,
	KEXINIT_LANGUAGE_C2S,
	KEXINIT_LANGUAGE_S2C,
	KEXINIT_LISTS
};

/* Pseudo-algorithms in the KEX list (RFC 8308 section 2.1, OpenSSH PROTOCOL section 1.9). */
#define KEXINIT_EXT_INFO_C "ext-info-c"
#define KEXINIT_STRICT_C "kex-strict-c-v00@openssh.com"
#define KEXINIT_STRICT_S "kex-strict-s-v00@openssh.com"

/* A KEXINIT, its lists borrowed from the payload. */
struct kexinit {
	struct span lists[KEXINIT_LISTS];
	bool first_kex_follows;
};

/* How much of the cookie may be somebody else's word; the rest is random in any case. */
#define KEXINIT_COOKIE_START_SIZE 8

/* What we offer, each a name list. */
struct kexinit_offer {
	const char *kex; /* pseudo-algorithms included */
	const char *host_keys;
	const char *ciphers;
	const char *macs; /* NULL: all that we have */
	const char *compression; /* NULL: none */
	const uint8_t *cookie_start; /* KEXINIT_COOKIE_START_SIZE bytes; NULL: random ones */
};

/* Append a KEXINIT payload with a random cookie, but for what the offer says of it. */
MUST_CHECK enum err kexinit_write(const struct kexinit_offer *offer, struct buf *out);
/* Parse a whole payload.  ERR_FORMAT. */
MUST_CHECK enum err kexinit_parse(struct span payload, struct kexinit *out);

/* The longest host key algorithm name that is negotiated, and its NUL. */
#define KEXINIT_NAME_SIZE 64

struct kex_choice {
	enum kex_method method;
	char host_key_alg[KEXINIT_NAME_SIZE];
	struct cipher_suite c2s;
	struct cipher_suite s2c;
	enum compression compression_c2s;
	enum compression compression_s2c;
	bool guess_was_wrong; /* the first names differ: a packet sent on a guess is to be ignored */
};

/*
 * Choose by the client's order; MACs only for ciphers that need one.  ERR_NO_MATCH: *missing (static) names what they have no algorithm in common for, e.g.
 * "key exchange method".
 */
MUST_CHECK enum err kexinit_choose(const struct kexinit *client, const struct kexinit *server,
	struct kex_choice *out, const char **missing);

#endif
