/*
 * The connections of a relay, by id and in a list.
 */
#ifndef BROKER_RELAY_CONNECTION_TABLE_H
#define BROKER_RELAY_CONNECTION_TABLE_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

#define CONNECTION_TABLE_CHAINS 4096

struct connection;

/* Embedded; zeroed it is empty.  Owns nothing: connections link themselves in. */
struct connection_table {
	struct connection *chains[CONNECTION_TABLE_CHAINS];
	struct connection *first; /* all; the next one is ->next */
	size_t n;
};

/* ERR_EXISTS: another connection has this id. */
MUST_CHECK enum err connection_table_add(struct connection_table *t, struct connection *c);
void connection_table_remove(struct connection_table *t, struct connection *c);
/* NULL: there is none. */
struct connection *connection_table_find(const struct connection_table *t, uint64_t id);

#endif
