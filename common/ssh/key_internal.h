/*
 * What the files about keys share: the table of key types and the insides of keys.  Not for anybody
 * else.
 */
#ifndef COMMON_SSH_KEY_INTERNAL_H
#define COMMON_SSH_KEY_INTERNAL_H

#include "common/ssh/key.h"
#include "common/ssh/wire.h"

#include <openssl/evp.h>

enum key_family { FAMILY_NONE = 0, FAMILY_ED25519, FAMILY_ECDSA, FAMILY_RSA };

#define ED25519_KEY_LEN 32
#define ED25519_SIGNATURE_LEN 64
#define EC_COORDINATE_MAX 66
#define SHA256_LEN 32

/* All that sets one type apart from another; every other table and switch goes by family. */
struct key_desc {
	const char *name;
	const char *cert_name;
	const char *sigalg; /* what it signs with when nobody asks for anything else */
	enum key_family family;
	bool is_sk; /* on a security key: an application's name follows the family's fields */
	unsigned n_fields; /* how many strings follow the name in a public key blob */
	const char *curve; /* ECDSA: as SSH names it */
	const char *group; /* ECDSA: as OpenSSL names it */
	size_t coordinate_len; /* ECDSA: bytes of x, and of y */
};

/* The row of a type; NULL for KEY_NONE and anything that is no type.  Static. */
const struct key_desc *key_desc(enum key_type type);

struct pubkey {
	enum key_type type;
	EVP_PKEY *pkey;
	struct buf blob;
	uint8_t application
		[SHA256_LEN]; /* security keys: the hash that they put into what they sign */
};

struct privkey {
	EVP_PKEY *pkey;
	struct pubkey *public;
};

/*
 * Make a private key of an EVP key pair, which it takes.  ERR_UNSUPPORTED: of a type that we do not
 * have.  ERR_KEY: public half unsound, or not that of the private half.
 */
MUST_CHECK enum err privkey_from_evp(EVP_PKEY *pkey, struct privkey **out);

/*
 * Take a private key from the front, as OpenSSH writes it: "string type" and the numbers of that
 * type.  *out is owned. ERR_FORMAT: malformed.  ERR_UNSUPPORTED, ERR_KEY as privkey_from_evp.  r is
 * unchanged on failure.
 */
MUST_CHECK enum err privkey_read(struct wire_reader *r, struct privkey **out);
/* Append k in that form. */
MUST_CHECK enum err privkey_write(const struct privkey *k, struct buf *out);

/*
 * An EVP key from parameters (EVP_PKEY_KEYPAIR or EVP_PKEY_PUBLIC_KEY); ERR_KEY when OpenSSL
 * refuses them.
 */
MUST_CHECK enum err evp_from_params(
	enum key_family family, int selection, OSSL_PARAM *params, EVP_PKEY **out);

/*
 * Append a number of pkey, by OpenSSL's name for it, as mpint; what is on the way is wiped.
 * ERR_KEY: too large.
 */
MUST_CHECK enum err evp_put_number(EVP_PKEY *pkey, const char *param, struct buf *b);

/* SHA-256 of data. */
MUST_CHECK enum err key_sha256(struct span data, uint8_t out[SHA256_LEN]);

/* The signature algorithm that a certificate's algorithm name stands for; NULL: none of ours.  Static. */
const char *sigalg_of_cert(struct span cert_algorithm);

/*
 * An uncompressed point as the type's blob holds it?  (SEC 1 section 2.3.4; RFC 5656 section 3.1
 * allows no other form)
 */
bool ec_point_is_uncompressed(const struct key_desc *d, struct span point);

#endif
