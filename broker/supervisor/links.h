/*
 * Links between roles: gates and relays to each other, to the director and to the keyholder.
 */
#ifndef BROKER_SUPERVISOR_LINKS_H
#define BROKER_SUPERVISOR_LINKS_H

#include "broker/supervisor/slot.h"

/*
 * Give s, and each of the slots that it talks to and that is up, the two ends of a new link.  An adopted relay is not
 * linked to gates: it gets no new connections.  ERR_IO, ERR_NOMEM, ERR_LIMIT, ERR_CLOSED: it is not linked to all of
 * them (logged).
 */
MUST_CHECK enum err links_connect(struct slot *s, struct slot *slots, size_t n_slots);

#endif
