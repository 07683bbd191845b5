/*
 * A hash table of entries that live inside their owners, with a hard maximum, in the order of insertion.
 *
 * Keys come from clients (user names, addresses, ids): the hash is keyed with a secret, so nobody can choose keys that
 * fall together.
 */
#ifndef COMMON_TABLE_H
#define COMMON_TABLE_H

#include "common/err.h"
#include "common/span.h"

#define TABLE_SECRET_SIZE 16

/* Embedded by what is in the table. */
struct table_entry {
	struct table_entry *next_in_bucket;
	struct table_entry *prev, *next; /* in the order of insertion */
	uint64_t hash;
	struct span key; /* borrowed from the owner, unchanged while it is in the table */
};

/* Embedded by its owner.  Reading n and max is fine. */
struct table {
	struct table_entry **buckets;
	size_t n_buckets; /* a power of two */
	struct table_entry *first, *last;
	size_t n;
	size_t max;
	uint8_t secret[TABLE_SECRET_SIZE];
};

/* The object of a type that an entry is a member of; entry is not NULL. */
#define TABLE_OWNER(entry, type, member) ((type *)(void *)((char *)(entry)-offsetof(type, member)))

/* An empty table for at most max entries.  ERR_CRYPTO: no randomness.  ERR_NOMEM. */
MUST_CHECK enum err table_init(struct table *t, size_t max);
/* Frees the table's own memory; the entries are their owners' business.  A zeroed struct is left alone. */
void table_clear(struct table *t);

/* Put e in under key.  ERR_EXISTS: the key is there already.  ERR_LIMIT: the table is full. */
MUST_CHECK enum err table_add(struct table *t, struct table_entry *e, struct span key);
/* e is in the table. */
void table_remove(struct table *t, struct table_entry *e);
/* NULL: not there. */
struct table_entry *table_find(const struct table *t, struct span key);

#endif
