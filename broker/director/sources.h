/*
 * How many unauthenticated connections each source address has, over all gates.  No sockets, no clock.
 *
 * A source is an IPv4 address or an IPv6 /64, which is what one host or one hotel room gets.
 */
#ifndef BROKER_DIRECTOR_SOURCES_H
#define BROKER_DIRECTOR_SOURCES_H

#include "common/addr.h"
#include "common/table.h"

/* Embedded by its owner. */
struct sources {
	struct table by_key;
};

/* At most max sources.  Errors of table_init. */
MUST_CHECK enum err sources_init(struct sources *s, size_t max);
/* A zeroed struct is left alone. */
void sources_clear(struct sources *s);

uint32_t sources_count(const struct sources *s, const struct addr *a);
/* The count of the source that has most. */
uint32_t sources_largest(const struct sources *s);
/* Its dials to nodes without proof. */
uint32_t sources_dials(const struct sources *s, const struct addr *a);
/* One more, or one less.  The source is known. */
void sources_add_dial(struct sources *s, const struct addr *a);
void sources_remove_dial(struct sources *s, const struct addr *a);
/* ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK enum err sources_add(struct sources *s, const struct addr *a);
/* Undoes one sources_add. */
void sources_remove(struct sources *s, const struct addr *a);

#endif
