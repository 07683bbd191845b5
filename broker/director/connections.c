/*
 * The connections of logged-in users.
 */
#include "broker/director/connections.h"

#include <assert.h>
#include <stdlib.h>

enum err
connections_init(struct connections *c, size_t max, struct users *users, struct nodes *nodes)
{
	struct connections new = {.users = users, .nodes = nodes};
	enum err e = table_init(&new.by_id, max);

	if (e == OK)
		*c = new;
	return e;
}

static struct connection *
connection_of(struct table_entry *e)
{
	return e != NULL ? TABLE_OWNER(e, struct connection, entry) : NULL;
}

void
connections_clear(struct connections *c)
{
	while (c->by_id.first != NULL)
		connections_remove(c, connection_of(c->by_id.first));
	table_clear(&c->by_id);
}

static void
connection_free(struct connection *connection)
{
	buf_clear(&connection->body);
	free(connection);
}

/* A copy of the facts: their message, written and read back, so that no field can be forgotten. */
static enum err
copy_facts(struct connection *connection, const struct msg_connection *facts)
{
	struct buf body = {0};
	enum err e = message_encode(msg_connection_fields, facts, &body);

	/* The exact size: many connections are idle for days. */
	if (e == OK)
		e = buf_append_exact(&connection->body, buf_span(&body).ptr, body.len);
	if (e == OK)
		e = message_decode(
			msg_connection_fields, buf_span(&connection->body), &connection->facts);
	buf_clear(&body);
	return e;
}

static enum err
connection_new(const struct msg_connection *facts, struct relay *relay, struct connection **out)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	enum err e;

	if (connection == NULL)
		return ERR_NOMEM;
	connection->relay = relay;
	e = copy_facts(connection, facts);
	if (e != OK)
		connection_free(connection);
	else
		*out = connection;
	return e;
}

enum err
connections_add(struct connections *c, const struct msg_connection *facts, struct relay *relay)
{
	struct connection *connection;
	enum err e = connection_new(facts, relay, &connection);
	uint64_t *id;

	if (e != OK)
		return e;
	id = &connection->facts.conn;
	e = table_add(&c->by_id, &connection->entry, span_of(id, sizeof(*id)));
	if (e != OK) {
		connection_free(connection);
		return e;
	}
	connection->node = nodes_find(c->nodes, facts->node);
	e = users_connect(
		c->users, facts->user, connection->node, facts->started_at_ms, &connection->user);
	if (e != OK) {
		table_remove(&c->by_id, &connection->entry);
		connection_free(connection);
	}
	return e;
}

void
connections_remove(struct connections *c, struct connection *connection)
{
	users_disconnect(c->users, connection->user, connection->node);
	table_remove(&c->by_id, &connection->entry);
	connection_free(connection);
}

void
connections_remove_relay(struct connections *c, const struct relay *relay)
{
	struct connection *next, *connection = connections_first(c);

	for (; connection != NULL; connection = next) {
		next = connections_next(connection);
		if (connection->relay == relay)
			connections_remove(c, connection);
	}
}

struct connection *
connections_find(const struct connections *c, uint64_t id)
{
	return connection_of(table_find(&c->by_id, span_of(&id, sizeof(id))));
}

struct connection *
connections_first(const struct connections *c)
{
	return connection_of(c->by_id.first);
}

struct connection *
connections_next(const struct connection *connection)
{
	return connection_of(connection->entry.next);
}
