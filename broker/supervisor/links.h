/*
 * Links between roles: gates and relays to each other, to the director and to the keyholder.
 */
#ifndef BROKER_SUPERVISOR_LINKS_H
#define BROKER_SUPERVISOR_LINKS_H

#include "broker/supervisor/slot.h"

/*
 * Give s, and each of the slots that it talks to and that is up, the two ends of a new link.  An adopted relay is not
 * linked to gates: it gets no new connections.  A failure is logged.
 */
void links_connect(struct slot *s, struct slot *slots, size_t n_slots);

#endif
