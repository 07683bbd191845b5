/*
 * The relays: the connections that they announce, count and end.
 */
#ifndef BROKER_DIRECTOR_RELAYS_H
#define BROKER_DIRECTOR_RELAYS_H

#include "broker/director/link.h"

/*
 * When a relay's link closes its connections are kept for so long.  The relay may only have lost us: it announces all
 * of them again on its next link, and they move there.  If it died, its users come back at once, and find the node
 * where they were.
 */
#define RELAYS_GRACE_MS 10000

struct relay;

/* A link to a relay; one before it with the same index is taken as closed.  Takes fd, also on failure.  ERR_NOMEM. */
MUST_CHECK enum err relays_link(struct state *s, const struct link_peer *peer, int fd);
/* Drop all of them with their connections. */
void relays_clear(struct state *s);
/* Those whose link is open. */
size_t relays_count(const struct state *s);
/* Drop the connections whose grace is over.  Call it now and then. */
void relays_check_time(struct state *s);

unsigned relay_index(const struct relay *r);
/* Its link is closed, the grace runs. */
bool relay_is_lost(const struct relay *r);
/* The link, for tests and for link_handle(). */
struct link *relay_link(struct relay *r);

#endif
