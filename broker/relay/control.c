/*
 * The relayed messages that are looked at.
 */
#include "broker/relay/control.h"

#include "broker/relay/ending.h"
#include "broker/relay/peek.h"
#include "broker/relay/process.h"

#include "common/log.h"
#include "common/ssh/wire.h"

static const uint8_t request_failure[] = {SSH_MSG_REQUEST_FAILURE};

/* Seal a packet of our own behind what was relayed to this side before. */
static enum err
send_to(struct connection *c, enum side to, struct span payload)
{
	struct batch *b = &c->process->batch;
	struct leg *l = &c->legs[to];
	enum err e = OK;

	if (!leg_is_open(l) || l->is_told || transport_failure(l->transport)->code != 0)
		return OK;
	if (b->leg == l)
		e = batch_flush(b);
	return e == OK ? transport_send(l->transport, payload) : e;
}

void
connection_send(struct connection *c, enum side to, struct span payload)
{
	enum err e = send_to(c, to, payload);

	if (e != OK)
		ending_by_error(c, to, e);
}

/* --- global requests --- */

/* Answer a request of this side's ourselves, when its turn comes. */
static enum err
answer_locally(struct connection *c, enum side asker, struct span payload)
{
	struct requests *q = &c->requests[asker];
	uint32_t id;
	enum err e;

	e = requests_add(q, REQUEST_LOCAL, NULL, &id);
	if (e == OK)
		e = requests_answer(q, id, payload);
	return e == OK ? control_release(c, asker) : e;
}

/* A free place for a question about so many bytes of keys, or NULL: the keyholder has enough of this client's to do. */
static struct proof *
find_place(struct connection *c, size_t keys_len)
{
	struct proof *place = NULL;
	size_t len = keys_len;

	for (unsigned i = 0; i < CONNECTION_PROOFS_MAX; i++) {
		if (c->proofs[i].question.len == 0)
			place = &c->proofs[i];
		len += c->proofs[i].question.len;
	}
	return len <= MSG_KEY_MAX ? place : NULL;
}

/*
 * A proof costs the keyholder a signature per key, so a client that asks on and on would keep it from everybody else: none
 * that only wants to know asks for more than it was told, or more than a few times.
 */
static struct proof *
take_place(struct connection *c, struct span keys)
{
	struct process *p = c->process;
	struct proof *place = find_place(c, keys.len);

	if (place == NULL || keys.len > links_host_keys(&p->links).len ||
		links_keyholder_is_busy(&p->links))
		return NULL;
	if (c->n_proofs >= CONTROL_PROOFS_MAX) {
		limit_hit(&p->limits, LIMIT_RELAY_HOSTKEY_PROOFS);
		return NULL;
	}
	c->n_proofs++;
	return place;
}

static void
ask_keyholder(struct connection *c, const struct proof *proof)
{
	/* Without a link it waits for the next one. */
	if (proof->question.len > 0)
		links_tell_keyholder(
			&c->process->links, MSG_HOSTKEYS_PROVE, buf_span(&proof->question));
}

/* The client wants proof that we hold the host keys we told it about.  The node cannot give it, the keyholder can. */
static enum err
prove_hostkeys(struct connection *c, const struct peek_global_request *request)
{
	struct msg_hostkeys_prove m = {.conn = c->id, .keys = request->data};
	struct proof *proof;
	enum err e;

	if (!request->want_reply)
		return OK;
	proof = take_place(c, request->data);
	if (proof == NULL)
		return answer_locally(
			c, SIDE_CLIENT, span_of(request_failure, sizeof(request_failure)));
	e = requests_add(&c->requests[SIDE_CLIENT], REQUEST_LOCAL, NULL, &proof->id);
	if (e != OK)
		return e;
	proof->request = m.request = c->process->next_request++;
	e = message_encode(msg_hostkeys_prove_fields, &m, &proof->question);
	if (e == OK)
		ask_keyholder(c, proof);
	return e;
}

void
control_ask_keyholder(struct connection *c)
{
	for (unsigned i = 0; i < CONNECTION_PROOFS_MAX; i++)
		ask_keyholder(c, &c->proofs[i]);
}

static struct proof *
find_proof(struct connection *c, uint32_t request)
{
	for (unsigned i = 0; i < CONNECTION_PROOFS_MAX; i++) {
		if (c->proofs[i].question.len > 0 && c->proofs[i].request == request)
			return &c->proofs[i];
	}
	return NULL;
}

void
control_on_proved(struct connection *c, const struct msg_hostkeys_proved *m)
{
	struct proof *proof = find_proof(c, m->request);
	struct buf b = {0};
	enum err e;

	if (proof == NULL)
		return;
	buf_clear(&proof->question);
	e = wire_put_u8(&b, m->err == OK ? SSH_MSG_REQUEST_SUCCESS : SSH_MSG_REQUEST_FAILURE);
	if (e == OK && m->err == OK)
		e = wire_put_bytes(&b, m->signatures);
	if (e == OK)
		e = requests_answer(&c->requests[SIDE_CLIENT], proof->id, buf_span(&b));
	if (e == OK)
		e = control_release(c, SIDE_CLIENT);
	buf_clear(&b);
	if (e != OK)
		ending_by_error(c, SIDE_CLIENT, e);
}

/* The number that the next relayed packet has on a leg; unknown while it waits for keys. */
static const uint32_t *
next_seq(const struct leg *l, uint32_t *seq)
{
	if (!transport_is_clear(l->transport))
		return NULL;
	*seq = transport_next_seq(l->transport);
	return seq;
}

static enum err
on_global_request(
	struct connection *c, enum side from, struct span payload, enum control_fate *fate)
{
	struct peek_global_request request;
	uint32_t seq;

	if (peek_global_request(payload, &request) != OK)
		return ERR_FORMAT;
	if (from == SIDE_CLIENT && span_is(request.name, PEEK_HOSTKEYS_PROVE)) {
		*fate = CONTROL_DROP;
		return prove_hostkeys(c, &request);
	}
	/* The node's keys are not the ones that the client sees. */
	if (from == SIDE_NODE && span_is(request.name, PEEK_HOSTKEYS)) {
		*fate = CONTROL_DROP;
		return request.want_reply
			? answer_locally(c, from, span_of(request_failure, sizeof(request_failure)))
			: OK;
	}
	if (!request.want_reply)
		return OK;
	return requests_add(&c->requests[from], REQUEST_FORWARDED,
		next_seq(&c->legs[side_other(from)], &seq), NULL);
}

static enum err
on_reply(struct connection *c, enum side from, struct span payload, enum control_fate *fate)
{
	enum request_reply reply;
	enum err e = requests_reply(&c->requests[side_other(from)], payload, &reply);

	if (e == OK)
		*fate = reply == REQUEST_PASS ? CONTROL_RELAY_REPLY : CONTROL_DROP;
	return e;
}

enum err
control_release(struct connection *c, enum side asker)
{
	struct requests *q = &c->requests[asker];
	struct span answer;
	enum err e;

	while (requests_next(q, &answer)) {
		e = send_to(c, asker, answer);
		if (e != OK)
			return e;
		requests_sent(q);
	}
	return OK;
}

/* --- PING and PONG --- */

static enum err
on_ping(struct connection *c, enum side from, struct span payload, enum control_fate *fate)
{
	struct leg *to = &c->legs[side_other(from)];
	struct buf b = {0};
	enum err e;

	if (transport_peer_has_ping(to->transport)) {
		if (to->n_pings < UINT32_MAX)
			to->n_pings++;
		return OK;
	}
	*fate = CONTROL_DROP;
	e = peek_write_pong(payload, &b);
	if (e == OK)
		e = send_to(c, from, buf_span(&b));
	buf_clear(&b);
	return e;
}

static enum err
on_pong(struct connection *c, enum side from, enum control_fate *fate)
{
	struct leg *l = &c->legs[from];

	if (l->n_pings > 0)
		l->n_pings--;
	else
		*fate = CONTROL_DROP;
	return OK;
}

/* --- all of them --- */

enum err
control_see(struct connection *c, enum side from, struct span payload, enum control_fate *fate)
{
	uint8_t type = payload.ptr[0];

	*fate = CONTROL_RELAY;
	switch (type) {
	case SSH_MSG_GLOBAL_REQUEST:
		return on_global_request(c, from, payload, fate);
	case SSH_MSG_REQUEST_SUCCESS:
	case SSH_MSG_REQUEST_FAILURE:
		return on_reply(c, from, payload, fate);
	case SSH_MSG_PING:
		return on_ping(c, from, payload, fate);
	case SSH_MSG_PONG:
		return on_pong(c, from, fate);
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
	case SSH_MSG_CHANNEL_CLOSE:
		ledger_see(&c->ledger, from, type);
		return OK;
	default:
		return OK;
	}
}

enum err
control_unimplemented(struct connection *c, enum side from, uint32_t seq)
{
	enum side other = side_other(from);
	uint8_t payload[5] = {SSH_MSG_UNIMPLEMENTED};
	uint32_t theirs;
	enum err e = OK;

	/* These come even while the leg may send nothing else, so that no other limit holds them. */
	if (c->legs[from].is_deaf ||
		leg_queued(&c->legs[other]) > c->process->settings.queue_bytes_max)
		return OK;
	requests_unimplemented(&c->requests[other], seq);
	/* One about a packet of our own, or too old a one, concerns nobody. */
	if (seqmap_find(&c->legs[from].sent, seq, &theirs)) {
		wire_poke_u32(payload + 1, theirs);
		e = send_to(c, other, span_of(payload, sizeof(payload)));
	}
	return e == OK ? control_release(c, other) : e;
}

/* --- messages of our own --- */

void
control_send_keepalive(struct connection *c, enum side to)
{
	struct peek_global_request request = {.name = span_str(PEEK_KEEPALIVE), .want_reply = true};
	struct requests *q = &c->requests[side_other(to)];
	struct buf b = {0};
	uint32_t seq;
	enum err e;

	/* A peer that answers none of them is not sent more: its silence is counted all the same. */
	if (q->n_own > c->process->settings.misses_max)
		return;
	e = peek_write_global_request(&request, &b);
	if (e == OK)
		e = requests_add(q, REQUEST_OWN, next_seq(&c->legs[to], &seq), NULL);
	if (e == OK)
		e = send_to(c, to, buf_span(&b));
	buf_clear(&b);
	if (e != OK)
		ending_by_error(c, to, e);
}

void
control_announce_hostkeys(struct connection *c)
{
	struct span keys = links_host_keys(&c->process->links);
	struct peek_global_request request = {.name = span_str(PEEK_HOSTKEYS), .data = keys};
	struct buf b = {0};
	enum err e;

	if (keys.len == 0 || c->has_hostkeys)
		return;
	c->has_hostkeys = true;
	e = peek_write_global_request(&request, &b);
	if (e == OK)
		e = send_to(c, SIDE_CLIENT, buf_span(&b));
	buf_clear(&b);
	if (e != OK)
		ending_by_error(c, SIDE_CLIENT, e);
}
