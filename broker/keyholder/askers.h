/*
 * The keyholder's links to gates and relays, and what travels on them.
 */
#ifndef BROKER_KEYHOLDER_ASKERS_H
#define BROKER_KEYHOLDER_ASKERS_H

#include "broker/keyholder/core.h"

#include <event2/event.h>

/* More processes than any configuration has at one time, those that are being replaced included. */
#define ASKERS_MAX 512
/* Log lines about one link whose peer oversteps. */
#define ASKERS_WARNINGS_MAX 10

struct askers;

/* base and core are borrowed until askers_free(); core's is_linked is set here.  *out is owned. */
MUST_CHECK enum err askers_new(struct event_base *base, struct core *core, struct askers **out);
/* NULL does nothing. */
void askers_free(struct askers *l);

/*
 * A link to peer, which is told the host keys first.  Takes fd.  It replaces a link to the same process; a process that
 * another one of its name is about to replace keeps its own until it closes it.  Failures are logged.
 */
void askers_add(struct askers *l, const struct role_peer *peer, int fd);

#endif
