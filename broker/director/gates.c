/*
 * The gates.
 *
 * A gate parses bytes of strangers and may be in their hands.  It may speak of connections that it announced itself, and
 * of nothing else; what it can do to others is bounded by the limits.
 */
#include "broker/director/gates.h"

#include "broker/director/placing.h"
#include "common/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct gate {
	struct gate *next;
	size_t n_logins; /* in any state */
	struct link link; /* handlers get the link: it is a member */
};

static struct gate *
gate_of(struct link *l)
{
	return TABLE_OWNER(l, struct gate, link);
}

struct state *
gate_state(const struct gate *g)
{
	return g->link.state;
}

struct link *
gate_link(struct gate *g)
{
	return &g->link;
}

/* NULL: not this gate's; counted. */
static struct login *
find_login(struct link *l, uint64_t id, const char *what)
{
	struct login *login = logins_find(&l->state->logins, id, gate_of(l));

	if (login == NULL)
		link_ignore(l, id, what);
	return login;
}

/* --- MSG_ACCEPTED --- */

static const char *
refusal_text(enum limit limit)
{
	switch (limit) {
	case LIMIT_CONNECTIONS:
		return "The pool has as many connections as it may have";
	case LIMIT_UNAUTHENTICATED:
		return "Too many logins are under way at the moment";
	case LIMIT_LOGIN_GRACE:
		return "The login took too long";
	default:
		return "Too many logins from your address are under way at the moment";
	}
}

static void
refuse(struct link *l, uint64_t conn, enum limit limit)
{
	char text[MSG_TEXT_MAX];
	struct msg_refuse answer = {.conn = conn};

	(void)snprintf(text, sizeof(text), "%s (%s). Please try again in a minute.",
		refusal_text(limit), limit_name(limit));
	answer.text = span_str(text);
	(void)link_send(l, MSG_REFUSE, msg_refuse_fields, &answer, -1);
}

/* Of the source that has most, for a newcomer.  Its gate may have had word of its success in between. */
static void
send_away(struct login *login, enum limit limit)
{
	char text[MSG_TEXT_MAX];
	struct msg_refuse m = {.conn = login->id, .spares_success = true};

	login->is_leaving = true;
	(void)snprintf(text, sizeof(text),
		"Others are waiting, and most of the logins under way are from your address (%s). "
		"Please try again in a minute.",
		limit_name(limit));
	m.text = span_str(text);
	(void)link_send(&login->gate->link, MSG_REFUSE, msg_refuse_fields, &m, -1);
}

/* Each gate has a share of the logins that others do not touch (kept_for_others()), so it makes room among its own. */
static bool
make_room_for_login(struct state *s, const struct gate *g, const struct addr *client)
{
	struct login *login = room_choose(&(struct room_query){.logins = &s->logins,
		.room = ROOM_LOGINS,
		.client = client,
		.gate = g,
		.now_ms = s->now_ms});

	if (login != NULL)
		send_away(login, LIMIT_UNAUTHENTICATED);
	return login != NULL;
}

bool
gate_make_room_for_dial(struct state *s, const struct addr *client, const struct node *node)
{
	struct login *login = room_choose(&(struct room_query){.logins = &s->logins,
		.room = ROOM_DIALS,
		.client = client,
		.node = node,
		.now_ms = s->now_ms});

	if (login != NULL)
		send_away(login, LIMIT_NODE_DIALS_UNAUTHENTICATED);
	return login != NULL;
}

void
gate_tell_refused(const struct login *login, enum limit limit)
{
	struct state *s = gate_state(login->gate);

	limits_hit(&s->limits, s->config, limit, s->now_ms);
	refuse(&login->gate->link, login->id, limit);
}

void
gate_note_end(struct gate *g)
{
	g->n_logins--;
}

/*
 * How many logins are kept free for the gates other than g, which may be in wrong hands and make up as many as it can.
 * Half of all is shared out equally among the gates; what of its share a gate does not use is free for no other one.
 */
static size_t
kept_for_others(const struct state *s, const struct gate *g)
{
	size_t n_gates = gates_count(s), share, n = 0;

	assert(n_gates > 0);
	share = s->config->limits.unauthenticated_max / (2 * n_gates);
	for (const struct gate *other = s->gates; other != NULL; other = other->next) {
		if (other != g && other->n_logins < share)
			n += share - other->n_logins;
	}
	return n;
}

/* The limit that does not let another client in; LIMIT_COUNT: none. */
static enum limit
reached_limit(const struct state *s, const struct gate *g, const struct addr *client)
{
	size_t n = logins_n_unauthenticated(&s->logins);

	if (s->logins.by_id.n + s->connections.by_id.n >= s->config->limits.connections_max)
		return LIMIT_CONNECTIONS;
	if (sources_count(&s->logins.sources, client) >=
		s->config->limits.unauthenticated_per_source_max)
		return LIMIT_UNAUTHENTICATED_PER_SOURCE;
	if (n + kept_for_others(s, g) >= s->config->limits.unauthenticated_max)
		return LIMIT_UNAUTHENTICATED;
	return LIMIT_COUNT;
}

static void
on_accepted(struct link *l, void *message)
{
	const struct msg_accepted *m = message;
	struct gate *g = gate_of(l);
	struct state *s = l->state;
	struct login *login;
	enum limit limit;

	if (m->conn == 0 || logins_find_any(&s->logins, m->conn) != NULL ||
		connections_find(&s->connections, m->conn) != NULL) {
		link_ignore(l, m->conn, "accepted twice");
		return;
	}
	limit = reached_limit(s, g, &m->client);
	if (limit != LIMIT_COUNT)
		limits_hit(&s->limits, s->config, limit, s->now_ms);
	if (limit == LIMIT_UNAUTHENTICATED && make_room_for_login(s, g, &m->client))
		limit = LIMIT_COUNT;
	if (limit == LIMIT_COUNT &&
		logins_add(&s->logins, m->conn, &m->client, g, s->now_ms, &login) != OK)
		limit = LIMIT_CONNECTIONS;
	if (limit == LIMIT_COUNT)
		g->n_logins++;
	else
		refuse(l, m->conn, limit);
}

/* --- the login --- */

static void
on_place(struct link *l, void *message)
{
	const struct msg_place *m = message;
	struct state *s = l->state;
	struct login *login = find_login(l, m->conn, "asks for a node, but was not accepted");

	if (login == NULL)
		return;
	if (login->state != LOGIN_ACCEPTED) {
		link_ignore(l, m->conn, "asks for a node while it has one");
		return;
	}
	placing_want(s, login, m);
}

/* A wrong host key is either a reinstalled node or somebody in between: nobody but the operator can tell. */
static void
log_failure(const struct login *login, const struct msg_node_failed *m)
{
	char id[CONN_ID_TEXT_SIZE];
	const struct node *node = login->node;

	(void)conn_id_text(m->conn, id);
	if (m->cause == NODE_FAILURE_HOST_KEY)
		log_error("node %s (%s port %u) SHOWED A WRONG HOST KEY and was not used for "
			  "connection %s: %.*s. If it was reinstalled, put its new key into its "
			  "host_keys; if not, find out who answers at this address",
			node->name, node->address, node->port, id, (int)m->text.len,
			(const char *)m->text.ptr);
	else
		log_warn("node %s (%s port %u) failed connection %s: %s: %.*s", node->name,
			node->address, node->port, id, node_failure_text(m->cause),
			(int)m->text.len, (const char *)m->text.ptr);
}

static void
on_node_failed(struct link *l, void *message)
{
	const struct msg_node_failed *m = message;
	struct login *login = find_login(l, m->conn, "says that its node failed, but is unknown");

	if (login == NULL)
		return;
	if (login->state != LOGIN_PLACED || login->attempt != m->attempt ||
		m->cause == NODE_FAILURE_NONE || m->cause >= NODE_FAILURE_COUNT) {
		link_ignore(l, m->conn, "says that a node failed that it does not have");
		return;
	}
	log_failure(login, m);
	placing_node_failed(l->state, login, m->cause);
}

static void
on_authenticated(struct link *l, void *message)
{
	const struct msg_conn *m = message;
	struct state *s = l->state;
	struct login *login = find_login(l, m->conn, "is logged in, but was not accepted");

	if (login == NULL)
		return;
	if (!login_may_become(login, LOGIN_AUTHENTICATED)) {
		link_ignore(l, m->conn, "is logged in without a node");
		return;
	}
	if (login_prove(&s->logins, login))
		s->n_dials_freed++;
	if (login->node != NULL)
		node_note_success(login->node);
	login_become(&s->logins, login, LOGIN_AUTHENTICATED, s->now_ms);
}

static void
on_ended(struct link *l, void *message)
{
	const struct msg_ended *m = message;
	struct login *login = find_login(l, m->conn, "ended, but is unknown");
	char id[CONN_ID_TEXT_SIZE];

	if (login == NULL)
		return;
	log_debug("connection %s ended before its hand-over: %.*s", conn_id_text(m->conn, id),
		(int)m->text.len, (const char *)m->text.ptr);
	placing_end(l->state, login);
}

/* --- methods --- */

static void
tell_methods(struct gate *g)
{
	char methods[MSG_METHODS_MAX + 1];
	struct msg_known_methods m = {
		.methods = span_str(nodes_known_methods(&g->link.state->nodes, methods))};

	(void)link_send(&g->link, MSG_KNOWN_METHODS, msg_known_methods_fields, &m, -1);
}

static void
on_node_methods(struct link *l, void *message)
{
	const struct msg_node_methods *m = message;
	struct state *s = l->state;
	struct login *login = find_login(l, m->conn, "tells methods, but is unknown");
	char before[MSG_METHODS_MAX + 1], after[MSG_METHODS_MAX + 1];

	if (login == NULL)
		return;
	if (login->state != LOGIN_PLACED || !span_is(m->node, login->node->name)) {
		link_ignore(l, m->conn, "tells methods of a node that it does not have");
		return;
	}
	node_note_success(login->node);
	(void)nodes_known_methods(&s->nodes, before);
	if (!node_learn_methods(login->node, m->methods) ||
		strcmp(nodes_known_methods(&s->nodes, after), before) == 0)
		return;
	for (struct gate *g = s->gates; g != NULL; g = g->next)
		tell_methods(g);
}

/* --- answers --- */

bool
gate_tell_placed(const struct login *login, const struct addr *address, int fd)
{
	const struct node *node = login->node;
	struct msg_placed m = {
		.conn = login->id,
		.attempt = login->attempt,
		.node = span_str(node->name),
		.identity = span_str(node->identity),
		.address = *address,
		.host_keys = buf_span(&node->host_keys),
		.why = span_str(login->why),
	};

	return link_send(&login->gate->link, MSG_PLACED, msg_placed_fields, &m, fd);
}

void
gate_tell_not_placed(const struct login *login, enum not_placed reason, const char *text)
{
	struct msg_not_placed m = {
		.conn = login->id,
		.attempt = login->attempt,
		.reason = (uint8_t)reason,
		.text = span_str(text),
	};

	(void)link_send(&login->gate->link, MSG_NOT_PLACED, msg_not_placed_fields, &m, -1);
}

/* --- the links --- */

static const struct link_handler handlers[] = {
	{MSG_ACCEPTED, msg_accepted_fields, on_accepted},
	{MSG_PLACE, msg_place_fields, on_place},
	{MSG_NODE_FAILED, msg_node_failed_fields, on_node_failed},
	{MSG_NODE_METHODS, msg_node_methods_fields, on_node_methods},
	{MSG_AUTHENTICATED, msg_conn_fields, on_authenticated},
	{MSG_ENDED, msg_ended_fields, on_ended},
	{MSG_LIMIT_USE, msg_limit_use_fields, limits_on_use},
	{0, NULL, NULL},
};

static void
end_logins(struct gate *g)
{
	struct state *s = gate_state(g);
	struct table_entry *next;

	for (struct table_entry *e = s->logins.by_id.first; e != NULL; e = next) {
		struct login *login = TABLE_OWNER(e, struct login, entry);

		next = e->next;
		if (login->gate == g)
			placing_end(s, login);
	}
}

static void
drop(struct gate *g)
{
	struct gate **at = &gate_state(g)->gates;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	end_logins(g);
	link_clear(&g->link);
	free(g);
}

static void
on_closed(struct link *l)
{
	drop(gate_of(l));
}

static void
drop_predecessor(struct state *s, unsigned index)
{
	struct gate *g = s->gates;

	while (g != NULL && g->link.index != index)
		g = g->next;
	if (g != NULL)
		drop(g);
}

enum err
gates_link(struct state *s, const struct link_peer *peer, int fd)
{
	struct gate *g = calloc(1, sizeof(*g));
	enum err e;

	drop_predecessor(s, peer->index);
	if (g == NULL) {
		close(fd);
		return ERR_NOMEM;
	}
	e = link_init(&g->link, s, peer, fd, handlers, on_closed);
	if (e != OK) {
		free(g);
		return e;
	}
	g->next = s->gates;
	s->gates = g;
	tell_methods(g);
	return OK;
}

void
gates_clear(struct state *s)
{
	struct gate *next;

	for (struct gate *g = s->gates; g != NULL; g = next) {
		next = g->next;
		drop(g);
	}
}

size_t
gates_count(const struct state *s)
{
	size_t n = 0;

	for (const struct gate *g = s->gates; g != NULL; g = g->next)
		n++;
	return n;
}
