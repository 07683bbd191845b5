/*
 * The relays.
 *
 * A relay may speak of connections that it announced itself.  It may announce what no gate told us of: after our own
 * restart nothing else is known of a connection.
 */
#include "broker/director/relays.h"

#include "broker/director/placing.h"
#include "common/log.h"
#include "common/ssh/message.h"

#include <stdlib.h>
#include <unistd.h>

struct relay {
	struct relay *next;
	struct link link;
	bool is_lost;
	uint64_t lost_at_ms;
};

static struct relay *
relay_of(struct link *l)
{
	return TABLE_OWNER(l, struct relay, link);
}

unsigned
relay_index(const struct relay *r)
{
	return r->link.index;
}

bool
relay_is_lost(const struct relay *r)
{
	return r->is_lost;
}

struct link *
relay_link(struct relay *r)
{
	return &r->link;
}

/* NULL: not this relay's; counted. */
static struct connection *
find_connection(struct link *l, uint64_t id, const char *what)
{
	struct connection *c = connections_find(&l->state->connections, id);

	if (c != NULL && c->relay == relay_of(l))
		return c;
	link_ignore(l, id, what);
	return NULL;
}

/* --- messages --- */

/* May this relay announce it?  A relay that is lost loses it to one that says that it has it. */
static bool
may_announce(struct link *l, uint64_t id)
{
	struct connections *all = &l->state->connections;
	struct connection *c = connections_find(all, id);

	if (id == 0 || (c != NULL && !c->relay->is_lost)) {
		link_ignore(l, id, "announced twice");
		return false;
	}
	if (c != NULL)
		connections_remove(all, c);
	return true;
}

/* What a login is said to have become is not what was placed here, or there is no room for it. */
static void
end_connection(struct link *l, uint64_t conn, enum ssh_disconnect code, const char *text)
{
	struct msg_end_connection m = {.conn = conn, .code = code, .text = span_str(text)};

	(void)link_send(l, MSG_END_CONNECTION, msg_end_connection_fields, &m, -1);
}

/* Its gate may have told us one thing and the relay another.  A login of before our start has no node here. */
static bool
is_as_placed(const struct login *login, const struct msg_connection *m)
{
	return login->node == NULL ||
		(span_equal(login->user, m->user) && span_is(m->node, login->node->name));
}

static enum err
track(struct link *l, const struct msg_connection *m)
{
	struct state *s = l->state;
	char id[CONN_ID_TEXT_SIZE];
	enum err e = connections_add(&s->connections, m, relay_of(l));

	if (e == ERR_LIMIT)
		limits_hit(&s->limits, s->config, LIMIT_CONNECTIONS, s->now_ms);
	if (e != OK)
		log_error("connection %s: cannot be kept track of: %s", conn_id_text(m->conn, id),
			err_text(e));
	return e;
}

/* A connection that was there before us, or before a limit, goes on in any case; one that begins now does not. */
static void
on_connection(struct link *l, void *message)
{
	const struct msg_connection *m = message;
	struct state *s = l->state;
	struct login *login = logins_find_any(&s->logins, m->conn);
	char id[CONN_ID_TEXT_SIZE];

	if (!may_announce(l, m->conn))
		return;
	if (login != NULL && !is_as_placed(login, m)) {
		log_error(
			"connection %s: is of another user or on another node than was placed; it "
			"is ended",
			conn_id_text(m->conn, id));
		end_connection(l, m->conn, SSH_DISCONNECT_BY_APPLICATION,
			"internal error of the broker, please try again");
	} else if (track(l, m) != OK && login != NULL) {
		end_connection(l, m->conn, SSH_DISCONNECT_TOO_MANY_CONNECTIONS,
			"the pool has as many connections as it may have "
			"(limits.connections_max), please try again later");
	}
	/* Only now: in between, the user would have nothing on the node. */
	if (login != NULL)
		placing_end(s, login);
}

static void
on_counters(struct link *l, void *message)
{
	const struct msg_counters *m = message;
	struct connection *c = find_connection(l, m->conn, "counted, but not announced");

	if (c == NULL)
		return;
	c->counters = *m;
	c->counters_at_ms = l->state->now_ms;
}

static void
on_connection_ended(struct link *l, void *message)
{
	const struct msg_connection_ended *m = message;
	struct connection *c = find_connection(l, m->conn, "ended, but not announced");
	char id[CONN_ID_TEXT_SIZE];

	if (c == NULL)
		return;
	log_debug("connection %s ended: %s", conn_id_text(m->conn, id),
		end_cause_name((enum end_cause)m->cause));
	connections_remove(&l->state->connections, c);
}

static const struct link_handler handlers[] = {
	{MSG_CONNECTION, msg_connection_fields, on_connection},
	{MSG_COUNTERS, msg_counters_fields, on_counters},
	{MSG_CONNECTION_ENDED, msg_connection_ended_fields, on_connection_ended},
	{MSG_LIMIT_USE, msg_limit_use_fields, limits_on_use},
	{0, NULL, NULL},
};

/* --- the links --- */

static void
lose(struct relay *r)
{
	r->is_lost = true;
	r->lost_at_ms = r->link.state->now_ms;
	link_clear(&r->link);
}

static void
on_closed(struct link *l)
{
	lose(relay_of(l));
}

static void
drop(struct relay **at)
{
	struct relay *r = *at;

	connections_remove_relay(&r->link.state->connections, r);
	*at = r->next;
	link_clear(&r->link);
	free(r);
}

static void
lose_predecessor(struct state *s, unsigned index)
{
	for (struct relay *r = s->relays; r != NULL; r = r->next) {
		if (r->link.index == index && !r->is_lost)
			lose(r);
	}
}

enum err
relays_link(struct state *s, const struct link_peer *peer, int fd)
{
	struct relay *r = calloc(1, sizeof(*r));
	enum err e;

	lose_predecessor(s, peer->index);
	if (r == NULL) {
		close(fd);
		return ERR_NOMEM;
	}
	e = link_init(&r->link, s, peer, fd, handlers, on_closed);
	if (e != OK) {
		free(r);
		return e;
	}
	r->next = s->relays;
	s->relays = r;
	return OK;
}

void
relays_clear(struct state *s)
{
	while (s->relays != NULL)
		drop(&s->relays);
}

size_t
relays_count(const struct state *s)
{
	size_t n = 0;

	for (const struct relay *r = s->relays; r != NULL; r = r->next)
		n += r->is_lost ? 0 : 1;
	return n;
}

void
relays_check_time(struct state *s)
{
	struct relay **at = &s->relays;

	while (*at != NULL) {
		if ((*at)->is_lost && s->now_ms - (*at)->lost_at_ms >= RELAYS_GRACE_MS)
			drop(at);
		else
			at = &(*at)->next;
	}
}
