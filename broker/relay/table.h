/*
 * The connections of a relay, by id and in a list.
 */
#ifndef BROKER_RELAY_TABLE_H
#define BROKER_RELAY_TABLE_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

#define TABLE_CHAINS 4096

struct connection;

/* Embedded; zeroed it is empty.  Owns nothing: connections link themselves in. */
struct table {
	struct connection *chains[TABLE_CHAINS];
	struct connection *first; /* all; the next one is ->next */
	size_t n;
};

/* ERR_EXISTS: another connection has this id. */
MUST_CHECK enum err table_add(struct table *t, struct connection *c);
void table_remove(struct table *t, struct connection *c);
/* NULL: there is none. */
struct connection *table_find(const struct table *t, uint64_t id);

#endif
