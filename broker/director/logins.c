/*
 * The connections that gates hold.
 */
#include "broker/director/logins.h"

#include <assert.h>
#include <stdlib.h>

#define TO(state) (1u << (state))

static const unsigned arrows[LOGIN_STATES] = {
	[LOGIN_NONE] = TO(LOGIN_ACCEPTED),
	[LOGIN_ACCEPTED] = TO(LOGIN_WAITING) | TO(LOGIN_DIALLING) | TO(LOGIN_AUTHENTICATED),
	[LOGIN_WAITING] = TO(LOGIN_ACCEPTED) | TO(LOGIN_DIALLING),
	[LOGIN_DIALLING] = TO(LOGIN_ACCEPTED) | TO(LOGIN_PLACED),
	[LOGIN_PLACED] = TO(LOGIN_ACCEPTED) | TO(LOGIN_AUTHENTICATED),
};

enum err
logins_init(struct logins *l, size_t max, struct users *users)
{
	struct logins new = {.users = users};
	enum err e = table_init(&new.by_id, max);

	if (e == OK)
		e = sources_init(&new.sources, max);
	if (e != OK) {
		table_clear(&new.by_id);
		return e;
	}
	*l = new;
	return OK;
}

static struct login *
login_of(struct table_entry *e)
{
	return e != NULL ? TABLE_OWNER(e, struct login, entry) : NULL;
}

void
logins_clear(struct logins *l)
{
	while (l->by_id.first != NULL)
		logins_remove(l, login_of(l->by_id.first));
	sources_clear(&l->sources);
	table_clear(&l->by_id);
}

/* --- states --- */

static void
list_remove(struct login_list *list, struct login *login)
{
	if (login->prev != NULL)
		login->prev->next = login->next;
	else
		list->first = login->next;
	if (login->next != NULL)
		login->next->prev = login->prev;
	else
		list->last = login->prev;
	list->n--;
}

static void
list_append(struct login_list *list, struct login *login)
{
	login->prev = list->last;
	login->next = NULL;
	if (list->last != NULL)
		list->last->next = login;
	else
		list->first = login;
	list->last = login;
	list->n++;
}

static bool
is_unauthenticated(const struct login *login)
{
	return login->state != LOGIN_NONE && login->state != LOGIN_AUTHENTICATED;
}

bool
login_may_become(const struct login *login, enum login_state state)
{
	return (arrows[login->state] & TO(state)) != 0;
}

void
login_become(struct logins *l, struct login *login, enum login_state state, uint64_t now_ms)
{
	bool was_unauthenticated = is_unauthenticated(login);

	assert(login_may_become(login, state));
	if (login->state != LOGIN_NONE)
		list_remove(&l->by_state[login->state], login);
	login->state = state;
	login->state_at_ms = now_ms;
	list_append(&l->by_state[state], login);
	if (was_unauthenticated && !is_unauthenticated(login))
		sources_remove(&l->sources, &login->client);
}

/* --- coming and going --- */

enum err
logins_add(struct logins *l, uint64_t id, const struct addr *client, struct gate *gate,
	uint64_t now_ms, struct login **out)
{
	struct login *login = calloc(1, sizeof(*login));
	enum err e;

	if (login == NULL)
		return ERR_NOMEM;
	login->id = id;
	login->client = *client;
	login->gate = gate;
	login->accepted_at_ms = now_ms;
	e = table_add(&l->by_id, &login->entry, span_of(&login->id, sizeof(login->id)));
	if (e != OK) {
		free(login);
		return e;
	}
	e = sources_add(&l->sources, client);
	if (e != OK) {
		table_remove(&l->by_id, &login->entry);
		free(login);
		return e;
	}
	login_become(l, login, LOGIN_ACCEPTED, now_ms);
	*out = login;
	return OK;
}

void
logins_remove(struct logins *l, struct login *login)
{
	assert(login->dial == NULL);
	(void)login_release(l, login);
	list_remove(&l->by_state[login->state], login);
	if (is_unauthenticated(login))
		sources_remove(&l->sources, &login->client);
	table_remove(&l->by_id, &login->entry);
	free(login->user_bytes);
	free(login);
}

struct login *
logins_find_any(const struct logins *l, uint64_t id)
{
	return login_of(table_find(&l->by_id, span_of(&id, sizeof(id))));
}

struct login *
logins_find(const struct logins *l, uint64_t id, const struct gate *gate)
{
	struct login *login = logins_find_any(l, id);

	return login != NULL && login->gate == gate ? login : NULL;
}

size_t
logins_n_unauthenticated(const struct logins *l)
{
	return l->by_id.n - l->by_state[LOGIN_AUTHENTICATED].n;
}

/* --- what a login holds --- */

enum err
login_set_user(struct login *login, struct span user)
{
	/* One byte at least, so that NULL says that memory ran out. */
	uint8_t *copy = malloc(user.len + 1);

	if (copy == NULL)
		return ERR_NOMEM;
	if (user.len > 0)
		memcpy(copy, user.ptr, user.len);
	free(login->user_bytes);
	login->user_bytes = copy;
	login->user = span_of(copy, user.len);
	return OK;
}

void
login_exclude(struct login *login, struct node *node)
{
	for (size_t i = 0; i < login->n_failed; i++) {
		if (login->failed[i] == node)
			return;
	}
	if (login->n_failed < LOGIN_FAILED_MAX)
		login->failed[login->n_failed++] = node;
}

static void
count_dial(struct logins *l, struct login *login)
{
	login->counts_as_dial = true;
	login->node->n_dials++;
	sources_add_dial(&l->sources, &login->client);
}

static void
uncount_dial(struct logins *l, struct login *login)
{
	if (!login->counts_as_dial)
		return;
	login->counts_as_dial = false;
	login->node->n_dials--;
	sources_remove_dial(&l->sources, &login->client);
}

enum err
login_hold(struct logins *l, struct login *login, struct node *node)
{
	enum err e;

	assert(login->node == NULL);
	e = users_reserve(l->users, login->user, node, &login->reserved);
	if (e != OK)
		return e;
	login->node = node;
	count_dial(l, login);
	return OK;
}

bool
login_prove(struct logins *l, struct login *login)
{
	bool was_dial = login->counts_as_dial;

	login->has_proved = true;
	uncount_dial(l, login);
	return was_dial;
}

bool
login_release(struct logins *l, struct login *login)
{
	bool was_dial = login->counts_as_dial;

	if (login->node == NULL)
		return false;
	uncount_dial(l, login);
	users_release(l->users, login->reserved, login->node);
	login->reserved = NULL;
	login->node = NULL;
	return was_dial;
}
