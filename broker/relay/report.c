/*
 * What others hear of a connection.
 */
#include "broker/relay/report.h"

#include "broker/relay/process.h"
#include "common/log.h"

#include <inttypes.h>
#include <time.h>

/* They were decoded once when the connection was made, so they can be again. */
static struct msg_connection
facts_of(const struct connection *c)
{
	struct msg_connection m = {0};

	if (message_decode(msg_connection_fields, buf_span(&c->facts), &m) != OK)
		m = (struct msg_connection){.conn = c->id};
	return m;
}

const char *
report_node_name(const struct connection *c, char out[MSG_NODE_MAX + 1])
{
	struct msg_connection m = facts_of(c);

	return log_printable(m.node, out, MSG_NODE_MAX + 1);
}

void
report_connection(struct connection *c)
{
	if (c->is_announced)
		return;
	c->is_announced = links_tell_director(
		&c->process->links, MSG_CONNECTION, buf_span(&c->facts));
}

/* Spread over a quarter of the interval by the id, which is random. */
static uint64_t
jitter(const struct connection *c)
{
	return c->id % (REPORT_INTERVAL_MS / 4);
}

void
report_activity(struct connection *c)
{
	c->relayed_at = c->process->now;
	if (c->report_at == 0)
		c->report_at = c->process->now + REPORT_INTERVAL_MS + jitter(c);
}

uint64_t
report_due(const struct connection *c)
{
	return c->report_at != 0 ? c->report_at : UINT64_MAX;
}

static void
send_counters(struct connection *c)
{
	struct msg_counters m = {
		.conn = c->id,
		.bytes_from_client = c->n_bytes[SIDE_CLIENT],
		.bytes_from_node = c->n_bytes[SIDE_NODE],
		.n_channels = c->ledger.n_open,
		.n_rekeys = c->n_rekeys,
		.idle_ms = c->process->now - c->relayed_at,
	};
	struct buf b = {0};

	if (message_encode(msg_counters_fields, &m, &b) == OK)
		(void)links_tell_director(&c->process->links, MSG_COUNTERS, buf_span(&b));
	buf_clear(&b);
}

void
report_look(struct connection *c)
{
	if (c->report_at == 0 || c->process->now < c->report_at)
		return;
	c->report_at = 0;
	if (c->is_announced)
		send_counters(c);
}

static uint64_t
wall_clock_ms(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
log_end(const struct connection *c, const struct msg_connection *m)
{
	char id[CONN_ID_TEXT_SIZE], client[ADDR_TEXT_SIZE], user[MSG_USER_MAX + 4],
		node[MSG_NODE_MAX + 1], why[MSG_TEXT_MAX + 4];
	uint64_t now = wall_clock_ms();
	uint64_t ms = now > m->started_at_ms ? now - m->started_at_ms : 0;

	log_info("connection-ended id=%s user=%s client=%s node=%s cause=%s from_client=%" PRIu64
		 " from_node=%" PRIu64 " rekeys=%" PRIu32 " duration=%" PRIu64 ".%03" PRIu64
		 "s why=\"%s\" text=\"%s\"",
		conn_id_text(c->id, id), log_printable(m->user, user, sizeof(user)),
		addr_text(&m->client, client), log_printable(m->node, node, sizeof(node)),
		end_cause_name(c->ending != NULL ? c->ending->cause : END_INTERNAL),
		c->n_bytes[SIDE_CLIENT], c->n_bytes[SIDE_NODE], c->n_rekeys, ms / 1000, ms % 1000,
		log_printable(m->why, why, sizeof(why)), c->ending != NULL ? c->ending->text : "");
}

static void
tell_director(struct connection *c)
{
	struct msg_connection_ended m = {
		.conn = c->id,
		.cause = (uint8_t)(c->ending != NULL ? c->ending->cause : END_INTERNAL),
		.text = span_str(c->ending != NULL ? c->ending->text : ""),
		.bytes_from_client = c->n_bytes[SIDE_CLIENT],
		.bytes_from_node = c->n_bytes[SIDE_NODE],
	};
	struct buf b = {0};

	if (message_encode(msg_connection_ended_fields, &m, &b) == OK)
		(void)links_tell_director(&c->process->links, MSG_CONNECTION_ENDED, buf_span(&b));
	buf_clear(&b);
}

static void
tell_keyholder(struct connection *c)
{
	struct msg_conn m = {.conn = c->id};
	struct buf b = {0};

	if (message_encode(msg_conn_fields, &m, &b) == OK)
		links_tell_keyholder(&c->process->links, MSG_CONN_FORGET, buf_span(&b));
	buf_clear(&b);
}

void
report_end(struct connection *c)
{
	struct msg_connection m = facts_of(c);

	log_end(c, &m);
	/* Its gate told the director to expect it: one that was over at once is announced all the same. */
	report_connection(c);
	if (c->is_announced)
		tell_director(c);
	tell_keyholder(c);
}
