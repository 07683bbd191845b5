/*
 * The process that owns the others: reads the configuration, binds the sockets, starts and restarts the roles.
 */
#ifndef BROKER_SUPERVISOR_SUPERVISOR_H
#define BROKER_SUPERVISOR_SUPERVISOR_H

/*
 * Run the broker with the configuration at that path, in the foreground, until SIGTERM or SIGINT (a second one kills the
 * roles at once).  The running executable must answer "--role NAME", see broker/role/role.h.  Returns the exit code: 0
 * after a signal, 1 when the broker could not be started (logged).
 */
int supervisor_main(const char *config_path);

#endif
