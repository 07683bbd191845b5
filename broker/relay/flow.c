/*
 * Back-pressure by not reading.
 *
 * What waits for a leg is in its transport (sealed and not written, or waiting for keys) and in the answers that wait for
 * their turn.  One packet or one read may go past each limit here, so all memory is bounded by the limits plus what one
 * read brings per connection.
 *
 * Why this cannot lock up: a leg is left unread only while something waits for the other leg, which that leg's peer takes
 * off by reading, or while the peer's own answers are due.  The one thing that keeps a leg from giving away what waits for
 * it is a key exchange.  While one runs, its own leg is read: freely once the peer's KEXINIT has come, since no data can
 * follow it then; and up to the connection's maximum instead of the mark while the answer to our own KEXINIT is due,
 * which stands behind the data that the peer sent before.  That data needs room on the other leg, which must therefore
 * not wait for its own answer at the same time: rekey.c never has two of ours outstanding.
 *
 * Two sides that ask and ask before they answer do lock up, since each one's answers stand behind requests that there is no
 * room for: flow_is_stuck().
 */
#include "broker/relay/flow.h"

#include "broker/relay/process.h"

/* When all connections together hold too much, one that holds nothing goes on in reads of this size. */
#define READ_BYTES_SCARCE ((size_t)16 * 1024)
#define READ_BYTES_MIN ((size_t)4 * 1024)

static size_t
queued_for(const struct connection *c, enum side to)
{
	/* Held answers are owed to the side that asked. */
	return leg_queued(&c->legs[to]) + c->requests[to].n_held;
}

static size_t
mark_for(const struct connection *c, enum side from)
{
	const struct settings *s = &c->process->settings;

	if (c->legs[from].rekey_is_own && s->queue_bytes_max > s->mark_bytes)
		return s->queue_bytes_max;
	return s->mark_bytes;
}

static bool
requests_are_full(const struct connection *c, enum side from)
{
	const struct requests *q = &c->requests[from];

	/* Our own have their own limit, misses_max. */
	return q->n - q->n_own >= c->process->settings.global_requests_max;
}

static enum flow
flow_of_data(const struct connection *c, enum side from)
{
	const struct process *p = c->process;
	size_t queued = queued_for(c, side_other(from)), own = queued_for(c, from);

	if (queued > mark_for(c, from))
		return FLOW_MARK;
	if (requests_are_full(c, from))
		return FLOW_REQUESTS_MAX;
	if (own > settings_unread_max(&p->settings))
		return FLOW_ANSWERS_MAX;
	if (queued == 0)
		return FLOW_FREE;
	if (queued + own > p->settings.queue_bytes_max)
		return FLOW_CONNECTION_MAX;
	if (p->n_queued > p->settings.queue_bytes_total_max)
		return FLOW_TOTAL_MAX;
	return FLOW_FREE;
}

enum flow
flow_of(const struct connection *c, enum side from)
{
	const struct leg *l = &c->legs[from];

	/* What is not relayed takes no room. */
	if (l->is_deaf)
		return FLOW_FREE;
	/* Keys come behind the data of a peer that does not stop for them.  What waits here for those keys must not count. */
	if (transport_has_late_data(l->transport))
		return queued_for(c, side_other(from)) > mark_for(c, from) ? FLOW_MARK : FLOW_FREE;
	if (!transport_takes_data(l->transport))
		return FLOW_FREE;
	return flow_of_data(c, from);
}

bool
flow_may_read(const struct connection *c, enum side from)
{
	const struct leg *l = &c->legs[from];

	return leg_is_open(l) && !l->is_eof && !leg_has_packets(l) &&
		!transport_waits_for_signature(l->transport) && flow_of(c, from) == FLOW_FREE;
}

static bool
waits_for_proof(const struct connection *c)
{
	for (unsigned i = 0; i < CONNECTION_PROOFS_MAX; i++) {
		if (c->proofs[i].question.len > 0)
			return true;
	}
	return false;
}

bool
flow_is_stuck(const struct connection *c)
{
	return flow_of(c, SIDE_CLIENT) == FLOW_REQUESTS_MAX &&
		flow_of(c, SIDE_NODE) == FLOW_REQUESTS_MAX && !waits_for_proof(c);
}

size_t
flow_read_size(const struct connection *c, enum side from)
{
	const struct process *p = c->process;
	size_t queued = queued_for(c, side_other(from)), size = p->settings.read_bytes;

	if (p->n_queued > p->settings.queue_bytes_total_max && size > READ_BYTES_SCARCE)
		size = READ_BYTES_SCARCE;
	if (queued == 0)
		return size;
	/* For a receiver that is behind already no more is read than the mark leaves room for. */
	if (queued >= p->settings.mark_bytes || p->settings.mark_bytes - queued < READ_BYTES_MIN)
		return size < READ_BYTES_MIN ? size : READ_BYTES_MIN;
	if (size > p->settings.mark_bytes - queued)
		size = p->settings.mark_bytes - queued;
	return size;
}

static void
count_pause(struct process *p, enum flow why)
{
	static const enum limit limits[] = {
		[FLOW_FREE] = LIMIT_COUNT,
		[FLOW_MARK] = LIMIT_RELAY_MARK,
		[FLOW_CONNECTION_MAX] = LIMIT_QUEUE_BYTES,
		[FLOW_TOTAL_MAX] = LIMIT_QUEUE_BYTES_TOTAL,
		[FLOW_REQUESTS_MAX] = LIMIT_GLOBAL_REQUESTS,
		[FLOW_ANSWERS_MAX] = LIMIT_RELAY_UNREAD_BYTES,
	};

	if (limits[why] != LIMIT_COUNT)
		limit_hit(&p->limits, limits[why]);
}

static void
update_reading(struct connection *c, enum side s)
{
	struct leg *l = &c->legs[s];
	bool wanted = flow_may_read(c, s);

	if (l->is_reading && !wanted && leg_is_open(l) && !l->is_eof)
		count_pause(c->process, flow_of(c, s));
	if (!wanted)
		l->was_paused = true;
	leg_want_read(l, wanted);
}

static size_t
held_by(const struct connection *c)
{
	size_t n = 0;

	for (enum side s = 0; s < SIDES; s++)
		n += queued_for(c, s) + c->legs[s].left.len;
	return n;
}

void
flow_update(struct connection *c)
{
	struct process *p = c->process;
	size_t n = held_by(c);

	p->n_queued += n - c->n_queued;
	c->n_queued = n;
	if (p->n_queued > p->n_queued_peak)
		p->n_queued_peak = p->n_queued;
	for (enum side s = 0; s < SIDES; s++)
		update_reading(c, s);
}
