/*
 * sshd's StrictModes rule for a path.
 */
#include "deploy/node/principals/strict_modes.h"

#include "deploy/node/principals/why.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
is_safe(const struct stat *st, uid_t uid)
{
	return (st->st_uid == 0 || st->st_uid == uid) && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Walk from the folder of the file at real (which is changed) up to home or the root. */
static enum err
check_folders(char *real, const char *home, uid_t uid, char why[WHY_SIZE])
{
	for (;;) {
		struct stat st;

		real = dirname(real);
		if (stat(real, &st) != 0 || !is_safe(&st, uid)) {
			why_set(why, "bad ownership or modes for folder %s", real);
			return ERR_DENIED;
		}
		if (strcmp(real, "/") == 0 || (home != NULL && strcmp(real, home) == 0))
			return OK;
	}
}

enum err
strict_modes_check(const struct strict_modes *m, char why[WHY_SIZE])
{
	char real[PATH_MAX], home[PATH_MAX];
	struct stat st;

	if (realpath(m->path, real) == NULL || fstat(m->fd, &st) != 0) {
		why_set(why, "%s: %s", m->path, strerror(errno));
		return ERR_DENIED;
	}
	if (!S_ISREG(st.st_mode)) {
		why_set(why, "%s is not a regular file", real);
		return ERR_DENIED;
	}
	if (!is_safe(&st, m->uid)) {
		why_set(why, "bad ownership or modes for file %s", real);
		return ERR_DENIED;
	}
	return check_folders(real, m->home != NULL ? realpath(m->home, home) : NULL, m->uid, why);
}

enum err
strict_modes_check_program(const char *path, uid_t owner, char why[WHY_SIZE])
{
	struct strict_modes m = {.path = path, .uid = owner};
	enum err e;

	/* A program that may be run need not be readable. */
	m.fd = open(path, O_PATH | O_CLOEXEC);
	if (m.fd < 0) {
		why_set(why, "%s: %s", path, strerror(errno));
		return ERR_IO;
	}
	e = strict_modes_check(&m, why);
	close(m.fd);
	return e;
}
