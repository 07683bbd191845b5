/*
 * A command whose output decides: run without a shell, with limits, as sshd would run it.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_COMMAND_H
#define DEPLOY_NODE_PRINCIPALS_COMMAND_H

#include "common/err.h"
#include "deploy/node/principals/user.h"
#include "deploy/node/principals/why.h"

/* From its start to its end. */
#define COMMAND_TIME_MAX_MS 15000

struct command {
	int fd; /* what it prints */
	int64_t deadline_ms; /* monotonic, see lines.h */
	pid_t pid;
};

/*
 * Start argv (which ends with NULL) with the environment of user, in a process group of its own.  The program must be
 * root's and nobody else's to change, as its folders must: ERR_DENIED, with words in why.  ERR_IO with errno.
 */
MUST_CHECK enum err command_start(
	char *const *argv, const struct user *user, struct command *out, char why[WHY_SIZE]);
/*
 * Wait for its end, and close.  OK: it ended with status 0.  ERR_DENIED: with another one, or by a signal.  ERR_TIMEOUT:
 * it was killed at its deadline.
 */
MUST_CHECK enum err command_finish(struct command *c);
/* Kill it, with what it started, and close. */
void command_kill(struct command *c);

#endif
