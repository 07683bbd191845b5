/*
 * May a file be believed?  sshd's StrictModes rule: it and the folders above it are root's or the user's own, and
 * nobody else can write them.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_STRICT_MODES_H
#define DEPLOY_NODE_PRINCIPALS_STRICT_MODES_H

#include "common/err.h"
#include "deploy/node/principals/why.h"

#include <sys/types.h>

struct strict_modes {
	int fd; /* the opened file: what is checked is what is read */
	const char *path;
	const char *home; /* folders above it are not looked at; NULL: all are, up to the root */
	uid_t uid; /* may own it, besides root */
};

/* ERR_DENIED: why says which part of the path breaks the rule. */
MUST_CHECK enum err strict_modes_check(const struct strict_modes *m, char why[WHY_SIZE]);

/*
 * The same for a program that is to be run, which must be root's (or owner's).  ERR_IO: it cannot be opened for a look.
 */
MUST_CHECK enum err strict_modes_check_program(const char *path, uid_t owner, char why[WHY_SIZE]);

#endif
