/*
 * A table from 64-bit ids to borrowed pointers: open addressing with tombstones.
 *
 * Ids are random where we make them, but a compromised sender may choose them, so they are mixed with a secret before
 * they become places.
 */
#include "common/id_table.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdlib.h>

#define CAP_MIN 16

struct entry {
	uint64_t id; /* 0: never used */
	void *value; /* NULL with an id: a tombstone */
};

struct id_table {
	struct entry *entries;
	size_t cap; /* a power of two */
	size_t n_used; /* tombstones included */
	size_t n;
	size_t max;
	uint64_t secret;
};

enum err
id_table_new(size_t max, struct id_table **out)
{
	struct id_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return ERR_NOMEM;
	t->max = max;
	t->cap = CAP_MIN;
	t->entries = calloc(t->cap, sizeof(*t->entries));
	if (t->entries == NULL || RAND_bytes((uint8_t *)&t->secret, sizeof(t->secret)) != 1) {
		id_table_free(t);
		return ERR_NOMEM;
	}
	*out = t;
	return OK;
}

void
id_table_free(struct id_table *t)
{
	if (t == NULL)
		return;
	free(t->entries);
	free(t);
}

void
id_table_set_max(struct id_table *t, size_t max)
{
	t->max = max;
}

/* The finaliser of SplitMix64 over id and secret. */
static size_t
place_of(const struct id_table *t, uint64_t id)
{
	uint64_t x = id ^ t->secret;

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (size_t)(x ^ (x >> 31)) & (t->cap - 1);
}

/* The entry of id, or the free one where its search ends. */
static struct entry *
find(const struct id_table *t, uint64_t id)
{
	size_t at = place_of(t, id);

	while (t->entries[at].id != 0 && t->entries[at].id != id)
		at = (at + 1) & (t->cap - 1);
	return &t->entries[at];
}

static enum err
rebuild(struct id_table *t, size_t cap)
{
	struct entry *old = t->entries;
	size_t old_cap = t->cap;
	struct entry *entries = calloc(cap, sizeof(*entries));

	if (entries == NULL)
		return ERR_NOMEM;
	t->entries = entries;
	t->cap = cap;
	t->n_used = t->n;
	for (size_t i = 0; i < old_cap; i++) {
		if (old[i].value != NULL)
			*find(t, old[i].id) = old[i];
	}
	free(old);
	return OK;
}

enum err
id_table_add(struct id_table *t, uint64_t id, void *value)
{
	struct entry *slot;
	enum err e;

	assert(id != 0 && value != NULL);
	if (id_table_get(t, id) != NULL)
		return ERR_EXISTS;
	if (t->n >= t->max)
		return ERR_LIMIT;
	if ((t->n_used + 1) * 4 > t->cap * 3) {
		e = rebuild(t, t->n * 2 >= t->cap ? t->cap * 2 : t->cap);
		if (e != OK)
			return e;
	}
	slot = find(t, id);
	if (slot->id == 0)
		t->n_used++;
	*slot = (struct entry){id, value};
	t->n++;
	return OK;
}

void *
id_table_get(const struct id_table *t, uint64_t id)
{
	return id != 0 ? find(t, id)->value : NULL;
}

void *
id_table_remove(struct id_table *t, uint64_t id)
{
	struct entry *slot;
	void *value;

	if (id == 0)
		return NULL;
	slot = find(t, id);
	value = slot->value;
	if (value != NULL) {
		slot->value = NULL;
		t->n--;
	}
	return value;
}

size_t
id_table_count(const struct id_table *t)
{
	return t->n;
}

void *
id_table_next(const struct id_table *t, size_t *at)
{
	while (*at < t->cap) {
		void *value = t->entries[(*at)++].value;

		if (value != NULL)
			return value;
	}
	return NULL;
}
