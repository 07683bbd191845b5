/*
 * The scaffold that every role process runs in: its start message, its links, its end.
 *
 *	role_open() --> (what only root can do) --> role_drop_privileges() --> role_run() --> role_close()
 *
 * A role process is this program executed anew as "sshbrokerd --role gate/0", with the control link on descriptor
 * ROLE_CONTROL_FD and nothing else but 0-2.
 */
#ifndef BROKER_ROLE_ROLE_H
#define BROKER_ROLE_ROLE_H

#include "broker/messages/role_kind.h"
#include "common/config/config.h"
#include "common/err.h"

#include <event2/event.h>

#define ROLE_CONTROL_FD 3

struct role;

/*
 * Become the role of that name ("gate/0"): wait for the start message, read the configuration in it, name the log and
 * the process, allow no core dump and no debugger.  *out is owned.  Errors are logged.
 */
MUST_CHECK enum err role_open(const char *name, struct role **out);
/* NULL does nothing. */
void role_close(struct role *r);

enum role_kind role_get_kind(const struct role *r);
unsigned role_get_index(const struct role *r);
/* Borrowed until role_close(). */
struct event_base *role_get_base(struct role *r);
/* Borrowed until role_close(), or until on_config has returned. */
const struct config *role_get_config(const struct role *r);
/* The listening sockets of a gate, non-blocking.  Borrowed until role_close(). */
const int *role_get_listeners(const struct role *r, size_t *n);
/* The listening admin socket of the director, non-blocking.  Borrowed; -1 for others. */
int role_get_admin_listener(const struct role *r);

/*
 * Started as root: become the user that is configured for this kind.  Otherwise only what capabilities there are go.
 * An error is logged, and the process must end.
 */
MUST_CHECK enum err role_drop_privileges(struct role *r);

/*
 * What a role is told.  All come from the loop; NULL members do what is said here.
 */
struct role_callbacks {
	/*
	 * A link to that process: give fd (takes it) to ipc_new(), and drop an older link to the same kind and index: that
	 * process is gone.  NULL: fd is closed.
	 */
	void (*on_link)(void *arg, enum role_kind kind, unsigned index, int fd);
	/* End soon, by role_quit(); the supervisor kills after roles.stop_timeout_s.  NULL: role_quit(r, 0). */
	void (*on_stop)(void *arg);
	/* A relay: take no new connections, end by role_quit() when the last one has ended.  NULL: role_quit(r, 0). */
	void (*on_drain)(void *arg);
	/*
	 * The supervisor is gone, and with it every link to other roles but adopted ones.  A relay goes on; a later
	 * supervisor adopts it (new links and on_drain come then).  NULL: role_quit(r, 0).
	 */
	void (*on_orphaned)(void *arg);
	/* role_get_config() returns another one from now on; the old one goes when this returns.  NULL: it stays as it is. */
	void (*on_config)(void *arg, const struct config *c);
};

/* Tell the supervisor that this role serves, and run the loop until role_quit().  Returns the exit code. */
int role_run(struct role *r, const struct role_callbacks *callbacks, void *arg);
/* Leave the loop of role_run() at the end of this turn. */
void role_quit(struct role *r, int exit_code);

#endif
