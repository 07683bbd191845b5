/*
 * zlib@openssh.com over zlib.
 */
#include "common/ssh/compress.h"

#include <assert.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stddef.h>
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

/* Both as OpenSSH has them, so that a compressed transfer is as small through the broker as it is directly. */
#define LEVEL 6
/* Output is made in pieces of this size; what a small packet inflates to fits into one. */
#define PIECE ((size_t)4096)
/* What a flush adds to the deflated bytes at most: an empty block and its padding (zlib's deflatePending may hold 7 bits). */
#define FLUSH_MAX 16

struct compress {
	z_stream z;
	bool deflates;
};

const char *
compression_name(enum compression c)
{
	return c == COMPRESSION_ZLIB_DELAYED ? "zlib@openssh.com" : "none";
}

enum err
compression_by_name(struct span name, enum compression *out)
{
	static const enum compression all[] = {COMPRESSION_NONE, COMPRESSION_ZLIB_DELAYED};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (span_is(name, compression_name(all[i]))) {
			*out = all[i];
			return OK;
		}
	}
	return ERR_UNSUPPORTED;
}

const char *
compression_names(void)
{
	return "none,zlib@openssh.com";
}

/* What passed through the window and the pending output is content of a session. */
static void *
zalloc(void *arg, unsigned n, unsigned size)
{
	size_t *memory;

	(void)arg;
	if (size != 0 && n > (SIZE_MAX - sizeof(max_align_t)) / size)
		return NULL;
	memory = calloc(1, sizeof(max_align_t) + (size_t)n * size);
	if (memory == NULL)
		return NULL;
	*memory = (size_t)n * size;
	return (uint8_t *)memory + sizeof(max_align_t);
}

static void
zfree(void *arg, void *at)
{
	uint8_t *memory = (uint8_t *)at - sizeof(max_align_t);
	size_t size;

	(void)arg;
	memcpy(&size, memory, sizeof(size));
	OPENSSL_cleanse(memory, sizeof(max_align_t) + size);
	free(memory);
}

static enum err
zlib_error(int z)
{
	switch (z) {
	case Z_OK:
		return OK;
	case Z_MEM_ERROR:
		return ERR_NOMEM;
	case Z_STREAM_END:
	case Z_NEED_DICT:
	case Z_DATA_ERROR:
		return ERR_FORMAT;
	default:
		return ERR_CRYPTO;
	}
}

static enum err
make(bool deflates, struct compress **out)
{
	struct compress *c = calloc(1, sizeof(*c));
	enum err e;

	if (c == NULL)
		return ERR_NOMEM;
	c->deflates = deflates;
	c->z.zalloc = zalloc;
	c->z.zfree = zfree;
	e = zlib_error(deflates ? deflateInit(&c->z, LEVEL) : inflateInit(&c->z));
	if (e != OK) {
		free(c);
		return e;
	}
	*out = c;
	return OK;
}

enum err
compress_new_deflate(struct compress **out)
{
	return make(true, out);
}

enum err
compress_new_inflate(struct compress **out)
{
	return make(false, out);
}

void
compress_free(struct compress *c)
{
	if (c == NULL)
		return;
	/* Their results tell only that the stream was not at an end. */
	if (c->deflates)
		(void)deflateEnd(&c->z);
	else
		(void)inflateEnd(&c->z);
	free(c);
}

size_t
compress_bound(size_t len)
{
	return compressBound(len) + FLUSH_MAX;
}

enum err
compress_deflate(struct compress *c, struct span payload, uint8_t *at, size_t room, size_t *len)
{
	assert(c->deflates);
	if (payload.len > UINT_MAX || room > UINT_MAX)
		return ERR_LIMIT;
	c->z.next_in = payload.ptr;
	c->z.avail_in = (unsigned)payload.len;
	c->z.next_out = at;
	c->z.avail_out = (unsigned)room;
	/* As OpenSSH: the peer can inflate all of it at once, and it is a few bytes less than a full flush. */
	if (deflate(&c->z, Z_PARTIAL_FLUSH) != Z_OK)
		return ERR_CRYPTO;
	/* zlib may have more to write when it has filled the room to the brim. */
	if (c->z.avail_out == 0)
		return ERR_LIMIT;
	*len = room - c->z.avail_out;
	return OK;
}

/* Let zlib write a piece to out; *full: all of it was needed, so that there may be more. */
static enum err
inflate_piece(struct compress *c, struct buf *out, bool *full)
{
	size_t room = out->max - out->len;
	uint8_t *at;
	enum err e;
	int z;

	if (room > PIECE)
		room = PIECE;
	if (room == 0)
		return ERR_LIMIT;
	e = buf_reserve(out, room, &at);
	if (e != OK)
		return e;
	c->z.next_out = at;
	c->z.avail_out = (unsigned)room;
	z = inflate(&c->z, Z_SYNC_FLUSH);
	buf_commit(out, room - c->z.avail_out);
	*full = c->z.avail_out == 0;
	/* The piece before may have been filled to the brim by the last of the bytes. */
	return z == Z_BUF_ERROR && c->z.avail_in == 0 ? OK : zlib_error(z);
}

enum err
compress_inflate(struct compress *c, struct span content, struct buf *out)
{
	bool full = true;
	enum err e = OK;

	assert(!c->deflates && out->max > 0);
	if (content.len > UINT_MAX)
		return ERR_LIMIT;
	c->z.next_in = content.ptr;
	c->z.avail_in = (unsigned)content.len;
	while (e == OK && full)
		e = inflate_piece(c, out, &full);
	return e == OK && c->z.avail_in != 0 ? ERR_FORMAT : e;
}
