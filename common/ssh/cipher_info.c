/*
 * The ciphers there are: names, sizes and limits.
 */
#include "common/ssh/cipher.h"

#include <assert.h>

#define GIB ((uint64_t)1 << 30)
#define AES_BLOCK 16
/* 2^32 blocks of 16 bytes, or 1 GiB where the block is smaller or unknown, as OpenSSH counts. */
#define AES_REKEY_BYTES (((uint64_t)1 << 32) * AES_BLOCK)

#define GCM(text, evp_name, key)                                                                   \
	{                                                                                          \
		.name = text, .evp = evp_name, .key_len = key, .iv_len = 12, .tag_len = 16,        \
		.block = AES_BLOCK, .rekey_bytes = AES_REKEY_BYTES                                 \
	}
#define CTR(text, evp_name, key)                                                                   \
	{                                                                                          \
		.name = text, .evp = evp_name, .key_len = key, .iv_len = AES_BLOCK,                \
		.block = AES_BLOCK, .rekey_bytes = AES_REKEY_BYTES                                 \
	}

static const struct cipher_info infos[CIPHER_KIND_COUNT] = {
	[CIPHER_NONE] = {.name = "none", .block = 8, .rekey_bytes = GIB},
	[CIPHER_CHACHA20_POLY1305] = {.name = "chacha20-poly1305@openssh.com",
		.key_len = 64,
		.tag_len = 16,
		.block = 8,
		.rekey_bytes = GIB},
	[CIPHER_AES128_GCM] = GCM("aes128-gcm@openssh.com", "AES-128-GCM", 16),
	[CIPHER_AES256_GCM] = GCM("aes256-gcm@openssh.com", "AES-256-GCM", 32),
	[CIPHER_AES128_CTR] = CTR("aes128-ctr", "AES-128-CTR", 16),
	[CIPHER_AES192_CTR] = CTR("aes192-ctr", "AES-192-CTR", 24),
	[CIPHER_AES256_CTR] = CTR("aes256-ctr", "AES-256-CTR", 32),
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
	return "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
	       "aes128-ctr,aes192-ctr,aes256-ctr";
}

bool
cipher_needs_mac(enum cipher_kind kind)
{
	return kind != CIPHER_NONE && cipher_info(kind)->tag_len == 0;
}

size_t
cipher_suite_need(struct cipher_suite suite)
{
	const struct cipher_info *info = cipher_info(suite.kind);
	size_t need = info->key_len;

	if (need < info->iv_len)
		need = info->iv_len;
	if (need < info->block)
		need = info->block;
	return need < mac_info(suite.mac)->len ? mac_info(suite.mac)->len : need;
}
