/*
 * Whole files: read with a limit, made whole or not at all.
 */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

#include <sys/types.h>

/*
 * Append what the file at path holds.  ERR_LIMIT: more than out may hold.  ERR_IO with errno.  On failure out may hold
 * a part of it.
 */
MUST_CHECK enum err file_read(const char *path, struct buf *out);
/* The same from where fd, a blocking one, stands; it stays open. */
MUST_CHECK enum err file_read_fd(int fd, struct buf *out);

/*
 * Make a new file with this content and exactly these permission bits; it appears whole (and on disk) or not at all.
 * ERR_EXISTS: there is something at path, which stays as it is.  ERR_IO with errno.  ERR_NOMEM.
 */
MUST_CHECK enum err file_create(const char *path, mode_t mode, struct span content);

#endif
