/*
 * OpenSSH certificates: parse, verify, mint.  (OpenSSH PROTOCOL.certkeys)
 */
#ifndef COMMON_SSH_CERT_H
#define COMMON_SSH_CERT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/ssh/key.h"

enum cert_kind { CERT_KIND_NONE = 0, CERT_USER = 1, CERT_HOST = 2 };

/* The most principals, and the most options in each of the two lists. */
#define CERT_PRINCIPALS_MAX 256
#define CERT_OPTIONS_MAX 64
#define CERT_BLOB_MAX ((size_t)64 * 1024)

/* Plain data; every span and key borrows from the struct cert that it came from. */
struct cert_fields {
	enum key_type type; /* of the certified key */
	struct span type_name; /* e.g. ssh-ed25519-cert-v01@openssh.com */
	uint64_t serial;
	enum cert_kind kind;
	struct span key_id;
	struct span principals; /* packed strings; walk with cert_next_string() */
	uint64_t valid_after; /* seconds since 1970 */
	uint64_t valid_before;
	struct span critical_options; /* packed (name, data) pairs; walk with cert_next_option() */
	struct span extensions;
};

struct cert;

/*
 * Does this key format name belong to a certificate of ours or OpenSSH's
 * ("...-cert-v01@openssh.com")?
 */
bool cert_is_type_name(struct span name);
/* "ssh-ed25519-cert-v01@openssh.com" for KEY_ED25519 and so on; NULL for KEY_NONE.  Static. */
const char *cert_type_name(enum key_type type);
/*
 * The signature algorithm that a certificate algorithm name stands for, e.g. rsa-sha2-512 for
 * rsa-sha2-512-cert-v01@openssh.com.  Static.  ERR_UNSUPPORTED: none of ours, or no certificate's.
 */
MUST_CHECK enum err cert_sigalg(struct span algorithm, struct span *sigalg);

/*
 * Parse a certificate blob, whole, and verify its CA's signature (a certificate as CA key is
 * refused, as is a SHA-1 signature).  *out is owned and copies the blob.  ERR_FORMAT,
 * ERR_UNSUPPORTED, ERR_KEY as pubkey_parse; ERR_FORMAT too past one of the maximums above, or for
 * an option that is there twice; ERR_SIGNATURE.
 *
 * A certificate that parses says who signed it and nothing of whether it counts: kind, validity,
 * principals and every critical option are the caller's to check.
 */
MUST_CHECK enum err cert_parse(struct span blob, struct cert **out);
void cert_free(struct cert *c);
const struct cert_fields *cert_fields(const struct cert *c);
const struct pubkey *cert_key(const struct cert *c); /* the certified key */
const struct pubkey *cert_ca_key(const struct cert *c);
struct span cert_ca_sigalg(const struct cert *c); /* with which the CA signed */
struct span cert_blob(const struct cert *c); /* the whole certificate */

/*
 * Take the next packed string (principals) or option; false at the end.  The lists were checked by
 * cert_parse.
 */
bool cert_next_string(struct span *list, struct span *out);
bool cert_next_option(struct span *list, struct span *name, struct span *data);
/*
 * The data of the option called name: the content of its inner string where it has one, else
 * empty.  ERR_NOT_FOUND; ERR_FORMAT: its data is not just one inner string.
 */
MUST_CHECK enum err cert_find_option(struct span list, const char *name, struct span *data);
/* No principal means none here: a certificate without principals matches nobody. */
bool cert_has_principal(const struct cert *c, struct span principal);
bool cert_is_valid_at(const struct cert *c, uint64_t seconds);
/*
 * The fingerprint of a key's blob, or of the key in a certificate's (of the whole blob where it is none that we know): as
 * ssh-keygen -l shows it.  Nothing is verified.
 */
void cert_fingerprint(struct span blob, char out[KEY_FINGERPRINT_SIZE]);

/* What a new certificate says.  A list that is NULL is empty. */
struct cert_option {
	const char *name;
	struct span value; /* put into an inner string; not looked at for a flag */
	bool is_flag; /* no data */
};

struct cert_template {
	const struct pubkey *key;
	uint64_t serial;
	enum cert_kind kind;
	const char *key_id;
	const char *const *principals; /* NULL-terminated */
	uint64_t valid_after, valid_before;
	const struct cert_option *critical_options; /* ended by a NULL name, sorted by name */
	const struct cert_option *extensions; /* the same */
};

/*
 * Append a certificate blob for t->key, signed by ca with its own default algorithm (ed25519;
 * rsa-sha2-512 for RSA). ERR_FORMAT: options out of order or twice, a kind that is none, too many
 * of something.  ERR_LIMIT: larger than CERT_BLOB_MAX.  Errors of buf_append; out is unchanged on
 * failure.
 */
MUST_CHECK enum err cert_mint(
	const struct cert_template *t, const struct privkey *ca, struct buf *out);

#endif
