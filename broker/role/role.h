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
 */
#ifndef BROKER_ROLE_ROLE_H
#define BROKER_ROLE_ROLE_H

#include "common/config/config.h"
#include "common/err.h"

#include <event2/event.h>

enum role_kind {
	ROLE_NONE = 0,
	ROLE_SUPERVISOR,
	ROLE_DIRECTOR,
	ROLE_KEYHOLDER,
	ROLE_GATE,
	ROLE_RELAY,
	ROLE_COUNT
};

/* "gate" and so on.  Static. */
const char *role_kind_name(enum role_kind kind);

struct role;

/* Borrowed during the role's life. */
struct event_base *role_base(const struct role *r);
const struct config *role_config(const struct role *r);
unsigned role_index(const struct role *r);
/* Listening sockets that the supervisor bound for this role: a gate's listeners, the director's admin socket. */
const int *role_fds(const struct role *r, size_t *n);

/* Who is at the other end of a link. */
struct role_peer {
	enum role_kind kind;
	unsigned index;
	int32_t pid;
};

struct role_callbacks {
	/* A link to a peer, new or instead of the one before (then drop that one).  Takes fd: give it to ipc_new(). */
	void (*on_link)(void *arg, const struct role_peer *peer, int fd);
	/* The broker stops: finish what can be finished, then role_exit().  NULL: exit at once. */
	void (*on_stop)(void *arg);
	/* No new connections will come: role_exit() when the last one has ended.  NULL: ignored. */
	void (*on_drain)(void *arg);
	/* The supervisor is gone.  NULL: exit at once.  A relay stays, and gets links from the next supervisor. */
	void (*on_orphaned)(void *arg);
};

/* Become the configured user for good, without a way back.  ERR_DENIED: logged. */
MUST_CHECK enum err role_drop_privileges(struct role *r);
/* Say READY and run the loop until role_exit().  Returns the exit code. */
int role_run(struct role *r, const struct role_callbacks *callbacks, void *arg);
/* Leave the loop after this turn. */
void role_exit(struct role *r, int code);

#endif
