/*
 * Key exchange methods.
 */
#include "common/ssh/kex.h"

#include <assert.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

/* The largest secret: a number below the prime of group 16. */
#define SECRET_MAX 512
/* What a Diffie-Hellman exponent must at least be good for, and the least bits that are set in a sound value, in bits. */
#define STRENGTH_MIN 256
#define BITS_SET_MIN 4
/* The written form of a pair. */
#define PAIR_DER_MAX 4096

struct kex {
	enum kex_method method;
	EVP_PKEY *pair;
	uint8_t *public_bytes; /* owned */
	size_t public_len;
};

static const struct method {
	const char *name;
	const char *alias;
	const char *key_type; /* OpenSSL's names */
	const char *group;
	const char *hash;
	size_t public_len; /* of a point; Diffie-Hellman: of the prime */
	BIGNUM *(*prime)(BIGNUM *out); /* Diffie-Hellman alone */
} methods[KEX_METHOD_COUNT] = {
	[KEX_CURVE25519] = {"curve25519-sha256", "curve25519-sha256@libssh.org", "X25519", NULL,
		"SHA256", 32, NULL},
	[KEX_ECDH_P256] = {"ecdh-sha2-nistp256", NULL, "EC", "P-256", "SHA256", 65, NULL},
	[KEX_ECDH_P384] = {"ecdh-sha2-nistp384", NULL, "EC", "P-384", "SHA384", 97, NULL},
	[KEX_ECDH_P521] = {"ecdh-sha2-nistp521", NULL, "EC", "P-521", "SHA512", 133, NULL},
	[KEX_DH_GROUP16] = {"diffie-hellman-group16-sha512", NULL, "DH", "modp_4096", "SHA512", 512,
		BN_get_rfc3526_prime_4096},
	[KEX_DH_GROUP14] = {"diffie-hellman-group14-sha256", NULL, "DH", "modp_2048", "SHA256", 256,
		BN_get_rfc3526_prime_2048},
};

enum kex_method
kex_by_name(struct span name)
{
	for (enum kex_method m = KEX_NONE + 1; m < KEX_METHOD_COUNT; m++) {
		if (span_is(name, methods[m].name) ||
			(methods[m].alias != NULL && span_is(name, methods[m].alias)))
			return m;
	}
	return KEX_NONE;
}

const char *
kex_names(void)
{
	return "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,"
	       "ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
	       "diffie-hellman-group16-sha512,diffie-hellman-group14-sha256";
}

const char *
kex_method_name(enum kex_method method)
{
	assert(method > KEX_NONE && method < KEX_METHOD_COUNT);
	return methods[method].name;
}

static bool
is_dh(const struct method *m)
{
	return m->prime != NULL;
}

/*
 * An exponent of twice as many bits as the longest key has withstands as much as that (RFC 4419 section 6.2), and takes a
 * fraction of the time of one of the prime's size.  The numbers are OpenSSH's.
 */
static EVP_PKEY *
generate_dh(const struct method *m, size_t need)
{
	int bits = (int)(need * 8 > STRENGTH_MIN ? need * 8 : STRENGTH_MIN) * 2;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, m->key_type, NULL);
	EVP_PKEY *pair = NULL;
	OSSL_PARAM params[3];
	char group[16];

	/* The parameter's type has no const. */
	(void)snprintf(group, sizeof(group), "%s", m->group);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[1] = OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_DH_PRIV_LEN, &bits);
	params[2] = OSSL_PARAM_construct_end();
	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
		EVP_PKEY_CTX_set_params(ctx, params) != 1 || EVP_PKEY_generate(ctx, &pair) != 1)
		pair = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pair;
}

static EVP_PKEY *
generate(const struct method *m, size_t need)
{
	if (is_dh(m))
		return generate_dh(m, need);
	if (m->group != NULL)
		return EVP_PKEY_Q_keygen(NULL, NULL, m->key_type, m->group);
	return EVP_PKEY_Q_keygen(NULL, NULL, m->key_type);
}

/* OpenSSL's own form of a point; of a number, which OpenSSL fills up to the length of the prime, what a mpint holds. */
static enum err
take_public(struct kex *k)
{
	size_t len, skip = 0, zero = 0;
	uint8_t *bytes = NULL;

	len = EVP_PKEY_get1_encoded_public_key(k->pair, &bytes);
	if (len == 0)
		return ERR_CRYPTO;
	if (is_dh(&methods[k->method])) {
		while (skip < len - 1 && bytes[skip] == 0)
			skip++;
		zero = bytes[skip] >= 0x80;
	}
	k->public_bytes = calloc(1, zero + len - skip);
	if (k->public_bytes != NULL) {
		memcpy(k->public_bytes + zero, bytes + skip, len - skip);
		k->public_len = zero + len - skip;
	}
	OPENSSL_free(bytes);
	return k->public_bytes != NULL ? OK : ERR_NOMEM;
}

/* Takes pair, which may be NULL. */
static enum err
make(enum kex_method method, EVP_PKEY *pair, struct kex **out)
{
	struct kex *k = calloc(1, sizeof(*k));
	enum err e = pair != NULL ? OK : ERR_CRYPTO;

	if (k == NULL) {
		EVP_PKEY_free(pair);
		return ERR_NOMEM;
	}
	k->method = method;
	k->pair = pair;
	if (e == OK)
		e = take_public(k);
	if (e != OK) {
		kex_free(k);
		return e;
	}
	*out = k;
	return OK;
}

enum err
kex_new(enum kex_method method, size_t need, struct kex **out)
{
	assert(method > KEX_NONE && method < KEX_METHOD_COUNT);
	return make(method, generate(&methods[method], need), out);
}

enum err
kex_write(const struct kex *k, struct buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_PrivateKey(k->pair, &der);
	enum err e;

	if (len <= 0)
		return ERR_CRYPTO;
	e = wire_put_string(out, span_of(der, (size_t)len));
	OPENSSL_clear_free(der, (size_t)len);
	return e;
}

/* A pair in another group would be used with the values of this one. */
static bool
is_in_group(EVP_PKEY *pair, const struct method *m)
{
	char name[sizeof("modp_4096")] = "";
	size_t len = 0;

	if (EVP_PKEY_is_a(pair, m->key_type) != 1)
		return false;
	if (is_dh(m))
		return EVP_PKEY_get_group_name(pair, name, sizeof(name), &len) == 1 &&
			strcmp(name, m->group) == 0;
	/* Points of different curves have different lengths. */
	return EVP_PKEY_get_octet_string_param(
		       pair, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0, &len) == 1 &&
		len == m->public_len;
}

enum err
kex_read(struct wire_reader *r, enum kex_method method, struct kex **out)
{
	const unsigned char *at;
	struct span der;
	EVP_PKEY *pair;

	assert(method > KEX_NONE && method < KEX_METHOD_COUNT);
	if (wire_get_string_max(r, PAIR_DER_MAX, &der) != OK || der.len == 0)
		return ERR_FORMAT;
	at = der.ptr;
	pair = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
	if (pair == NULL || at != der.ptr + der.len || !is_in_group(pair, &methods[method])) {
		EVP_PKEY_free(pair);
		return ERR_FORMAT;
	}
	return make(method, pair, out);
}

void
kex_free(struct kex *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pair);
	free(k->public_bytes);
	free(k);
}

struct span
kex_public(const struct kex *k)
{
	return span_of(k->public_bytes, k->public_len);
}

/* The number inside a mpint; false when it is negative or has superfluous bytes. */
static bool
take_number(struct span mpint, struct span *out)
{
	bool has_zero = mpint.len > 0 && mpint.ptr[0] == 0;

	if (mpint.len == 0 || mpint.ptr[0] >= 0x80 ||
		(has_zero && (mpint.len == 1 || mpint.ptr[1] < 0x80)))
		return false;
	*out = span_of(mpint.ptr + has_zero, mpint.len - has_zero);
	return true;
}

/* Is 1 < number < p - 1? */
static bool
is_in_range(const struct method *m, struct span number)
{
	BIGNUM *n = BN_bin2bn(number.ptr, (int)number.len, NULL), *p = m->prime(NULL);
	bool ok = n != NULL && p != NULL && BN_sub_word(p, 1) == 1 &&
		BN_cmp(n, BN_value_one()) > 0 && BN_cmp(n, p) < 0;

	BN_free(n);
	BN_free(p);
	return ok;
}

/* A number with very few bits is a power of the generator that anybody can tell; OpenSSH refuses it, too. */
static bool
has_bits(struct span number)
{
	unsigned n = 0;

	for (size_t i = 0; i < number.len && n < BITS_SET_MIN; i++)
		n += (unsigned)__builtin_popcount(number.ptr[i]);
	return n >= BITS_SET_MIN;
}

static bool
number_is_sound(const struct method *m, struct span mpint)
{
	struct span number;

	return take_number(mpint, &number) && number.len <= m->public_len && has_bits(number) &&
		is_in_range(m, number);
}

/*
 * OpenSSL checks that an encoded point is on the curve when it sets it; only the uncompressed form is allowed (RFC 5656
 * section 4).
 */
bool
kex_public_is_sound(enum kex_method method, struct span public)
{
	const struct method *m = &methods[method];

	assert(method > KEX_NONE && method < KEX_METHOD_COUNT);
	if (is_dh(m))
		return number_is_sound(m, public);
	return public.len == m->public_len && (m->group == NULL || public.ptr[0] == 0x04);
}

/* The peer's key, of a sound value.  OpenSSL wants a number in the length of the prime. */
static EVP_PKEY *
peer_key(const struct kex *k, struct span public)
{
	const struct method *m = &methods[k->method];
	EVP_PKEY *peer = EVP_PKEY_new();
	uint8_t padded[SECRET_MAX] = {0};
	struct span number;

	if (is_dh(m) && take_number(public, &number)) {
		memcpy(padded + m->public_len - number.len, number.ptr, number.len);
		public = span_of(padded, m->public_len);
	}
	if (peer != NULL && EVP_PKEY_copy_parameters(peer, k->pair) == 1 &&
		EVP_PKEY_set1_encoded_public_key(peer, public.ptr, public.len) == 1)
		return peer;
	EVP_PKEY_free(peer);
	return NULL;
}

static bool
is_zero(const uint8_t *bytes, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= bytes[i];
	return any == 0;
}

/*
 * OpenSSL would prove that a number is in the subgroup of prime order, which takes seven times as long as all else (14 ms
 * in group 16).  These primes are safe ones, p = 2q + 1: the range check has excluded the only small subgroups, and what
 * an element of order 2q betrays of an exponent that is used once is its lowest bit.  OpenSSH proves no more.
 */
static enum err
derive_secret(const struct kex *k, EVP_PKEY *peer, struct buf *out)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k->pair, NULL);
	uint8_t secret[SECRET_MAX];
	size_t len = sizeof(secret);
	enum err e = ERR_KEY;

	if (ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
		EVP_PKEY_derive_set_peer_ex(ctx, peer, !is_dh(&methods[k->method])) == 1 &&
		EVP_PKEY_derive(ctx, secret, &len) == 1 && !is_zero(secret, len))
		e = wire_put_mpint(out, span_of(secret, len));
	OPENSSL_cleanse(secret, sizeof(secret));
	EVP_PKEY_CTX_free(ctx);
	return e;
}

enum err
kex_secret(const struct kex *k, struct span peer_public, struct buf *out)
{
	EVP_PKEY *peer;
	enum err e;

	if (!kex_public_is_sound(k->method, peer_public))
		return ERR_KEY;
	peer = peer_key(k, peer_public);
	if (peer == NULL)
		return ERR_KEY;
	e = derive_secret(k, peer, out);
	EVP_PKEY_free(peer);
	return e;
}

/* Hash the bytes given, one after the other. */
static enum err
hash_spans(enum kex_method method, const struct span *spans, size_t n, struct kex_hash *out)
{
	EVP_MD *md = EVP_MD_fetch(NULL, methods[method].hash, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	enum err e = ERR_CRYPTO;
	unsigned len = 0;

	if (md == NULL || ctx == NULL || EVP_DigestInit_ex2(ctx, md, NULL) != 1)
		goto out;
	for (size_t i = 0; i < n; i++) {
		if (EVP_DigestUpdate(ctx, spans[i].ptr, spans[i].len) != 1)
			goto out;
	}
	if (EVP_DigestFinal_ex(ctx, out->bytes, &len) != 1)
		goto out;
	out->len = len;
	e = OK;
out:
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	return e;
}

enum err
kex_exchange_hash(enum kex_method method, const struct kex_transcript *t, struct kex_hash *out)
{
	const struct span strings[] = {t->client_ident, t->server_ident, t->client_kexinit,
		t->server_kexinit, t->host_key, t->client_public, t->server_public};
	struct buf b = {0};
	enum err e = OK;
	struct span all;

	for (size_t i = 0; i < ARRAY_LEN(strings) && e == OK; i++)
		e = wire_put_string(&b, strings[i]);
	if (e == OK)
		e = wire_put_bytes(&b, t->secret);
	all = buf_span(&b);
	if (e == OK)
		e = hash_spans(method, &all, 1, out);
	buf_clear(&b);
	return e;
}

enum err
kex_derive(const struct kex_derivation *d, char letter, uint8_t *out, size_t len)
{
	struct span first[] = {d->secret, span_of(d->hash->bytes, d->hash->len),
		span_of(&letter, 1), d->session_id};
	struct kex_hash block;
	size_t have = 0, take;
	enum err e;

	e = hash_spans(d->method, first, ARRAY_LEN(first), &block);
	/* A longer key goes on with HASH(K || H || all of it so far). */
	while (e == OK && have < len) {
		struct span more[] = {d->secret, first[1], span_of(out, 0)};

		take = len - have < block.len ? len - have : block.len;
		memcpy(out + have, block.bytes, take);
		have += take;
		more[2].len = have;
		if (have < len)
			e = hash_spans(d->method, more, ARRAY_LEN(more), &block);
	}
	OPENSSL_cleanse(&block, sizeof(block));
	return e;
}
