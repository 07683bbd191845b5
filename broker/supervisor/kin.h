/*
 * Processes that are no children of ours: the relays of former supervisors.
 */
#ifndef BROKER_SUPERVISOR_KIN_H
#define BROKER_SUPERVISOR_KIN_H

#include <sys/types.h>

/*
 * Kill that process if it was started as the role of that name.  The pid is that of who listened on the relay's socket,
 * and may be another's by now, which a captured relay could bring about on purpose.  -1 with errno; ESRCH: it is not that
 * role, or not there.
 */
int kin_kill(pid_t pid, const char *name);

#endif
