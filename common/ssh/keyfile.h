/*
 * Private keys as files: OpenSSH's own format (openssh-key-v1, unencrypted) and PEM (through
 * OpenSSL).
 */
#ifndef COMMON_SSH_KEYFILE_H
#define COMMON_SSH_KEYFILE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/ssh/key.h"

/* The largest key file that is read, in bytes. */
#define KEYFILE_SIZE_MAX ((size_t)64 * 1024)

/*
 * Parse the text of a private key file.  openssh-key-v1 must begin with its BEGIN line; PEM may
 * have text before it.  *out is owned.  ERR_UNSUPPORTED: encrypted, or a type that we do not have.
 * ERR_FORMAT: neither format, or malformed.  ERR_KEY: public and private half do not belong
 * together, or too small.
 */
MUST_CHECK enum err keyfile_parse(struct span text, struct privkey **out);

/* Append k as an unencrypted openssh-key-v1 file with this comment. */
MUST_CHECK enum err keyfile_write(const struct privkey *k, const char *comment, struct buf *out);

/*
 * Read and parse the file at path; a symbolic link is followed.  ERR_IO with errno, or as
 * keyfile_parse (ERR_FORMAT too when it is no regular file or too large).  ERR_DENIED: others than
 * its owner can read or write it (group or world bits set).
 */
MUST_CHECK enum err keyfile_load(const char *path, struct privkey **out);

#endif
