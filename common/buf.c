/*
 * A growable run of bytes with a hard maximum.
 *
 * Memory is never handed to realloc(): what it leaves behind could hold a key or a password, so growing copies, wipes
 * and frees.
 */
#include "common/buf.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#define BUF_CAP_MIN 64

static size_t
max_of(const struct buf *b)
{
	return b->max != 0 ? b->max : BUF_MAX_DEFAULT;
}

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void
buf_clear(struct buf *b)
{
	if (b->data != NULL)
		OPENSSL_cleanse(b->data, b->cap);
	free(b->data);
	*b = (struct buf){.max = b->max};
}

void
buf_reset(struct buf *b)
{
	if (b->data != NULL)
		OPENSSL_cleanse(b->data, b->head + b->len);
	b->head = 0;
	b->len = 0;
}

struct span
buf_span(const struct buf *b)
{
	return span_of(b->data != NULL ? b->data + b->head : NULL, b->len);
}

/* Give b a block of cap bytes with its content at the front. */
static enum err
resize(struct buf *b, size_t cap)
{
	uint8_t *data = malloc(cap);

	if (data == NULL)
		return ERR_NOMEM;
	if (b->len > 0)
		memcpy(data, b->data + b->head, b->len);
	if (b->data != NULL)
		OPENSSL_cleanse(b->data, b->cap);
	free(b->data);
	b->data = data;
	b->head = 0;
	b->cap = cap;
	return OK;
}

static enum err
make_room(struct buf *b, size_t len, bool exact)
{
	size_t max = max_of(b), need, cap;

	if (b->len > max || len > max - b->len)
		return ERR_LIMIT;
	need = b->len + len;
	if (b->cap - b->head >= need)
		return OK;
	if (exact)
		return resize(b, need);
	cap = b->cap > BUF_CAP_MIN ? b->cap : BUF_CAP_MIN;
	while (cap < need)
		cap *= 2;
	return resize(b, cap > max && need <= max ? max : cap);
}

enum err
buf_reserve(struct buf *b, size_t len, uint8_t **out)
{
	enum err e = make_room(b, len, false);

	if (e != OK)
		return e;
	*out = b->data != NULL ? b->data + b->head + b->len : NULL;
	return OK;
}

void
buf_commit(struct buf *b, size_t len)
{
	assert(len <= b->cap - b->head - b->len);
	b->len += len;
}

static enum err
append(struct buf *b, const void *bytes, size_t len, bool exact)
{
	enum err e;

	if (len == 0)
		return OK;
	e = make_room(b, len, exact);
	if (e != OK)
		return e;
	memcpy(b->data + b->head + b->len, bytes, len);
	b->len += len;
	return OK;
}

enum err
buf_append(struct buf *b, const void *bytes, size_t len)
{
	return append(b, bytes, len, false);
}

enum err
buf_append_exact(struct buf *b, const void *bytes, size_t len)
{
	return append(b, bytes, len, true);
}

enum err
buf_append_span(struct buf *b, struct span s)
{
	return append(b, s.ptr, s.len, false);
}

void
buf_consume(struct buf *b, size_t len)
{
	assert(len <= b->len);
	b->head += len;
	b->len -= len;
	if (b->len == 0)
		buf_clear(b);
}

void
buf_truncate(struct buf *b, size_t len)
{
	assert(len <= b->len);
	if (b->data != NULL)
		OPENSSL_cleanse(b->data + b->head + len, b->len - len);
	b->len = len;
}

void
buf_take(struct buf *to, struct buf *from)
{
	size_t max = to->max;

	assert(to->len == 0);
	buf_clear(to);
	*to = *from;
	to->max = max;
	*from = (struct buf){.max = from->max};
}
