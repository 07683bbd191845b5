/*
 * How a connection ends.
 *
 * A leg is told when nothing more can come for it: the other leg is deaf or at its end, and nothing of it waits for keys.
 * Being told is an SSH_MSG_DISCONNECT behind all data, sent as a packet of ours, so that the leg's transport lives on and
 * what its peer still says can be read.  Then, for each leg: all is written, the socket is shut for writing, the peer
 * closes or lingers too long, the socket is closed.
 */
#include "broker/relay/ending.h"

#include "broker/relay/process.h"
#include "broker/relay/report.h"
#include "common/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* --- causes --- */

/* The ending of c when it begins now; NULL: it began before, and there is nothing left to decide. */
static struct ending *
begin(struct connection *c, enum end_cause cause)
{
	struct ending *x;

	if (c->state != CONNECTION_OPEN)
		return NULL;
	connection_set_state(c, CONNECTION_ENDING);
	x = calloc(1, sizeof(*x));
	if (x == NULL) {
		/* Without memory for words it ends at the next step without words. */
		for (enum side s = 0; s < SIDES; s++) {
			c->legs[s].is_deaf = true;
			c->legs[s].is_told = true;
		}
		return NULL;
	}
	x->cause = cause;
	x->began_at = c->process->now;
	x->progress_at = c->process->now;
	c->ending = x;
	return x;
}

static void
set_text(struct ending *x, const char *text)
{
	snprintf(x->text, sizeof(x->text), "%s", text);
}

/* What one side is told; every text names the connection, so that a user can ask about it. */
static void
set_words(struct connection *c, enum side s, enum ssh_disconnect code, const char *text)
{
	char id[CONN_ID_TEXT_SIZE];
	struct ending *x = c->ending;
	int max = (int)sizeof(x->words[s].text) - CONN_ID_TEXT_SIZE - 8;

	x->words[s].code = code;
	snprintf(x->words[s].text, sizeof(x->words[s].text), "%.*s (id %s)", max, text,
		conn_id_text(c->id, id));
}

static enum end_cause
by_side(enum side s, enum end_cause client, enum end_cause node)
{
	return s == SIDE_CLIENT ? client : node;
}

/* "the client closed the connection", "node n2 closed the connection". */
static const char *
say(const struct connection *c, enum side s, const char *did, char out[256])
{
	char node[MSG_NODE_MAX + 1];

	if (s == SIDE_CLIENT)
		snprintf(out, 256, "the client %s", did);
	else
		snprintf(out, 256, "node %s %s", report_node_name(c, node), did);
	return out;
}

/* Codes of RFC 4253 section 11.1; others are carried as "by application". */
static enum ssh_disconnect
sound_code(uint32_t code)
{
	if (code >= SSH_DISCONNECT_HOST_NOT_ALLOWED_TO_CONNECT &&
		code <= SSH_DISCONNECT_ILLEGAL_USER_NAME)
		return (enum ssh_disconnect)code;
	return SSH_DISCONNECT_BY_APPLICATION;
}

void
ending_by_disconnect(struct connection *c, enum side from, uint32_t code, struct span text)
{
	struct ending *x = begin(c, by_side(from, END_CLIENT_DISCONNECT, END_NODE_DISCONNECT));
	enum side other = side_other(from);

	c->legs[from].is_deaf = true;
	c->legs[from].is_told = true;
	/* Who says goodbye does not listen any more. */
	c->legs[other].is_deaf = true;
	buf_clear(transport_out(c->legs[from].transport));
	if (x == NULL)
		return;
	(void)log_printable(text, x->text, sizeof(x->text));
	x->words[other].code = sound_code(code);
	(void)log_printable(text, x->words[other].text, sizeof(x->words[other].text));
}

void
ending_by_close(struct connection *c, enum side from)
{
	struct leg *l = &c->legs[from];
	struct ending *x = begin(c, by_side(from, END_CLIENT_CLOSED, END_NODE_CLOSED));
	char text[256];

	if (l->is_broken)
		c->legs[side_other(from)].is_deaf = true;
	if (x == NULL)
		return;
	set_text(x, l->error != 0 ? strerror(l->error) : "closed without a goodbye");
	set_words(c, side_other(from), SSH_DISCONNECT_CONNECTION_LOST,
		say(c, from, l->error != 0 ? "lost the connection" : "closed the connection",
			text));
}

void
ending_look_at_broken(struct connection *c)
{
	for (enum side s = 0; s < SIDES; s++) {
		struct leg *l = &c->legs[s];

		if (!l->is_broken)
			continue;
		if (l->broken_at == 0)
			l->broken_at = c->process->now;
		if (c->process->now >= l->broken_at + ENDING_BROKEN_MS)
			ending_by_close(c, s);
	}
}

static uint64_t
broken_due(const struct connection *c)
{
	uint64_t due = UINT64_MAX;

	for (enum side s = 0; s < SIDES; s++) {
		const struct leg *l = &c->legs[s];

		if (l->broken_at != 0 && l->broken_at + ENDING_BROKEN_MS < due)
			due = l->broken_at + ENDING_BROKEN_MS;
	}
	return due;
}

static void
by_protocol(struct connection *c, enum side from, const char *text)
{
	struct ending *x = begin(c, by_side(from, END_CLIENT_PROTOCOL, END_NODE_PROTOCOL));
	char sentence[256];

	c->legs[from].is_deaf = true;
	c->legs[side_other(from)].is_deaf = true;
	if (x == NULL)
		return;
	set_text(x, text);
	set_words(c, from, SSH_DISCONNECT_PROTOCOL_ERROR, text);
	set_words(c, side_other(from), SSH_DISCONNECT_BY_APPLICATION,
		say(c, from, "broke the SSH protocol", sentence));
}

static void
end_both(struct connection *c, enum end_cause cause, enum ssh_disconnect code, const char *text)
{
	struct ending *x = begin(c, cause);

	c->legs[SIDE_CLIENT].is_deaf = true;
	c->legs[SIDE_NODE].is_deaf = true;
	if (x == NULL)
		return;
	set_text(x, text);
	set_words(c, SIDE_CLIENT, code, text);
	set_words(c, SIDE_NODE, SSH_DISCONNECT_BY_APPLICATION, text);
}

void
ending_by_error(struct connection *c, enum side from, enum err e)
{
	const struct transport_failure *failure = transport_failure(c->legs[from].transport);
	char text[128];

	if (failure->code != SSH_DISCONNECT_NONE) {
		by_protocol(c, from, failure->text);
	} else if (e == ERR_FORMAT || e == ERR_PROTO) {
		by_protocol(c, from, "malformed global request or ping");
	} else if (e == ERR_LIMIT) {
		end_both(c, END_LIMIT, SSH_DISCONNECT_BY_APPLICATION,
			"the connection passed a limit of the broker");
	} else {
		snprintf(text, sizeof(text), "internal error: %s", err_text(e));
		end_both(c, END_INTERNAL, SSH_DISCONNECT_BY_APPLICATION, text);
	}
}

void
ending_by_silence(struct connection *c, enum side lost)
{
	struct ending *x = begin(c, by_side(lost, END_CLIENT_LOST, END_NODE_LOST));
	char text[256];

	c->legs[side_other(lost)].is_deaf = true;
	leg_close(&c->legs[lost]);
	if (x == NULL)
		return;
	set_text(x, "no answer to keepalives");
	set_words(c, side_other(lost), SSH_DISCONNECT_CONNECTION_LOST,
		say(c, lost, "does not answer any more", text));
}

void
ending_by_rekey(struct connection *c, enum side from, enum end_cause cause, const char *text)
{
	end_both(c, cause, SSH_DISCONNECT_KEY_EXCHANGE_FAILED, text);
	/* What waits for its keys never gets any. */
	c->legs[from].is_overdue = true;
}

void
ending_by_slowness(struct connection *c, enum side from)
{
	by_protocol(c, from, "a packet took too long to arrive (relay.packet_time_max_s)");
}

void
ending_by_us(struct connection *c, enum end_cause cause, enum ssh_disconnect code, struct span text)
{
	char printable[200];

	end_both(c, cause, sound_code(code), log_printable(text, printable, sizeof(printable)));
}

/* --- steps --- */

void
ending_progress(struct connection *c)
{
	if (c->ending != NULL)
		c->ending->progress_at = c->process->now;
}

static enum err
send_disconnect(struct transport *t, enum ssh_disconnect code, const char *text)
{
	struct buf b = {0};
	enum err e = transport_write_disconnect(code, text, &b);

	if (e == OK)
		e = transport_send(t, buf_span(&b));
	buf_clear(&b);
	return e;
}

/* May this leg still bring something for the other one? */
static bool
gives(const struct leg *l)
{
	return leg_is_open(l) && !l->is_deaf && !l->is_eof &&
		transport_failure(l->transport)->code == SSH_DISCONNECT_NONE;
}

static bool
may_be_told(const struct connection *c, enum side s)
{
	const struct leg *l = &c->legs[s];

	return !gives(&c->legs[side_other(s)]) &&
		(l->is_overdue || transport_n_waiting(l->transport) == 0 || l->is_eof ||
			transport_failure(l->transport)->code != SSH_DISCONNECT_NONE);
}

static void
tell(struct connection *c, enum side s)
{
	struct leg *l = &c->legs[s];
	const struct ending *x = c->ending;

	l->is_told = true;
	if (x->words[s].code == SSH_DISCONNECT_NONE || l->is_broken ||
		transport_failure(l->transport)->code != SSH_DISCONNECT_NONE)
		return;
	if (send_disconnect(l->transport, x->words[s].code, x->words[s].text) != OK)
		l->is_broken = true;
}

/* One leg on its way out.  Returns whether it got further. */
static bool
step_leg(struct connection *c, enum side s)
{
	struct leg *l = &c->legs[s];

	if (!leg_is_open(l))
		return false;
	if (!l->is_told) {
		if (!may_be_told(c, s))
			return false;
		tell(c, s);
		leg_flush(l);
		return true;
	}
	if (!l->is_shut) {
		if (!l->is_broken && transport_out(l->transport)->len > 0)
			return false;
		leg_shut(l);
		l->shut_at = c->process->now;
		return true;
	}
	if (!l->is_eof && !(l->is_broken && !gives(l)))
		return false;
	leg_close(l);
	return true;
}

/* When a leg that was told everything is not waited for any longer. */
static uint64_t
linger_due(const struct leg *l)
{
	uint64_t since = l->shut_at > l->keepalive.heard_at ? l->shut_at : l->keepalive.heard_at;

	/* While it is not read, because the other side is slow, its silence is ours. */
	return leg_is_open(l) && l->is_shut && l->is_reading ? since + ENDING_LINGER_MS
							     : UINT64_MAX;
}

static uint64_t
give_up_due(const struct ending *x)
{
	uint64_t stall = x->progress_at + ENDING_STALL_MS, last = x->began_at + ENDING_MAX_MS;

	return stall < last ? stall : last;
}

uint64_t
ending_due(const struct connection *c)
{
	uint64_t due;

	if (c->state == CONNECTION_OPEN)
		return broken_due(c);
	if (c->ending == NULL)
		return 0;
	due = give_up_due(c->ending);
	for (enum side s = 0; s < SIDES; s++) {
		if (linger_due(&c->legs[s]) < due)
			due = linger_due(&c->legs[s]);
	}
	return due;
}

static void
close_lingering(struct connection *c)
{
	for (enum side s = 0; s < SIDES; s++) {
		if (c->process->now >= linger_due(&c->legs[s]))
			leg_close(&c->legs[s]);
	}
}

void
ending_force(struct connection *c)
{
	for (enum side s = 0; s < SIDES; s++) {
		struct leg *l = &c->legs[s];

		if (leg_is_open(l) && !l->is_told && c->ending != NULL)
			tell(c, s);
		leg_flush(l);
		leg_close(l);
	}
}

void
ending_step(struct connection *c)
{
	bool got_further;

	assert(c->state == CONNECTION_ENDING);
	close_lingering(c);
	/* One leg's step may be what the other waits for. */
	do {
		got_further = step_leg(c, SIDE_CLIENT);
		got_further = step_leg(c, SIDE_NODE) || got_further;
		if (got_further)
			ending_progress(c);
	} while (got_further);
	if (c->ending == NULL || c->process->now >= give_up_due(c->ending))
		ending_force(c);
	if (!leg_is_open(&c->legs[SIDE_CLIENT]) && !leg_is_open(&c->legs[SIDE_NODE]))
		connection_set_state(c, CONNECTION_OVER);
}
