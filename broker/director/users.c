/*
 * Who is where.
 *
 * A node counts each user once: either as one with connections there or as one with reservations only.  Each change of
 * a presence therefore takes its old share from the node's counters and adds the new one.
 */
#include "broker/director/users.h"

#include <assert.h>
#include <stdlib.h>

enum err
users_init(struct users *u, size_t max)
{
	return table_init(&u->by_name, max);
}

static struct user *
user_of(struct table_entry *e)
{
	return e != NULL ? TABLE_OWNER(e, struct user, entry) : NULL;
}

struct user *
users_find(const struct users *u, struct span name)
{
	return user_of(table_find(&u->by_name, name));
}

struct user *
users_first(const struct users *u)
{
	return user_of(u->by_name.first);
}

struct user *
users_next(const struct user *user)
{
	return user_of(user->entry.next);
}

static void
user_free(struct user *user)
{
	struct presence *next;

	for (struct presence *p = user->presences; p != NULL; p = next) {
		next = p->next;
		free(p);
	}
	free(user);
}

void
users_clear(struct users *u)
{
	struct user *next;

	for (struct user *user = users_first(u); user != NULL; user = next) {
		next = users_next(user);
		user_free(user);
	}
	table_clear(&u->by_name);
}

/* --- presences --- */

/* Add (sign 1) or take away (sign -1) what a presence counts for on its node. */
static void
count(const struct presence *p, int sign)
{
	uint32_t one = (uint32_t)sign;

	p->node->n_connections += one * p->n_connections;
	p->node->n_reservations += one * p->n_reservations;
	if (p->n_connections > 0)
		p->node->n_users += one;
	else if (p->n_reservations > 0)
		p->node->n_users_reserved += one;
}

static struct presence *
find_presence(const struct user *user, const struct node *node)
{
	struct presence *p = user->presences;

	while (p != NULL && p->node != node)
		p = p->next;
	return p;
}

static struct presence *
get_presence(struct user *user, struct node *node)
{
	struct presence *p = find_presence(user, node);

	if (p != NULL)
		return p;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->node = node;
	p->next = user->presences;
	user->presences = p;
	return p;
}

static void
drop_if_empty(struct user *user, struct presence *p)
{
	struct presence **at = &user->presences;

	if (p->n_connections > 0 || p->n_reservations > 0)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	free(p);
}

/* --- users --- */

static enum err
user_new(struct users *u, struct span name, struct user **out)
{
	struct user *user = calloc(1, sizeof(*user) + name.len);
	enum err e;

	if (user == NULL)
		return ERR_NOMEM;
	if (name.len > 0)
		memcpy(user->text, name.ptr, name.len);
	user->name = span_of(user->text, name.len);
	e = table_add(&u->by_name, &user->entry, user->name);
	if (e != OK)
		free(user);
	else
		*out = user;
	return e;
}

static void
user_drop_if_gone(struct users *u, struct user *user)
{
	if (user->n_connections > 0 || user->n_reservations > 0)
		return;
	assert(user->presences == NULL);
	table_remove(&u->by_name, &user->entry);
	user_free(user);
}

/* The user and, unless node is NULL, the presence there; both may be new and empty. */
static enum err
get(struct users *u, struct span name, struct node *node, struct user **user, struct presence **p)
{
	enum err e;

	*p = NULL;
	*user = users_find(u, name);
	if (*user == NULL) {
		e = user_new(u, name, user);
		if (e != OK)
			return e;
	}
	if (node == NULL)
		return OK;
	*p = get_presence(*user, node);
	if (*p != NULL)
		return OK;
	user_drop_if_gone(u, *user);
	return ERR_NOMEM;
}

enum err
users_connect(struct users *u, struct span name, struct node *node, uint64_t started_at_ms,
	struct user **out)
{
	struct presence *p;
	struct user *user;
	enum err e = get(u, name, node, &user, &p);

	if (e != OK)
		return e;
	user->n_connections++;
	if (user->since_ms == 0 || started_at_ms < user->since_ms)
		user->since_ms = started_at_ms;
	if (p != NULL) {
		count(p, -1);
		p->n_connections++;
		if (started_at_ms > p->newest_at_ms)
			p->newest_at_ms = started_at_ms;
		count(p, 1);
	}
	*out = user;
	return OK;
}

void
users_disconnect(struct users *u, struct user *user, struct node *node)
{
	struct presence *p = node != NULL ? find_presence(user, node) : NULL;

	assert(user->n_connections > 0 && (node == NULL || p != NULL));
	user->n_connections--;
	if (user->n_connections == 0)
		user->since_ms = 0;
	if (p != NULL) {
		count(p, -1);
		p->n_connections--;
		count(p, 1);
		drop_if_empty(user, p);
	}
	user_drop_if_gone(u, user);
}

enum err
users_reserve(struct users *u, struct span name, struct node *node, struct user **out)
{
	struct presence *p;
	struct user *user;
	enum err e = get(u, name, node, &user, &p);

	if (e != OK)
		return e;
	assert(p != NULL);
	user->n_reservations++;
	count(p, -1);
	p->n_reservations++;
	count(p, 1);
	*out = user;
	return OK;
}

void
users_release(struct users *u, struct user *user, struct node *node)
{
	struct presence *p = find_presence(user, node);

	assert(p != NULL && p->n_reservations > 0);
	user->n_reservations--;
	count(p, -1);
	p->n_reservations--;
	count(p, 1);
	drop_if_empty(user, p);
	user_drop_if_gone(u, user);
}
