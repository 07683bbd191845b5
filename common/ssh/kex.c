/*
 * Key exchange methods.
 */
#include "common/ssh/kex.h"

#include "common/ssh/wire.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <stdlib.h>

struct kex {
	enum kex_method method;
	EVP_PKEY *pair;
	uint8_t *public_bytes;
	size_t public_len;
};

static const struct method {
	const char *name;
	const char *alias;
	const char *key_type; /* OpenSSL's names */
	const char *group;
	const char *hash;
} methods[KEX_METHOD_COUNT] = {
	[KEX_CURVE25519] = {"curve25519-sha256", "curve25519-sha256@libssh.org", "X25519", NULL,
		"SHA256"},
	[KEX_ECDH_P256] = {"ecdh-sha2-nistp256", NULL, "EC", "P-256", "SHA256"},
	[KEX_ECDH_P384] = {"ecdh-sha2-nistp384", NULL, "EC", "P-384", "SHA384"},
	[KEX_ECDH_P521] = {"ecdh-sha2-nistp521", NULL, "EC", "P-521", "SHA512"},
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
	       "ecdh-sha2-nistp384,ecdh-sha2-nistp521";
}

const char *
kex_method_name(enum kex_method method)
{
	assert(method > KEX_NONE && method < KEX_METHOD_COUNT);
	return methods[method].name;
}

static EVP_PKEY *
generate(const struct method *m)
{
	if (m->group != NULL)
		return EVP_PKEY_Q_keygen(NULL, NULL, m->key_type, m->group);
	return EVP_PKEY_Q_keygen(NULL, NULL, m->key_type);
}

enum err
kex_new(enum kex_method method, struct kex **out)
{
	struct kex *k = calloc(1, sizeof(*k));

	assert(method > KEX_NONE && method < KEX_METHOD_COUNT);
	if (k == NULL)
		return ERR_NOMEM;
	k->method = method;
	k->pair = generate(&methods[method]);
	if (k->pair != NULL)
		k->public_len = EVP_PKEY_get1_encoded_public_key(k->pair, &k->public_bytes);
	if (k->public_len == 0) {
		kex_free(k);
		return ERR_CRYPTO;
	}
	*out = k;
	return OK;
}

void
kex_free(struct kex *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pair);
	OPENSSL_free(k->public_bytes);
	free(k);
}

struct span
kex_public(const struct kex *k)
{
	return span_of(k->public_bytes, k->public_len);
}

/*
 * The peer's key.  OpenSSL checks that an encoded point is on the curve when it sets it; only the uncompressed form is
 * allowed (RFC 5656 section 4), whose length is that of our own.
 */
static EVP_PKEY *
peer_key(const struct kex *k, struct span peer_public)
{
	EVP_PKEY *peer;

	if (peer_public.len != k->public_len)
		return NULL;
	if (methods[k->method].group != NULL && peer_public.ptr[0] != 0x04)
		return NULL;
	peer = EVP_PKEY_new();
	if (peer != NULL && EVP_PKEY_copy_parameters(peer, k->pair) == 1 &&
		EVP_PKEY_set1_encoded_public_key(peer, peer_public.ptr, peer_public.len) == 1)
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

static enum err
derive_secret(EVP_PKEY *own, EVP_PKEY *peer, struct buf *out)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);
	uint8_t secret[KEX_HASH_MAX * 2];
	size_t len = sizeof(secret);
	enum err e = ERR_KEY;

	if (ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
		EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
		EVP_PKEY_derive(ctx, secret, &len) == 1 && !is_zero(secret, len))
		e = wire_put_mpint(out, span_of(secret, len));
	OPENSSL_cleanse(secret, sizeof(secret));
	EVP_PKEY_CTX_free(ctx);
	return e;
}

enum err
kex_secret(const struct kex *k, struct span peer_public, struct buf *out)
{
	EVP_PKEY *peer = peer_key(k, peer_public);
	enum err e;

	if (peer == NULL)
		return ERR_KEY;
	e = derive_secret(k->pair, peer, out);
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
