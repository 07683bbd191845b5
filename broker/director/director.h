/*
 * The director: the one process that knows all nodes, users and connections, and decides who goes where.
 *
 * Gates ask it for nodes, relays tell it of connections, and the admin view shows what it knows.  Everything is
 * rebuilt from them after a crash: it keeps nothing on disk.
 */
#ifndef BROKER_DIRECTOR_DIRECTOR_H
#define BROKER_DIRECTOR_DIRECTOR_H

#include "broker/director/state.h"
#include "broker/role/role.h"

struct director;

/*
 * A director on a loop, without a process around it.  Borrows base, config and admin_fd (a listening unix socket, or
 * -1) for its life.  *out is owned.  Errors are logged.
 */
MUST_CHECK enum err director_new(struct event_base *base, const struct config *config, int admin_fd,
	const struct state_options *options, struct director **out);
/* NULL does nothing. */
void director_free(struct director *d);
/* A link to another role.  Takes fd. */
void director_link(struct director *d, const struct role_peer *peer, int fd);
/* Look at waits and graces: the director's own timer does it five times a second. */
void director_check_time(struct director *d);
/* Borrowed. */
struct state *director_state(struct director *d);

/* The director's process.  Returns the exit code. */
int director_main(struct role *r);

#endif
