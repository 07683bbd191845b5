/*
 * The protection of packets in one direction.
 */
#include "common/ssh/cipher.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define LENGTH_LEN 4
#define POLY1305_KEY_LEN 32
#define POLY1305_TAG_LEN 16
#define CHACHA_BLOCK 64
#define GCM_TAG_LEN 16
#define GCM_FIXED_LEN 4

#define GIB ((uint64_t)1 << 30)

struct cipher {
	enum cipher_kind kind;
	enum cipher_direction direction;
	uint8_t key[CIPHER_KEY_MAX];
	uint8_t iv[CIPHER_IV_MAX];
	EVP_CIPHER_CTX *main;
	EVP_CIPHER_CTX *header; /* chacha20-poly1305: the length field has a key of its own */
	EVP_MAC_CTX *mac;
};

/* 2^32 blocks of 16 bytes, or 1 GiB where the block is smaller or unknown, as OpenSSH counts. */
static const struct cipher_info infos[CIPHER_KIND_COUNT] = {
	[CIPHER_NONE] = {.name = "none", .block = 8, .length_is_aligned = true, .rekey_bytes = GIB},
	[CIPHER_CHACHA20_POLY1305] = {.name = "chacha20-poly1305@openssh.com",
		.key_len = 64,
		.tag_len = POLY1305_TAG_LEN,
		.block = 8,
		.rekey_bytes = GIB},
	[CIPHER_AES256_GCM] = {.name = "aes256-gcm@openssh.com",
		.key_len = 32,
		.iv_len = 12,
		.tag_len = GCM_TAG_LEN,
		.block = 16,
		.rekey_bytes = ((uint64_t)1 << 32) * 16},
	[CIPHER_AES128_GCM] = {.name = "aes128-gcm@openssh.com",
		.key_len = 16,
		.iv_len = 12,
		.tag_len = GCM_TAG_LEN,
		.block = 16,
		.rekey_bytes = ((uint64_t)1 << 32) * 16},
};

const struct cipher_info *
cipher_info(enum cipher_kind kind)
{
	assert(kind < CIPHER_KIND_COUNT);
	return &infos[kind];
}

enum cipher_kind
cipher_by_name(struct span name)
{
	for (enum cipher_kind kind = CIPHER_NONE + 1; kind < CIPHER_KIND_COUNT; kind++) {
		if (span_is(name, infos[kind].name))
			return kind;
	}
	return CIPHER_NONE;
}

const char *
cipher_names(void)
{
	return "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com";
}

static enum err
setup_gcm(struct cipher *c)
{
	const EVP_CIPHER *type = c->kind == CIPHER_AES256_GCM ? EVP_aes_256_gcm()
							      : EVP_aes_128_gcm();

	c->main = EVP_CIPHER_CTX_new();
	if (c->main == NULL)
		return ERR_NOMEM;
	if (EVP_CipherInit_ex(c->main, type, NULL, c->key, NULL, c->direction == CIPHER_SEAL) != 1)
		return ERR_CRYPTO;
	return OK;
}

static enum err
setup_chacha(struct cipher *c)
{
	EVP_MAC *poly1305;

	c->main = EVP_CIPHER_CTX_new();
	c->header = EVP_CIPHER_CTX_new();
	poly1305 = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	if (poly1305 != NULL)
		c->mac = EVP_MAC_CTX_new(poly1305);
	EVP_MAC_free(poly1305);
	if (c->main == NULL || c->header == NULL || c->mac == NULL)
		return ERR_NOMEM;
	/* ChaCha20 is its own inverse, so both directions encrypt.  The first half is K_2, for the content. */
	if (EVP_EncryptInit_ex(c->main, EVP_chacha20(), NULL, c->key, NULL) != 1 ||
		EVP_EncryptInit_ex(c->header, EVP_chacha20(), NULL, c->key + 32, NULL) != 1)
		return ERR_CRYPTO;
	return OK;
}

enum err
cipher_new(enum cipher_kind kind, enum cipher_direction direction, const uint8_t *key,
	const uint8_t *iv, struct cipher **out)
{
	const struct cipher_info *info = cipher_info(kind);
	struct cipher *c;
	enum err e;

	if (kind == CIPHER_NONE)
		return ERR_UNSUPPORTED;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return ERR_NOMEM;
	c->kind = kind;
	c->direction = direction;
	memcpy(c->key, key, info->key_len);
	if (info->iv_len > 0)
		memcpy(c->iv, iv, info->iv_len);
	e = kind == CIPHER_CHACHA20_POLY1305 ? setup_chacha(c) : setup_gcm(c);
	if (e != OK) {
		cipher_free(c);
		return e;
	}
	*out = c;
	return OK;
}

void
cipher_free(struct cipher *c)
{
	if (c == NULL)
		return;
	EVP_CIPHER_CTX_free(c->main);
	EVP_CIPHER_CTX_free(c->header);
	EVP_MAC_CTX_free(c->mac);
	OPENSSL_cleanse(c, sizeof(*c));
	free(c);
}

enum cipher_kind
cipher_kind(const struct cipher *c)
{
	return c->kind;
}

/* The 16 bytes that OpenSSL wants: a 64-bit little-endian block counter and the sequence number as nonce. */
static void
chacha_iv(uint32_t seq, uint8_t counter, uint8_t iv[16])
{
	memset(iv, 0, 16);
	iv[0] = counter;
	wire_poke_u32(iv + 12, seq);
}

static enum err
chacha_length(struct cipher *c, uint32_t seq, const uint8_t *in, uint8_t *out)
{
	uint8_t iv[16];
	int n;

	chacha_iv(seq, 0, iv);
	if (EVP_EncryptInit_ex(c->header, NULL, NULL, NULL, iv) != 1 ||
		EVP_EncryptUpdate(c->header, out, &n, in, LENGTH_LEN) != 1)
		return ERR_CRYPTO;
	return OK;
}

/*
 * Point the content cipher at this packet and take the first block of its stream, whose first 32 bytes are the Poly1305
 * key; the stream then stands at block 1, where the content begins.
 */
static enum err
chacha_begin(struct cipher *c, uint32_t seq)
{
	uint8_t iv[16], block[CHACHA_BLOCK] = {0};
	enum err e = OK;
	int n;

	chacha_iv(seq, 0, iv);
	if (EVP_EncryptInit_ex(c->main, NULL, NULL, NULL, iv) != 1 ||
		EVP_EncryptUpdate(c->main, block, &n, block, sizeof(block)) != 1 ||
		EVP_MAC_init(c->mac, block, POLY1305_KEY_LEN, NULL) != 1)
		e = ERR_CRYPTO;
	OPENSSL_cleanse(block, sizeof(block));
	return e;
}

static enum err
poly1305(struct cipher *c, const uint8_t *bytes, size_t len, uint8_t tag[POLY1305_TAG_LEN])
{
	size_t n;

	if (EVP_MAC_update(c->mac, bytes, len) != 1 ||
		EVP_MAC_final(c->mac, tag, &n, POLY1305_TAG_LEN) != 1 || n != POLY1305_TAG_LEN)
		return ERR_CRYPTO;
	return OK;
}

static enum err
chacha_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t length)
{
	uint8_t tag[POLY1305_TAG_LEN];
	enum err e;
	int n;

	e = chacha_begin(c, seq);
	if (e == OK)
		e = poly1305(c, packet, LENGTH_LEN + length, tag);
	if (e != OK)
		return e;
	if (CRYPTO_memcmp(tag, packet + LENGTH_LEN + length, sizeof(tag)) != 0)
		return ERR_MAC;
	if (EVP_EncryptUpdate(c->main, packet + LENGTH_LEN, &n, packet + LENGTH_LEN, (int)length) !=
		1)
		return ERR_CRYPTO;
	return chacha_length(c, seq, packet, packet);
}

static enum err
chacha_seal(struct cipher *c, uint32_t seq, uint8_t *packet, size_t length)
{
	enum err e;
	int n;

	e = chacha_length(c, seq, packet, packet);
	if (e == OK)
		e = chacha_begin(c, seq);
	if (e != OK)
		return e;
	if (EVP_EncryptUpdate(c->main, packet + LENGTH_LEN, &n, packet + LENGTH_LEN, (int)length) !=
		1)
		return ERR_CRYPTO;
	return poly1305(c, packet, LENGTH_LEN + length, packet + LENGTH_LEN + length);
}

/* The invocation counter is a 64-bit number that wraps (RFC 5647 section 7.1). */
static void
gcm_next_iv(struct cipher *c)
{
	wire_poke_u64(c->iv + GCM_FIXED_LEN, wire_peek_u64(c->iv + GCM_FIXED_LEN) + 1);
}

static enum err
gcm_open(struct cipher *c, uint8_t *packet, size_t length)
{
	uint8_t *content = packet + LENGTH_LEN;
	int n;

	if (EVP_DecryptInit_ex(c->main, NULL, NULL, NULL, c->iv) != 1 ||
		EVP_CIPHER_CTX_ctrl(
			c->main, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_LEN, content + length) != 1 ||
		EVP_DecryptUpdate(c->main, NULL, &n, packet, LENGTH_LEN) != 1 ||
		EVP_DecryptUpdate(c->main, content, &n, content, (int)length) != 1)
		return ERR_CRYPTO;
	if (EVP_DecryptFinal_ex(c->main, content + length, &n) != 1)
		return ERR_MAC;
	gcm_next_iv(c);
	return OK;
}

static enum err
gcm_seal(struct cipher *c, uint8_t *packet, size_t length)
{
	uint8_t *content = packet + LENGTH_LEN;
	int n;

	if (EVP_EncryptInit_ex(c->main, NULL, NULL, NULL, c->iv) != 1 ||
		EVP_EncryptUpdate(c->main, NULL, &n, packet, LENGTH_LEN) != 1 ||
		EVP_EncryptUpdate(c->main, content, &n, content, (int)length) != 1 ||
		EVP_EncryptFinal_ex(c->main, content + length, &n) != 1 ||
		EVP_CIPHER_CTX_ctrl(
			c->main, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_LEN, content + length) != 1)
		return ERR_CRYPTO;
	gcm_next_iv(c);
	return OK;
}

enum err
cipher_peek_length(struct cipher *c, uint32_t seq, const uint8_t *bytes, uint32_t *out)
{
	uint8_t clear[LENGTH_LEN];
	enum err e;

	if (c->kind != CIPHER_CHACHA20_POLY1305) {
		*out = wire_peek_u32(bytes);
		return OK;
	}
	e = chacha_length(c, seq, bytes, clear);
	if (e == OK)
		*out = wire_peek_u32(clear);
	return e;
}

enum err
cipher_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t length)
{
	assert(c->direction == CIPHER_OPEN);
	if (length > INT32_MAX)
		return ERR_LIMIT;
	if (c->kind == CIPHER_CHACHA20_POLY1305)
		return chacha_open(c, seq, packet, length);
	return gcm_open(c, packet, length);
}

enum err
cipher_seal(struct cipher *c, uint32_t seq, uint8_t *packet, size_t length)
{
	assert(c->direction == CIPHER_SEAL);
	if (length > INT32_MAX)
		return ERR_LIMIT;
	if (c->kind == CIPHER_CHACHA20_POLY1305)
		return chacha_seal(c, seq, packet, length);
	return gcm_seal(c, packet, length);
}

enum err
cipher_write(const struct cipher *c, struct buf *out)
{
	const struct cipher_info *info = cipher_info(c->kind);
	enum err e;

	e = wire_put_cstring(out, info->name);
	if (e == OK)
		e = wire_put_u8(out, (uint8_t)c->direction);
	if (e == OK)
		e = wire_put_string(out, span_of(c->key, info->key_len));
	if (e == OK)
		e = wire_put_string(out, span_of(c->iv, info->iv_len));
	return e;
}

enum err
cipher_read(struct wire_reader *r, enum cipher_direction direction, struct cipher **out)
{
	const struct cipher_info *info;
	struct span name, key, iv;
	enum cipher_kind kind;
	uint8_t written;

	if (wire_get_string(r, &name) != OK || wire_get_u8(r, &written) != OK ||
		wire_get_string(r, &key) != OK || wire_get_string(r, &iv) != OK)
		return ERR_FORMAT;
	kind = cipher_by_name(name);
	info = cipher_info(kind);
	if (kind == CIPHER_NONE || written != direction || key.len != info->key_len ||
		iv.len != info->iv_len)
		return ERR_FORMAT;
	return cipher_new(kind, direction, key.ptr, iv.ptr, out);
}
