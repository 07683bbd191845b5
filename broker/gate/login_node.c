/*
 * The node's side of a login: placement, the node's answers, and the next node when one fails.
 */
#include "broker/gate/login_impl.h"
#include "broker/gate/methods.h"
#include "common/log.h"

#include <stdio.h>
#include <unistd.h>

/* Has the user shown anything yet that tells him from a stranger? */
static bool
has_proved_something(const struct login *l)
{
	return l->n_proofs > 0;
}

static enum err
ask_placement(struct login *l)
{
	struct msg_place m = {
		.conn = l->id,
		.attempt = l->attempt,
		.user = span_str(l->user),
		.excluded = buf_span(&l->excluded),
		.authenticated = has_proved_something(l),
	};

	return gate_links_to_director(l->env->links, MSG_PLACE, msg_place_fields, &m);
}

void
login_place(struct login *l)
{
	enum err e;

	l->attempt++;
	login_set_state(l, LOGIN_PLACE);
	e = ask_placement(l);
	/* Without a director the login waits for the next one; the state's time is the limit. */
	if (e != OK && e != ERR_CLOSED)
		login_fail_internal(l, e, "asking for a node");
}

/* One that is being handed over is announced by its relay. */
static void
accept_director(struct login *l)
{
	struct msg_accepted m = {.conn = l->id, .client = l->client_addr};
	enum err e;

	if (l->state == LOGIN_HAND_OVER)
		return;
	e = gate_links_to_director(l->env->links, MSG_ACCEPTED, msg_accepted_fields, &m);
	if (e == OK && l->state == LOGIN_PLACE)
		e = ask_placement(l);
	if (e != OK)
		log_debug(
			"login id=%s: not announced to the director: %s", l->id_text, err_text(e));
}

/* What a keyholder that died was asked: a signature is asked for again, a certificate belongs to what it knew. */
static void
accept_keyholder(struct login *l)
{
	if (l->state == LOGIN_OFFER || l->state == LOGIN_PROVE)
		login_refuse(l, SSH_DISCONNECT_SERVICE_NOT_AVAILABLE,
			"the broker was restarted in the middle of the login, please try again");
}

void
login_on_link_up(struct login *l, const struct role_peer *peer)
{
	if (!login_is_alive(l))
		return;
	if (peer->kind == ROLE_DIRECTOR)
		accept_director(l);
	else if (peer->kind == ROLE_KEYHOLDER)
		accept_keyholder(l);
	else if (peer->kind == ROLE_RELAY && l->state == LOGIN_HAND_OVER && !l->handing_over)
		login_hand_over(l);
}

static void on_ready(void *arg, struct span methods, bool is_open);
static void on_message(void *arg, struct span payload);
static void on_banner(void *arg, struct span payload);
static void on_failed(
	void *arg, enum node_failure cause, enum ssh_disconnect code, const char *text);

static const struct node_leg_events node_events = {
	.on_ready = on_ready,
	.on_message = on_message,
	.on_banner = on_banner,
	.on_failed = on_failed,
};

void
login_on_placed(struct login *l, const struct msg_placed *m, int fd)
{
	struct node_leg_params params = {
		.placed = m,
		.config = l->env->config,
		.user = l->user,
		.client_ident = transport_peer_ident(login_leg_transport(l->client)),
		.client_cipher = transport_cipher(login_leg_transport(l->client), CIPHER_OPEN),
		.client_mac = transport_mac(login_leg_transport(l->client), CIPHER_OPEN),
	};
	enum err e;

	if (l->state != LOGIN_PLACE || m->attempt != l->attempt) {
		close(fd);
		return;
	}
	node_leg_free(l->node);
	l->node = NULL;
	l->node_is_lost = false;
	l->node_ready = false;
	l->node_open = false;
	l->node_has_answered = false;
	l->secret_sent = false;
	l->n_replayed = 0;
	l->n_old_banners = l->n_banners;
	login_drop_offer(l);
	e = node_leg_new(l->env->base, fd, &params, &node_events, l, &l->node);
	if (e != OK) {
		login_fail_internal(l, e, "node leg");
		return;
	}
	login_leg_count(node_leg_under(l->node), &l->env->counts->limits);
	login_set_state(l, LOGIN_DIAL);
}

void
login_on_not_placed(struct login *l, const struct msg_not_placed *m)
{
	char text[MSG_TEXT_MAX + 1];

	if (l->state != LOGIN_PLACE || m->attempt != l->attempt)
		return;
	log_printable(m->text, text, sizeof(text));
	login_refuse(l,
		m->reason == NOT_PLACED_NO_NODES ? SSH_DISCONNECT_SERVICE_NOT_AVAILABLE
						 : SSH_DISCONNECT_TOO_MANY_CONNECTIONS,
		text);
}

void
login_send_node(struct login *l, struct span payload)
{
	enum err e = node_leg_send(l->node, payload);

	if (e != OK)
		login_fail_internal(l, e, "sending to the node");
	else
		login_set_state(l, LOGIN_ANSWER);
}

static enum err
set_methods(struct login *l, struct span methods)
{
	buf_clear(&l->methods);
	return methods_filter(methods, &l->methods);
}

static void
report_methods(struct login *l, struct span methods)
{
	struct msg_node_methods m = {
		.conn = l->id, .node = span_str(node_leg_name(l->node)), .methods = methods};

	if (gate_links_to_director(l->env->links, MSG_NODE_METHODS, msg_node_methods_fields, &m) !=
		OK)
		log_debug("login id=%s: methods not reported, the director is away", l->id_text);
}

static void
on_ready(void *arg, struct span methods, bool is_open)
{
	struct login *l = arg;
	enum err e = OK;

	l->node_ready = true;
	l->node_open = is_open;
	report_methods(l, is_open ? span_str(MSG_METHOD_NONE) : methods);
	if (!is_open) {
		/* In the middle of a login the list of the first node, after partial success, still counts. */
		if (l->n_proofs == 0)
			e = set_methods(l, methods);
	}
	if (e != OK)
		login_fail_internal(l, e, "method list");
	else if (l->state == LOGIN_DIAL)
		login_work(l);
}

/* The users of a second node have seen what the first one said. */
static bool
is_repeated_banner(const struct login *l, struct span payload)
{
	for (size_t i = 0; i < l->n_old_banners; i++) {
		if (span_equal(buf_span(&l->banners[i]), payload))
			return true;
	}
	return false;
}

static void
remember_banner(struct login *l, struct span payload)
{
	if (l->n_banners < LOGIN_BANNERS_MAX &&
		buf_append_exact(&l->banners[l->n_banners], payload.ptr, payload.len) == OK)
		l->n_banners++;
}

static void
on_banner(void *arg, struct span payload)
{
	struct login *l = arg;
	struct auth_banner banner;

	if (auth_banner_parse(payload, &banner) != OK) {
		login_node_lost(l, NODE_FAILURE_PROTOCOL, SSH_DISCONNECT_NONE,
			"the node sent a malformed banner");
		return;
	}
	if (is_repeated_banner(l, payload))
		return;
	l->n_banner_bytes += payload.len;
	if (l->n_banner_bytes > LOGIN_BANNER_BYTES_MAX) {
		login_hit(l, LIMIT_GATE_BANNER_BYTES);
		login_node_lost(l, NODE_FAILURE_PROTOCOL, SSH_DISCONNECT_NONE,
			"the node sent too many banners");
		return;
	}
	remember_banner(l, payload);
	login_send_client(l, payload);
}

static void
add_method(struct login *l, const struct auth_request *rq)
{
	const char *name = auth_method_name(rq->kind);
	size_t len = strlen(l->method);

	snprintf(l->method + len, sizeof(l->method) - len, "%s%s", len > 0 ? "+" : "",
		name != NULL ? name : "other");
}

/* Partial success by key can be shown to another node; keep what the client signed. */
static void
keep_proof(struct login *l, const struct auth_request *rq)
{
	if (rq->kind != AUTH_PUBLICKEY || l->n_proofs == LOGIN_PROOFS_MAX)
		return;
	if (buf_append_exact(&l->proofs[l->n_proofs], l->payload.data + l->payload.head,
		    l->payload.len) == OK) {
		l->n_proofs++;
		l->n_replayed++;
	}
}

static void
lose_to_nonsense(struct login *l)
{
	login_node_lost(l, NODE_FAILURE_PROTOCOL, SSH_DISCONNECT_NONE,
		"the node sent an unexpected authentication message");
}

/* The answer to something replayed: only what the first node said lets the login go on. */
static void
on_replayed(struct login *l, bool partial)
{
	if (!partial) {
		login_refuse(l, SSH_DISCONNECT_BY_APPLICATION,
			"the node failed in the middle of the login, please try again");
		return;
	}
	l->n_replayed++;
	login_work(l);
}

static void
on_failure(struct login *l, const struct auth_request *rq, struct span payload)
{
	struct auth_failure failure;

	if (auth_failure_parse(payload, &failure) != OK || set_methods(l, failure.methods) != OK) {
		lose_to_nonsense(l);
		return;
	}
	l->node_has_answered = true;
	if (login_is_replaying(l)) {
		on_replayed(l, failure.partial_success);
		return;
	}
	if (failure.partial_success) {
		/* Who gets on is no stranger who floods. */
		l->n_requests = 0;
		add_method(l, rq);
		keep_proof(l, rq);
	}
	login_drop_offer(l);
	login_answer_failure(l, failure.partial_success);
}

static void
on_pk_ok(struct login *l, const struct auth_request *rq, struct span payload)
{
	struct auth_pk_ok ok;
	struct buf b = {0};

	if (rq->has_signature || auth_pk_ok_parse(payload, &ok) != OK) {
		lose_to_nonsense(l);
		return;
	}
	if (auth_pk_ok_write(rq->algorithm, rq->key, &b) == OK)
		login_send_client(l, buf_span(&b));
	buf_clear(&b);
	buf_clear(&l->payload);
	if (login_is_alive(l))
		login_set_state(l, LOGIN_AUTH);
}

/* The node asks the user something: his turn. */
static void
on_question(struct login *l, const struct auth_request *rq, struct span payload)
{
	struct auth_info_request question;
	struct auth_changereq change;

	if (rq->kind == AUTH_KBDINT && auth_info_request_parse(payload, &question) == OK)
		l->kbdint_open = true;
	else if (rq->kind != AUTH_PASSWORD || auth_changereq_parse(payload, &change) != OK) {
		lose_to_nonsense(l);
		return;
	}
	login_send_client(l, payload);
	if (login_is_alive(l))
		login_set_state(l, LOGIN_AUTH);
}

static void
on_success(struct login *l, const struct auth_request *rq, struct span payload)
{
	if (auth_success_parse(payload) != OK) {
		lose_to_nonsense(l);
		return;
	}
	add_method(l, rq);
	login_succeed(l);
}

static void
on_message(void *arg, struct span payload)
{
	struct login *l = arg;
	struct auth_request rq;

	if (l->state != LOGIN_ANSWER || auth_request_parse(login_current_payload(l), &rq) != OK) {
		lose_to_nonsense(l);
		return;
	}
	switch (payload.ptr[0]) {
	case SSH_MSG_USERAUTH_SUCCESS:
		on_success(l, &rq, payload);
		break;
	case SSH_MSG_USERAUTH_FAILURE:
		on_failure(l, &rq, payload);
		break;
	case SSH_MSG_USERAUTH_PK_OK:
		l->node_has_answered = true;
		if (rq.kind == AUTH_PUBLICKEY)
			on_pk_ok(l, &rq, payload);
		else
			on_question(l, &rq, payload);
		break;
	default:
		lose_to_nonsense(l);
		break;
	}
}

static void
on_failed(void *arg, enum node_failure cause, enum ssh_disconnect code, const char *text)
{
	login_node_lost(arg, cause, code, text);
}

static void
report_failure(struct login *l, enum node_failure cause, const char *text)
{
	struct msg_node_failed m = {.conn = l->id,
		.attempt = l->attempt,
		.cause = (uint8_t)cause,
		.text = span_str(text)};

	if (gate_links_to_director(l->env->links, MSG_NODE_FAILED, msg_node_failed_fields, &m) !=
		OK)
		log_debug(
			"login id=%s: node failure not reported, the director is away", l->id_text);
}

static bool
exclude_node(struct login *l)
{
	const char *name = node_leg_name(l->node);

	if (l->excluded.len > 0 && buf_append(&l->excluded, ",", 1) != OK)
		return false;
	return buf_append(&l->excluded, name, strlen(name)) == OK &&
		l->excluded.len <= MSG_TEXT_MAX;
}

/*
 * What a node says on purpose to what the user did, as sshd after too many failures, is no failure of the node's, and
 * every other one would say the same.
 */
static bool
is_refusal(const struct login *l, enum ssh_disconnect code)
{
	return code != SSH_DISCONNECT_NONE &&
		(l->node_has_answered || (l->state == LOGIN_ANSWER && !login_is_replaying(l)));
}

/* Why no other node may be tried for this user, in words for him; NULL: one may. */
static const char *
reason_to_end(const struct login *l)
{
	if (l->secret_sent)
		return "a password was sent to it already, so no other node is tried";
	if (l->attempt >= l->env->config->limits.node_tries_max) {
		login_hit(l, LIMIT_NODE_TRIES);
		return "and so did others before it (limits.node_tries_max)";
	}
	return NULL;
}

static void
end_with_node(struct login *l, enum ssh_disconnect code, const char *text, const char *reason)
{
	char words[LOGIN_TEXT_MAX];

	/* What a node says on purpose is said to its user as it stands. */
	if (code != SSH_DISCONNECT_NONE)
		snprintf(words, sizeof(words), "%s", text);
	else
		snprintf(words, sizeof(words), "node %s failed during the login: %s; %s",
			node_leg_name(l->node), text, reason);
	login_refuse(l, code != SSH_DISCONNECT_NONE ? code : SSH_DISCONNECT_CONNECTION_LOST, words);
}

/*
 * The node object is in use by its own callback, so it is only stopped here; the next placement frees it.  That may be
 * long after, so the node is not left waiting.
 */
void
login_node_lost(
	struct login *l, enum node_failure cause, enum ssh_disconnect code, const char *text)
{
	bool is_working = l->state != LOGIN_AUTH;
	const char *reason;

	if (!login_is_alive(l) || l->state == LOGIN_HAND_OVER)
		return;
	if (is_refusal(l, code)) {
		login_refuse(l, code, text);
		return;
	}
	reason = reason_to_end(l);
	log_warn("login id=%s user=%s: node %s failed: %s", l->id_text, l->user,
		node_leg_name(l->node), text);
	login_leg_stop(node_leg_under(l->node));
	/* What broke the protocol on a level above the transport, which would have said so itself. */
	if (cause == NODE_FAILURE_PROTOCOL)
		login_leg_last_words(node_leg_under(l->node), SSH_DISCONNECT_PROTOCOL_ERROR, text);
	login_leg_cut(node_leg_under(l->node));
	report_failure(l, cause, text);
	if (reason != NULL || !exclude_node(l)) {
		end_with_node(l, code, text, reason != NULL ? reason : "too many failed");
		return;
	}
	l->node_ready = false;
	l->node_is_lost = true;
	if (is_working)
		login_place(l);
}
