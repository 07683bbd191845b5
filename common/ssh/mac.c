/*
 * Message authentication codes for ciphers that do not authenticate.
 */
#include "common/ssh/mac.h"

#include "common/ssh/wire.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * The key stays in OpenSSL's context, which begins anew with it for each packet; cipher.c has the copy that can be written
 * out.
 */
struct mac {
	EVP_MAC_CTX *ctx;
	size_t len;
};

static const struct mac_info infos[MAC_KIND_COUNT] = {
	[MAC_NONE] = {.name = "none"},
	[MAC_SHA2_256_ETM] = {"hmac-sha2-256-etm@openssh.com", "SHA256", 32, true},
	[MAC_SHA2_512_ETM] = {"hmac-sha2-512-etm@openssh.com", "SHA512", 64, true},
	[MAC_SHA2_256] = {"hmac-sha2-256", "SHA256", 32, false},
	[MAC_SHA2_512] = {"hmac-sha2-512", "SHA512", 64, false},
};

const struct mac_info *
mac_info(enum mac_kind kind)
{
	assert(kind < MAC_KIND_COUNT);
	return &infos[kind];
}

enum mac_kind
mac_by_name(struct span name)
{
	for (enum mac_kind kind = MAC_NONE + 1; kind < MAC_KIND_COUNT; kind++) {
		if (span_is(name, infos[kind].name))
			return kind;
	}
	return MAC_NONE;
}

const char *
mac_names(void)
{
	return "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
	       "hmac-sha2-256,hmac-sha2-512";
}

static enum err
setup(struct mac *m, const struct mac_info *info, const uint8_t *key)
{
	char digest[16];
	OSSL_PARAM params[2] = {OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	if (hmac != NULL)
		m->ctx = EVP_MAC_CTX_new(hmac);
	EVP_MAC_free(hmac);
	if (m->ctx == NULL)
		return ERR_NOMEM;
	/* The parameter's type has no const. */
	(void)snprintf(digest, sizeof(digest), "%s", info->digest);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	return EVP_MAC_init(m->ctx, key, info->len, params) == 1 ? OK : ERR_CRYPTO;
}

enum err
mac_new(enum mac_kind kind, const uint8_t *key, struct mac **out)
{
	struct mac *m;
	enum err e;

	if (kind == MAC_NONE)
		return ERR_UNSUPPORTED;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return ERR_NOMEM;
	m->len = mac_info(kind)->len;
	e = setup(m, mac_info(kind), key);
	if (e != OK) {
		mac_free(m);
		return e;
	}
	*out = m;
	return OK;
}

void
mac_free(struct mac *m)
{
	if (m == NULL)
		return;
	EVP_MAC_CTX_free(m->ctx);
	free(m);
}

enum err
mac_make(struct mac *m, uint32_t seq, struct span bytes, uint8_t *out)
{
	uint8_t number[4];
	size_t n;

	wire_poke_u32(number, seq);
	if (EVP_MAC_init(m->ctx, NULL, 0, NULL) != 1 ||
		EVP_MAC_update(m->ctx, number, sizeof(number)) != 1 ||
		EVP_MAC_update(m->ctx, bytes.ptr, bytes.len) != 1 ||
		EVP_MAC_final(m->ctx, out, &n, m->len) != 1 || n != m->len)
		return ERR_CRYPTO;
	return OK;
}

enum err
mac_check(struct mac *m, uint32_t seq, struct span bytes, const uint8_t *code)
{
	uint8_t right[MAC_LEN_MAX];
	enum err e = mac_make(m, seq, bytes, right);

	if (e == OK && CRYPTO_memcmp(right, code, m->len) != 0)
		e = ERR_MAC;
	OPENSSL_cleanse(right, sizeof(right));
	return e;
}
