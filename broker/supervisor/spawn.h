/*
 * Starting a role process: this program, executed anew.
 */
#ifndef BROKER_SUPERVISOR_SPAWN_H
#define BROKER_SUPERVISOR_SPAWN_H

#include "common/err.h"

#include <sys/types.h>

/*
 * A descriptor of the running executable, close-on-exec.  It stays the same program when another version replaces the
 * file, so that roles started later still speak the same protocol.  ERR_IO with errno.
 */
MUST_CHECK enum err spawn_open_program(int *out);

/*
 * Start "sshbrokerd --role NAME" with control (borrowed) as descriptor ROLE_CONTROL_FD, /dev/null as 0, our 1 and 2, and
 * no other; in a session of its own, so that a terminal's signals reach the supervisor alone.  ERR_IO with errno.
 */
MUST_CHECK enum err spawn_role(int program, const char *name, int control, pid_t *out);

#endif
