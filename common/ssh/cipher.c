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
#define AES_BLOCK 16

struct cipher {
	struct cipher_suite suite;
	struct cipher_layout layout;
	enum cipher_direction direction;
	uint8_t key[CIPHER_KEY_MAX];
	uint8_t iv[CIPHER_IV_MAX];
	uint8_t mac_key[MAC_LEN_MAX];
	EVP_CIPHER_CTX *main; /* CTR: stands where iv says between packets */
	EVP_CIPHER_CTX *header; /* for the length field alone */
	EVP_MAC_CTX *poly1305;
	struct mac *mac;
};

/* An AES context; iv is NULL where it comes with each packet or there is none. */
static enum err
setup_aes(
	struct cipher *c, const char *name, const uint8_t *iv, bool encrypts, EVP_CIPHER_CTX **out)
{
	EVP_CIPHER *type = EVP_CIPHER_fetch(NULL, name, NULL);
	enum err e = ERR_NOMEM;

	*out = EVP_CIPHER_CTX_new();
	if (*out != NULL && type != NULL)
		e = EVP_CipherInit_ex2(*out, type, c->key, iv, encrypts, NULL) == 1 ? OK
										    : ERR_CRYPTO;
	EVP_CIPHER_free(type);
	return e;
}

static enum err
setup_chacha(struct cipher *c)
{
	EVP_MAC *poly1305;

	c->main = EVP_CIPHER_CTX_new();
	c->header = EVP_CIPHER_CTX_new();
	poly1305 = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	if (poly1305 != NULL)
		c->poly1305 = EVP_MAC_CTX_new(poly1305);
	EVP_MAC_free(poly1305);
	if (c->main == NULL || c->header == NULL || c->poly1305 == NULL)
		return ERR_NOMEM;
	/* ChaCha20 is its own inverse, so both directions encrypt.  The first half is K_2, for the content. */
	if (EVP_EncryptInit_ex(c->main, EVP_chacha20(), NULL, c->key, NULL) != 1 ||
		EVP_EncryptInit_ex(c->header, EVP_chacha20(), NULL, c->key + 32, NULL) != 1)
		return ERR_CRYPTO;
	return OK;
}

/*
 * With the length field encrypted, it is a part of the stream, but must be known before the rest of the packet is: its
 * block of the stream is made a second time then, as the plain encryption of the counter.
 */
static enum err
setup_ctr(struct cipher *c)
{
	static const char *const ecb[] = {[CIPHER_AES128_CTR] = "AES-128-ECB",
		[CIPHER_AES192_CTR] = "AES-192-ECB",
		[CIPHER_AES256_CTR] = "AES-256-ECB"};
	enum err e;

	e = mac_new(c->suite.mac, c->mac_key, &c->mac);
	if (e == OK)
		e = setup_aes(c, cipher_info(c->suite.kind)->evp, c->iv, true, &c->main);
	if (e == OK && c->layout.length_is_aligned)
		e = setup_aes(c, ecb[c->suite.kind], NULL, true, &c->header);
	return e;
}

static enum err
setup(struct cipher *c)
{
	switch (c->suite.kind) {
	case CIPHER_CHACHA20_POLY1305:
		return setup_chacha(c);
	case CIPHER_AES128_GCM:
	case CIPHER_AES256_GCM:
		return setup_aes(c, cipher_info(c->suite.kind)->evp, NULL,
			c->direction == CIPHER_SEAL, &c->main);
	default:
		return setup_ctr(c);
	}
}

static void
take_keys(struct cipher *c, const struct cipher_keys *keys)
{
	const struct cipher_info *info = cipher_info(c->suite.kind);

	memcpy(c->key, keys->key, info->key_len);
	if (info->iv_len > 0)
		memcpy(c->iv, keys->iv, info->iv_len);
	if (c->suite.mac != MAC_NONE)
		memcpy(c->mac_key, keys->mac_key, mac_info(c->suite.mac)->len);
}

enum err
cipher_new(struct cipher_suite suite, enum cipher_direction direction,
	const struct cipher_keys *keys, struct cipher **out)
{
	const struct cipher_info *info = cipher_info(suite.kind);
	const struct mac_info *mac = mac_info(suite.mac);
	struct cipher *c;
	enum err e;

	if (suite.kind == CIPHER_NONE || cipher_needs_mac(suite.kind) != (suite.mac != MAC_NONE))
		return ERR_UNSUPPORTED;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return ERR_NOMEM;
	c->suite = suite;
	c->direction = direction;
	c->layout = (struct cipher_layout){.block = info->block,
		.tag_len = info->tag_len + mac->len,
		.length_is_aligned = suite.mac != MAC_NONE && !mac->is_etm};
	take_keys(c, keys);
	e = setup(c);
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
	EVP_MAC_CTX_free(c->poly1305);
	mac_free(c->mac);
	OPENSSL_cleanse(c, sizeof(*c));
	free(c);
}

struct cipher_suite
cipher_suite(const struct cipher *c)
{
	return c->suite;
}

const struct cipher_layout *
cipher_layout(const struct cipher *c)
{
	static const struct cipher_layout clear = {.block = 8, .length_is_aligned = true};

	return c != NULL ? &c->layout : &clear;
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
		EVP_MAC_init(c->poly1305, block, POLY1305_KEY_LEN, NULL) != 1)
		e = ERR_CRYPTO;
	OPENSSL_cleanse(block, sizeof(block));
	return e;
}

static enum err
poly1305(struct cipher *c, const uint8_t *bytes, size_t len, uint8_t tag[POLY1305_TAG_LEN])
{
	size_t n;

	if (EVP_MAC_update(c->poly1305, bytes, len) != 1 ||
		EVP_MAC_final(c->poly1305, tag, &n, POLY1305_TAG_LEN) != 1 || n != POLY1305_TAG_LEN)
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

/* RFC 4344 section 4: one number of 128 bits, which wraps. */
static void
ctr_skip(struct cipher *c, uint64_t n_blocks)
{
	uint64_t high = wire_peek_u64(c->iv), low = wire_peek_u64(c->iv + 8);

	low += n_blocks;
	wire_poke_u64(c->iv, low < n_blocks ? high + 1 : high);
	wire_poke_u64(c->iv + 8, low);
}

static enum err
ctr_length(struct cipher *c, const uint8_t *bytes, uint32_t *out)
{
	uint8_t block[AES_BLOCK];
	int n;

	if (!c->layout.length_is_aligned) {
		*out = wire_peek_u32(bytes);
		return OK;
	}
	if (EVP_EncryptUpdate(c->header, block, &n, c->iv, AES_BLOCK) != 1 || n != AES_BLOCK)
		return ERR_CRYPTO;
	*out = wire_peek_u32(bytes) ^ wire_peek_u32(block);
	OPENSSL_cleanse(block, sizeof(block));
	return OK;
}

/* Encryption and decryption are the same. */
static enum err
ctr_crypt(struct cipher *c, uint8_t *bytes, size_t len)
{
	int n;

	assert(len % AES_BLOCK == 0);
	if (EVP_EncryptUpdate(c->main, bytes, &n, bytes, (int)len) != 1)
		return ERR_CRYPTO;
	ctr_skip(c, len / AES_BLOCK);
	return OK;
}

static enum err
ctr_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t length)
{
	struct span whole = span_of(packet, LENGTH_LEN + length);
	enum err e;

	if (c->layout.length_is_aligned) {
		e = ctr_crypt(c, packet, whole.len);
		return e == OK ? mac_check(c->mac, seq, whole, packet + whole.len) : e;
	}
	e = mac_check(c->mac, seq, whole, packet + whole.len);
	return e == OK ? ctr_crypt(c, packet + LENGTH_LEN, length) : e;
}

static enum err
ctr_seal(struct cipher *c, uint32_t seq, uint8_t *packet, size_t length)
{
	struct span whole = span_of(packet, LENGTH_LEN + length);
	enum err e;

	if (c->layout.length_is_aligned) {
		e = mac_make(c->mac, seq, whole, packet + whole.len);
		return e == OK ? ctr_crypt(c, packet, whole.len) : e;
	}
	e = ctr_crypt(c, packet + LENGTH_LEN, length);
	return e == OK ? mac_make(c->mac, seq, whole, packet + whole.len) : e;
}

static enum err
chacha_peek(struct cipher *c, uint32_t seq, const uint8_t *bytes, uint32_t *out)
{
	uint8_t clear[LENGTH_LEN];
	enum err e = chacha_length(c, seq, bytes, clear);

	if (e == OK)
		*out = wire_peek_u32(clear);
	return e;
}

enum err
cipher_peek_length(struct cipher *c, uint32_t seq, const uint8_t *bytes, uint32_t *out)
{
	if (c->suite.kind == CIPHER_CHACHA20_POLY1305)
		return chacha_peek(c, seq, bytes, out);
	if (c->mac != NULL)
		return ctr_length(c, bytes, out);
	*out = wire_peek_u32(bytes);
	return OK;
}

enum err
cipher_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t length)
{
	assert(c->direction == CIPHER_OPEN);
	if (length > INT32_MAX - LENGTH_LEN)
		return ERR_LIMIT;
	if (c->suite.kind == CIPHER_CHACHA20_POLY1305)
		return chacha_open(c, seq, packet, length);
	if (c->mac != NULL)
		return ctr_open(c, seq, packet, length);
	return gcm_open(c, packet, length);
}

enum err
cipher_seal(struct cipher *c, uint32_t seq, uint8_t *packet, size_t length)
{
	assert(c->direction == CIPHER_SEAL);
	if (length > INT32_MAX - LENGTH_LEN)
		return ERR_LIMIT;
	if (c->suite.kind == CIPHER_CHACHA20_POLY1305)
		return chacha_seal(c, seq, packet, length);
	if (c->mac != NULL)
		return ctr_seal(c, seq, packet, length);
	return gcm_seal(c, packet, length);
}

enum err
cipher_write(const struct cipher *c, struct buf *out)
{
	const struct cipher_info *info = cipher_info(c->suite.kind);
	const struct mac_info *mac = mac_info(c->suite.mac);
	enum err e;

	e = wire_put_cstring(out, info->name);
	if (e == OK)
		e = wire_put_u8(out, (uint8_t)c->direction);
	if (e == OK)
		e = wire_put_string(out, span_of(c->key, info->key_len));
	if (e == OK)
		e = wire_put_string(out, span_of(c->iv, info->iv_len));
	if (e == OK)
		e = wire_put_cstring(out, mac->name);
	if (e == OK)
		e = wire_put_string(out, span_of(c->mac_key, mac->len));
	return e;
}

/* The names of a written form; false when they are none of ours. */
static bool
suite_by_names(struct span cipher, struct span mac, struct cipher_suite *out)
{
	out->kind = cipher_by_name(cipher);
	out->mac = mac_by_name(mac);
	return out->kind != CIPHER_NONE &&
		(out->mac != MAC_NONE || span_is(mac, mac_info(MAC_NONE)->name)) &&
		cipher_needs_mac(out->kind) == (out->mac != MAC_NONE);
}

enum err
cipher_read(struct wire_reader *r, enum cipher_direction direction, struct cipher **out)
{
	struct span name, key, iv, mac, mac_key;
	const struct cipher_info *info;
	struct cipher_suite suite;
	struct cipher_keys keys;
	uint8_t written;

	if (wire_get_string(r, &name) != OK || wire_get_u8(r, &written) != OK ||
		wire_get_string(r, &key) != OK || wire_get_string(r, &iv) != OK ||
		wire_get_string(r, &mac) != OK || wire_get_string(r, &mac_key) != OK)
		return ERR_FORMAT;
	if (!suite_by_names(name, mac, &suite) || written != direction)
		return ERR_FORMAT;
	info = cipher_info(suite.kind);
	if (key.len != info->key_len || iv.len != info->iv_len ||
		mac_key.len != mac_info(suite.mac)->len)
		return ERR_FORMAT;
	keys = (struct cipher_keys){.key = key.ptr, .iv = iv.ptr, .mac_key = mac_key.ptr};
	return cipher_new(suite, direction, &keys, out);
}
