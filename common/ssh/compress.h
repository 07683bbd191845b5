/*
 * zlib@openssh.com: the compressed payloads of one direction of a leg, as one stream from key exchange to key exchange.
 * (RFC 4253 section 6.2, OpenSSH PROTOCOL section 1.2, RFC 1950)
 */
#ifndef COMMON_SSH_COMPRESS_H
#define COMMON_SSH_COMPRESS_H

#include "common/buf.h"
#include "common/err.h"

/* As negotiated for one direction. */
enum compression {
	COMPRESSION_NONE = 0,
	COMPRESSION_ZLIB_DELAYED, /* zlib@openssh.com: begins when the user is authenticated */
};

/* The name on the wire.  Static. */
const char *compression_name(enum compression c);
/* ERR_UNSUPPORTED: not a name of ours. */
MUST_CHECK enum err compression_by_name(struct span name, enum compression *out);
/* All that we have, as a name list in our order of preference.  Static. */
const char *compression_names(void);

/* One stream of one direction; either it deflates or it inflates. */
struct compress;

/* *out is owned. */
MUST_CHECK enum err compress_new_deflate(struct compress **out);
MUST_CHECK enum err compress_new_inflate(struct compress **out);
void compress_free(struct compress *c);

/* What len bytes are when deflated, at most. */
size_t compress_bound(size_t len);

/*
 * The compressed form of one payload, written to at, which has room for room bytes and does not overlap it.  ERR_LIMIT: it
 * needs more, ERR_CRYPTO: zlib refused; the stream cannot go on.
 */
MUST_CHECK enum err compress_deflate(
	struct compress *c, struct span payload, uint8_t *at, size_t room, size_t *len);

/*
 * Append what one packet's content yields to out.  ERR_FORMAT: not such a stream.  ERR_LIMIT: more than out's maximum.
 * The stream cannot go on after an error.
 */
MUST_CHECK enum err compress_inflate(struct compress *c, struct span content, struct buf *out);

#endif
