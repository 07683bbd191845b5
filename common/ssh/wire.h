/*
 * The data types of RFC 4251 section 5: a bounds-checked reader over borrowed bytes, and writers that append to a buf.
 */
#ifndef COMMON_SSH_WIRE_H
#define COMMON_SSH_WIRE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* Reads forward through borrowed bytes.  Plain data; copy it to look ahead. */
struct wire_reader {
	const uint8_t *at;
	const uint8_t *end;
};

struct wire_reader wire_reader_of(struct span s);
size_t wire_left(const struct wire_reader *r);

/*
 * Each takes one value from the front.  ERR_FORMAT when the bytes left do not hold it (or break the rule that is named
 * here); *out and the reader are unchanged then.  Spans borrow from the bytes under the reader.
 */
MUST_CHECK enum err wire_get_u8(struct wire_reader *r, uint8_t *out);
MUST_CHECK enum err wire_get_bool(struct wire_reader *r, bool *out); /* any non-zero byte is true */
MUST_CHECK enum err wire_get_u16(struct wire_reader *r, uint16_t *out);
MUST_CHECK enum err wire_get_u32(struct wire_reader *r, uint32_t *out);
MUST_CHECK enum err wire_get_u64(struct wire_reader *r, uint64_t *out);
MUST_CHECK enum err wire_get_bytes(struct wire_reader *r, size_t len, struct span *out);
MUST_CHECK enum err wire_get_string(struct wire_reader *r, struct span *out);
/* A string of at most max bytes. */
MUST_CHECK enum err wire_get_string_max(struct wire_reader *r, size_t max, struct span *out);
/* A string without NUL bytes, copied to out (size bytes) as a C string; ERR_FORMAT too when it does not fit. */
MUST_CHECK enum err wire_get_cstring(struct wire_reader *r, char *out, size_t size);
/* An mpint that is not negative and minimally encoded; *out is its magnitude, without a leading zero byte. */
MUST_CHECK enum err wire_get_mpint(struct wire_reader *r, struct span *out);
/* OK only when no byte is left. */
MUST_CHECK enum err wire_end(const struct wire_reader *r);

/* Each appends one value.  Errors of buf_append; b is unchanged then.  A string is at most UINT32_MAX bytes. */
MUST_CHECK enum err wire_put_u8(struct buf *b, uint8_t v);
MUST_CHECK enum err wire_put_bool(struct buf *b, bool v);
MUST_CHECK enum err wire_put_u16(struct buf *b, uint16_t v);
MUST_CHECK enum err wire_put_u32(struct buf *b, uint32_t v);
MUST_CHECK enum err wire_put_u64(struct buf *b, uint64_t v);
MUST_CHECK enum err wire_put_bytes(struct buf *b, struct span s);
MUST_CHECK enum err wire_put_string(struct buf *b, struct span s);
MUST_CHECK enum err wire_put_cstring(struct buf *b, const char *s);
/* An unsigned big-endian number (leading zero bytes allowed) as mpint. */
MUST_CHECK enum err wire_put_mpint(struct buf *b, struct span magnitude);

/* Big-endian numbers at a place that is known to have room. */
uint32_t wire_peek_u32(const uint8_t *p);
void wire_poke_u32(uint8_t *p, uint32_t v);
uint64_t wire_peek_u64(const uint8_t *p);
void wire_poke_u64(uint8_t *p, uint64_t v);

/* Is name one of the comma-separated names in list?  (RFC 4251 section 5, name-list) */
bool wire_namelist_has(struct span list, struct span name);

/* Take the first name off *list; false when the list is empty.  Empty names are returned as they stand. */
bool wire_namelist_next(struct span *list, struct span *name);

#endif
