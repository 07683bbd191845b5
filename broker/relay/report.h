/*
 * What others hear of a connection: the director its facts, counters and end, the log one line at the end.
 */
#ifndef BROKER_RELAY_REPORT_H
#define BROKER_RELAY_REPORT_H

#include "broker/relay/connection.h"

/* Counters go to the director this long after they changed, and a little later (jitter). */
#define REPORT_INTERVAL_MS 10000

/* Tell the director of now, if there is one, unless it knows the connection. */
void report_connection(struct connection *c);

/* Something was relayed. */
void report_activity(struct connection *c);
/* Tell the director the counters, if they changed and it is time. */
void report_look(struct connection *c);
uint64_t report_due(const struct connection *c);

/* It is over: the line in the log, the director, the keyholder. */
void report_end(struct connection *c);

/* The node's name, printable.  Returns out. */
const char *report_node_name(const struct connection *c, char out[MSG_NODE_MAX + 1]);

#endif
