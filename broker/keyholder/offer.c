/*
 * OFFER: a certificate for a key that the user says is theirs.
 */
#include "broker/keyholder/offer.h"

#include "broker/keyholder/certificate.h"
#include "broker/keyholder/user_rules.h"
#include "common/facts.h"
#include "common/ssh/cert_options.h"

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

/* The algorithm of the signature to come: a certificate has one under another name. */
static enum err
read_sigalg(struct span algorithm, struct span *sigalg)
{
	*sigalg = algorithm;
	return cert_is_type_name(algorithm) ? cert_sigalg(algorithm, sigalg) : OK;
}

/*
 * Is this a certificate to ask a node about?  Whether it counts there is the node's to say; one of ours counts nowhere:
 * it says sshbroker-v1 on any line that names principals.
 */
static enum err
check_cert(const struct core *c, const struct cert *cert)
{
	struct cert_options options;
	enum err e = cert_options_read(cert_fields(cert), &options);

	if (e == OK && pubkey_equal(cert_ca_key(cert), privkey_public(keys_user_ca(c->keys))))
		e = ERR_DENIED;
	return e;
}

static enum err
read_cert(const struct core *c, struct span blob, struct offer *o)
{
	enum err e = cert_parse(blob, &o->cert);

	if (e == OK)
		e = check_cert(c, o->cert);
	return e == OK ? pubkey_parse(pubkey_blob(cert_key(o->cert)), &o->key) : e;
}

/* The user's key, and the certificate around it.  What was read is o's, also on failure. */
static enum err
read_key(const struct core *c, const struct msg_offer *m, struct offer *o)
{
	struct span sigalg;
	enum err e = read_sigalg(m->algorithm, &sigalg);

	if (e == OK && sigalg_key_type(sigalg) == KEY_NONE)
		e = ERR_UNSUPPORTED;
	if (e != OK)
		return e;
	e = cert_is_type_name(m->algorithm) ? read_cert(c, m->key, o)
					    : pubkey_parse(m->key, &o->key);
	if (e == OK && pubkey_type(o->key) != sigalg_key_type(sigalg))
		e = ERR_UNSUPPORTED;
	if (span_is(sigalg, SIGALG_WEBAUTHN))
		o->facts_flags |= FACTS_WEBAUTHN;
	return e;
}

static void
set_text(char *out, size_t size, struct span s)
{
	size_t len = s.len < size ? s.len : size - 1;

	memcpy(out, s.ptr, len);
	out[len] = '\0';
}

static enum err
fill(const struct core *c, const struct msg_offer *m, struct offer *o)
{
	enum err e = read_key(c, m, o);

	o->client = m->client;
	o->source = m->source;
	set_text(o->user, sizeof(o->user), m->user);
	set_text(o->algorithm, sizeof(o->algorithm), m->algorithm);
	set_text(o->node, sizeof(o->node), m->node_identity);
	return e == OK ? privkey_generate(KEY_ED25519, 0, &o->ephemeral) : e;
}

static enum err
new_offer(const struct core *c, const struct msg_offer *m, struct offer **out)
{
	struct offer *o = calloc(1, sizeof(*o));
	enum err e = o != NULL ? fill(c, m, o) : ERR_NOMEM;

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
		session_find_offer(session, span_str(offer->user), offer_shown(offer),
			span_str(offer->algorithm)));
	session_add_offer(session, offer);
	session->client = offer->client;
	session->n_offers++;
}

static enum err
mint(const struct core *c, const struct session *session, struct offer *o, struct buf *certificate)
{
	bool is_final = !key_type_is_sk(pubkey_type(o->key));
	enum err e;

	if (session_has_spent(session, o->key, o->node))
		return ERR_DENIED;
	if (!is_final)
		o->facts_flags |= FACTS_NOT_FINAL;
	e = certificate_mint(c, session->conn, o, certificate);
	if (!is_final) {
		privkey_free(o->ephemeral);
		o->ephemeral = NULL;
	}
	return e;
}

static enum err
offer_key(
	struct core *c, struct session *session, const struct msg_offer *m, struct buf *certificate)
{
	struct offer *offer;
	enum err e = new_offer(c, m, &offer);

	if (e != OK)
		return e;
	e = mint(c, session, offer, certificate);
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
	enum err e = sessions_get(c->sessions, m->conn, asker, &session);

	if (e == OK && core_session_is_late(c, session))
		e = ERR_TIMEOUT;
	if (e == OK && session->n_offers >= offers_max(c->config))
		e = ERR_LIMIT;
	if (e == OK)
		e = check(c, session, m);
	return e == OK ? offer_key(c, session, m, certificate) : e;
}
