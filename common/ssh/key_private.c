/*
 * Private SSH keys on EVP: made, wrapped, checked against their public half.
 */
#include "common/ssh/key_internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

/* Which of our types is this; KEY_NONE when none. */
static enum key_type
type_of(EVP_PKEY *pkey)
{
	char group[32];
	size_t len;

	if (EVP_PKEY_is_a(pkey, "ED25519"))
		return KEY_ED25519;
	if (EVP_PKEY_is_a(pkey, "RSA"))
		return KEY_RSA;
	/*
	 * A curve given by its parameters instead of its name is none of ours, whatever the
	 * parameters.
	 */
	if (!EVP_PKEY_is_a(pkey, "EC") ||
		EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) != 1)
		return KEY_NONE;
	for (unsigned i = 0; i < KEY_TYPE_COUNT; i++) {
		const struct key_desc *d = key_desc((enum key_type)i);

		if (d != NULL && !d->is_sk && d->family == FAMILY_ECDSA &&
			strcmp(d->group, group) == 0)
			return (enum key_type)i;
	}
	return KEY_NONE;
}

static enum err
write_ed25519(EVP_PKEY *pkey, struct buf *b)
{
	uint8_t key[ED25519_KEY_LEN];
	size_t len = sizeof(key);

	if (EVP_PKEY_get_raw_public_key(pkey, key, &len) != 1)
		return ERR_CRYPTO;
	return wire_put_string(b, span_of(key, len));
}

/*
 * The point is written by hand from x and y, because OpenSSL's own form follows how the key was
 * encoded.
 */
static enum err
write_ecdsa(const struct key_desc *d, EVP_PKEY *pkey, struct buf *b)
{
	uint8_t point[1 + 2 * EC_COORDINATE_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
	size_t len = d->coordinate_len;
	BIGNUM *x = NULL, *y = NULL;
	enum err e = ERR_CRYPTO;

	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
		BN_bn2binpad(x, point + 1, (int)len) >= 0 &&
		BN_bn2binpad(y, point + 1 + len, (int)len) >= 0)
		e = wire_put_cstring(b, d->curve);
	if (e == OK)
		e = wire_put_string(b, span_of(point, 1 + 2 * len));
	BN_free(x);
	BN_free(y);
	return e;
}

enum err
evp_put_number(EVP_PKEY *pkey, const char *param, struct buf *b)
{
	uint8_t bytes[KEY_RSA_BITS_MAX / 8];
	BIGNUM *n = NULL;
	enum err e = ERR_KEY;

	if (EVP_PKEY_get_bn_param(pkey, param, &n) != 1)
		return ERR_CRYPTO;
	if (BN_num_bytes(n) <= (int)sizeof(bytes))
		e = wire_put_mpint(b, span_of(bytes, (size_t)BN_bn2bin(n, bytes)));
	OPENSSL_cleanse(bytes, sizeof(bytes));
	BN_clear_free(n);
	return e;
}

static enum err
write_rsa(EVP_PKEY *pkey, struct buf *b)
{
	enum err e = evp_put_number(pkey, OSSL_PKEY_PARAM_RSA_E, b);

	return e == OK ? evp_put_number(pkey, OSSL_PKEY_PARAM_RSA_N, b) : e;
}

static enum err
write_blob(EVP_PKEY *pkey, struct buf *b)
{
	const struct key_desc *d = key_desc(type_of(pkey));
	enum err e;

	if (d == NULL)
		return ERR_UNSUPPORTED;
	e = wire_put_cstring(b, d->name);
	if (e != OK)
		return e;
	switch (d->family) {
	case FAMILY_ED25519:
		return write_ed25519(pkey, b);
	case FAMILY_ECDSA:
		return write_ecdsa(d, pkey, b);
	case FAMILY_RSA:
		return write_rsa(pkey, b);
	case FAMILY_NONE:
		break;
	}
	return ERR_UNSUPPORTED;
}

/*
 * The public half goes through the strict parser, so that its rules hold for our own keys as well.
 */
static enum err
read_public(EVP_PKEY *pkey, struct pubkey **out)
{
	struct buf blob = {0};
	enum err e = write_blob(pkey, &blob);

	if (e == OK)
		e = pubkey_parse(buf_span(&blob), out);
	buf_clear(&blob);
	ERR_clear_error();
	return e;
}

/*
 * Do the halves belong together?  Asked by signing and verifying: that is what the key is for, it
 * covers every type, and it costs less than OpenSSL's own check of an RSA key, which proves its
 * primes.
 */
static enum err
check_pair(const struct privkey *k)
{
	struct span sigalg = span_str(key_default_sigalg(k->public->type));
	struct span data = span_str("do the halves of this key belong together?");
	struct buf signature = {0};
	enum err e = privkey_sign(k, sigalg, data, &signature);

	if (e == OK)
		e = pubkey_verify(k->public, sigalg, data, buf_span(&signature));
	buf_clear(&signature);
	return e == OK || e == ERR_NOMEM ? e : ERR_KEY;
}

enum err
privkey_from_evp(EVP_PKEY *pkey, struct privkey **out)
{
	struct privkey *k = calloc(1, sizeof(*k));
	enum err e;

	if (k == NULL) {
		EVP_PKEY_free(pkey);
		return ERR_NOMEM;
	}
	k->pkey = pkey;
	e = read_public(pkey, &k->public);
	if (e == OK)
		e = check_pair(k);
	if (e != OK) {
		privkey_free(k);
		return e;
	}
	*out = k;
	return OK;
}

enum err
privkey_generate(enum key_type type, unsigned rsa_bits, struct privkey **out)
{
	const struct key_desc *d = key_desc(type);
	EVP_PKEY *pkey = NULL;

	if (d == NULL || d->is_sk)
		return ERR_UNSUPPORTED;
	switch (d->family) {
	case FAMILY_ED25519:
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	case FAMILY_ECDSA:
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", d->group);
		break;
	case FAMILY_RSA:
		if (rsa_bits < KEY_RSA_BITS_MIN || rsa_bits > KEY_RSA_BITS_MAX)
			return ERR_KEY;
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)rsa_bits);
		break;
	case FAMILY_NONE:
		break;
	}
	if (pkey == NULL) {
		ERR_clear_error();
		return ERR_CRYPTO;
	}
	return privkey_from_evp(pkey, out);
}

/* OpenSSL wipes the private numbers when the last reference to a key goes. */
void
privkey_free(struct privkey *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey);
	pubkey_free(k->public);
	free(k);
}

const struct pubkey *
privkey_public(const struct privkey *k)
{
	return k->public;
}

enum err
privkey_derive(const struct privkey *k, const char *label, uint8_t out[PRIVKEY_SECRET_SIZE])
{
	size_t len = 0;
	uint8_t *der = NULL;
	int der_len = i2d_PrivateKey(k->pkey, &der);
	bool is_made;

	if (der_len <= 0)
		return ERR_CRYPTO;
	is_made = EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, der, (size_t)der_len,
			  (const uint8_t *)label, strlen(label), out, PRIVKEY_SECRET_SIZE,
			  &len) != NULL;
	OPENSSL_clear_free(der, (size_t)der_len);
	return is_made && len == PRIVKEY_SECRET_SIZE ? OK : ERR_CRYPTO;
}
