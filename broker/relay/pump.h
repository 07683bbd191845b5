/*
 * The data path: bytes of one leg in, sealed packets of the other leg out.
 */
#ifndef BROKER_RELAY_PUMP_H
#define BROKER_RELAY_PUMP_H

#include "broker/relay/connection.h"

/*
 * One packet may take so long from its first byte to its last: a begun one has memory as long as a packet may be, which
 * nothing else bounds over all connections.
 */
#define PUMP_PACKET_MS 120000

/*
 * Read once from this side's socket and relay what came.  What cannot be relayed now stays with the leg.  Whatever goes
 * wrong begins the connection's ending.
 */
void pump_read(struct connection *c, enum side from);

/* Go on with packets that were received before; call while leg_has_packets() and flow allows it. */
void pump_left(struct connection *c, enum side from);

/* End an open connection of which a packet does not come.  Time in which we do not read does not count. */
void pump_look(struct connection *c);
uint64_t pump_due(const struct connection *c);

/* May pump_left() get on? */
bool pump_can_go_on(const struct connection *c, enum side from);

#endif
