/*
 * The connections of a relay, by id and in a list.
 */
#ifndef BROKER_RELAY_ROSTER_H
#define BROKER_RELAY_ROSTER_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

#define ROSTER_CHAINS 4096

struct connection;

/* Embedded; zeroed it is empty.  Owns nothing: connections link themselves in. */
struct roster {
	struct connection *chains[ROSTER_CHAINS];
	struct connection *first; /* all; the next one is ->next */
	size_t n;
};

/* ERR_EXISTS: another connection has this id. */
MUST_CHECK enum err roster_add(struct roster *r, struct connection *c);
void roster_remove(struct roster *r, struct connection *c);
/* NULL: there is none. */
struct connection *roster_find(const struct roster *r, uint64_t id);

#endif
