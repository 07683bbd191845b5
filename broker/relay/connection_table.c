/*
 * The connections of a relay.
 */
#include "broker/relay/connection_table.h"

#include "broker/relay/connection.h"

/* Ids are random, so any bits will do. */
static size_t
chain_of(uint64_t id)
{
	return (size_t)((id ^ id >> 32) % CONNECTION_TABLE_CHAINS);
}

struct connection *
connection_table_find(const struct connection_table *t, uint64_t id)
{
	struct connection *c = t->chains[chain_of(id)];

	while (c != NULL && c->id != id)
		c = c->next_same;
	return c;
}

enum err
connection_table_add(struct connection_table *t, struct connection *c)
{
	struct connection **chain = &t->chains[chain_of(c->id)];

	if (connection_table_find(t, c->id) != NULL)
		return ERR_EXISTS;
	c->next_same = *chain;
	*chain = c;
	c->prev = NULL;
	c->next = t->first;
	if (t->first != NULL)
		t->first->prev = c;
	t->first = c;
	t->n++;
	return OK;
}

void
connection_table_remove(struct connection_table *t, struct connection *c)
{
	struct connection **link = &t->chains[chain_of(c->id)];

	while (*link != c)
		link = &(*link)->next_same;
	*link = c->next_same;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		t->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->next = NULL;
	c->prev = NULL;
	c->next_same = NULL;
	t->n--;
}
