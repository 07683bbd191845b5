/*
 * Base64 with padding (RFC 4648 section 4), strict on the way in.
 */
#ifndef COMMON_BASE64_H
#define COMMON_BASE64_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* How many characters stand for n bytes. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Append the text for bytes, without line breaks.  Errors of buf_append. */
MUST_CHECK enum err base64_encode(struct span bytes, struct buf *out);

/*
 * Append the bytes that text stands for.  ERR_FORMAT: a character outside the alphabet (white space
 * too), wrong padding, or left-over bits that are not zero: one value has one text.  Errors of
 * buf_append; out is unchanged on failure.
 */
MUST_CHECK enum err base64_decode(struct span text, struct buf *out);

#endif
