/*
 * Back-pressure: whether a leg may be read, given what waits.  Nothing is ever thrown away to make room.
 */
#ifndef BROKER_RELAY_FLOW_H
#define BROKER_RELAY_FLOW_H

#include "broker/relay/connection.h"

/* Why a leg is not read now. */
enum flow {
	FLOW_FREE = 0, /* it is */
	FLOW_MARK, /* more than the mark waits for the other leg */
	FLOW_CONNECTION_MAX, /* the connection holds all that it may */
	FLOW_TOTAL_MAX, /* all connections together do */
	FLOW_REQUESTS_MAX, /* too many of its global requests are unanswered */
	FLOW_ANSWERS_MAX, /* it does not take the answers to what it sends */
};

/* May the next packet of this side be taken? */
enum flow flow_of(const struct connection *c, enum side from);

/* Should its socket be read? */
bool flow_may_read(const struct connection *c, enum side from);

/*
 * Is neither side read because its requests are unanswered, so that no answer will ever be?  Such a connection can only be
 * ended.
 */
bool flow_is_stuck(const struct connection *c);

/* How much may be read at once; at least a little. */
size_t flow_read_size(const struct connection *c, enum side from);

/* Bring what the process counts up to date, and let the loop ask for what may be read. */
void flow_update(struct connection *c);

#endif
