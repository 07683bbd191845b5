/*
 * The logins of a gate: new ones, the messages that are for one of them, and their end.
 */
#include "broker/gate/login_table.h"

#include "broker/gate/login_impl.h"
#include "common/conn_id.h"
#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct login_table {
	struct login_env env;
	char known_methods[MSG_METHODS_MAX + 1];
	struct table by_id;
	struct login_counts counts;
	size_t logins_max, served_max;
	size_t newcomers_max; /* more, while the director decides about them */
	struct login *over; /* to be freed by the reaper */
	struct event *reaper;
};

/* How many may be told why they are not served, or wait for the director to say so. */
static size_t
refusals_max(const struct login_table_params *p)
{
	return p->logins_max / 4 < LOGIN_TABLE_REFUSALS_MAX ? p->logins_max / 4
							    : LOGIN_TABLE_REFUSALS_MAX;
}

static size_t
served_max(const struct login_table_params *p)
{
	size_t rest = p->logins_max - refusals_max(p);

	return rest < p->config->limits.unauthenticated_max ? rest
							    : p->config->limits.unauthenticated_max;
}

static struct login *
login_of(struct table_entry *e)
{
	return e != NULL ? TABLE_OWNER(e, struct login, entry) : NULL;
}

static void
free_over(struct login_table *t)
{
	while (t->over != NULL)
		login_free(login_pop(&t->over));
}

/* Logins end inside their own callbacks; they are freed here, from the loop. */
static void
on_reap(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	free_over(arg);
}

static void
on_over(void *arg, struct login *l)
{
	struct login_table *t = arg;

	if (login_table_find(t, login_id(l)) == l) {
		table_remove(&t->by_id, &l->entry);
		login_push(&t->over, l);
	}
	event_active(t->reaper, 0, 0);
}

enum err
login_table_new(const struct login_table_params *params, struct login_table **out)
{
	struct login_table *t = calloc(1, sizeof(*t));
	enum err e;

	if (t == NULL)
		return ERR_NOMEM;
	t->env = (struct login_env){
		.base = params->base,
		.config = params->config,
		.links = params->links,
		.client_transport = params->client_transport,
		.counts = &t->counts,
		.banner = params->banner,
		.known_methods = t->known_methods,
		.on_over = on_over,
		.arg = t,
	};
	t->logins_max = params->logins_max;
	t->served_max = served_max(params);
	t->newcomers_max = refusals_max(params) / 2;
	login_counts_init(&t->counts, refusals_max(params) - t->newcomers_max);
	e = table_init(&t->by_id, params->logins_max);
	if (e == OK) {
		t->reaper = event_new(params->base, -1, 0, on_reap, t);
		e = t->reaper != NULL ? OK : ERR_NOMEM;
	}
	if (e != OK) {
		login_table_free(t);
		return e;
	}
	*out = t;
	return OK;
}

void
login_table_free(struct login_table *t)
{
	struct login *l, *next;

	if (t == NULL)
		return;
	for (l = login_of(t->by_id.first); l != NULL; l = next) {
		next = login_of(l->entry.next);
		login_free(l);
	}
	free_over(t);
	table_clear(&t->by_id);
	if (t->reaper != NULL)
		event_free(t->reaper);
	free(t);
}

size_t
login_table_count(const struct login_table *t)
{
	return t->by_id.n;
}

struct login *
login_table_find(const struct login_table *t, uint64_t id)
{
	return login_of(table_find(&t->by_id, span_of(&id, sizeof(id))));
}

/* A director that is away hears of it when it is back. */
static bool
announce(struct login_table *t, const struct login *l, const struct addr *client)
{
	struct msg_accepted m = {.conn = login_id(l), .client = *client};

	return gate_links_to_director(t->env.links, MSG_ACCEPTED, msg_accepted_fields, &m) == OK;
}

static void
refuse_one_too_many(struct login_table *t, struct login *l)
{
	limit_hit(&t->counts.limits, LIMIT_UNAUTHENTICATED);
	login_refuse(l, SSH_DISCONNECT_TOO_MANY_CONNECTIONS,
		"too many people are logging in at once (limits.unauthenticated_max), "
		"please try again in a moment");
}

static enum err
add(struct login_table *t, int fd, const struct addr *client, struct login **out)
{
	struct login *l;
	uint64_t id;
	enum err e = conn_id_new(&id);

	if (e != OK) {
		close(fd);
		return e;
	}
	e = login_new(&t->env, fd, id, client, &l);
	if (e != OK)
		return e;
	e = table_add(&t->by_id, &l->entry, span_of(&l->id, sizeof(l->id)));
	if (e != OK) {
		login_free(l);
		return e;
	}
	*out = l;
	return OK;
}

enum err
login_table_add(struct login_table *t, int fd, const struct addr *client)
{
	size_t n = t->by_id.n, n_served = n - t->counts.n_closing;
	size_t max = t->served_max;
	struct login *l;
	enum err e;

	if (n >= t->logins_max) {
		limit_hit(&t->counts.limits, LIMIT_UNAUTHENTICATED);
		close(fd);
		return OK;
	}
	e = add(t, fd, client, &l);
	if (e != OK)
		return e;
	if (announce(t, l, client))
		max += t->newcomers_max;
	if (n_served >= max)
		refuse_one_too_many(t, l);
	return OK;
}

/* --- limits --- */

static bool
send_use(void *arg, const struct msg_limit_use *m)
{
	struct login_table *t = arg;

	return gate_links_to_director(t->env.links, MSG_LIMIT_USE, msg_limit_use_fields, m) == OK;
}

void
login_table_report(struct login_table *t)
{
	limit_report_send(&t->counts.limits, send_use, t);
}

/* --- messages --- */

static bool
decode(const struct message_field *fields, const struct ipc_message *m, void *out)
{
	if (message_decode(fields, m->body, out) == OK)
		return true;
	log_error("a message of type %u is malformed and ignored", m->type);
	return false;
}

static void
on_placed(struct login_table *t, const struct role_peer *peer, struct ipc_message *m)
{
	struct msg_placed placed;
	struct login *l;
	int fd;

	(void)peer;
	if (!decode(msg_placed_fields, m, &placed) || m->n_fds != 1)
		return;
	l = login_table_find(t, placed.conn);
	if (l == NULL)
		return;
	fd = m->fds[0];
	m->fds[0] = -1;
	login_on_placed(l, &placed, fd);
}

static void
on_not_placed(struct login_table *t, const struct role_peer *peer, struct ipc_message *m)
{
	struct msg_not_placed answer;
	struct login *l;

	(void)peer;
	if (!decode(msg_not_placed_fields, m, &answer))
		return;
	l = login_table_find(t, answer.conn);
	if (l != NULL)
		login_on_not_placed(l, &answer);
}

static void
on_refuse(struct login_table *t, const struct role_peer *peer, struct ipc_message *m)
{
	struct msg_refuse refuse;
	struct login *l;

	(void)peer;
	if (!decode(msg_refuse_fields, m, &refuse))
		return;
	l = login_table_find(t, refuse.conn);
	if (l != NULL)
		login_on_refuse(l, &refuse);
}

static void
on_known_methods(struct login_table *t, const struct role_peer *peer, struct ipc_message *m)
{
	struct msg_known_methods known;

	(void)peer;
	if (!decode(msg_known_methods_fields, m, &known))
		return;
	snprintf(t->known_methods, sizeof(t->known_methods), "%.*s", (int)known.methods.len,
		(const char *)known.methods.ptr);
}

static void
on_kex_signed(struct login_table *t, const struct role_peer *peer, struct ipc_message *m)
{
	struct msg_kex_signed answer;
	struct login *l;

	(void)peer;
	if (!decode(msg_kex_signed_fields, m, &answer))
		return;
	l = login_table_find(t, answer.conn);
	if (l != NULL)
		login_on_kex_signed(l, &answer);
}

static void
on_offered(struct login_table *t, const struct role_peer *peer, struct ipc_message *m)
{
	struct msg_offered answer;
	struct login *l;

	(void)peer;
	if (!decode(msg_offered_fields, m, &answer))
		return;
	l = login_table_find(t, answer.conn);
	if (l != NULL)
		login_on_offered(l, &answer);
}

static void
on_proved(struct login_table *t, const struct role_peer *peer, struct ipc_message *m)
{
	struct msg_proved answer;
	struct login *l;

	(void)peer;
	if (!decode(msg_proved_fields, m, &answer))
		return;
	l = login_table_find(t, answer.conn);
	if (l != NULL)
		login_on_proved(l, &answer);
}

static void
on_handed_over(struct login_table *t, const struct role_peer *peer, struct ipc_message *m)
{
	struct msg_handed_over answer;
	struct login *l;

	if (!decode(msg_handed_over_fields, m, &answer))
		return;
	l = login_table_find(t, answer.conn);
	if (l != NULL)
		login_on_handed_over(l, peer, &answer);
}

static const struct handler {
	uint16_t type;
	enum role_kind from;
	void (*handle)(struct login_table *t, const struct role_peer *peer, struct ipc_message *m);
} handlers[] = {
	{MSG_PLACED, ROLE_DIRECTOR, on_placed},
	{MSG_NOT_PLACED, ROLE_DIRECTOR, on_not_placed},
	{MSG_REFUSE, ROLE_DIRECTOR, on_refuse},
	{MSG_KNOWN_METHODS, ROLE_DIRECTOR, on_known_methods},
	{MSG_KEX_SIGNED, ROLE_KEYHOLDER, on_kex_signed},
	{MSG_OFFERED, ROLE_KEYHOLDER, on_offered},
	{MSG_PROVED, ROLE_KEYHOLDER, on_proved},
	{MSG_HANDED_OVER, ROLE_RELAY, on_handed_over},
};

bool
login_table_on_message(struct login_table *t, const struct role_peer *peer, struct ipc_message *m)
{
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		if (handlers[i].type == m->type && handlers[i].from == peer->kind) {
			handlers[i].handle(t, peer, m);
			return true;
		}
	}
	return false;
}

void
login_table_on_link_up(struct login_table *t, const struct role_peer *peer)
{
	struct login *l, *next;

	if (peer->kind == ROLE_DIRECTOR)
		limit_report_again(&t->counts.limits);
	else if (peer->kind == ROLE_KEYHOLDER)
		sign_turns_again(&t->counts.turns);
	for (l = login_of(t->by_id.first); l != NULL; l = next) {
		/* It may end by what it hears. */
		next = login_of(l->entry.next);
		login_on_link_up(l, peer);
	}
}

void
login_table_on_link_down(struct login_table *t, const struct role_peer *peer)
{
	struct login *l, *next;

	for (l = login_of(t->by_id.first); l != NULL; l = next) {
		/* It may end by what it hears. */
		next = login_of(l->entry.next);
		login_on_link_down(l, peer);
	}
}
