/*
 * New keys for a leg.
 */
#include "broker/relay/rekey.h"

#include "broker/messages/sign_request.h"
#include "broker/relay/ending.h"
#include "broker/relay/process.h"

#include <stdlib.h>

static bool
is_alive(const struct leg *l)
{
	return leg_is_open(l) && transport_failure(l->transport)->code == SSH_DISCONNECT_NONE;
}

void
rekey_check(struct connection *c)
{
	for (enum side s = 0; s < SIDES; s++) {
		struct leg *l = &c->legs[s];
		enum err e;

		/* Both legs carry the same bytes and are due together; flow.c says why only one at a time may be. */
		if (!is_alive(l) || !transport_rekey_is_due(l->transport) ||
			transport_is_rekeying(c->legs[side_other(s)].transport))
			continue;
		l->rekey_is_own = true;
		e = transport_rekey(l->transport);
		if (e != OK)
			ending_by_error(c, s, e);
		rekey_notice(c, s);
	}
}

void
rekey_notice(struct connection *c, enum side s)
{
	struct leg *l = &c->legs[s];
	bool is_clear = transport_is_clear(l->transport);

	if (transport_is_rekeying(l->transport) && l->rekey_at == 0)
		l->rekey_at = c->process->now;
	/* Our NEWKEYS went out, and behind it what had waited. */
	if (is_clear && !l->was_clear)
		seqmap_sent_waiting(&l->sent, transport_next_seq(l->transport));
	l->was_clear = is_clear;
}

enum err
rekey_resume(struct connection *c)
{
	struct transport_exchange exchange;

	for (enum side s = 0; s < SIDES; s++)
		rekey_notice(c, s);
	/* Whom the gate asked for a signature is not known any more. */
	if (transport_to_sign(c->legs[SIDE_CLIENT].transport, &exchange) != OK)
		return OK;
	return rekey_sign(c, &exchange);
}

void
rekey_done(struct connection *c, enum side s)
{
	struct leg *l = &c->legs[s];

	c->n_rekeys++;
	l->rekey_is_own = false;
	l->rekey_at = 0;
	/* From here on the peer counts its packets anew. */
	if (transport_is_strict(l->transport))
		seqmap_forget(&c->legs[side_other(s)].sent);
}

enum err
rekey_sign(struct connection *c, const struct transport_exchange *exchange)
{
	struct process *p = c->process;

	rekey_forget(c);
	c->signing = calloc(1, sizeof(*c->signing));
	if (c->signing == NULL)
		return ERR_NOMEM;
	c->signing->exchange = *exchange;
	c->signing->request = p->next_request++;
	c->signing->turn.owner = c;
	if (sign_turns_enter(&p->turns, &c->signing->turn))
		limit_hit(&p->limits, LIMIT_SIGN_TURNS);
	return OK;
}

void
rekey_ask(struct sign_turn *turn)
{
	struct connection *c = turn->owner;
	struct msg_kex_sign m = sign_request_of(c->id, c->signing->request, &c->signing->exchange);
	struct buf b = {0};

	if (message_encode(msg_kex_sign_fields, &m, &b) == OK)
		links_tell_keyholder(&c->process->links, MSG_KEX_SIGN, buf_span(&b));
	buf_clear(&b);
}

void
rekey_forget(struct connection *c)
{
	struct signing *signing = c->signing;

	if (signing == NULL)
		return;
	c->signing = NULL;
	sign_turns_leave(&c->process->turns, &signing->turn);
	free(signing);
}

void
rekey_on_signed(struct connection *c, const struct msg_kex_signed *m)
{
	struct leg *l = &c->legs[SIDE_CLIENT];
	enum err e;

	if (c->signing == NULL || m->request != c->signing->request)
		return;
	rekey_forget(c);
	if (!is_alive(l))
		return;
	if (m->err != OK) {
		ending_by_rekey(
			c, SIDE_CLIENT, END_INTERNAL, "the broker could not sign a key exchange");
		return;
	}
	e = transport_signed(l->transport, m->host_key, m->signature);
	if (e != OK)
		ending_by_error(c, SIDE_CLIENT, e);
	rekey_notice(c, SIDE_CLIENT);
}

static void
look_at_leg(struct connection *c, enum side s)
{
	struct leg *l = &c->legs[s];
	bool waits_for_us = transport_waits_for_signature(l->transport);

	if (!waits_for_us && !l->is_reading) {
		l->rekey_at = c->process->now;
		return;
	}
	if (c->process->now < l->rekey_at + c->process->settings.rekey_timeout_ms)
		return;
	limit_hit(&c->process->limits, LIMIT_REKEY_TIMEOUT);
	if (waits_for_us)
		ending_by_rekey(
			c, s, END_INTERNAL, "the broker could not sign a key exchange in time");
	else if (s == SIDE_CLIENT)
		ending_by_rekey(
			c, s, END_CLIENT_LOST, "the client did not finish a key exchange in time");
	else
		ending_by_rekey(
			c, s, END_NODE_LOST, "the node did not finish a key exchange in time");
}

void
rekey_look(struct connection *c)
{
	for (enum side s = 0; s < SIDES; s++) {
		if (c->legs[s].rekey_at != 0 && is_alive(&c->legs[s]))
			look_at_leg(c, s);
	}
}

uint64_t
rekey_due(const struct connection *c)
{
	uint64_t due = UINT64_MAX;

	for (enum side s = 0; s < SIDES; s++) {
		const struct leg *l = &c->legs[s];

		if (l->rekey_at != 0 && is_alive(l) &&
			l->rekey_at + c->process->settings.rekey_timeout_ms < due)
			due = l->rekey_at + c->process->settings.rekey_timeout_ms;
	}
	return due;
}
