/*
 * What the keyholder remembers of each client connection.
 */
#include "broker/keyholder/sessions.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#define BUCKET_BITS_MIN 8
#define BUCKET_BITS_MAX 24

struct sessions {
	struct session **buckets;
	unsigned bits; /* of the number of buckets */
	uint64_t factor;
	size_t n;
	size_t max;
};

/*
 * The ids come from gates, who may want them all in one bucket: multiplying by a secret odd number spreads any set of
 * them (multiply-shift hashing is universal).
 */
static size_t
bucket_of(uint64_t factor, unsigned bits, uint64_t conn)
{
	return (size_t)((conn * factor) >> (64 - bits));
}

static size_t
n_buckets(const struct sessions *s)
{
	return (size_t)1 << s->bits;
}

enum err
sessions_new(size_t max, struct sessions **out)
{
	struct sessions *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ERR_NOMEM;
	s->bits = BUCKET_BITS_MIN;
	s->max = max;
	s->buckets = calloc(n_buckets(s), sizeof(s->buckets[0]));
	if (s->buckets == NULL || RAND_bytes((uint8_t *)&s->factor, sizeof(s->factor)) != 1) {
		enum err e = s->buckets == NULL ? ERR_NOMEM : ERR_CRYPTO;

		free(s->buckets);
		free(s);
		return e;
	}
	s->factor |= 1;
	*out = s;
	return OK;
}

void
offer_free(struct offer *o)
{
	if (o == NULL)
		return;
	pubkey_free(o->key);
	privkey_free(o->ephemeral);
	OPENSSL_cleanse(o, sizeof(*o));
	free(o);
}

static void
session_free(struct session *session)
{
	struct spent_key *spent;

	session_drop_offers_elsewhere(session, NULL);
	while ((spent = session->spent) != NULL) {
		session->spent = spent->next;
		free(spent);
	}
	OPENSSL_cleanse(session, sizeof(*session));
	free(session);
}

void
sessions_free(struct sessions *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < n_buckets(s); i++) {
		struct session *session;

		while ((session = s->buckets[i]) != NULL) {
			s->buckets[i] = session->next;
			session_free(session);
		}
	}
	free(s->buckets);
	free(s);
}

void
sessions_set_max(struct sessions *s, size_t max)
{
	s->max = max;
}

size_t
sessions_count(const struct sessions *s)
{
	return s->n;
}

struct session *
sessions_find(const struct sessions *s, uint64_t conn)
{
	struct session *session = s->buckets[bucket_of(s->factor, s->bits, conn)];

	while (session != NULL && session->conn != conn)
		session = session->next;
	return session;
}

bool
role_peer_equal(const struct role_peer *a, const struct role_peer *b)
{
	return a->kind == b->kind && a->index == b->index && a->pid == b->pid;
}

enum err
sessions_get(const struct sessions *s, uint64_t conn, const struct role_peer *asker,
	struct session **out)
{
	struct session *session = sessions_find(s, conn);

	if (session == NULL)
		return ERR_NOT_FOUND;
	if (!role_peer_equal(&session->owner, asker))
		return ERR_PROTO;
	*out = session;
	return OK;
}

static void
link_in(struct sessions *s, struct session *session)
{
	struct session **bucket = &s->buckets[bucket_of(s->factor, s->bits, session->conn)];

	session->next = *bucket;
	*bucket = session;
}

/* Twice as many buckets; the old ones will do when memory is short. */
static void
grow(struct sessions *s)
{
	struct session **old = s->buckets, *session;
	size_t n_old = n_buckets(s);
	struct session **buckets = calloc(n_old * 2, sizeof(buckets[0]));

	if (buckets == NULL)
		return;
	s->buckets = buckets;
	s->bits++;
	for (size_t i = 0; i < n_old; i++) {
		while ((session = old[i]) != NULL) {
			old[i] = session->next;
			link_in(s, session);
		}
	}
	free(old);
}

enum err
sessions_add(struct sessions *s, uint64_t conn, const struct role_peer *owner, struct session **out)
{
	struct session *session;

	assert(sessions_find(s, conn) == NULL);
	if (s->n >= s->max)
		return ERR_LIMIT;
	session = calloc(1, sizeof(*session));
	if (session == NULL)
		return ERR_NOMEM;
	session->conn = conn;
	session->owner = *owner;
	if (s->n >= n_buckets(s) && s->bits < BUCKET_BITS_MAX)
		grow(s);
	link_in(s, session);
	s->n++;
	*out = session;
	return OK;
}

void
sessions_forget(struct sessions *s, struct session *session)
{
	struct session **at = &s->buckets[bucket_of(s->factor, s->bits, session->conn)];

	while (*at != session)
		at = &(*at)->next;
	*at = session->next;
	s->n--;
	session_free(session);
}

size_t
sessions_forget_all_of(struct sessions *s, const struct role_peer *peer)
{
	size_t before = s->n;

	for (size_t i = 0; i < n_buckets(s); i++) {
		struct session *session, *next;

		for (session = s->buckets[i]; session != NULL; session = next) {
			next = session->next;
			if (role_peer_equal(&session->owner, peer))
				sessions_forget(s, session);
		}
	}
	return before - s->n;
}

struct offer *
session_find_offer(
	const struct session *session, struct span user, struct span key, struct span algorithm)
{
	struct offer *o = session->offers;

	while (o != NULL &&
		!(span_is(user, o->user) && span_equal(key, pubkey_blob(o->key)) &&
			span_is(algorithm, o->algorithm)))
		o = o->next;
	return o;
}

void
session_add_offer(struct session *session, struct offer *offer)
{
	offer->next = session->offers;
	session->offers = offer;
}

static void
drop_at(struct offer **at)
{
	struct offer *o = *at;

	*at = o->next;
	offer_free(o);
}

void
session_drop_offer(struct session *session, struct offer *offer)
{
	struct offer **at = &session->offers;

	while (*at != NULL && *at != offer)
		at = &(*at)->next;
	if (*at != NULL)
		drop_at(at);
}

void
session_drop_offers_elsewhere(struct session *session, const char *node)
{
	struct offer **at = &session->offers;

	while (*at != NULL) {
		if (node != NULL && strcmp((*at)->node, node) == 0)
			at = &(*at)->next;
		else
			drop_at(at);
	}
}

void
session_drop_offers_like(struct session *session, struct offer *offer)
{
	struct offer **at = &session->offers;

	while (*at != NULL) {
		if (*at != offer && pubkey_equal((*at)->key, offer->key))
			drop_at(at);
		else
			at = &(*at)->next;
	}
	session_drop_offer(session, offer);
}

bool
session_has_spent(const struct session *session, const struct pubkey *key, const char *node)
{
	const struct spent_key *spent;
	char fingerprint[KEY_FINGERPRINT_SIZE];

	key_fingerprint(pubkey_blob(key), fingerprint);
	for (spent = session->spent; spent != NULL; spent = spent->next) {
		if (strcmp(spent->fingerprint, fingerprint) == 0 && strcmp(spent->node, node) == 0)
			return true;
	}
	return false;
}

enum err
session_spend(struct session *session, const struct pubkey *key, const char *node)
{
	struct spent_key *spent = calloc(1, sizeof(*spent));

	if (spent == NULL)
		return ERR_NOMEM;
	key_fingerprint(pubkey_blob(key), spent->fingerprint);
	snprintf(spent->node, sizeof(spent->node), "%s", node);
	spent->next = session->spent;
	session->spent = spent;
	return OK;
}
