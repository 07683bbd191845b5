/*
 * What the director knows, as JSON.
 *
 * Each function that adds to an object returns whether it did: memory is all that can be missing.
 */
#include "broker/admin/views.h"

#include "broker/director/clock.h"
#include "broker/director/gates.h"
#include "broker/director/relays.h"
#include "broker/director/state.h"
#include "common/log.h"
#include "common/ssh/wire.h"

/* A text from elsewhere with each byte written as \xNN. */
#define TEXT_SIZE (4 * MSG_TEXT_MAX + 1)

/* --- members --- */

static bool
add_number(cJSON *o, const char *name, uint64_t value)
{
	return cJSON_AddNumberToObject(o, name, (double)value) != NULL;
}

static bool
add_null(cJSON *o, const char *name)
{
	return cJSON_AddNullToObject(o, name) != NULL;
}

static bool
add_bool(cJSON *o, const char *name, bool value)
{
	return cJSON_AddBoolToObject(o, name, value) != NULL;
}

static bool
add_string(cJSON *o, const char *name, const char *value)
{
	return cJSON_AddStringToObject(o, name, value) != NULL;
}

/* Text from elsewhere: JSON is UTF-8, and terminals show what they are sent. */
static bool
add_text(cJSON *o, const char *name, struct span value)
{
	char text[TEXT_SIZE];

	return add_string(o, name, log_printable(value, text, sizeof(text)));
}

static bool
add_addr(cJSON *o, const char *name, const struct addr *a)
{
	char text[ADDR_TEXT_SIZE];

	return a->family != 0 ? add_string(o, name, addr_text(a, text)) : add_null(o, name);
}

/* A new object at the end of list; NULL: no memory. */
static cJSON *
append_object(cJSON *list)
{
	cJSON *o = cJSON_CreateObject();

	if (cJSON_AddItemToArray(list, o))
		return o;
	cJSON_Delete(o);
	return NULL;
}

static uint64_t
seconds_since(uint64_t now_ms, uint64_t then_ms)
{
	return now_ms > then_ms ? (now_ms - then_ms) / 1000 : 0;
}

/* --- status --- */

static bool
add_roles(const struct state *s, cJSON *reply)
{
	cJSON *o = cJSON_AddObjectToObject(reply, "roles");

	return o != NULL && add_number(o, "gates", gates_count(s)) &&
		add_number(o, "relays", relays_count(s));
}

static uint64_t
sum_dials(const struct state *s)
{
	uint64_t n = 0;

	for (const struct node *node = nodes_first(&s->nodes); node; node = nodes_next(node))
		n += node->n_dials;
	return n;
}

static bool
add_counts(const struct state *s, cJSON *reply)
{
	const struct login_list *by_state = s->logins.by_state;
	cJSON *o = cJSON_AddObjectToObject(reply, "counts");

	return o != NULL && add_number(o, "nodes", s->nodes.by_name.n) &&
		add_number(o, "users", s->users.by_name.n) &&
		add_number(o, "connections", s->connections.by_id.n) &&
		add_number(o, "unauthenticated", logins_n_unauthenticated(&s->logins)) &&
		add_number(o, "waiting", by_state[LOGIN_WAITING].n) &&
		add_number(o, "handing_over", by_state[LOGIN_AUTHENTICATED].n) &&
		add_number(o, "dials", sum_dials(s)) &&
		add_number(o, "messages_ignored", s->n_ignored) &&
		add_number(o, "messages_malformed", s->n_malformed);
}

static uint64_t
largest_dials(const struct state *s)
{
	uint64_t n = 0;

	for (const struct node *node = nodes_first(&s->nodes); node; node = nodes_next(node))
		n = node->n_dials > n ? node->n_dials : n;
	return n;
}

/* How much of a limit is used now, by the one that uses most; false: the director does not know. */
static bool
limit_now(const struct state *s, enum limit limit, uint64_t *out)
{
	switch (limit) {
	case LIMIT_UNAUTHENTICATED:
		*out = logins_n_unauthenticated(&s->logins);
		return true;
	case LIMIT_UNAUTHENTICATED_PER_SOURCE:
		*out = sources_largest(&s->logins.sources);
		return true;
	case LIMIT_NODE_DIALS_UNAUTHENTICATED:
		*out = largest_dials(s);
		return true;
	case LIMIT_CONNECTIONS:
		*out = s->connections.by_id.n + s->logins.by_id.n;
		return true;
	default:
		return false;
	}
}

static bool
add_limit(const struct state *s, enum limit limit, cJSON *list)
{
	cJSON *o = append_object(list);
	struct limit_sum sum;

	limits_sum(s, limit, &sum);
	if (limit_now(s, limit, &sum.now))
		sum.has_now = true;
	return o != NULL && add_string(o, "name", limit_name(limit)) &&
		(sum.has_max ? add_number(o, "max", sum.max) : add_null(o, "max")) &&
		(sum.has_now ? add_number(o, "now", sum.now) : add_null(o, "now")) &&
		add_number(o, "hits", sum.n_hits);
}

static bool
add_limits(const struct state *s, cJSON *reply)
{
	cJSON *list = cJSON_AddArrayToObject(reply, "limits");
	bool ok = list != NULL;

	for (unsigned i = 0; i < LIMIT_COUNT && ok; i++)
		ok = add_limit(s, (enum limit)i, list);
	return ok;
}

enum err
view_status(const struct state *s, cJSON *reply)
{
	bool ok = add_string(reply, "software", "sshbroker " SSHBROKER_VERSION) &&
		add_number(reply, "started_at_ms", s->started_wall_ms) &&
		add_number(reply, "uptime_s", seconds_since(s->now_ms, s->started_at_ms)) &&
		add_roles(s, reply) && add_counts(s, reply) && add_limits(s, reply);

	return ok ? OK : ERR_NOMEM;
}

/* --- nodes --- */

static bool
add_failure(const struct state *s, const struct node *node, cJSON *o)
{
	const struct node_last_failure *f = &node->failure;
	cJSON *failure;

	if (f->cause == NODE_FAILURE_NONE)
		return add_null(o, "last_failure");
	failure = cJSON_AddObjectToObject(o, "last_failure");
	return failure != NULL && add_string(failure, "cause", node_failure_text(f->cause)) &&
		add_number(failure, "age_s", seconds_since(s->now_ms, f->at_ms)) &&
		add_bool(failure, "served_since", f->has_served_since);
}

static bool
add_methods(const struct node *node, cJSON *o)
{
	cJSON *list = cJSON_AddArrayToObject(o, "methods"), *item;
	struct span names = span_str(node->methods), name;
	char text[MSG_METHODS_MAX + 1];
	bool ok = list != NULL;

	while (ok && wire_namelist_next(&names, &name)) {
		item = cJSON_CreateString(log_printable(name, text, sizeof(text)));
		ok = cJSON_AddItemToArray(list, item);
		if (!ok)
			cJSON_Delete(item);
	}
	return ok;
}

static bool
add_node(const struct state *s, const struct node *node, cJSON *list)
{
	cJSON *o = append_object(list);

	return o != NULL && add_string(o, "name", node->name) &&
		add_string(o, "identity", node->identity) &&
		add_string(o, "address", node->address) && add_number(o, "port", node->port) &&
		add_number(o, "weight", node->weight) &&
		add_number(o, "users_max", node->users_max) &&
		add_number(o, "users", node->n_users) &&
		add_number(o, "connections", node->n_connections) &&
		add_number(o, "reservations", node->n_reservations) &&
		add_number(o, "dials", node->n_dials) &&
		add_number(o, "failures", node->failure.n_total) && add_failure(s, node, o) &&
		add_bool(o, "failed_lately",
			node_failed_lately(node, NODE_REPORTER_ALL, s->now_ms)) &&
		add_methods(node, o);
}

enum err
view_nodes(const struct state *s, cJSON *reply)
{
	cJSON *list = cJSON_AddArrayToObject(reply, "nodes");
	bool ok = list != NULL;

	for (const struct node *n = nodes_first(&s->nodes); n != NULL && ok; n = nodes_next(n))
		ok = add_node(s, n, list);
	return ok ? OK : ERR_NOMEM;
}

/* --- users --- */

static bool
add_presences(const struct user *user, cJSON *o)
{
	cJSON *list = cJSON_AddArrayToObject(o, "nodes"), *item;
	bool ok = list != NULL;

	for (const struct presence *p = user->presences; p != NULL && ok; p = p->next) {
		item = append_object(list);
		ok = item != NULL && add_string(item, "node", p->node->name) &&
			add_number(item, "connections", p->n_connections) &&
			add_number(item, "reservations", p->n_reservations);
	}
	return ok;
}

static bool
add_user(const struct user *user, cJSON *list)
{
	cJSON *o = append_object(list);

	return o != NULL && add_text(o, "user", user->name) &&
		add_number(o, "connections", user->n_connections) &&
		add_number(o, "reservations", user->n_reservations) &&
		(user->since_ms != 0 ? add_number(o, "since_ms", user->since_ms)
				     : add_null(o, "since_ms")) &&
		add_presences(user, o);
}

enum err
view_users(const struct state *s, cJSON *reply)
{
	cJSON *list = cJSON_AddArrayToObject(reply, "users");
	bool ok = list != NULL;

	for (const struct user *u = users_first(&s->users); u != NULL && ok; u = users_next(u))
		ok = add_user(u, list);
	return ok ? OK : ERR_NOMEM;
}

/* --- connections --- */

/* What the relay counted, as of its last message. */
static bool
add_counters(const struct state *s, const struct connection *c, cJSON *o)
{
	const struct msg_counters *m = &c->counters;

	if (c->counters_at_ms == 0)
		return add_null(o, "bytes_from_client") && add_null(o, "bytes_from_node") &&
			add_null(o, "channels") && add_null(o, "rekeys") && add_null(o, "idle_s");
	return add_number(o, "bytes_from_client", m->bytes_from_client) &&
		add_number(o, "bytes_from_node", m->bytes_from_node) &&
		add_number(o, "channels", m->n_channels) && add_number(o, "rekeys", m->n_rekeys) &&
		add_number(o, "idle_s", (m->idle_ms + s->now_ms - c->counters_at_ms) / 1000);
}

static bool
add_facts(const struct msg_connection *m, cJSON *o)
{
	char id[CONN_ID_TEXT_SIZE];

	return add_string(o, "id", conn_id_text(m->conn, id)) && add_text(o, "user", m->user) &&
		add_text(o, "node", m->node) && add_addr(o, "node_address", &m->node_addr) &&
		add_addr(o, "client", &m->client) &&
		add_number(o, "started_at_ms", m->started_at_ms) &&
		add_number(o, "duration_s", seconds_since(clock_wall_ms(), m->started_at_ms)) &&
		add_text(o, "method", m->method) && add_text(o, "fingerprint", m->fingerprint) &&
		add_text(o, "client_software", m->client_ident) &&
		add_text(o, "client_cipher", m->client_cipher) &&
		add_text(o, "node_cipher", m->node_cipher) && add_text(o, "why", m->why);
}

static bool
add_connection(const struct state *s, const struct connection *c, cJSON *list)
{
	cJSON *o = append_object(list);

	return o != NULL && add_facts(&c->facts, o) && add_counters(s, c, o) &&
		add_number(o, "relay", relay_index(c->relay)) &&
		add_bool(o, "relay_lost", relay_is_lost(c->relay));
}

enum err
view_connections(const struct state *s, cJSON *reply)
{
	const struct connection *c = connections_first(&s->connections);
	cJSON *list = cJSON_AddArrayToObject(reply, "connections");
	bool ok = list != NULL;

	for (; c != NULL && ok; c = connections_next(c))
		ok = add_connection(s, c, list);
	return ok ? OK : ERR_NOMEM;
}
