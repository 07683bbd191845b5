/*
 * The id of one client connection, as logs, certificates, messages to users and the admin view show
 * it.
 */
#ifndef COMMON_CONN_ID_H
#define COMMON_CONN_ID_H

#include "common/err.h"
#include "common/span.h"

/* Twelve characters of base32 (60 bits) and the NUL. */
#define CONN_ID_TEXT_SIZE 13
#define CONN_ID_BITS 60

/* A random id, never 0.  ERR_CRYPTO: no randomness. */
MUST_CHECK enum err conn_id_new(uint64_t *out);
/* Lower case, always twelve characters; a zero id is written too, but never read back. */
const char *conn_id_text(uint64_t id, char out[CONN_ID_TEXT_SIZE]);
/* ERR_FORMAT: not what conn_id_text writes, or 0. */
MUST_CHECK enum err conn_id_parse(const char *text, uint64_t *out);

#endif
