/*
 * A hash table with chains, hashed by SipHash-2-4.
 *
 * SipHash is here as what it was made for, a keyed hash for tables; nothing rests on it as cryptography.
 */
#include "common/table.h"

#include <openssl/rand.h>
#include <stdlib.h>

#define BUCKETS_MIN 64

/* --- SipHash-2-4 --- */

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t
rotate(uint64_t v, unsigned bits)
{
	return v << bits | v >> (64 - bits);
}

static void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

/* The bytes of p (at most 8) as a little-endian number. */
static uint64_t
sip_word(const uint8_t *p, size_t len)
{
	uint64_t w = 0;

	for (size_t i = 0; i < len; i++)
		w |= (uint64_t)p[i] << (8 * i);
	return w;
}

static void
sip_take(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

static uint64_t
hash_of(const struct table *t, struct span key)
{
	uint64_t k0 = sip_word(t->secret, 8), k1 = sip_word(t->secret + 8, 8);
	struct sip s = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
		k1 ^ 0x7465646279746573};
	uint64_t tail;
	size_t at = 0;

	for (; key.len - at >= 8; at += 8)
		sip_take(&s, sip_word(key.ptr + at, 8));
	/* An empty key may have no bytes to point at. */
	tail = key.len > at ? sip_word(key.ptr + at, key.len - at) : 0;
	sip_take(&s, tail | (uint64_t)key.len << 56);
	s.v2 ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* --- the table --- */

enum err
table_init(struct table *t, size_t max)
{
	struct table new = {.max = max, .n_buckets = BUCKETS_MIN};

	if (RAND_bytes(new.secret, sizeof(new.secret)) != 1)
		return ERR_CRYPTO;
	new.buckets = calloc(new.n_buckets, sizeof(struct table_entry *));
	if (new.buckets == NULL)
		return ERR_NOMEM;
	*t = new;
	return OK;
}

void
table_clear(struct table *t)
{
	free(t->buckets);
	*t = (struct table){0};
}

static struct table_entry **
bucket_of(const struct table *t, uint64_t hash)
{
	return &t->buckets[hash & (t->n_buckets - 1)];
}

static void
chain(struct table *t, struct table_entry *e)
{
	struct table_entry **bucket = bucket_of(t, e->hash);

	e->next_in_bucket = *bucket;
	*bucket = e;
}

/* Without memory for more buckets the chains grow instead. */
static void
grow(struct table *t)
{
	size_t n = t->n_buckets * 2;
	struct table_entry **buckets = calloc(n, sizeof(struct table_entry *));

	if (buckets == NULL)
		return;
	free(t->buckets);
	t->buckets = buckets;
	t->n_buckets = n;
	for (struct table_entry *e = t->first; e != NULL; e = e->next)
		chain(t, e);
}

static struct table_entry *
find(const struct table *t, struct span key, uint64_t hash)
{
	struct table_entry *e = *bucket_of(t, hash);

	while (e != NULL && (e->hash != hash || !span_equal(e->key, key)))
		e = e->next_in_bucket;
	return e;
}

struct table_entry *
table_find(const struct table *t, struct span key)
{
	return find(t, key, hash_of(t, key));
}

enum err
table_add(struct table *t, struct table_entry *e, struct span key)
{
	uint64_t hash = hash_of(t, key);

	if (find(t, key, hash) != NULL)
		return ERR_EXISTS;
	if (t->n >= t->max)
		return ERR_LIMIT;
	if (t->n >= t->n_buckets)
		grow(t);
	*e = (struct table_entry){.hash = hash, .key = key, .prev = t->last};
	chain(t, e);
	if (t->last != NULL)
		t->last->next = e;
	else
		t->first = e;
	t->last = e;
	t->n++;
	return OK;
}

static void
unchain(struct table *t, struct table_entry *e)
{
	struct table_entry **at = bucket_of(t, e->hash);

	while (*at != e)
		at = &(*at)->next_in_bucket;
	*at = e->next_in_bucket;
}

void
table_remove(struct table *t, struct table_entry *e)
{
	unchain(t, e);
	if (e->prev != NULL)
		e->prev->next = e->next;
	else
		t->first = e->next;
	if (e->next != NULL)
		e->next->prev = e->prev;
	else
		t->last = e->prev;
	*e = (struct table_entry){0};
	t->n--;
}
