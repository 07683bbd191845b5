/*
 * What the keyholder remembers of each client connection.
 */
#include "broker/keyholder/sessions.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

/* A process that has, or had, sessions here. */
struct owner {
	struct owner *next;
	struct role_peer who;
	size_t n;
	struct fresh fresh;
};

struct sessions {
	struct table by_conn; /* in the order in which they came to their owners */
	struct sessions_limits limits;
	struct owner *owners;
	size_t n_relayed;
};

enum err
sessions_new(const struct sessions_limits *limits, struct sessions **out)
{
	struct sessions *s = calloc(1, sizeof(*s));
	enum err e;

	if (s == NULL)
		return ERR_NOMEM;
	s->limits = *limits;
	/* The limits are kept per owner; there are no more owners than links. */
	e = table_init(&s->by_conn, SIZE_MAX);
	if (e == OK)
		*out = s;
	else
		free(s);
	return e;
}

static struct session *
session_of(struct table_entry *e)
{
	return e != NULL ? TABLE_OWNER(e, struct session, entry) : NULL;
}

/* --- owners --- */

static struct owner *
find_owner(const struct sessions *s, const struct role_peer *peer)
{
	struct owner *owner = s->owners;

	while (owner != NULL && !role_peer_equal(&owner->who, peer))
		owner = owner->next;
	return owner;
}

static enum err
get_owner(struct sessions *s, const struct role_peer *peer, struct owner **out)
{
	struct owner *owner = find_owner(s, peer);
	enum err e = OK;

	if (owner == NULL) {
		owner = calloc(1, sizeof(*owner));
		e = owner != NULL ? fresh_init(&owner->fresh) : ERR_NOMEM;
		if (e != OK) {
			free(owner);
			return e;
		}
		owner->who = *peer;
		owner->next = s->owners;
		s->owners = owner;
	}
	*out = owner;
	return OK;
}

static void
drop_owner(struct sessions *s, struct owner *owner)
{
	struct owner **at = &s->owners;

	while (*at != owner)
		at = &(*at)->next;
	*at = owner->next;
	fresh_clear(&owner->fresh);
	free(owner);
}

static void
count(struct sessions *s, struct owner *owner)
{
	owner->n++;
	s->n_relayed += owner->who.kind == ROLE_RELAY ? 1 : 0;
}

static void
uncount(struct sessions *s, const struct role_peer *peer)
{
	struct owner *owner = find_owner(s, peer);

	assert(owner != NULL && owner->n > 0);
	owner->n--;
	s->n_relayed -= owner->who.kind == ROLE_RELAY ? 1 : 0;
}

struct fresh *
sessions_fresh_of(const struct sessions *s, const struct role_peer *gate)
{
	struct owner *owner = find_owner(s, gate);

	return owner != NULL ? &owner->fresh : NULL;
}

/* --- sessions --- */

void
offer_free(struct offer *o)
{
	if (o == NULL)
		return;
	pubkey_free(o->key);
	cert_free(o->cert);
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
	while (s->by_conn.first != NULL)
		sessions_forget(s, session_of(s->by_conn.first));
	while (s->owners != NULL)
		drop_owner(s, s->owners);
	table_clear(&s->by_conn);
	free(s);
}

size_t
sessions_count(const struct sessions *s)
{
	return s->by_conn.n;
}

struct session *
sessions_find(const struct sessions *s, uint64_t conn)
{
	return session_of(table_find(&s->by_conn, span_of(&conn, sizeof(conn))));
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

static enum err
link_in(struct sessions *s, struct session *session)
{
	return table_add(
		&s->by_conn, &session->entry, span_of(&session->conn, sizeof(session->conn)));
}

enum err
sessions_add(struct sessions *s, uint64_t conn, const struct role_peer *peer, struct session **out)
{
	struct session *session;
	struct owner *owner;
	enum err e = get_owner(s, peer, &owner);

	if (e != OK)
		return e;
	if (owner->n >= s->limits.per_gate_max)
		return ERR_LIMIT;
	session = calloc(1, sizeof(*session));
	if (session == NULL)
		return ERR_NOMEM;
	session->conn = conn;
	session->owner = *peer;
	e = link_in(s, session);
	if (e != OK) {
		free(session);
		return e;
	}
	count(s, owner);
	*out = session;
	return OK;
}

/* Those that are at gates are passed over: they are few. */
static void
forget_oldest_relayed(struct sessions *s)
{
	struct session *session = session_of(s->by_conn.first);

	while (session != NULL && session->owner.kind != ROLE_RELAY)
		session = session_of(session->entry.next);
	if (session != NULL)
		sessions_forget(s, session);
}

enum err
sessions_move(struct sessions *s, struct session *session, const struct role_peer *relay)
{
	struct owner *owner;
	enum err e = get_owner(s, relay, &owner);

	if (e != OK)
		return e;
	if (s->n_relayed >= s->limits.relayed_max)
		forget_oldest_relayed(s);
	/* To the end: the order is that of the moves. */
	table_remove(&s->by_conn, &session->entry);
	e = link_in(s, session);
	assert(e == OK);
	uncount(s, &session->owner);
	session->owner = *relay;
	count(s, owner);
	return OK;
}

void
sessions_forget(struct sessions *s, struct session *session)
{
	uncount(s, &session->owner);
	table_remove(&s->by_conn, &session->entry);
	session_free(session);
}

size_t
sessions_forget_all_of(struct sessions *s, const struct role_peer *peer)
{
	struct owner *owner = find_owner(s, peer);
	struct session *session, *next;
	size_t before = s->by_conn.n;

	if (owner == NULL)
		return 0;
	for (session = session_of(s->by_conn.first); session != NULL; session = next) {
		next = session_of(session->entry.next);
		if (role_peer_equal(&session->owner, peer))
			sessions_forget(s, session);
	}
	drop_owner(s, owner);
	return before - s->by_conn.n;
}

struct span
offer_shown(const struct offer *offer)
{
	return offer->cert != NULL ? cert_blob(offer->cert) : pubkey_blob(offer->key);
}

struct offer *
session_find_offer(
	const struct session *session, struct span user, struct span key, struct span algorithm)
{
	struct offer *o = session->offers;

	while (o != NULL &&
		!(span_is(user, o->user) && span_equal(key, offer_shown(o)) &&
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
