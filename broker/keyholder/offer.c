/*
 * OFFER: a certificate for a key that the user says is theirs.
 */
#include "broker/keyholder/offer.h"

#include "broker/keyholder/certificate.h"
#include "broker/keyholder/user_rules.h"

#include <stdlib.h>

unsigned
offers_max(const struct config *c)
{
	return c->limits.auth_tries_max * OFFERS_PER_TRY;
}

static bool
node_is_configured(const struct config *c, const struct msg_offer *m)
{
	for (size_t i = 0; i < c->pools.n; i++) {
		const struct config_node_list *nodes = &c->pools.items[i].nodes;

		for (size_t j = 0; j < nodes->n; j++) {
			if (span_is(m->node, nodes->items[j].name) &&
				span_is(m->node_identity, nodes->items[j].identity))
				return true;
		}
	}
	return false;
}

static enum err
check_user(const struct config *c, struct span user)
{
	if (!user_is_sane(user))
		return ERR_FORMAT;
	return user_is_allowed(c, user) ? OK : ERR_DENIED;
}

/* A connection has one client, whatever its gate says later. */
static enum err
check_addresses(const struct core *c, const struct session *session, const struct msg_offer *m)
{
	const struct addr *known = &session->client;

	if (m->client.family == 0)
		return ERR_FORMAT;
	if (m->source.family == 0 && c->config->certificate.source_addresses.n == 0)
		return ERR_FORMAT;
	if (known->family != 0 &&
		!(addr_same_ip(known, &m->client) && known->port == m->client.port))
		return ERR_DENIED;
	return OK;
}

static enum err
check(const struct core *c, const struct session *session, const struct msg_offer *m)
{
	enum err e = check_user(c->config, m->user);

	if (e == OK && !node_is_configured(c->config, m))
		e = ERR_DENIED;
	return e == OK ? check_addresses(c, session, m) : e;
}

/*
 * The user's key.  Certificates and keys on security tokens would get their own reading here, by the algorithm's name:
 * until then they are ERR_UNSUPPORTED, as sigalg_key_type() and pubkey_parse() know plain keys only.
 */
static enum err
read_key(const struct msg_offer *m, struct pubkey **out)
{
	enum key_type type = sigalg_key_type(m->algorithm);
	struct pubkey *key;
	enum err e;

	if (type == KEY_NONE)
		return ERR_UNSUPPORTED;
	e = pubkey_parse(m->key, &key);
	if (e != OK)
		return e;
	if (pubkey_type(key) != type) {
		pubkey_free(key);
		return ERR_UNSUPPORTED;
	}
	*out = key;
	return OK;
}

static void
set_text(char *out, size_t size, struct span s)
{
	size_t len = s.len < size ? s.len : size - 1;

	memcpy(out, s.ptr, len);
	out[len] = '\0';
}

/* Takes key. */
static enum err
new_offer(const struct msg_offer *m, struct pubkey *key, struct offer **out)
{
	struct offer *o = calloc(1, sizeof(*o));
	enum err e;

	if (o == NULL) {
		pubkey_free(key);
		return ERR_NOMEM;
	}
	o->key = key;
	o->client = m->client;
	o->source = m->source;
	set_text(o->user, sizeof(o->user), m->user);
	set_text(o->algorithm, sizeof(o->algorithm), m->algorithm);
	set_text(o->node, sizeof(o->node), m->node_identity);
	e = privkey_generate(KEY_ED25519, 0, &o->ephemeral);
	if (e == OK)
		*out = o;
	else
		offer_free(o);
	return e;
}

/* Takes offer. */
static void
remember(struct session *session, struct offer *offer)
{
	session_drop_offers_elsewhere(session, offer->node);
	session_drop_offer(session,
		session_find_offer(session, span_str(offer->user), pubkey_blob(offer->key),
			span_str(offer->algorithm)));
	session_add_offer(session, offer);
	session->client = offer->client;
	session->n_offers++;
}

/* Takes key. */
static enum err
offer_key(struct core *c, struct session *session, const struct msg_offer *m, struct pubkey *key,
	struct buf *certificate)
{
	struct offer *offer;
	enum err e = new_offer(m, key, &offer);

	if (e != OK)
		return e;
	e = ERR_DENIED;
	if (!session_has_spent(session, offer->key, offer->node))
		e = certificate_mint(c, session->conn, offer, certificate);
	if (e == OK)
		remember(session, offer);
	else
		offer_free(offer);
	return e;
}

enum err
offer_make(struct core *c, const struct role_peer *asker, const struct msg_offer *m,
	struct buf *certificate)
{
	struct session *session;
	struct pubkey *key;
	enum err e = sessions_get(c->sessions, m->conn, asker, &session);

	if (e == OK && core_session_is_late(c, session))
		e = ERR_TIMEOUT;
	if (e == OK && session->n_offers >= offers_max(c->config))
		e = ERR_LIMIT;
	if (e == OK)
		e = check(c, session, m);
	if (e == OK)
		e = read_key(m, &key);
	return e == OK ? offer_key(c, session, m, key, certificate) : e;
}
