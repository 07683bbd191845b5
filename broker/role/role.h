/*
 * The scaffold that every role process runs in: its start message, its links, its privileges, its loop.
 *
 * A role's main takes what needs privileges, drops them, and runs:
 *
 *	int gate_main(struct role *r)
 *	{
 *		... make the role's state ...
 *		if (role_drop_privileges(r) != OK)
 *			return 1;
 *		return role_run(r, &callbacks, state);
 *	}
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
 * the process, allow no core dump and no debugger, ignore SIGPIPE.  *out is owned.  Errors are logged.
 */
MUST_CHECK enum err role_open(const char *name, struct role **out);
/* After role_run().  NULL does nothing. */
void role_close(struct role *r);

enum role_kind role_kind(const struct role *r);
/* Borrowed during the role's life; the configuration until on_config has returned. */
struct event_base *role_base(const struct role *r);
const struct config *role_config(const struct role *r);
unsigned role_index(const struct role *r);
/*
 * Listening sockets, non-blocking, that the supervisor bound for this role: a gate's listeners, the director's admin
 * socket.  Borrowed.
 */
const int *role_fds(const struct role *r, size_t *n);

/* Who is at the other end of a link. */
struct role_peer {
	enum role_kind kind;
	unsigned index;
	int32_t pid;
};

/* All are called from the loop of role_run(). */
struct role_callbacks {
	/*
	 * A link to a peer, new or instead of the one before (then drop that one).  Takes fd: give it to ipc_new().  NULL:
	 * fd is closed.
	 */
	void (*on_link)(void *arg, const struct role_peer *peer, int fd);
	/*
	 * The broker stops: finish what can be finished, then role_exit(); the supervisor kills after roles.stop_timeout_s.
	 * NULL: exit at once.
	 */
	void (*on_stop)(void *arg);
	/* No new connections will come: role_exit() when the last one has ended.  NULL: ignored. */
	void (*on_drain)(void *arg);
	/*
	 * The supervisor is gone.  NULL: exit at once.  A relay stays, and gets links and on_drain from the next
	 * supervisor; with no connection left it exits.
	 */
	void (*on_orphaned)(void *arg);
	/*
	 * Adopted by another supervisor, whose configuration is c: role_config() returns it from now on, and what it returned
	 * before goes when this returns.  NULL: it stays.
	 */
	void (*on_config)(void *arg, const struct config *c);
};

/*
 * Become the configured user for good, without a way back.  Not started as root: only what capabilities there are go.
 * An error is logged, and the process must end.
 */
MUST_CHECK enum err role_drop_privileges(struct role *r);
/* Say READY and run the loop until role_exit().  Returns the exit code.  arg and callbacks stay borrowed. */
int role_run(struct role *r, const struct role_callbacks *callbacks, void *arg);
/* Leave the loop after this turn. */
void role_exit(struct role *r, int code);

#endif
