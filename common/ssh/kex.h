/*
 * Key exchange methods: the ephemeral key pair, the shared secret, the exchange hash, the derived keys.
 * (RFC 4253 section 7 and 8, RFC 5656 section 4, RFC 8268, RFC 8731)
 */
#ifndef COMMON_SSH_KEX_H
#define COMMON_SSH_KEX_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "common/ssh/wire.h"

enum kex_method {
	KEX_NONE = 0,
	KEX_CURVE25519,
	KEX_ECDH_P256,
	KEX_ECDH_P384,
	KEX_ECDH_P521,
	KEX_DH_GROUP16,
	KEX_DH_GROUP14,
	KEX_METHOD_COUNT
};

#define KEX_HASH_MAX 64
/* The longest public value of a peer that is looked at. */
#define KEX_PUBLIC_MAX 2048

/* KEX_NONE when the name is unknown. */
enum kex_method kex_by_name(struct span name);
/* All names, in order of preference, comma-separated.  Static. */
const char *kex_names(void);
/* The first name of a method.  Static. */
const char *kex_method_name(enum kex_method method);

/* Our half of one exchange. */
struct kex;

/*
 * Make an ephemeral key pair.  need is how many bytes the longest key has that will be derived (cipher_suite_need()); it
 * sizes the exponent of a Diffie-Hellman group.  *out is owned.  ERR_CRYPTO, ERR_NOMEM.
 */
MUST_CHECK enum err kex_new(enum kex_method method, size_t need, struct kex **out);
/* Wipes the private half. */
void kex_free(struct kex *k);
/* The pair, written to go on with it in another process.  It holds the private half: wipe what you put it into. */
MUST_CHECK enum err kex_write(const struct kex *k, struct buf *out);
/* What kex_write() wrote for this method.  *out is owned.  ERR_FORMAT. */
MUST_CHECK enum err kex_read(struct wire_reader *r, enum kex_method method, struct kex **out);
/*
 * Our public value, borrowed from k: what stands inside the string (Q_C or Q_S) or the mpint (e or f) that carries it in
 * messages and in the exchange hash.  With a mpint's leading zero byte where it needs one, both are written alike.
 */
struct span kex_public(const struct kex *k);
/*
 * Can this be a peer's public value, as far as its form and range show?  (A point's length and form, RFC 5656 section 4;
 * a mpint without superfluous bytes between 1 and p - 1, both excluded, RFC 8268 section 4, that is no tiny power of 2.)
 */
bool kex_public_is_sound(enum kex_method method, struct span public);
/*
 * Append the shared secret K, encoded as the mpint that is hashed.  ERR_KEY: the peer's public value is not a valid one,
 * or the secret is zero (RFC 8731 section 3).
 */
MUST_CHECK enum err kex_secret(const struct kex *k, struct span peer_public, struct buf *out);

/* A hash value of any method. */
struct kex_hash {
	uint8_t bytes[KEX_HASH_MAX];
	size_t len;
};

/* What the exchange hash covers (RFC 4253 section 8, RFC 5656 section 4).  All borrowed. */
struct kex_transcript {
	struct span client_ident; /* V_C, without CR LF */
	struct span server_ident; /* V_S */
	struct span client_kexinit; /* I_C, the payload */
	struct span server_kexinit; /* I_S */
	struct span host_key; /* K_S */
	struct span client_public; /* Q_C */
	struct span server_public; /* Q_S */
	struct span secret; /* K, as kex_secret encodes it */
};

MUST_CHECK enum err kex_exchange_hash(
	enum kex_method method, const struct kex_transcript *t, struct kex_hash *out);

/* What one direction's or purpose's key is derived from (RFC 4253 section 7.2). */
struct kex_derivation {
	enum kex_method method;
	struct span secret; /* K, encoded */
	const struct kex_hash *hash; /* H */
	struct span session_id;
};

/* Fill out with the key called by this letter, 'A' to 'F'. */
MUST_CHECK enum err kex_derive(
	const struct kex_derivation *d, char letter, uint8_t *out, size_t len);

#endif
