/*
 * Giving up root, for good.
 */
#ifndef BROKER_ROLE_PRIVILEGES_H
#define BROKER_ROLE_PRIVILEGES_H

#include "common/err.h"

#include <sys/types.h>

/*
 * The ids of a user given by name or decimal uid; a uid without an entry in passwd has the group of the same number.
 * ERR_NOT_FOUND: no such user.  ERR_DENIED: it is root (uid or group 0).
 */
MUST_CHECK enum err privileges_find(const char *user, uid_t *uid, gid_t *gid);

/*
 * Become that user: no other group, no capability, nothing regained by executing a program; checked that it cannot
 * come back.  The process must be root.  ERR_IO with errno, ERR_DENIED: the check failed; the process must end then.
 */
MUST_CHECK enum err privileges_drop(uid_t uid, gid_t gid);

/* The same without a change of user, for a process that is not root: it may still have capabilities. */
MUST_CHECK enum err privileges_drop_capabilities(void);

#endif
