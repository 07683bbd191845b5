/*
 * The connections of a relay.
 */
#include "broker/relay/roster.h"

#include "broker/relay/connection.h"

/* Ids are random, so any bits will do. */
static size_t
chain_of(uint64_t id)
{
	return (size_t)((id ^ id >> 32) % ROSTER_CHAINS);
}

struct connection *
roster_find(const struct roster *r, uint64_t id)
{
	struct connection *c = r->chains[chain_of(id)];

	while (c != NULL && c->id != id)
		c = c->next_same;
	return c;
}

enum err
roster_add(struct roster *r, struct connection *c)
{
	struct connection **chain = &r->chains[chain_of(c->id)];

	if (roster_find(r, c->id) != NULL)
		return ERR_EXISTS;
	c->next_same = *chain;
	*chain = c;
	c->prev = NULL;
	c->next = r->first;
	if (r->first != NULL)
		r->first->prev = c;
	r->first = c;
	r->n++;
	return OK;
}

void
roster_remove(struct roster *r, struct connection *c)
{
	struct connection **link = &r->chains[chain_of(c->id)];

	while (*link != c)
		link = &(*link)->next_same;
	*link = c->next_same;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		r->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->next = NULL;
	c->prev = NULL;
	c->next_same = NULL;
	r->n--;
}
