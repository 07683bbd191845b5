/*
 * PROVE: the client's signature is checked, and only then the node leg's request is signed, once.
 */
#include "broker/keyholder/prove.h"

#include "broker/keyholder/certificate.h"
#include "common/facts.h"
#include "common/ssh/auth_msg.h"

static enum err
read_request(const struct msg_prove *m, struct auth_request *out)
{
	if (m->node_session_id.len < PROVE_SESSION_ID_MIN || m->node_session_id.len > KEX_HASH_MAX)
		return ERR_FORMAT;
	return auth_request_parse(m->client_request, out);
}

/* May this be proved at all, whoever signed it?  (OpenSSH PROTOCOL section 3.1: the first exchange's host key) */
static bool
is_provable(const struct session *session, const struct auth_request *rq)
{
	if (rq->kind != AUTH_PUBLICKEY || !rq->has_signature ||
		!span_is(rq->service, AUTH_SERVICE_CONNECTION))
		return false;
	return !rq->is_hostbound ||
		span_equal(rq->host_key, pubkey_blob(privkey_public(session->host_key)));
}

static enum err
find_offer(struct session *session, const struct auth_request *rq, struct offer **out)
{
	struct offer *o = session_find_offer(session, rq->user, rq->key, rq->algorithm);

	if (o == NULL)
		return ERR_BAD_STATE;
	*out = o;
	return OK;
}

/* The algorithm in the signature of an offer's key. */
static struct span
sigalg_of(const struct offer *offer)
{
	struct span algorithm = span_str(offer->algorithm), sigalg;

	return cert_sigalg(algorithm, &sigalg) == OK ? sigalg : algorithm;
}

/* Any reason why it does not verify is the client's, and the same to everybody. */
static enum err
verify(struct session *session, struct offer *offer, const struct auth_request *rq)
{
	struct span id = span_of(session->id.bytes, session->id.len);
	struct buf data = {0};
	enum err e = auth_signed_data(id, rq, &data);

	if (e == OK &&
		pubkey_verify_sk(offer->key, sigalg_of(offer), buf_span(&data), rq->signature,
			&offer->proved) != OK) {
		session->n_wrong++;
		e = ERR_SIGNATURE;
	}
	buf_clear(&data);
	return e;
}

/*
 * Now it is known whether a security key was touched and got its PIN: the certificate that is minted next says so, and is
 * for a key pair of its own, since nobody kept the private half of the one that was offered.
 */
static enum err
finish_offer(struct offer *offer)
{
	if (offer->ephemeral != NULL)
		return OK;
	offer->facts_flags &= (uint8_t)~FACTS_NOT_FINAL;
	if ((offer->proved.flags & SK_USER_PRESENT) != 0)
		offer->facts_flags |= FACTS_TOUCH_VERIFIED;
	if ((offer->proved.flags & SK_USER_VERIFIED) != 0)
		offer->facts_flags |= FACTS_PIN_VERIFIED;
	return privkey_generate(KEY_ED25519, 0, &offer->ephemeral);
}

/* The node leg's request, up to its signature, is what is signed; the gate builds the same. */
static enum err
sign(const struct offer *offer, struct span node_session_id, struct span certificate,
	struct buf *signature)
{
	struct auth_request rq = {
		.user = span_str(offer->user),
		.service = span_str(AUTH_SERVICE_CONNECTION),
		.kind = AUTH_PUBLICKEY,
		.algorithm = span_str(CERTIFICATE_ALGORITHM),
		.key = certificate,
	};
	struct buf data = {0};
	enum err e = auth_signed_data(node_session_id, &rq, &data);

	if (e == OK)
		e = privkey_sign(
			offer->ephemeral, span_str("ssh-ed25519"), buf_span(&data), signature);
	buf_clear(&data);
	return e;
}

/*
 * The key is spent before anything leaves: what fails after that costs the user another connection, not the rule that
 * each key counts once.
 */
static enum err
sign_once(struct core *c, struct session *session, struct offer *offer, struct span node_session_id,
	const struct proof *out)
{
	struct span certificate;
	enum err e = session_spend(session, offer->key, offer->node);

	if (e != OK)
		return e;
	e = finish_offer(offer);
	if (e == OK)
		e = certificate_mint(c, session->conn, offer, out->certificate);
	certificate = buf_span(out->certificate);
	if (e == OK)
		e = sign(offer, node_session_id, certificate, out->signature);
	session_drop_offers_like(session, offer);
	return e;
}

enum err
prove(struct core *c, const struct role_peer *asker, const struct msg_prove *m,
	const struct proof *out)
{
	struct auth_request rq;
	struct session *session;
	struct offer *offer;
	enum err e = sessions_get(c->sessions, m->conn, asker, &session);

	if (e == OK && core_session_is_late(c, session))
		e = ERR_TIMEOUT;
	if (e == OK && session->n_wrong >= c->config->limits.auth_tries_max)
		e = ERR_LIMIT;
	if (e == OK)
		e = read_request(m, &rq);
	if (e == OK && !is_provable(session, &rq))
		e = ERR_DENIED;
	if (e == OK)
		e = find_offer(session, &rq, &offer);
	if (e == OK)
		e = verify(session, offer, &rq);
	return e == OK ? sign_once(c, session, offer, m->node_session_id, out) : e;
}
