/*
 * The socket on which a relay that outlived its supervisor waits for the next one.
 */
#ifndef BROKER_ROLE_REJOIN_H
#define BROKER_ROLE_REJOIN_H

#include "common/err.h"

#include <event2/event.h>
#include <sys/types.h>

struct rejoin;

/* A supervisor connected.  Takes fd.  Waiting has ended; rejoin_wait() starts it again. */
typedef void (*rejoin_fn)(void *arg, int fd);

/*
 * Takes fd, a bound unix stream socket, and listens on it, so that who connects sees this process as its peer.
 * Accepts nothing before rejoin_wait(), and only from root or the user supervisor.
 * *out is owned.  ERR_IO, ERR_NOMEM.
 */
MUST_CHECK enum err rejoin_new(struct event_base *base, int fd, uid_t supervisor,
	rejoin_fn on_supervisor, void *arg, struct rejoin **out);
/* NULL does nothing. */
void rejoin_free(struct rejoin *j);

MUST_CHECK enum err rejoin_wait(struct rejoin *j);

#endif
