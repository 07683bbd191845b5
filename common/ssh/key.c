/*
 * Public SSH keys: the table of types, and blobs and text lines in and out.
 */
#include "common/ssh/key.h"

#include "common/base64.h"
#include "common/ssh/key_internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <stdlib.h>

/*
 * The longest RSA public exponent, in bits.  OpenSSL itself stops here for moduli over 3072 bits:
 * verifying takes time in proportion, and whoever sends the key chooses it.
 */
#define RSA_EXPONENT_BITS_MAX 64

static const struct key_desc descs[KEY_TYPE_COUNT] = {
	[KEY_ED25519] =
		{
			.name = "ssh-ed25519",
			.cert_name = "ssh-ed25519-cert-v01@openssh.com",
			.sigalg = "ssh-ed25519",
			.family = FAMILY_ED25519,
			.n_fields = 1,
		},
	[KEY_ECDSA_P256] =
		{
			.name = "ecdsa-sha2-nistp256",
			.cert_name = "ecdsa-sha2-nistp256-cert-v01@openssh.com",
			.sigalg = "ecdsa-sha2-nistp256",
			.family = FAMILY_ECDSA,
			.n_fields = 2,
			.curve = "nistp256",
			.group = "prime256v1",
			.coordinate_len = 32,
		},
	[KEY_ECDSA_P384] =
		{
			.name = "ecdsa-sha2-nistp384",
			.cert_name = "ecdsa-sha2-nistp384-cert-v01@openssh.com",
			.sigalg = "ecdsa-sha2-nistp384",
			.family = FAMILY_ECDSA,
			.n_fields = 2,
			.curve = "nistp384",
			.group = "secp384r1",
			.coordinate_len = 48,
		},
	[KEY_ECDSA_P521] =
		{
			.name = "ecdsa-sha2-nistp521",
			.cert_name = "ecdsa-sha2-nistp521-cert-v01@openssh.com",
			.sigalg = "ecdsa-sha2-nistp521",
			.family = FAMILY_ECDSA,
			.n_fields = 2,
			.curve = "nistp521",
			.group = "secp521r1",
			.coordinate_len = EC_COORDINATE_MAX,
		},
	[KEY_RSA] =
		{
			.name = "ssh-rsa",
			.cert_name = "ssh-rsa-cert-v01@openssh.com",
			.sigalg = "rsa-sha2-512",
			.family = FAMILY_RSA,
			.n_fields = 2,
		},
	[KEY_SK_ED25519] =
		{
			.name = "sk-ssh-ed25519@openssh.com",
			.cert_name = "sk-ssh-ed25519-cert-v01@openssh.com",
			.sigalg = "sk-ssh-ed25519@openssh.com",
			.family = FAMILY_ED25519,
			.is_sk = true,
			.n_fields = 2,
		},
	[KEY_SK_ECDSA] =
		{
			.name = "sk-ecdsa-sha2-nistp256@openssh.com",
			.cert_name = "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
			.sigalg = "sk-ecdsa-sha2-nistp256@openssh.com",
			.family = FAMILY_ECDSA,
			.is_sk = true,
			.n_fields = 3,
			.curve = "nistp256",
			.group = "prime256v1",
			.coordinate_len = 32,
		},
};

const struct key_desc *
key_desc(enum key_type type)
{
	if ((unsigned)type >= KEY_TYPE_COUNT || descs[type].name == NULL)
		return NULL;
	return &descs[type];
}

const char *
key_type_name(enum key_type type)
{
	const struct key_desc *d = key_desc(type);

	return d != NULL ? d->name : NULL;
}

const char *
key_default_sigalg(enum key_type type)
{
	const struct key_desc *d = key_desc(type);

	return d != NULL ? d->sigalg : NULL;
}

enum key_type
key_type_by_name(struct span name)
{
	for (unsigned i = 0; i < KEY_TYPE_COUNT; i++) {
		if (descs[i].name != NULL && span_is(name, descs[i].name))
			return (enum key_type)i;
	}
	return KEY_NONE;
}

bool
key_type_is_sk(enum key_type type)
{
	const struct key_desc *d = key_desc(type);

	return d != NULL && d->is_sk;
}

enum err
key_sha256(struct span data, uint8_t out[SHA256_LEN])
{
	return EVP_Digest(data.ptr, data.len, out, NULL, EVP_sha256(), NULL) == 1 ? OK : ERR_CRYPTO;
}

enum err
evp_from_params(enum key_family family, int selection, OSSL_PARAM *params, EVP_PKEY **out)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(
		NULL, family == FAMILY_RSA ? "RSA" : "EC", NULL);
	EVP_PKEY *pkey = NULL;
	enum err e = OK;

	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
		e = ERR_CRYPTO;
	else if (EVP_PKEY_fromdata(ctx, &pkey, selection, params) != 1)
		e = ERR_KEY;
	if (e == OK)
		*out = pkey;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return e;
}

static enum err
read_ed25519(struct wire_reader *r, EVP_PKEY **out)
{
	struct span key;
	EVP_PKEY *pkey;

	if (wire_get_string(r, &key) != OK || key.len != ED25519_KEY_LEN)
		return ERR_FORMAT;
	pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key.ptr, key.len);
	if (pkey == NULL) {
		ERR_clear_error();
		return ERR_CRYPTO;
	}
	*out = pkey;
	return OK;
}

bool
ec_point_is_uncompressed(const struct key_desc *d, struct span point)
{
	return point.len == 1 + 2 * d->coordinate_len &&
		point.ptr[0] == POINT_CONVERSION_UNCOMPRESSED;
}

/*
 * Is the point on the curve, with coordinates in range, and not at infinity?  The curves have
 * cofactor 1, so that this is all there is to check (NIST SP 800-56A section 5.6.2.3.4); the full
 * check would only add a multiplication.
 */
static enum err
check_point(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	enum err e = ERR_CRYPTO;

	if (ctx != NULL)
		e = EVP_PKEY_public_check_quick(ctx) == 1 ? OK : ERR_KEY;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return e;
}

static enum err
read_ecdsa(const struct key_desc *d, struct wire_reader *r, EVP_PKEY **out)
{
	struct span curve, point;
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM params[3];
	enum err e;

	if (wire_get_string(r, &curve) != OK || !span_is(curve, d->curve) ||
		wire_get_string(r, &point) != OK || !ec_point_is_uncompressed(d, point))
		return ERR_FORMAT;
	/* OpenSSL reads from these only; its parameters have no const. */
	params[0] = OSSL_PARAM_construct_utf8_string(
		OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)d->group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(
		OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point.ptr, point.len);
	params[2] = OSSL_PARAM_construct_end();
	e = evp_from_params(d->family, EVP_PKEY_PUBLIC_KEY, params, &pkey);
	if (e == OK)
		e = check_point(pkey);
	if (e != OK) {
		EVP_PKEY_free(pkey);
		return e;
	}
	*out = pkey;
	return OK;
}

/* Sizes within reason, and the two oddnesses without which there is no RSA. */
static bool
rsa_is_sane(const BIGNUM *n, const BIGNUM *e)
{
	int bits = BN_num_bits(n);

	return bits >= KEY_RSA_BITS_MIN && bits <= KEY_RSA_BITS_MAX && BN_is_odd(n) &&
		BN_num_bits(e) <= RSA_EXPONENT_BITS_MAX && BN_is_odd(e) && !BN_is_one(e);
}

static enum err
rsa_from_numbers(const BIGNUM *n, const BIGNUM *e, EVP_PKEY **out)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	enum err result = ERR_NOMEM;

	if (bld != NULL && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params != NULL)
		result = evp_from_params(FAMILY_RSA, EVP_PKEY_PUBLIC_KEY, params, out);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	return result;
}

static enum err
read_rsa(struct wire_reader *r, EVP_PKEY **out)
{
	struct span e_bytes, n_bytes;
	BIGNUM *e, *n;
	enum err result = ERR_NOMEM;

	if (wire_get_mpint(r, &e_bytes) != OK || wire_get_mpint(r, &n_bytes) != OK)
		return ERR_FORMAT;
	if (e_bytes.len > KEY_BLOB_MAX || n_bytes.len > KEY_BLOB_MAX)
		return ERR_FORMAT;
	e = BN_bin2bn(e_bytes.ptr, (int)e_bytes.len, NULL);
	n = BN_bin2bn(n_bytes.ptr, (int)n_bytes.len, NULL);
	if (e != NULL && n != NULL)
		result = rsa_is_sane(n, e) ? rsa_from_numbers(n, e, out) : ERR_KEY;
	BN_free(e);
	BN_free(n);
	return result;
}

static enum err
read_fields(const struct key_desc *d, struct wire_reader *r, EVP_PKEY **out)
{
	switch (d->family) {
	case FAMILY_ED25519:
		return read_ed25519(r, out);
	case FAMILY_ECDSA:
		return read_ecdsa(d, r, out);
	case FAMILY_RSA:
		return read_rsa(r, out);
	case FAMILY_NONE:
		break;
	}
	return ERR_UNSUPPORTED;
}

/* A name for people, which sshd reads as a C string: any will do, and one is another key than the next. */
static enum err
read_application(struct wire_reader *r, uint8_t hash[SHA256_LEN])
{
	struct span name;

	if (wire_get_string(r, &name) != OK ||
		(name.len > 0 && memchr(name.ptr, '\0', name.len) != NULL))
		return ERR_FORMAT;
	return key_sha256(name, hash);
}

/* Parse blob into the parts of k; what was made of them is k's also on failure. */
static enum err
read_blob(struct span blob, struct pubkey *k)
{
	struct wire_reader r = wire_reader_of(blob);
	struct span name;
	enum err e;

	if (blob.len > KEY_BLOB_MAX || wire_get_string(&r, &name) != OK)
		return ERR_FORMAT;
	k->type = key_type_by_name(name);
	if (k->type == KEY_NONE)
		return ERR_UNSUPPORTED;
	e = read_fields(key_desc(k->type), &r, &k->pkey);
	if (e == OK && key_type_is_sk(k->type))
		e = read_application(&r, k->application);
	return e == OK ? wire_end(&r) : e;
}

enum err
pubkey_parse(struct span blob, struct pubkey **out)
{
	struct pubkey *k = calloc(1, sizeof(*k));
	enum err e;

	if (k == NULL)
		return ERR_NOMEM;
	e = read_blob(blob, k);
	if (e == OK)
		e = buf_append_exact(&k->blob, blob.ptr, blob.len);
	if (e != OK) {
		pubkey_free(k);
		return e;
	}
	*out = k;
	return OK;
}

void
pubkey_free(struct pubkey *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey);
	buf_clear(&k->blob);
	free(k);
}

enum key_type
pubkey_type(const struct pubkey *k)
{
	return k->type;
}

struct span
pubkey_blob(const struct pubkey *k)
{
	return buf_span(&k->blob);
}

/* Blobs are parsed strictly, so that one key has one blob. */
bool
pubkey_equal(const struct pubkey *a, const struct pubkey *b)
{
	return span_equal(pubkey_blob(a), pubkey_blob(b));
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Take the next word between blanks off *line; empty at its end. */
static struct span
next_word(struct span *line)
{
	const uint8_t *p = line->ptr, *end = p + line->len, *word;

	while (p < end && is_blank(*p))
		p++;
	word = p;
	while (p < end && !is_blank(*p))
		p++;
	*line = span_of(p, (size_t)(end - p));
	return span_of(word, (size_t)(p - word));
}

/* Does the blob name itself so? */
static bool
blob_is_of_type(struct span blob, struct span name)
{
	struct wire_reader r = wire_reader_of(blob);
	struct span own;

	return wire_get_string(&r, &own) == OK && span_equal(own, name);
}

enum err
pubkey_parse_line(struct span line, struct pubkey **out)
{
	struct span name, text;
	struct buf blob;
	enum err e;

	if (line.len == 0)
		return ERR_FORMAT;
	name = next_word(&line);
	text = next_word(&line);
	if (text.len == 0 || text.len > BASE64_LEN((size_t)KEY_BLOB_MAX))
		return ERR_FORMAT;
	buf_init(&blob, KEY_BLOB_MAX + 3);
	e = base64_decode(text, &blob);
	if (e == OK && !blob_is_of_type(buf_span(&blob), name))
		e = ERR_FORMAT;
	if (e == OK)
		e = pubkey_parse(buf_span(&blob), out);
	buf_clear(&blob);
	return e;
}

enum err
pubkey_write_line(const struct pubkey *k, struct buf *out)
{
	size_t before = out->len;
	enum err e = buf_append_span(out, span_str(key_type_name(k->type)));

	if (e == OK)
		e = buf_append(out, " ", 1);
	if (e == OK)
		e = base64_encode(pubkey_blob(k), out);
	if (e != OK)
		buf_truncate(out, before);
	return e;
}

void
key_fingerprint(struct span blob, char out[KEY_FINGERPRINT_SIZE])
{
	static const char prefix[] = "SHA256:";
	uint8_t digest[32], text[BASE64_LEN(sizeof(digest)) + 1];
	size_t len = sizeof(prefix) - 1;

	memcpy(out, prefix, len);
	if (EVP_Digest(blob.ptr, blob.len, digest, NULL, EVP_sha256(), NULL) != 1) {
		memcpy(out + len, "?", 2);
		return;
	}
	EVP_EncodeBlock(text, digest, sizeof(digest));
	/* Without the one "=" of padding. */
	memcpy(out + len, text, KEY_FINGERPRINT_SIZE - len - 1);
	out[KEY_FINGERPRINT_SIZE - 1] = '\0';
}
