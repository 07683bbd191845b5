/*
 * All that the director knows.
 */
#include "broker/director/state.h"

#include "broker/director/clock.h"
#include "common/log.h"

#include <openssl/rand.h>

/* Random bytes modulo n are not perfectly even; for spreading users they are even enough. */
static uint32_t
random_below(void *arg, uint32_t n)
{
	uint32_t r = 0;

	(void)arg;
	if (RAND_bytes((unsigned char *)&r, sizeof(r)) != 1)
		return 0;
	return r % n;
}

static enum err
add_nodes(struct nodes *nodes, const struct config *c)
{
	const struct config_node_list *list = &c->pools.items[0].nodes;

	for (size_t i = 0; i < list->n; i++) {
		enum err e = nodes_add(nodes, &list->items[i]);

		if (e != OK) {
			log_error("node %s cannot be used: %s", list->items[i].name, err_text(e));
			return e;
		}
	}
	return OK;
}

static enum err
make_tables(struct state *s)
{
	size_t max = s->config->limits.connections_max;
	enum err e = nodes_init(&s->nodes);

	/* Each user has a login or a connection. */
	if (e == OK)
		e = users_init(&s->users, 2 * max);
	if (e == OK)
		e = logins_init(&s->logins, max, &s->users);
	if (e == OK)
		e = connections_init(&s->connections, max, &s->users, &s->nodes);
	if (e == OK)
		e = dialer_new(s->base, &s->dialer);
	if (e != OK)
		log_error("no room for the tables: %s", err_text(e));
	return e;
}

enum err
state_init(struct state *s, struct event_base *base, const struct config *c,
	const struct state_options *options)
{
	enum err e;

	*s = (struct state){.base = base, .config = c, .options = *options};
	if (s->options.clock == NULL)
		s->options.clock = clock_monotonic_ms;
	if (s->options.random_below == NULL)
		s->options.random_below = random_below;
	state_tick(s);
	s->started_at_ms = s->now_ms;
	s->started_wall_ms = clock_wall_ms();
	e = make_tables(s);
	if (e == OK)
		e = add_nodes(&s->nodes, c);
	if (e != OK)
		state_clear(s);
	return e;
}

void
state_clear(struct state *s)
{
	connections_clear(&s->connections);
	logins_clear(&s->logins);
	users_clear(&s->users);
	nodes_clear(&s->nodes);
	dialer_free(s->dialer);
	*s = (struct state){0};
}

void
state_tick(struct state *s)
{
	s->now_ms = s->options.clock();
}

bool
state_is_settled(const struct state *s)
{
	return s->options.is_settled || s->now_ms - s->started_at_ms >= STATE_SETTLE_MS;
}
