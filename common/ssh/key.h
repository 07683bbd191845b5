/*
 * Public and private SSH keys on OpenSSL EVP: blobs, signatures, fingerprints.
 * (RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709, OpenSSH PROTOCOL.u2f)
 */
#ifndef COMMON_SSH_KEY_H
#define COMMON_SSH_KEY_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

enum key_type {
	KEY_NONE = 0,
	KEY_ED25519,
	KEY_ECDSA_P256,
	KEY_ECDSA_P384,
	KEY_ECDSA_P521,
	KEY_RSA,
	KEY_SK_ED25519, /* on a security key; the private half never is ours */
	KEY_SK_ECDSA, /* the same, on nistp256 */
	KEY_TYPE_COUNT
};

/*
 * The smallest RSA modulus that is accepted anywhere, in bits, and the largest (an attacker chooses
 * what we verify).
 */
#define KEY_RSA_BITS_MIN 2048
#define KEY_RSA_BITS_MAX 16384

/* The longest public key blob that is accepted, in bytes. */
#define KEY_BLOB_MAX 8192

/* "SHA256:" and 43 characters of base64 and the NUL. */
#define KEY_FINGERPRINT_SIZE 51

struct pubkey; /* owned by who parsed it */
struct privkey; /* owned by who loaded or made it; wiped when freed */

/*
 * The key format name of a type ("ssh-rsa", "ecdsa-sha2-nistp256", ...); NULL for KEY_NONE.
 * Static.
 */
const char *key_type_name(enum key_type type);
/*
 * The signature algorithm that a type signs with by default (rsa-sha2-512 for RSA); NULL for
 * KEY_NONE.  Static.
 */
const char *key_default_sigalg(enum key_type type);
/* The type whose key format name this is; KEY_NONE when there is none. */
enum key_type key_type_by_name(struct span name);
/* Does a security key hold keys of this type?  Then its signatures tell of touch and PIN. */
bool key_type_is_sk(enum key_type type);

/*
 * Parse a public key blob, whole.  *out is owned.  ERR_FORMAT: malformed.  ERR_UNSUPPORTED: a type
 * that we do not have (certificates among them: see cert.h).  ERR_KEY: an RSA modulus or exponent
 * out of range or a point that is not on the curve.  Each key has one blob: forms that other
 * parsers take as the same key (padded numbers, compressed points) are malformed here.
 */
MUST_CHECK enum err pubkey_parse(struct span blob, struct pubkey **out);
/*
 * Parse "TYPE BASE64 [comment]", as in a .pub file.  Errors as above; ERR_FORMAT too when TYPE is
 * not the blob's own.
 */
MUST_CHECK enum err pubkey_parse_line(struct span line, struct pubkey **out);
void pubkey_free(struct pubkey *k);

enum key_type pubkey_type(const struct pubkey *k);
/* The blob, borrowed from k. */
struct span pubkey_blob(const struct pubkey *k);
bool pubkey_equal(const struct pubkey *a, const struct pubkey *b);
/* Append "TYPE BASE64", without a comment or newline. */
MUST_CHECK enum err pubkey_write_line(const struct pubkey *k, struct buf *out);
/*
 * The fingerprint of any key or certificate blob as ssh-keygen -l writes it: SHA256:...  "SHA256:?"
 * should OpenSSL fail.
 */
void key_fingerprint(struct span blob, char out[KEY_FINGERPRINT_SIZE]);

/*
 * Signature algorithms: ssh-ed25519, ecdsa-sha2-nistp256/384/521, rsa-sha2-256, rsa-sha2-512, and
 * those of security keys.  ssh-rsa (SHA-1) is not among them.
 */

/* The form in which a web browser signs with a security key, for keys of KEY_SK_ECDSA. */
#define SIGALG_WEBAUTHN "webauthn-sk-ecdsa-sha2-nistp256@openssh.com"

/* The type of key that signs with this algorithm; KEY_NONE when we do not have it. */
enum key_type sigalg_key_type(struct span sigalg);
/* All of them, comma-separated, as server-sig-algs lists them (RFC 8308 section 3.1).  Static. */
const char *sigalg_names(void);

/*
 * Verify a signature blob ("string algorithm, string signature") made with exactly the algorithm
 * sigalg. ERR_SIGNATURE: well-formed but wrong.  ERR_FORMAT: malformed, ERR_PROTO: another
 * algorithm than sigalg inside, ERR_UNSUPPORTED: sigalg is unknown or not for this type of key.
 */
MUST_CHECK enum err pubkey_verify(
	const struct pubkey *k, struct span sigalg, struct span data, struct span signature);

/* What a security key says of a signature of its own, and signs with it.  (OpenSSH PROTOCOL.u2f) */
struct sk_details {
	uint8_t flags; /* as the key sent them */
	uint32_t counter; /* of its signatures, for who wants to compare */
};

#define SK_USER_PRESENT 0x01 /* it was touched */
#define SK_USER_VERIFIED 0x04 /* it got its PIN, or saw its user's finger */

/* As pubkey_verify; *details are zero for a key that is on no security key. */
MUST_CHECK enum err pubkey_verify_sk(const struct pubkey *k, struct span sigalg, struct span data,
	struct span signature, struct sk_details *details);

/* Make a fresh key, of no security key.  rsa_bits counts for KEY_RSA only.  *out is owned. */
MUST_CHECK enum err privkey_generate(enum key_type type, unsigned rsa_bits, struct privkey **out);
void privkey_free(struct privkey *k);
/* The public half, borrowed from k. */
const struct pubkey *privkey_public(const struct privkey *k);
/* Append a signature blob over data.  ERR_UNSUPPORTED: sigalg is not for this type of key. */
MUST_CHECK enum err privkey_sign(
	const struct privkey *k, struct span sigalg, struct span data, struct buf *out);

#define PRIVKEY_SECRET_SIZE 32
/* A secret that follows from the private half and label alone, and tells nothing of the key: wipe.  ERR_CRYPTO. */
MUST_CHECK enum err privkey_derive(
	const struct privkey *k, const char *label, uint8_t out[PRIVKEY_SECRET_SIZE]);

#endif
