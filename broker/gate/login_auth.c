/*
 * The client's authentication requests, one at a time, and what is done for each.  (RFC 4252, RFC 4256)
 */
#include "broker/gate/login_impl.h"
#include "common/log.h"
#include "common/ssh/cert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
fail_protocol(struct login *l, const char *text)
{
	login_refuse(l, SSH_DISCONNECT_PROTOCOL_ERROR, text);
}

void
login_send_client(struct login *l, struct span payload)
{
	enum err e = login_leg_send(l->client, payload);

	if (e != OK)
		login_fail_internal(l, e, "sending to the client");
}

bool
login_is_replaying(const struct login *l)
{
	return l->n_replayed < l->n_proofs;
}

struct span
login_current_payload(const struct login *l)
{
	return buf_span(login_is_replaying(l) ? &l->proofs[l->n_replayed] : &l->payload);
}

void
login_drop_offer(struct login *l)
{
	buf_clear(&l->offer.key);
	buf_clear(&l->offer.certificate);
	l->offer.algorithm[0] = '\0';
}

/* Someone whose methods none can carry would otherwise see "Permission denied" and no reason. */
static void
explain_no_methods(struct login *l)
{
	char text[LOGIN_TEXT_MAX];
	struct buf b = {0};

	snprintf(text, sizeof(text),
		"sshbroker: the nodes of this pool allow no way to log in that works through the "
		"broker (publickey, password, keyboard-interactive); please tell the "
		"administrator (id %s)\r\n",
		l->id_text);
	if (auth_banner_write(span_str(text), span_str(""), &b) == OK)
		login_send_client(l, buf_span(&b));
	buf_clear(&b);
}

/* As sshd: the first request may ask for the methods; whoever goes on asking is no client that wants to log in. */
static bool
counts_as_try(const struct login *l, const struct auth_request *rq)
{
	return rq->kind != AUTH_NONE || l->n_requests > 1;
}

static void
refuse_tries(struct login *l, const char *text)
{
	login_hit(l, LIMIT_AUTH_TRIES);
	login_refuse(l, SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, text);
}

void
login_answer_failure(struct login *l, bool partial)
{
	struct auth_request rq = {0};
	struct buf b = {0};
	enum err e;

	if (auth_request_parse(buf_span(&l->payload), &rq) == OK && !partial &&
		counts_as_try(l, &rq))
		l->n_failures++;
	if (l->n_failures > l->env->config->limits.auth_tries_max) {
		refuse_tries(l, "too many authentication failures (limits.auth_tries_max)");
		return;
	}
	if (l->methods.len == 0)
		explain_no_methods(l);
	e = auth_failure_write(buf_span(&l->methods), partial, &b);
	if (e == OK)
		login_send_client(l, buf_span(&b));
	buf_clear(&b);
	buf_clear(&l->payload);
	if (e != OK)
		login_fail_internal(l, e, "failure message");
	else if (login_is_alive(l))
		login_set_state(l, LOGIN_AUTH);
}

static void
show_banner(struct login *l)
{
	struct buf b = {0};

	if (l->banner_shown || l->env->banner == NULL)
		return;
	l->banner_shown = true;
	if (auth_banner_write(span_str(l->env->banner), span_str(""), &b) == OK)
		login_send_client(l, buf_span(&b));
	buf_clear(&b);
}

/* As sshd: who begins as one user cannot go on as another. */
static bool
accept_user(struct login *l, const struct auth_request *rq)
{
	if (!span_is(rq->service, AUTH_SERVICE_CONNECTION)) {
		login_refuse(l, SSH_DISCONNECT_SERVICE_NOT_AVAILABLE,
			"only the service ssh-connection can be logged in to");
		return false;
	}
	if (l->user == NULL) {
		l->user = strndup((const char *)rq->user.ptr, rq->user.len);
		if (l->user == NULL)
			login_fail_internal(l, ERR_NOMEM, "user name");
		return l->user != NULL;
	}
	if (!span_is(rq->user, l->user)) {
		fail_protocol(l, "change of user name or service is not allowed");
		return false;
	}
	return true;
}

/*
 * The first "none" asks for the methods only; no node needs to be troubled where they are known, and where no node is
 * known to let anybody in by it.
 */
static bool
answer_is_known(const struct login *l, const struct auth_request *rq)
{
	return rq->kind == AUTH_NONE && l->node == NULL && l->methods.len > 0 &&
		!wire_namelist_has(span_str(l->env->known_methods), span_str(MSG_METHOD_NONE));
}

static void
on_request(struct login *l, struct span payload)
{
	struct auth_request rq;
	enum err e;

	if (auth_request_parse(payload, &rq) != OK) {
		fail_protocol(l, "malformed authentication request");
		return;
	}
	if (!accept_user(l, &rq))
		return;
	if (++l->n_requests > l->env->config->limits.auth_tries_max * LOGIN_REQUESTS_PER_TRY) {
		refuse_tries(l, "too many authentication requests (limits.auth_tries_max)");
		return;
	}
	show_banner(l);
	if (!login_is_alive(l))
		return;
	/* A new request abandons a conversation (RFC 4252 section 5.1); the node sees the same and does so too. */
	l->kbdint_open = false;
	e = buf_append_span(&l->payload, payload);
	if (e != OK) {
		login_fail_internal(l, e, "authentication request");
		return;
	}
	if (answer_is_known(l, &rq))
		login_answer_failure(l, false);
	else
		login_work(l);
}

/*
 * The node that asked is gone, and what it was told is nobody else's.  The client is to try again, which the next node
 * will see; that is no failure of the user's, so nothing counts as having been worked on.
 */
static void
forget_answer(struct login *l)
{
	char text[LOGIN_TEXT_MAX];
	struct buf b = {0};

	snprintf(text, sizeof(text),
		"sshbroker: node %s failed while it waited for your answer; please answer once "
		"more (id %s)\r\n",
		node_leg_name(l->node), l->id_text);
	if (auth_banner_write(span_str(text), span_str(""), &b) == OK)
		login_send_client(l, buf_span(&b));
	buf_clear(&b);
	buf_clear(&l->payload);
	if (login_is_alive(l))
		login_answer_failure(l, false);
}

static void
on_info_response(struct login *l, struct span payload)
{
	uint32_t n;
	enum err e;

	if (!l->kbdint_open || l->node == NULL) {
		fail_protocol(l, "an answer where nothing was asked");
		return;
	}
	if (auth_info_response_parse(payload, &n) != OK) {
		fail_protocol(l, "malformed keyboard-interactive answer");
		return;
	}
	l->kbdint_open = false;
	if (l->node_is_lost) {
		forget_answer(l);
		return;
	}
	l->secret_sent = true;
	/* What is worked on stays the keyboard-interactive request. */
	e = node_leg_send(l->node, payload);
	if (e != OK)
		login_fail_internal(l, e, "sending to the node");
	else
		login_set_state(l, LOGIN_ANSWER);
}

void
login_on_auth_packet(struct login *l, struct span payload)
{
	if (payload.ptr[0] == SSH_MSG_USERAUTH_REQUEST) {
		buf_clear(&l->payload);
		on_request(l, payload);
	} else if (payload.ptr[0] == SSH_MSG_USERAUTH_INFO_RESPONSE) {
		on_info_response(l, payload);
	} else {
		fail_protocol(l, "unexpected authentication message");
	}
}

static void
ask_offer(struct login *l, const struct auth_request *rq)
{
	struct msg_offer m = {
		.conn = l->id,
		.request = ++l->request,
		.client = l->client_addr,
		.source = login_leg_local_addr(node_leg_under(l->node)),
		.user = span_str(l->user),
		.node = span_str(node_leg_name(l->node)),
		.node_identity = span_str(node_leg_identity(l->node)),
		.algorithm = rq->algorithm,
		.key = rq->key,
	};
	enum err e = gate_links_to_keyholder(l->env->links, MSG_OFFER, msg_offer_fields, &m);

	login_drop_offer(l);
	snprintf(l->offer.client_algorithm, sizeof(l->offer.client_algorithm), "%.*s",
		(int)rq->algorithm.len, (const char *)rq->algorithm.ptr);
	if (e == OK)
		e = buf_append_span(&l->offer.key, rq->key);
	if (e == OK)
		login_set_state(l, LOGIN_OFFER);
	else if (e == ERR_CLOSED)
		login_refuse(l, SSH_DISCONNECT_SERVICE_NOT_AVAILABLE,
			"key logins are interrupted for a moment, please try again");
	else
		login_fail_internal(l, e, "asking for a certificate");
}

static void
ask_proof(struct login *l)
{
	struct msg_prove m = {
		.conn = l->id,
		.request = ++l->request,
		.client_request = login_current_payload(l),
		.node_session_id = transport_session_id(
			login_leg_transport(node_leg_under(l->node))),
	};
	enum err e = gate_links_to_keyholder(l->env->links, MSG_PROVE, msg_prove_fields, &m);

	if (e == OK)
		login_set_state(l, LOGIN_PROVE);
	else if (e == ERR_CLOSED)
		login_refuse(l, SSH_DISCONNECT_SERVICE_NOT_AVAILABLE,
			"key logins are interrupted for a moment, please try again");
	else
		login_fail_internal(l, e, "asking for a proof");
}

/* Ask the node about the certificate, or show it with our signature. */
static void
send_publickey(
	struct login *l, struct span algorithm, struct span certificate, struct span signature)
{
	struct auth_request rq = {
		.user = span_str(l->user),
		.service = span_str(AUTH_SERVICE_CONNECTION),
		.kind = AUTH_PUBLICKEY,
		.has_signature = signature.len > 0,
		.algorithm = algorithm,
		.key = certificate,
		.signature = signature,
	};
	struct buf b = {0};
	enum err e = auth_request_write(&rq, &b);

	if (e == OK)
		login_send_node(l, buf_span(&b));
	else
		login_fail_internal(l, e, "request to the node");
	buf_clear(&b);
}

static void
work_publickey(struct login *l, const struct auth_request *rq)
{
	bool offered = l->offer.certificate.len > 0 &&
		span_equal(buf_span(&l->offer.key), rq->key) &&
		span_is(rq->algorithm, l->offer.client_algorithm);

	if (!offered)
		ask_offer(l, rq);
	else if (rq->has_signature)
		ask_proof(l);
	else
		send_publickey(l, span_str(l->offer.algorithm), buf_span(&l->offer.certificate),
			span_of(NULL, 0));
}

static void
work_request(struct login *l, const struct auth_request *rq)
{
	switch (rq->kind) {
	case AUTH_NONE:
		login_answer_failure(l, false);
		break;
	case AUTH_PASSWORD:
		l->secret_sent = true;
		login_send_node(l, buf_span(&l->payload));
		break;
	case AUTH_KBDINT:
		login_send_node(l, buf_span(&l->payload));
		break;
	case AUTH_PUBLICKEY:
		work_publickey(l, rq);
		break;
	default:
		/* Not in the list that we showed. */
		login_answer_failure(l, false);
		break;
	}
}

void
login_work(struct login *l)
{
	struct auth_request rq;

	if (l->node == NULL || l->node_is_lost) {
		login_place(l);
		return;
	}
	if (!l->node_ready) {
		login_set_state(l, LOGIN_DIAL);
		return;
	}
	if (l->node_open) {
		snprintf(l->method, sizeof(l->method), "none");
		login_succeed(l);
		return;
	}
	/* It was parsed before it was kept. */
	if (auth_request_parse(login_current_payload(l), &rq) != OK)
		login_fail_internal(l, ERR_FORMAT, "kept request");
	else
		work_request(l, &rq);
}

/* What is refused here is no news for the user: the key simply does not work. */
static void
refuse_key(struct login *l)
{
	login_drop_offer(l);
	if (login_is_replaying(l))
		login_refuse(l, SSH_DISCONNECT_BY_APPLICATION,
			"the node failed in the middle of the login, please try again");
	else
		login_answer_failure(l, false);
}

static void
refuse_for_keyholder(struct login *l, enum err e)
{
	char text[LOGIN_TEXT_MAX];

	if (e == ERR_NOT_FOUND) {
		/* It was restarted since our key exchange and does not know us. */
		login_refuse(l, SSH_DISCONNECT_SERVICE_NOT_AVAILABLE,
			"the broker was restarted in the middle of the login, please try again");
		return;
	}
	snprintf(text, sizeof(text), "login id=%s user=%s: key refused by the keyholder: %s",
		l->id_text, l->user, err_text(e));
	log_info("%s", text);
	refuse_key(l);
}

static bool
set_offer(struct login *l, const struct msg_offered *m)
{
	if (m->algorithm.len == 0 || m->algorithm.len >= sizeof(l->offer.algorithm) ||
		m->certificate.len == 0)
		return false;
	memcpy(l->offer.algorithm, m->algorithm.ptr, m->algorithm.len);
	l->offer.algorithm[m->algorithm.len] = '\0';
	buf_clear(&l->offer.certificate);
	return buf_append_span(&l->offer.certificate, m->certificate) == OK;
}

void
login_on_offered(struct login *l, const struct msg_offered *m)
{
	if (l->state != LOGIN_OFFER || m->request != l->request)
		return;
	if (m->err != OK)
		refuse_for_keyholder(l, m->err);
	else if (!set_offer(l, m))
		login_fail_internal(l, ERR_LIMIT, "certificate");
	else
		login_work(l);
}

static void
remember_fingerprint(struct login *l)
{
	struct auth_request rq;

	if (auth_request_parse(login_current_payload(l), &rq) == OK)
		cert_fingerprint(rq.key, l->fingerprint);
}

/* The certificate that comes with the proof is the one to use: it may say more than the offered one. */
void
login_on_proved(struct login *l, const struct msg_proved *m)
{
	if (l->state != LOGIN_PROVE || m->request != l->request)
		return;
	if (m->err != OK) {
		refuse_for_keyholder(l, m->err);
		return;
	}
	if (m->algorithm.len == 0 || m->certificate.len == 0 || m->signature.len == 0) {
		login_fail_internal(l, ERR_FORMAT, "proof");
		return;
	}
	remember_fingerprint(l);
	send_publickey(l, m->algorithm, m->certificate, m->signature);
	login_drop_offer(l);
}
