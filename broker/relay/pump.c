/*
 * The data path.
 *
 * One read fills the process's buffer; packets are decrypted where they stand, re-encrypted there under the other leg's
 * key when the layouts agree (else into the batch's own memory), and written with one call.  What is left over, the
 * beginning of a packet mostly, moves to memory of the leg; a packet begun there is completed there, so that a packet that
 * comes in many small pieces is not copied again with each.
 */
#include "broker/relay/pump.h"

#include "broker/relay/control.h"
#include "broker/relay/ending.h"
#include "broker/relay/flow.h"
#include "broker/relay/process.h"
#include "broker/relay/rekey.h"
#include "broker/relay/report.h"

#include <assert.h>

/* Borrowed bytes that are decrypted and sealed where they stand. */
struct bytes {
	uint8_t *ptr;
	size_t len;
};

static enum err
seal_elsewhere(struct batch *b, struct leg *to, struct span payload)
{
	uint8_t *at;
	size_t size;
	enum err e;

	if (payload.len > PACKET_PAYLOAD_MAX)
		return ERR_LIMIT;
	e = batch_room(b, to, transport_sealed_size(to->transport, payload.len), &at);
	if (e == OK)
		e = transport_seal_at(to->transport, payload, at, &size);
	return e == OK ? batch_add(b, to, at, size) : e;
}

static enum err
seal_in_place(struct batch *b, struct leg *to, struct packet *packet)
{
	enum err e = transport_reseal(to->transport, packet);

	return e == OK ? batch_add(b, to, packet->start, packet->size) : e;
}

static enum err
relay_packet(struct connection *c, enum side from, struct packet *packet)
{
	struct leg *l = &c->legs[from], *to = &c->legs[side_other(from)];
	struct batch *b = &c->process->batch;

	if (to->is_broken || to->is_told)
		return OK;
	c->n_bytes[from] += packet->payload.len;
	if (!transport_is_clear(to->transport)) {
		seqmap_add_waiting(&to->sent, packet->seq);
		return transport_send(to->transport, packet->payload);
	}
	seqmap_add(&to->sent, transport_next_seq(to->transport), packet->seq);
	if (transport_fits_in_place(to->transport, l->transport, packet))
		return seal_in_place(b, to, packet);
	return seal_elsewhere(b, to, packet->payload);
}

static enum err
take_packet(struct connection *c, enum side from, struct packet *packet)
{
	enum control_fate fate;
	enum err e;

	if (c->legs[from].is_deaf)
		return OK;
	e = control_see(c, from, packet->payload, &fate);
	if (e != OK || fate == CONTROL_DROP)
		return e;
	e = relay_packet(c, from, packet);
	return e == OK && fate == CONTROL_RELAY_REPLY ? control_release(c, side_other(from)) : e;
}

static enum err
take_event(struct connection *c, enum side from, struct transport_event *event)
{
	switch (event->kind) {
	case TRANSPORT_EVENT_PACKET:
		return take_packet(c, from, &event->packet);
	case TRANSPORT_EVENT_SIGN:
		return rekey_sign(c, &event->exchange);
	case TRANSPORT_EVENT_UNIMPLEMENTED:
		return control_unimplemented(c, from, event->number);
	case TRANSPORT_EVENT_DISCONNECT:
		ending_by_disconnect(c, from, event->number, event->text);
		return OK;
	case TRANSPORT_EVENT_KEYS:
		rekey_done(c, from);
		return OK;
	case TRANSPORT_EVENT_NONE:
		break;
	}
	return OK;
}

/* A deaf leg's packets go nowhere, but a key exchange must end before what waits for the leg can be sent. */
static bool
is_spent(const struct leg *l)
{
	return l->is_deaf && (l->is_told || transport_failure(l->transport)->code != 0);
}

/*
 * Take packets from the front of bytes while there is room for them.  *taken is how many bytes; everything that was sealed
 * has been written then.
 */
static enum err
take_packets(struct connection *c, enum side from, struct bytes bytes, size_t *taken)
{
	struct leg *l = &c->legs[from];
	struct transport_event event;
	size_t at = 0, used;
	enum err e = OK, flushed;

	l->need = 0;
	while (e == OK && at < bytes.len && !is_spent(l) && flow_of(c, from) == FLOW_FREE) {
		e = transport_step(l->transport, bytes.ptr + at, bytes.len - at, &used, &event);
		if (e == ERR_AGAIN)
			break;
		if (e == OK) {
			at += used;
			e = take_event(c, from, &event);
			if (event.kind != TRANSPORT_EVENT_PACKET)
				rekey_notice(c, from);
		}
	}
	if (e == ERR_AGAIN) {
		e = OK;
		if (!transport_waits_for_signature(l->transport))
			l->need = transport_need(l->transport);
	}
	if (is_spent(l))
		at = bytes.len;
	if (at > 0)
		l->begun_at = 0;
	*taken = at;
	flushed = batch_flush(&c->process->batch);
	return e != OK ? e : flushed;
}

static void
run(struct connection *c, enum side from, struct bytes bytes, size_t *taken)
{
	uint64_t before = c->n_bytes[from];
	enum err e = take_packets(c, from, bytes, taken);

	if (e != OK)
		ending_by_error(c, from, e);
	if (c->n_bytes[from] != before) {
		report_activity(c);
		ending_progress(c);
	}
}

/* Keep what was not taken; the leg's own memory has its exact size while it is idle. */
static void
keep(struct connection *c, enum side from, struct bytes rest)
{
	struct leg *l = &c->legs[from];

	if (rest.len == 0 || is_spent(l) || !leg_is_open(l))
		return;
	if (buf_append_exact(&l->left, rest.ptr, rest.len) != OK)
		ending_by_error(c, from, ERR_NOMEM);
}

static struct bytes
left_bytes(const struct leg *l)
{
	return (struct bytes){l->left.data + l->left.head, l->left.len};
}

void
pump_left(struct connection *c, enum side from)
{
	struct leg *l = &c->legs[from];
	size_t taken;

	run(c, from, left_bytes(l), &taken);
	if (leg_is_open(l))
		buf_consume(&l->left, taken);
}

uint64_t
pump_due(const struct connection *c)
{
	uint64_t due = UINT64_MAX;

	for (enum side s = 0; s < SIDES; s++) {
		const struct leg *l = &c->legs[s];

		if (l->begun_at != 0 && leg_is_open(l) && l->begun_at + PUMP_PACKET_MS < due)
			due = l->begun_at + PUMP_PACKET_MS;
	}
	return due;
}

void
pump_look(struct connection *c)
{
	for (enum side s = 0; s < SIDES && c->state == CONNECTION_OPEN; s++) {
		struct leg *l = &c->legs[s];

		if (l->begun_at == 0 || !leg_is_open(l))
			continue;
		if (!l->is_reading) {
			l->begun_at = c->process->now;
			continue;
		}
		if (c->process->now < l->begun_at + PUMP_PACKET_MS)
			continue;
		limit_hit(&c->process->limits, LIMIT_RELAY_PACKET_TIME);
		ending_by_slowness(c, s);
	}
}

bool
pump_can_go_on(const struct connection *c, enum side from)
{
	const struct leg *l = &c->legs[from];

	return leg_is_open(l) && leg_has_packets(l) &&
		!transport_waits_for_signature(l->transport) && flow_of(c, from) == FLOW_FREE;
}

/* Complete the packet that was begun in the leg's memory, from the front of bytes.  *used is what that took. */
static void
complete(struct connection *c, enum side from, struct bytes bytes, size_t *used)
{
	struct leg *l = &c->legs[from];
	size_t at = 0, n;

	while (l->left.len > 0 && l->left.len < l->need && at < bytes.len) {
		n = l->need - l->left.len;
		if (n > bytes.len - at)
			n = bytes.len - at;
		if (buf_append(&l->left, bytes.ptr + at, n) != OK) {
			ending_by_error(c, from, ERR_NOMEM);
			break;
		}
		at += n;
		if (l->left.len >= l->need)
			pump_left(c, from);
	}
	*used = at;
}

static void
take_bytes(struct connection *c, enum side from, struct bytes bytes)
{
	struct leg *l = &c->legs[from];
	size_t used, taken = 0;

	complete(c, from, bytes, &used);
	bytes.ptr += used;
	bytes.len -= used;
	if (bytes.len > 0 && l->left.len == 0 && leg_is_open(l))
		run(c, from, bytes, &taken);
	bytes.ptr += taken;
	bytes.len -= taken;
	keep(c, from, bytes);
}

void
pump_read(struct connection *c, enum side from)
{
	struct process *p = c->process;
	struct leg *l = &c->legs[from];
	size_t n;
	enum err e;

	assert(leg_is_open(l) && !leg_has_packets(l));
	e = leg_receive(l, p->in, flow_read_size(c, from), &n);
	if (e == ERR_AGAIN)
		return;
	if (e != OK) {
		ending_by_close(c, from);
		return;
	}
	keepalive_heard(&l->keepalive, p->now);
	take_bytes(c, from, (struct bytes){p->in, n});
	if (l->left.len > 0 && l->left.len < l->need && l->begun_at == 0)
		l->begun_at = p->now;
}
