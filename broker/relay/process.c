/*
 * One relay process: what its connections share.
 */
#include "broker/relay/process.h"

#include "broker/relay/connection.h"
#include "broker/relay/control.h"
#include "broker/relay/ending.h"
#include "broker/relay/pump.h"
#include "broker/relay/rekey.h"
#include "common/log.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOUSEKEEPING_S 30
/* Memory is given back when this much less waits, or a quarter fewer connections live, than at the peak before. */
#define TRIM_BYTES ((size_t)8 * 1024 * 1024)
#define TRIM_CONNECTIONS 100
#define FLUSH_MS 500

static uint64_t
monotonic_ms(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) != 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void
process_tick(struct process *p)
{
	p->now = p->clock();
}

struct connection *
process_next(const struct process *p, const struct connection *c)
{
	struct table_entry *e = c != NULL ? c->entry.next : p->connections.first;

	return e != NULL ? TABLE_OWNER(e, struct connection, entry) : NULL;
}

struct connection *
process_find(const struct process *p, uint64_t id)
{
	struct table_entry *e = table_find(&p->connections, span_of(&id, sizeof(id)));

	return e != NULL ? TABLE_OWNER(e, struct connection, entry) : NULL;
}

/* --- the end of connections --- */

static void
leave_when_empty(struct process *p)
{
	if (p->connections.n > 0 || (!p->is_stopping && !p->is_draining))
		return;
	links_flush(&p->links, FLUSH_MS);
	if (p->on_empty != NULL)
		p->on_empty(p->arg);
}

static void
on_reaper(evutil_socket_t fd, short what, void *arg)
{
	struct process *p = arg;
	struct connection *c;

	(void)fd;
	(void)what;
	while (p->over != NULL) {
		c = p->over;
		p->over = c->next_over;
		connection_free(c);
	}
	leave_when_empty(p);
}

void
process_bury(struct process *p, struct connection *c)
{
	c->next_over = p->over;
	p->over = c;
	event_active(p->reaper, EV_TIMEOUT, 0);
}

/* --- housekeeping --- */

static uint64_t
hits(const struct process *p, enum limit limit)
{
	return p->limits.of[limit].n_hits;
}

static void
log_limits(struct process *p)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		n += hits(p, (enum limit)i);
	if (n == p->n_hits_logged)
		return;
	p->n_hits_logged = n;
	log_debug("relay-limits times that reading stopped so far: relay_mark_bytes=%" PRIu64
		  " queue_bytes_max=%" PRIu64 " queue_bytes_total_max=%" PRIu64
		  " global_requests_max=%" PRIu64 " unread_bytes=%" PRIu64 " (%zu bytes wait now)",
		hits(p, LIMIT_RELAY_MARK), hits(p, LIMIT_QUEUE_BYTES),
		hits(p, LIMIT_QUEUE_BYTES_TOTAL), hits(p, LIMIT_GLOBAL_REQUESTS),
		hits(p, LIMIT_RELAY_UNREAD_BYTES), p->n_queued);
}

static size_t
largest_queue(const struct process *p)
{
	const struct connection *c = p->n_queued > 0 ? process_next(p, NULL) : NULL;
	size_t n = 0;

	for (; c != NULL; c = process_next(p, c))
		n = c->n_queued > n ? c->n_queued : n;
	return n;
}

static bool
send_use(void *arg, const struct msg_limit_use *m)
{
	struct process *p = arg;
	struct buf b = {0};
	bool sent = message_encode(msg_limit_use_fields, m, &b) == OK &&
		links_tell_director(&p->links, MSG_LIMIT_USE, buf_span(&b));

	buf_clear(&b);
	return sent;
}

void
process_report_limits(struct process *p)
{
	const struct settings *s = &p->settings;

	limit_set_now(&p->limits, LIMIT_QUEUE_BYTES, largest_queue(p));
	limit_set_now(&p->limits, LIMIT_QUEUE_BYTES_TOTAL, p->n_queued);
	limit_set_max(&p->limits, LIMIT_SIGN_TURNS, SIGN_TURNS_MAX);
	limit_set_max(&p->limits, LIMIT_RELAY_HOSTKEY_PROOFS, CONTROL_PROOFS_MAX);
	limit_set_max(&p->limits, LIMIT_RELAY_PACKET_TIME, PUMP_PACKET_MS / 1000);
	limit_set_max(&p->limits, LIMIT_RELAY_UNREAD_BYTES, settings_unread_max(s));
	limit_report_send(&p->limits, send_use, p);
}

static void
on_report(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	process_report_limits(arg);
}

/* The C library keeps what was freed; after a burst that is memory that an idle relay should not hold. */
static void
give_memory_back(struct process *p)
{
	size_t n = p->connections.n;

	if (p->n_queued + TRIM_BYTES > p->n_queued_peak &&
		n + n / 4 + TRIM_CONNECTIONS > p->n_connections_peak)
		return;
	(void)malloc_trim(0);
	p->n_queued_peak = p->n_queued;
	p->n_connections_peak = n;
}

static void
on_housekeeping(evutil_socket_t fd, short what, void *arg)
{
	struct process *p = arg;

	(void)fd;
	(void)what;
	log_limits(p);
	give_memory_back(p);
}

/* --- stopping --- */

static void
on_stop_time(evutil_socket_t fd, short what, void *arg)
{
	struct process *p = arg;
	struct connection *c;

	(void)fd;
	(void)what;
	process_tick(p);
	for (c = process_next(p, NULL); c != NULL; c = process_next(p, c)) {
		if (c->state != CONNECTION_ENDING)
			continue;
		ending_force(c);
		connection_settle(c);
	}
}

void
process_stop(struct process *p)
{
	struct timeval after = {.tv_sec = (time_t)(p->settings.stop_ms / 1000),
		.tv_usec = (suseconds_t)(p->settings.stop_ms % 1000) * 1000};
	struct connection *c;

	if (p->is_stopping)
		return;
	process_tick(p);
	p->is_stopping = true;
	(void)event_add(p->stop_timer, &after);
	for (c = process_next(p, NULL); c != NULL; c = process_next(p, c)) {
		ending_by_us(c, END_SHUTDOWN, SSH_DISCONNECT_BY_APPLICATION,
			span_str("the broker is shutting down"));
		connection_settle(c);
	}
	event_active(p->reaper, EV_TIMEOUT, 0);
}

void
process_drain(struct process *p)
{
	p->is_draining = true;
	event_active(p->reaper, EV_TIMEOUT, 0);
}

/* --- making --- */

static enum err
make_events(struct process *p)
{
	struct timeval period = {.tv_sec = HOUSEKEEPING_S};
	struct timeval often = {.tv_sec = LIMIT_REPORT_INTERVAL_MS / 1000,
		.tv_usec = LIMIT_REPORT_INTERVAL_MS % 1000 * (suseconds_t)1000};

	p->reaper = evtimer_new(p->base, on_reaper, p);
	p->housekeeping = event_new(p->base, -1, EV_PERSIST, on_housekeeping, p);
	p->report = event_new(p->base, -1, EV_PERSIST, on_report, p);
	p->stop_timer = evtimer_new(p->base, on_stop_time, p);
	if (p->reaper == NULL || p->housekeeping == NULL || p->report == NULL ||
		p->stop_timer == NULL)
		return ERR_NOMEM;
	return event_add(p->housekeeping, &period) == 0 && event_add(p->report, &often) == 0
		? OK
		: ERR_NOMEM;
}

/* The buffers do not follow a changed configuration: they are made once, and reads stay within them. */
static enum err
make_buffers(struct process *p)
{
	size_t read = p->settings.read_bytes;

	p->in_size = read;
	p->in = malloc(p->in_size);
	if (p->in == NULL)
		return ERR_NOMEM;
	return batch_init(&p->batch, read > PACKET_SIZE_MAX ? read : PACKET_SIZE_MAX);
}

enum err
process_new(struct event_base *base, const struct config *config, uint64_t (*clock)(void),
	struct process **out)
{
	struct process *p = calloc(1, sizeof(*p));
	enum err e;

	if (p == NULL)
		return ERR_NOMEM;
	p->base = base;
	p->clock = clock != NULL ? clock : monotonic_ms;
	sign_turns_init(&p->turns, rekey_ask);
	process_tick(p);
	settings_take(&p->settings, config);
	e = leg_configs_take(&p->leg_configs, &p->settings, config);
	if (e == OK)
		e = table_init(&p->connections, p->settings.connections_max);
	if (e == OK)
		e = make_buffers(p);
	if (e == OK)
		e = make_events(p);
	if (e == OK)
		e = links_init(&p->links, p, base);
	if (e != OK) {
		process_free(p);
		return e;
	}
	*out = p;
	return OK;
}

static void
free_event(struct event *e)
{
	if (e != NULL)
		event_free(e);
}

void
process_free(struct process *p)
{
	struct connection *c;

	if (p == NULL)
		return;
	while ((c = process_next(p, NULL)) != NULL)
		connection_free(c);
	if (p->links.director.process != NULL)
		links_clear(&p->links);
	free_event(p->reaper);
	free_event(p->housekeeping);
	free_event(p->report);
	free_event(p->stop_timer);
	leg_configs_clear(&p->leg_configs);
	batch_clear(&p->batch);
	table_clear(&p->connections);
	free(p->in);
	free(p);
}

enum err
process_configure(struct process *p, const struct config *config)
{
	struct settings settings;
	enum err e;

	settings_take(&settings, config);
	if (settings.read_bytes > p->in_size)
		settings.read_bytes = p->in_size;
	e = leg_configs_take(&p->leg_configs, &settings, config);
	if (e != OK)
		return e;
	p->settings = settings;
	p->connections.max = settings.connections_max;
	return OK;
}
