/*
 * Signatures of security keys: what they hold besides the numbers, and what exactly was signed.
 * Not for anybody but key_sign.c.  (OpenSSH PROTOCOL.u2f, W3C Web Authentication section 6.1)
 */
#ifndef COMMON_SSH_KEY_SK_H
#define COMMON_SSH_KEY_SK_H

#include "common/ssh/key_internal.h"

/* What an authenticator says in extensions is a few dozen bytes; more is refused. */
#define SK_EXTENSIONS_MAX 1024
/* A hash, the flags, the counter, extensions, another hash. */
#define SK_SIGNED_MAX (2 * SHA256_LEN + 5 + SK_EXTENSIONS_MAX)

/* A signature taken apart; the spans borrow from it. */
struct sk_signature {
	bool is_webauthn;
	struct span blob; /* the numbers, as those of the family's other keys */
	struct sk_details details;
	/* is_webauthn only */
	struct span origin; /* of the page that asked for the signature */
	struct span client_data; /* the browser's JSON, in which our data are the challenge */
	struct span extensions;
};

/* Read what follows the numbers.  ERR_FORMAT. */
MUST_CHECK enum err sk_signature_read(struct wire_reader *r, struct sk_signature *s);

/*
 * Write the bytes that the security key of k signed, if s is its signature over data.  ERR_FORMAT: such a signature is
 * for nothing.  ERR_SIGNATURE: it is for something else.
 */
MUST_CHECK enum err sk_signed_data(const struct pubkey *k, struct span data,
	const struct sk_signature *s, uint8_t out[SK_SIGNED_MAX], size_t *len);

#endif
