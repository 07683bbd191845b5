/*
 * What the supervisor tells a role, over the control link of its slot.
 */
#ifndef BROKER_SUPERVISOR_ORDERS_H
#define BROKER_SUPERVISOR_ORDERS_H

#include "broker/messages/control.h"
#include "broker/supervisor/fleet.h"
#include "broker/supervisor/slot.h"

/*
 * START, with copies of the descriptors that this kind needs; a relay gets a new rejoin socket, whose name stands in the
 * slot then.  Errors of ipc_send; ERR_IO: no descriptor to spare.
 */
MUST_CHECK enum err orders_send_start(struct slot *s, const struct fleet_setup *setup);
/* ADOPT, and DRAIN: what a relay of a former supervisor is for. */
MUST_CHECK enum err orders_send_adopt(struct slot *s, const struct fleet_setup *setup);
/* LINK to that peer; takes fd, also on failure. */
MUST_CHECK enum err orders_send_link(struct slot *to, const struct slot *peer, int fd);
/* DRAIN, STOP. */
MUST_CHECK enum err orders_send_empty(struct slot *s, enum control_type type);

#endif
