/*
 * Private keys as OpenSSH puts them on the wire and into its files: "string type" and the numbers
 * of that type.
 *
 * Numbers pass through secure BIGNUMs only: OpenSSL wipes those when it frees them, and the
 * parameters made from them.
 */
#include "common/ssh/key_internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

/* A seed and, again, the public key. */
#define ED25519_PRIVATE_LEN (2 * (size_t)ED25519_KEY_LEN)

enum rsa_number {
	RSA_N,
	RSA_E,
	RSA_D,
	RSA_IQMP,
	RSA_P,
	RSA_Q,
	RSA_FILED,
	RSA_DMP1 = RSA_FILED,
	RSA_DMQ1,
	RSA_NUMBERS
};

/* The first RSA_FILED in the order in which they are filed; the others follow from them. */
static const char *const rsa_params[RSA_NUMBERS] = {
	[RSA_N] = OSSL_PKEY_PARAM_RSA_N,
	[RSA_E] = OSSL_PKEY_PARAM_RSA_E,
	[RSA_D] = OSSL_PKEY_PARAM_RSA_D,
	[RSA_IQMP] = OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
	[RSA_P] = OSSL_PKEY_PARAM_RSA_FACTOR1,
	[RSA_Q] = OSSL_PKEY_PARAM_RSA_FACTOR2,
	[RSA_DMP1] = OSSL_PKEY_PARAM_RSA_EXPONENT1,
	[RSA_DMQ1] = OSSL_PKEY_PARAM_RSA_EXPONENT2,
};

static enum err
read_number(struct wire_reader *r, BIGNUM **out)
{
	BIGNUM *n = BN_secure_new();
	struct span s;
	enum err e = OK;

	if (n == NULL)
		return ERR_NOMEM;
	if (wire_get_mpint(r, &s) != OK || s.len > KEY_RSA_BITS_MAX / 8)
		e = ERR_FORMAT;
	else if (BN_bin2bn(s.ptr, (int)s.len, n) == NULL)
		e = ERR_NOMEM;
	if (e != OK) {
		BN_clear_free(n);
		return e;
	}
	BN_set_flags(n, BN_FLG_CONSTTIME);
	*out = n;
	return OK;
}

static enum err
read_ed25519(struct wire_reader *r, EVP_PKEY **out)
{
	uint8_t derived[ED25519_KEY_LEN];
	size_t len = sizeof(derived);
	struct span public, private;
	EVP_PKEY *pkey;

	if (wire_get_string(r, &public) != OK || public.len != ED25519_KEY_LEN ||
		wire_get_string(r, &private) != OK || private.len != ED25519_PRIVATE_LEN)
		return ERR_FORMAT;
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private.ptr, ED25519_KEY_LEN);
	if (pkey == NULL || EVP_PKEY_get_raw_public_key(pkey, derived, &len) != 1) {
		EVP_PKEY_free(pkey);
		return ERR_CRYPTO;
	}
	if (memcmp(public.ptr, derived, len) != 0 ||
		memcmp(private.ptr + ED25519_KEY_LEN, derived, len) != 0) {
		EVP_PKEY_free(pkey);
		return ERR_KEY;
	}
	*out = pkey;
	return OK;
}

static enum err
ecdsa_from_numbers(
	const struct key_desc *d, struct span point, const BIGNUM *private, EVP_PKEY **out)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	enum err e = ERR_NOMEM;

	if (bld != NULL &&
		OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, d->group, 0) ==
			1 &&
		OSSL_PARAM_BLD_push_octet_string(
			bld, OSSL_PKEY_PARAM_PUB_KEY, point.ptr, point.len) == 1 &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, private) == 1)
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params != NULL)
		e = evp_from_params(d->family, EVP_PKEY_KEYPAIR, params, out);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	return e;
}

static enum err
read_ecdsa(const struct key_desc *d, struct wire_reader *r, EVP_PKEY **out)
{
	struct span curve, point;
	BIGNUM *private = NULL;
	enum err e;

	if (wire_get_string(r, &curve) != OK || !span_is(curve, d->curve) ||
		wire_get_string(r, &point) != OK || !ec_point_is_uncompressed(d, point))
		return ERR_FORMAT;
	e = read_number(r, &private);
	if (e != OK)
		return e;
	/* Zero would have the signer look for a nonce for ever. */
	if (BN_is_zero(private) || BN_num_bytes(private) > (int)d->coordinate_len)
		e = ERR_KEY;
	else
		e = ecdsa_from_numbers(d, point, private, out);
	BN_clear_free(private);
	return e;
}

/* d mod (prime - 1): what the Chinese remainder theorem works with. */
static enum err
rsa_exponent(const BIGNUM *d, const BIGNUM *prime, BIGNUM **out)
{
	BIGNUM *result = BN_secure_new(), *less = BN_secure_new();
	BN_CTX *ctx = BN_CTX_secure_new();
	enum err e = ERR_NOMEM;

	if (result != NULL && less != NULL && ctx != NULL &&
		BN_sub(less, prime, BN_value_one()) == 1)
		e = BN_mod(result, d, less, ctx) == 1 ? OK : ERR_KEY;
	if (e == OK)
		*out = result;
	else
		BN_clear_free(result);
	BN_clear_free(less);
	BN_CTX_free(ctx);
	return e;
}

/* Is n the product of p and q? */
static enum err
check_factors(BIGNUM *const numbers[RSA_NUMBERS])
{
	BIGNUM *product = BN_secure_new();
	BN_CTX *ctx = BN_CTX_secure_new();
	enum err e = ERR_NOMEM;

	if (product != NULL && ctx != NULL &&
		BN_mul(product, numbers[RSA_P], numbers[RSA_Q], ctx) == 1)
		e = BN_cmp(product, numbers[RSA_N]) == 0 ? OK : ERR_KEY;
	BN_clear_free(product);
	BN_CTX_free(ctx);
	return e;
}

static enum err
rsa_from_numbers(BIGNUM *const numbers[RSA_NUMBERS], EVP_PKEY **out)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	enum err e = ERR_NOMEM;
	bool pushed = bld != NULL;

	for (int i = 0; i < RSA_NUMBERS && pushed; i++)
		pushed = OSSL_PARAM_BLD_push_BN(bld, rsa_params[i], numbers[i]) == 1;
	if (pushed)
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params != NULL)
		e = evp_from_params(FAMILY_RSA, EVP_PKEY_KEYPAIR, params, out);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	return e;
}

/*
 * Only odd numbers above 1 can be factors of a sound modulus, and OpenSSL's arithmetic relies on
 * oddness.
 */
static bool
is_factor(const BIGNUM *n)
{
	return BN_is_odd(n) && !BN_is_one(n);
}

static enum err
read_rsa(struct wire_reader *r, EVP_PKEY **out)
{
	BIGNUM *numbers[RSA_NUMBERS] = {0};
	enum err e = OK;

	for (int i = 0; i < RSA_FILED && e == OK; i++)
		e = read_number(r, &numbers[i]);
	if (e == OK && (!is_factor(numbers[RSA_P]) || !is_factor(numbers[RSA_Q])))
		e = ERR_KEY;
	if (e == OK)
		e = check_factors(numbers);
	if (e == OK)
		e = rsa_exponent(numbers[RSA_D], numbers[RSA_P], &numbers[RSA_DMP1]);
	if (e == OK)
		e = rsa_exponent(numbers[RSA_D], numbers[RSA_Q], &numbers[RSA_DMQ1]);
	if (e == OK)
		e = rsa_from_numbers(numbers, out);
	for (int i = 0; i < RSA_NUMBERS; i++)
		BN_clear_free(numbers[i]);
	return e;
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

enum err
privkey_read(struct wire_reader *r, struct privkey **out)
{
	struct wire_reader ahead = *r;
	const struct key_desc *d;
	EVP_PKEY *pkey = NULL;
	struct span name;
	enum err e;

	if (wire_get_string(&ahead, &name) != OK)
		return ERR_FORMAT;
	d = key_desc(key_type_by_name(name));
	/* What a file of a security key holds is a handle, which only that key can use. */
	if (d == NULL || d->is_sk)
		return ERR_UNSUPPORTED;
	e = read_fields(d, &ahead, &pkey);
	ERR_clear_error();
	if (e == OK)
		e = privkey_from_evp(pkey, out);
	if (e == OK)
		*r = ahead;
	return e;
}

static enum err
write_ed25519(const struct privkey *k, struct span public, struct buf *b)
{
	uint8_t private[ED25519_PRIVATE_LEN];
	size_t len = ED25519_KEY_LEN;
	enum err e = ERR_CRYPTO;

	if (EVP_PKEY_get_raw_private_key(k->pkey, private, &len) == 1) {
		memcpy(private + ED25519_KEY_LEN, public.ptr, ED25519_KEY_LEN);
		e = wire_put_string(b, public);
	}
	if (e == OK)
		e = wire_put_string(b, span_of(private, sizeof(private)));
	OPENSSL_cleanse(private, sizeof(private));
	return e;
}

static enum err
write_rsa(const struct privkey *k, struct buf *b)
{
	enum err e = OK;

	for (int i = 0; i < RSA_FILED && e == OK; i++)
		e = evp_put_number(k->pkey, rsa_params[i], b);
	return e;
}

/* The blob without its type; the blob is our own, so that it parses. */
static struct span
public_fields(const struct privkey *k)
{
	struct wire_reader r = wire_reader_of(pubkey_blob(k->public));
	struct span name;

	if (wire_get_string(&r, &name) != OK)
		return span_of(NULL, 0);
	return span_of(r.at, wire_left(&r));
}

static enum err
write_fields(const struct privkey *k, struct buf *b)
{
	struct span fields = public_fields(k), public;
	struct wire_reader r = wire_reader_of(fields);
	enum err e;

	switch (key_desc(k->public->type)->family) {
	case FAMILY_ED25519:
		e = wire_get_string(&r, &public);
		return e == OK ? write_ed25519(k, public, b) : e;
	case FAMILY_ECDSA:
		e = wire_put_bytes(b, fields);
		return e == OK ? evp_put_number(k->pkey, OSSL_PKEY_PARAM_PRIV_KEY, b) : e;
	case FAMILY_RSA:
		return write_rsa(k, b);
	case FAMILY_NONE:
		break;
	}
	return ERR_UNSUPPORTED;
}

enum err
privkey_write(const struct privkey *k, struct buf *out)
{
	size_t before = out->len;
	enum err e = wire_put_cstring(out, key_type_name(k->public->type));

	if (e == OK)
		e = write_fields(k, out);
	if (e != OK)
		buf_truncate(out, before);
	return e;
}
