/*
 * Base64 over OpenSSL's coder, which runs in constant time but is lax about what it takes.
 */
#include "common/base64.h"

#include <limits.h>
#include <openssl/evp.h>

/* OpenSSL counts in int; nothing of ours comes near. */
#define CODER_MAX ((size_t)INT_MAX / 2)

enum err
base64_encode(struct span bytes, struct buf *out)
{
	size_t len = BASE64_LEN(bytes.len);
	uint8_t *p;
	enum err e;

	if (bytes.len == 0)
		return OK;
	if (bytes.len > CODER_MAX)
		return ERR_LIMIT;
	/* The coder ends its text with a NUL. */
	e = buf_reserve(out, len + 1, &p);
	if (e != OK)
		return e;
	EVP_EncodeBlock(p, bytes.ptr, (int)bytes.len);
	buf_commit(out, len);
	return OK;
}

static bool
in_alphabet(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		c == '+' || c == '/';
}

/*
 * How many "=" end the text; ERR_FORMAT when it is not whole groups of the alphabet with padding at
 * the end only.
 */
static enum err
check_text(struct span text, size_t *padding)
{
	size_t n = 0;

	if (text.len % 4 != 0)
		return ERR_FORMAT;
	while (n < 2 && n < text.len && text.ptr[text.len - 1 - n] == '=')
		n++;
	for (size_t i = 0; i < text.len - n; i++) {
		if (!in_alphabet(text.ptr[i]))
			return ERR_FORMAT;
	}
	*padding = n;
	return OK;
}

enum err
base64_decode(struct span text, struct buf *out)
{
	size_t padding, len = text.len / 4 * 3;
	uint8_t *p;
	enum err e = check_text(text, &padding);

	if (e != OK || text.len == 0)
		return e;
	if (text.len > CODER_MAX)
		return ERR_LIMIT;
	e = buf_reserve(out, len, &p);
	if (e != OK)
		return e;
	if (EVP_DecodeBlock(p, text.ptr, (int)text.len) != (int)len)
		return ERR_FORMAT;
	/* Padding decodes to zero bytes, and so do left-over bits that are zero. */
	for (size_t i = len - padding; i < len; i++) {
		if (p[i] != 0)
			return ERR_FORMAT;
	}
	buf_commit(out, len - padding);
	return OK;
}
