/*
 * A growable run of bytes with one owner and a hard maximum; can be emptied from the front, and wipes what it held.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include "common/err.h"
#include "common/span.h"

/*
 * Embedded by its owners.  Bytes [head, head + len) of data are the content.  Use the functions to change it; reading
 * len is fine.
 */
struct buf {
	uint8_t *data;
	size_t head;
	size_t len;
	size_t cap;
	size_t max; /* the most content it may ever hold; 0 means BUF_MAX_DEFAULT */
};

#define BUF_MAX_DEFAULT ((size_t)1 << 20)

/* An empty buffer that holds at most max bytes.  Allocates nothing.  A zeroed struct is a valid empty buffer as well. */
void buf_init(struct buf *b, size_t max);

/* Wipes and frees the content; b is empty and usable afterwards, with the same max. */
void buf_clear(struct buf *b);

/* Wipes the content and empties b, keeps the memory. */
void buf_reset(struct buf *b);

/* Content as a span, borrowed until b changes. */
struct span buf_span(const struct buf *b);

/* Append.  ERR_LIMIT past the maximum, ERR_NOMEM; b is unchanged then. */
MUST_CHECK enum err buf_append(struct buf *b, const void *bytes, size_t len);
MUST_CHECK enum err buf_append_span(struct buf *b, struct span s);

/* As buf_append, but never allocates more than the content needs (for what idle connections keep). */
MUST_CHECK enum err buf_append_exact(struct buf *b, const void *bytes, size_t len);

/*
 * Make room for len more bytes and return where they go; the caller writes there and calls buf_commit() with what it
 * wrote (at most len).  Errors as buf_append.
 */
MUST_CHECK enum err buf_reserve(struct buf *b, size_t len, uint8_t **out);
void buf_commit(struct buf *b, size_t len);

/* Drop len bytes (at most b->len) from the front.  Frees the memory when nothing is left. */
void buf_consume(struct buf *b, size_t len);

/* Cut the content to its first len bytes (len <= b->len). */
void buf_truncate(struct buf *b, size_t len);

/* Move the content of from to the empty buffer to; from is empty afterwards.  Maximums stay. */
void buf_take(struct buf *to, struct buf *from);

#endif
