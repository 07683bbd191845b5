/*
 * Sockets that the supervisor binds and others serve.
 */
#ifndef BROKER_SUPERVISOR_LISTENERS_H
#define BROKER_SUPERVISOR_LISTENERS_H

#include "common/addr.h"
#include "common/err.h"

#include <sys/types.h>

/*
 * A TCP socket that listens on a, non-blocking and close-on-exec; IPv6 takes no IPv4.  Where the address is in use it is
 * tried again for a while: the gates of a supervisor that was killed are gone soon.  *bound is the address with the port
 * that the system chose.  ERR_IO with errno.
 */
MUST_CHECK enum err listeners_open_tcp(const struct addr *a, int *out, struct addr *bound);

/*
 * A unix stream socket bound to name in the folder dir (a descriptor), with these permissions; it does not listen yet.
 * A socket that is there already is replaced.  Close-on-exec.  ERR_IO with errno, ERR_EXISTS: something else has that
 * name, ERR_LIMIT: the name is too long.
 */
MUST_CHECK enum err listeners_bind_unix(int dir, const char *name, mode_t mode, int *out);

/* Connect to such a socket without waiting; non-blocking and close-on-exec.  ERR_IO with errno, ERR_LIMIT. */
MUST_CHECK enum err listeners_connect_unix(int dir, const char *name, int *out);

/* Whom the admin socket lets in.  gid -1: no change. */
struct listeners_access {
	mode_t mode;
	gid_t gid;
};

/*
 * The admin socket at path, listening, non-blocking.  Errors as listeners_bind_unix; ERR_NOT_FOUND: no such folder; ERR_DENIED:
 * others can replace what is in it.
 */
MUST_CHECK enum err listeners_open_admin(
	const char *path, const struct listeners_access *access, int *out);

/* The id of a group given by name or number.  ERR_NOT_FOUND. */
MUST_CHECK enum err listeners_find_group(const char *group, gid_t *out);

#endif
