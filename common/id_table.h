/*
 * A table from 64-bit ids to borrowed pointers, with a named maximum.
 */
#ifndef COMMON_ID_TABLE_H
#define COMMON_ID_TABLE_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_table;

/* An empty table for at most max entries; it grows as needed.  *out is owned. */
MUST_CHECK enum err id_table_new(size_t max, struct id_table **out);
/* What the entries point to is not touched.  NULL does nothing. */
void id_table_free(struct id_table *t);

/* Another maximum; what is in the table already stays, however much it is. */
void id_table_set_max(struct id_table *t, size_t max);

/* ERR_EXISTS: the id is there already.  ERR_LIMIT: full.  ERR_NOMEM.  id is not 0, value not NULL. */
MUST_CHECK enum err id_table_add(struct id_table *t, uint64_t id, void *value);
/* NULL when there is none. */
void *id_table_get(const struct id_table *t, uint64_t id);
/* Takes the entry out and returns its value; NULL when there was none. */
void *id_table_remove(struct id_table *t, uint64_t id);
size_t id_table_count(const struct id_table *t);

/*
 * Walk all entries: start with *at = 0, until NULL is returned.  Removing the entry just returned is allowed, adding is
 * not.
 */
void *id_table_next(const struct id_table *t, size_t *at);

#endif
