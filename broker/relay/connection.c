/*
 * One relayed connection: how it is made, what happens after each event, and its state.
 */
#include "broker/relay/connection.h"

#include "broker/relay/control.h"
#include "broker/relay/ending.h"
#include "broker/relay/flow.h"
#include "broker/relay/process.h"
#include "broker/relay/pump.h"
#include "broker/relay/rekey.h"
#include "broker/relay/report.h"
#include "common/ssh/transport_state.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

/* How often the two directions are gone through in one turn before others get theirs. */
#define ROUNDS_MAX 4

#define TO(state) (1u << (state))

static const unsigned arrows[CONNECTION_STATES] = {
	[CONNECTION_NONE] = TO(CONNECTION_OPEN),
	[CONNECTION_OPEN] = TO(CONNECTION_ENDING),
	[CONNECTION_ENDING] = TO(CONNECTION_OVER),
};

void
connection_set_state(struct connection *c, enum connection_state state)
{
	assert((arrows[c->state] & TO(state)) != 0);
	c->state = state;
	if (state == CONNECTION_OVER) {
		report_end(c);
		process_bury(c->process, c);
	}
}

/* --- time --- */

static struct keepalive_rules
keepalive_rules(const struct connection *c, enum side s)
{
	const struct settings *settings = &c->process->settings;
	uint64_t interval = settings->keepalive_ms[s];

	return (struct keepalive_rules){
		.interval_ms = interval,
		.misses_max = settings->misses_max,
		/* Spread over a tenth of the interval by the id, which is random. */
		.jitter_ms = interval >= 10 ? c->id % (interval / 10) : 0,
	};
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Only for what connection_look() does then: a moment in the past that nobody looks at would be now, for ever. */
static uint64_t
next_look(const struct connection *c)
{
	uint64_t due = earlier(report_due(c), ending_due(c));

	if (c->state != CONNECTION_OPEN)
		return due;
	due = earlier(due, earlier(rekey_due(c), pump_due(c)));
	for (enum side s = 0; s < SIDES; s++) {
		struct keepalive_rules rules = keepalive_rules(c, s);

		due = earlier(due, keepalive_due(&c->legs[s].keepalive, &rules));
	}
	return due;
}

/* A timer that is set earlier than needed is left alone: it finds nothing to do then and is set again. */
static void
set_timer(struct connection *c, uint64_t at)
{
	uint64_t now = c->process->now, ms = at > now ? at - now : 0;
	struct timeval tv = {
		.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	if (at == UINT64_MAX || (c->timer_at != 0 && c->timer_at <= at))
		return;
	c->timer_at = at > 0 ? at : 1;
	(void)event_add(&c->timer, &tv);
}

static void
look_at_keepalive(struct connection *c, enum side s)
{
	struct keepalive_rules rules = keepalive_rules(c, s);
	struct leg *l = &c->legs[s];
	bool listens = l->is_reading && !l->was_paused && !transport_is_rekeying(l->transport);

	if (rules.interval_ms == 0 || c->process->now < l->keepalive.due_at)
		return;
	l->was_paused = !l->is_reading;
	switch (keepalive_look(&l->keepalive, &rules, c->process->now, listens)) {
	case KEEPALIVE_QUIET:
		break;
	case KEEPALIVE_ASK:
		control_send_keepalive(c, s);
		break;
	case KEEPALIVE_LOST:
		limit_hit(&c->process->limits, LIMIT_KEEPALIVE_MISSES);
		ending_by_silence(c, s);
		break;
	}
}

void
connection_look(struct connection *c)
{
	if (c->state == CONNECTION_OVER)
		return;
	for (enum side s = 0; s < SIDES && c->state == CONNECTION_OPEN; s++)
		look_at_keepalive(c, s);
	if (c->state == CONNECTION_OPEN)
		rekey_look(c);
	if (c->state == CONNECTION_OPEN)
		pump_look(c);
	report_look(c);
	connection_settle(c);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;

	(void)fd;
	(void)what;
	process_tick(c->process);
	c->timer_at = 0;
	connection_look(c);
}

/* --- events of the sockets --- */

static void
on_readable(struct leg *l)
{
	struct connection *c = l->connection;

	process_tick(c->process);
	if (c->state == CONNECTION_OVER)
		return;
	/* What happened on the other leg in this turn may have changed it. */
	if (flow_may_read(c, l->side))
		pump_read(c, l->side);
	connection_settle(c);
}

static void
on_writable(struct leg *l)
{
	struct connection *c = l->connection;

	process_tick(c->process);
	if (c->state == CONNECTION_OVER)
		return;
	connection_settle(c);
}

static const struct leg_callbacks leg_callbacks = {
	.on_readable = on_readable, .on_writable = on_writable};

/* --- after each event --- */

static void
flush_legs(struct connection *c)
{
	for (enum side s = 0; s < SIDES; s++) {
		struct leg *l = &c->legs[s];
		size_t before = transport_out(l->transport)->len;

		leg_flush(l);
		if (transport_out(l->transport)->len < before)
			ending_progress(c);
	}
}

/* Returns whether something was taken: then the other direction may get on too. */
static bool
go_on(struct connection *c)
{
	bool went_on = false;

	for (enum side s = 0; s < SIDES; s++) {
		if (!pump_can_go_on(c, s))
			continue;
		pump_left(c, s);
		went_on = true;
	}
	return went_on;
}

void
connection_settle(struct connection *c)
{
	bool went_on;
	int n = 0;

	if (c->state == CONNECTION_OVER)
		return;
	do {
		flush_legs(c);
		went_on = go_on(c);
		if (c->state == CONNECTION_OPEN)
			rekey_check(c);
	} while (went_on && ++n < ROUNDS_MAX);
	flush_legs(c);
	if (c->state == CONNECTION_OPEN && flow_is_stuck(c)) {
		limit_hit(&c->process->limits, LIMIT_GLOBAL_REQUESTS);
		ending_by_error(c, SIDE_CLIENT, ERR_LIMIT);
	}
	if (c->state == CONNECTION_OPEN)
		ending_look_at_broken(c);
	if (c->state == CONNECTION_ENDING)
		ending_step(c);
	flow_update(c);
	if (c->state == CONNECTION_OVER)
		return;
	set_timer(c, went_on ? c->process->now : next_look(c));
}

/* --- making --- */

static bool
facts_are_sound(const struct msg_connection *m)
{
	return m->conn != 0 && m->user.len > 0 && m->node.len > 0;
}

static enum err
take_facts(struct connection *c, const struct msg_hand_over *m)
{
	struct msg_connection facts;

	if (message_decode(msg_connection_fields, m->connection, &facts) != OK ||
		!facts_are_sound(&facts))
		return ERR_FORMAT;
	c->id = facts.conn;
	c->started_at_ms = facts.started_at_ms;
	buf_init(&c->facts, MSG_KEY_MAX);
	return buf_append_exact(&c->facts, m->connection.ptr, m->connection.len);
}

/* What a leg may hold undecrypted: what was handed over, or one read and a packet that was begun. */
static size_t
left_max(const struct process *p, struct span bytes)
{
	size_t max = p->in_size + 2 * PACKET_SIZE_MAX;

	return bytes.len > max ? bytes.len : max;
}

/* Takes *fd: -1 afterwards. */
static enum err
make_leg(struct connection *c, enum side s, const struct transport_config *config,
	struct span state, struct span bytes, int *fd)
{
	struct process *p = c->process;
	struct leg *l = &c->legs[s];
	struct transport *t;
	enum err e;
	int taken;

	e = transport_state_read(state, config, &t);
	if (e != OK)
		return e;
	transport_set_phase(t, TRANSPORT_PHASE_CONNECTION);
	taken = *fd;
	*fd = -1;
	e = leg_open(l, p->base, taken, t, left_max(p, bytes));
	if (e == OK)
		e = buf_append_exact(&l->left, bytes.ptr, bytes.len);
	return e;
}

static enum err
make_legs(struct connection *c, const struct msg_hand_over *m, int fds[2])
{
	struct leg_configs *configs = &c->process->leg_configs;
	enum err e;

	e = make_leg(c, SIDE_CLIENT, &configs->client, m->client_state, m->client_bytes, &fds[0]);
	if (e == OK)
		e = make_leg(c, SIDE_NODE, &configs->node, m->node_state, m->node_bytes, &fds[1]);
	return e;
}

static void
init(struct connection *c, struct process *p)
{
	c->process = p;
	c->relayed_at = p->now;
	for (unsigned i = 0; i < CONNECTION_PROOFS_MAX; i++)
		buf_init(&c->proofs[i].question, 2 * MSG_KEY_MAX);
	for (enum side s = 0; s < SIDES; s++) {
		struct leg *l = &c->legs[s];

		l->connection = c;
		l->callbacks = &leg_callbacks;
		l->side = s;
		l->fd = -1;
	}
}

static enum err
make(struct connection *c, const struct msg_hand_over *m, int fds[2], uint64_t *id)
{
	struct process *p = c->process;
	enum err e = take_facts(c, m);

	if (e != OK)
		return e;
	*id = c->id;
	if (p->connections.n >= p->settings.connections_max) {
		limit_hit(&p->limits, LIMIT_CONNECTIONS);
		return ERR_LIMIT;
	}
	if (p->is_stopping)
		return ERR_BAD_STATE;
	e = make_legs(c, m, fds);
	if (e == OK && evtimer_assign(&c->timer, p->base, on_timer, c) != 0)
		e = ERR_NOMEM;
	return e == OK ? table_add(&p->connections, &c->entry, span_of(&c->id, sizeof(c->id))) : e;
}

enum err
connection_new(struct process *p, const struct msg_hand_over *m, const int fds[2], uint64_t *id,
	struct connection **out)
{
	struct connection *c = calloc(1, sizeof(*c));
	int left[2] = {fds[0], fds[1]};
	enum err e = ERR_NOMEM;

	*id = 0;
	if (c != NULL) {
		init(c, p);
		e = make(c, m, left, id);
	}
	for (size_t i = 0; i < 2; i++) {
		if (left[i] >= 0)
			close(left[i]);
	}
	if (e != OK) {
		connection_free(c);
		return e;
	}
	if (p->connections.n > p->n_connections_peak)
		p->n_connections_peak = p->connections.n;
	connection_set_state(c, CONNECTION_OPEN);
	*out = c;
	return OK;
}

void
connection_start(struct connection *c)
{
	enum err e;

	for (enum side s = 0; s < SIDES; s++) {
		struct keepalive_rules rules = keepalive_rules(c, s);

		keepalive_start(&c->legs[s].keepalive, &rules, c->process->now);
	}
	report_connection(c);
	e = rekey_resume(c);
	if (e != OK)
		ending_by_error(c, SIDE_CLIENT, e);
	control_announce_hostkeys(c);
	connection_settle(c);
}

void
connection_free(struct connection *c)
{
	if (c == NULL)
		return;
	if (c->state != CONNECTION_NONE)
		table_remove(&c->process->connections, &c->entry);
	if (event_initialized(&c->timer))
		(void)event_del(&c->timer);
	c->process->n_queued -= c->n_queued;
	for (enum side s = 0; s < SIDES; s++) {
		if (c->legs[s].transport != NULL)
			leg_clear(&c->legs[s]);
		requests_clear(&c->requests[s]);
	}
	buf_clear(&c->facts);
	for (unsigned i = 0; i < CONNECTION_PROOFS_MAX; i++)
		buf_clear(&c->proofs[i].question);
	rekey_forget(c);
	free(c->ending);
	free(c);
}
