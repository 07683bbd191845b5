/*
 * How many unauthenticated connections each source address has.
 */
#include "broker/director/sources.h"

#include <assert.h>
#include <stdlib.h>

#define IPV6_PREFIX_BYTES 8
/* The family and the bytes of the address that count. */
#define KEY_SIZE (1 + IPV6_PREFIX_BYTES)

struct source {
	struct table_entry entry;
	uint32_t n;
	uint32_t n_dials;
	uint8_t key[KEY_SIZE];
};

enum err
sources_init(struct sources *s, size_t max)
{
	return table_init(&s->by_key, max);
}

static struct source *
source_of(struct table_entry *e)
{
	return e != NULL ? TABLE_OWNER(e, struct source, entry) : NULL;
}

void
sources_clear(struct sources *s)
{
	struct table_entry *next;

	for (struct table_entry *e = s->by_key.first; e != NULL; e = next) {
		next = e->next;
		free(source_of(e));
	}
	table_clear(&s->by_key);
}

static void
key_of(const struct addr *a, uint8_t key[KEY_SIZE])
{
	key[0] = a->family;
	memcpy(key + 1, a->ip, IPV6_PREFIX_BYTES);
}

static struct source *
find(const struct sources *s, const struct addr *a)
{
	uint8_t key[KEY_SIZE];

	key_of(a, key);
	return source_of(table_find(&s->by_key, span_of(key, sizeof(key))));
}

uint32_t
sources_count(const struct sources *s, const struct addr *a)
{
	const struct source *source = find(s, a);

	return source != NULL ? source->n : 0;
}

uint32_t
sources_dials(const struct sources *s, const struct addr *a)
{
	const struct source *source = find(s, a);

	return source != NULL ? source->n_dials : 0;
}

void
sources_add_dial(struct sources *s, const struct addr *a)
{
	struct source *source = find(s, a);

	assert(source != NULL);
	source->n_dials++;
}

void
sources_remove_dial(struct sources *s, const struct addr *a)
{
	struct source *source = find(s, a);

	assert(source != NULL && source->n_dials > 0);
	source->n_dials--;
}

uint32_t
sources_largest(const struct sources *s)
{
	uint32_t n = 0;

	for (struct table_entry *e = s->by_key.first; e != NULL; e = e->next) {
		if (source_of(e)->n > n)
			n = source_of(e)->n;
	}
	return n;
}

enum err
sources_add(struct sources *s, const struct addr *a)
{
	struct source *source = find(s, a);
	enum err e;

	if (source != NULL) {
		source->n++;
		return OK;
	}
	source = calloc(1, sizeof(*source));
	if (source == NULL)
		return ERR_NOMEM;
	source->n = 1;
	key_of(a, source->key);
	e = table_add(&s->by_key, &source->entry, span_of(source->key, sizeof(source->key)));
	if (e != OK)
		free(source);
	return e;
}

void
sources_remove(struct sources *s, const struct addr *a)
{
	struct source *source = find(s, a);

	assert(source != NULL);
	source->n--;
	if (source->n > 0)
		return;
	table_remove(&s->by_key, &source->entry);
	free(source);
}
