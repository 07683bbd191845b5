/*
 * From a gate's request to its answer.
 *
 * A login waits where its node has as many dials without proof as it may (sshd drops connections beyond MaxStartups).
 * The queue needs no limit of its own: who waits is unauthenticated, and limits.unauthenticated_max counts them.
 */
#include "broker/director/placing.h"

#include "broker/director/gates.h"
#include "common/log.h"
#include "common/ssh/wire.h"

#include <inttypes.h>
#include <stdio.h>

static void try_placing(struct state *s, struct login *login);

static uint64_t
waited_ms(const struct state *s, const struct login *login)
{
	return s->now_ms - login->wanted_at_ms;
}

static uint64_t
wait_max_ms(const struct state *s)
{
	return (uint64_t)s->config->limits.placement_wait_s * 1000;
}

/* --- no node --- */

/* The gate adds the connection id to what it tells a user. */
static const char *const not_placed_texts[NOT_PLACED_COUNT] = {
	[NOT_PLACED_NO_NODES] = "No machine of this pool answers at the moment. Please try again "
				"in a few minutes.",
	[NOT_PLACED_FULL] = "All machines of this pool have as many users as they may have. Please "
			    "try again later.",
	[NOT_PLACED_BUSY] = "Too many logins are under way at the moment. Please try again in a "
			    "minute.",
};

static void
give_up(struct state *s, struct login *login, enum not_placed reason, const char *why)
{
	char id[CONN_ID_TEXT_SIZE];

	(void)conn_id_text(login->id, id);
	log_warn("connection %s: user %.*s is not placed: %s", id, (int)login->user.len,
		(const char *)login->user.ptr, why);
	if (login->state != LOGIN_ACCEPTED)
		login_become(&s->logins, login, LOGIN_ACCEPTED, s->now_ms);
	gate_tell_not_placed(login, reason, not_placed_texts[reason]);
}

/* --- the dial --- */

/* Whatever the login holds is free again. */
static void
release(struct state *s, struct login *login)
{
	dial_free(login->dial);
	login->dial = NULL;
	if (login_release(&s->logins, login))
		s->n_dials_freed++;
}

static void
note_failure(struct state *s, struct login *login, enum node_failure cause, unsigned reporter)
{
	struct node *node = login->node;

	node_note_failure(node, cause, reporter, s->now_ms);
	release(s, login);
	login_exclude(login, node);
	login_become(&s->logins, login, LOGIN_ACCEPTED, s->now_ms);
}

static void
dial_failed(struct state *s, struct login *login, const struct dial_result *result)
{
	enum node_failure cause = result->err == ERR_TIMEOUT ? NODE_FAILURE_TIMEOUT
							     : NODE_FAILURE_REFUSED;
	char id[CONN_ID_TEXT_SIZE], address[ADDR_TEXT_SIZE];

	log_warn("node %s (%s): cannot be connected to: %s; connection %s tries the next node",
		login->node->name, addr_text(&result->address, address), result->text,
		conn_id_text(login->id, id));
	if (result->err == ERR_TIMEOUT)
		limits_hit(&s->limits, s->config, LIMIT_NODE_CONNECT_TIMEOUT, s->now_ms);
	note_failure(s, login, cause, NODE_REPORTER_ALL);
	try_placing(s, login);
}

/* Another node would not help. */
static void
dial_not_made(struct state *s, struct login *login, const struct dial_result *result)
{
	log_error("node %s: cannot be dialled: %s", login->node->name, result->text);
	release(s, login);
	give_up(s, login, NOT_PLACED_BUSY, result->text);
}

static void
on_dialled(void *arg, const struct dial_result *result)
{
	struct login *login = arg;
	struct state *s = gate_state(login->gate);

	state_tick(s);
	login->dial = NULL;
	if (result->err == OK) {
		login_become(&s->logins, login, LOGIN_PLACED, s->now_ms);
		(void)gate_tell_placed(login, &result->address, result->fd);
	} else if (result->err == ERR_LIMIT || result->err == ERR_NOMEM) {
		dial_not_made(s, login, result);
	} else {
		dial_failed(s, login, result);
	}
	placing_run_queue(s);
}

static enum err
hold_and_dial(struct state *s, struct login *login, struct node *node)
{
	enum err e = login_hold(&s->logins, login, node);

	if (e != OK)
		return e;
	e = dial_new(s->dialer, node->address, node->port,
		s->config->limits.node_connect_timeout_ms, on_dialled, login, &login->dial);
	if (e != OK)
		release(s, login);
	return e;
}

static void
place(struct state *s, struct login *login, const struct placement *p)
{
	char id[CONN_ID_TEXT_SIZE];
	enum err e = hold_and_dial(s, login, p->node);

	if (e != OK) {
		give_up(s, login, NOT_PLACED_FULL, err_text(e));
		return;
	}
	(void)snprintf(login->why, sizeof(login->why), "%s", p->why);
	login_become(&s->logins, login, LOGIN_DIALLING, s->now_ms);
	log_debug("connection %s: user %.*s to node %s: %s", conn_id_text(login->id, id),
		(int)login->user.len, (const char *)login->user.ptr, p->node->name, p->why);
}

/* --- the choice --- */

static void
wait_in_queue(struct state *s, struct login *login)
{
	if (login->state == LOGIN_WAITING)
		return;
	login->has_room = false;
	login_become(&s->logins, login, LOGIN_WAITING, s->now_ms);
	if (state_is_settled(s))
		limits_hit(&s->limits, s->config, LIMIT_NODE_DIALS_UNAUTHENTICATED, s->now_ms);
}

static unsigned
reporter_of(const struct login *login)
{
	return NODE_REPORTER_GATE(gate_link(login->gate)->index);
}

/*
 * Who proved something to a node that then failed shall not stand behind strangers, but only a gate says so, and to the next
 * node this is one more connection on which nobody has logged in.
 */
static uint32_t
dials_max(const struct state *s, const struct login *login)
{
	uint32_t max = s->config->limits.node_dials_unauthenticated_max;

	return login->has_proved ? max + (max + 3) / 4 : max;
}

static void
choose(struct state *s, const struct login *login, struct placement *out)
{
	struct placement_query q = {
		.nodes = &s->nodes,
		.user = users_find(&s->users, login->user),
		.excluded = login->failed,
		.n_excluded = login->n_failed,
		.now_ms = s->now_ms,
		.dials_max = dials_max(s, login),
		.reporter = reporter_of(login),
		/*
		 * Reservations are made by people who have proved nothing.  They may make a login wait, so that two
		 * first logins land together, but not until it is told that there is no room.
		 */
		.ignore_reservations = waited_ms(s, login) >= wait_max_ms(s) / 2,
		.random_below = s->options.random_below,
		.random_arg = s->options.random_arg,
	};

	placement_choose(&q, out);
}

static void
try_placing(struct state *s, struct login *login)
{
	struct placement p;

	if (!state_is_settled(s)) {
		wait_in_queue(s, login);
		return;
	}
	if (login->n_failed >= s->config->limits.node_tries_max ||
		login->n_failed >= LOGIN_FAILED_MAX) {
		limits_hit(&s->limits, s->config, LIMIT_NODE_TRIES, s->now_ms);
		give_up(s, login, NOT_PLACED_NO_NODES, "too many nodes failed it");
		return;
	}
	choose(s, login, &p);
	switch (p.result) {
	case PLACEMENT_NODE:
		place(s, login, &p);
		break;
	case PLACEMENT_WAIT:
		wait_in_queue(s, login);
		if (!login->has_room)
			login->has_room = gate_make_room_for_dial(s, &login->client, p.node);
		break;
	case PLACEMENT_FULL:
		give_up(s, login, NOT_PLACED_FULL, p.why);
		break;
	case PLACEMENT_NONE:
		give_up(s, login, NOT_PLACED_NO_NODES, p.why);
		break;
	}
}

/* --- what others ask for --- */

static void
exclude_named(struct state *s, struct login *login, struct span names)
{
	struct span name;
	struct node *node;

	while (wire_namelist_next(&names, &name)) {
		node = nodes_find(&s->nodes, name);
		if (node != NULL)
			login_exclude(login, node);
	}
}

void
placing_want(struct state *s, struct login *login, const struct msg_place *m)
{
	enum err e = login_set_user(login, m->user);

	login->attempt = m->attempt;
	login->wanted_at_ms = s->now_ms;
	if (m->authenticated)
		login->has_proved = true;
	exclude_named(s, login, m->excluded);
	if (e != OK)
		give_up(s, login, NOT_PLACED_FULL, err_text(e));
	else
		try_placing(s, login);
}

void
placing_node_failed(struct state *s, struct login *login, enum node_failure cause)
{
	note_failure(s, login, cause, reporter_of(login));
}

void
placing_end(struct state *s, struct login *login)
{
	release(s, login);
	gate_note_end(login->gate);
	logins_remove(&s->logins, login);
}

/* --- the queue --- */

/* How many logins may go on, and how many may be looked at for that. */
struct tries {
	size_t n, n_looks;
};

static void
retry_sources(struct state *s, bool have_dials, struct tries *left)
{
	struct login *next, *login = s->logins.by_state[LOGIN_WAITING].first;

	for (; login != NULL && left->n > 0 && left->n_looks > 0; login = next) {
		next = login->next;
		if (login->is_leaving ||
			(sources_dials(&s->logins.sources, &login->client) > 0) != have_dials)
			continue;
		left->n_looks--;
		try_placing(s, login);
		if (login->state != LOGIN_WAITING)
			left->n--;
	}
}

/*
 * Let waiting logins try again: oldest first, but those of sources that have no dial come before all others, so that no
 * source keeps others out by having many in the queue.
 */
static void
retry(struct state *s, struct tries tries)
{
	retry_sources(s, false, &tries);
	retry_sources(s, true, &tries);
}

void
placing_run_queue(struct state *s)
{
	size_t n;

	/* Trying may free more: a dial that cannot even begin, for example. */
	while (s->n_dials_freed > 0) {
		n = s->n_dials_freed;
		s->n_dials_freed = 0;
		if (state_is_settled(s))
			retry(s, (struct tries){n, PLACING_LOOKS_MAX});
	}
}

static void
end_long_waits(struct state *s)
{
	struct login *next, *login = s->logins.by_state[LOGIN_WAITING].first;

	/* A login waits once for each node that fails it: the list is not in the order of the requests. */
	for (; login != NULL; login = next) {
		next = login->next;
		if (waited_ms(s, login) < wait_max_ms(s))
			continue;
		limits_hit(&s->limits, s->config, LIMIT_PLACEMENT_WAIT, s->now_ms);
		give_up(s, login, NOT_PLACED_BUSY, "no node could take another login in time");
	}
}

/* Authenticated, but no relay has announced it: the gate or the relay went wrong. */
static void
end_long_handovers(struct state *s)
{
	const struct login_list *list = &s->logins.by_state[LOGIN_AUTHENTICATED];
	/* The gate itself gives up after the limit, and says so. */
	uint64_t max_ms = ((uint64_t)s->config->limits.handover_timeout_s + 1) * 1000;

	while (list->first != NULL && s->now_ms - list->first->state_at_ms >= max_ms) {
		limits_hit(&s->limits, s->config, LIMIT_HANDOVER_TIMEOUT, s->now_ms);
		placing_end(s, list->first);
	}
}

/* They are in the order in which they were accepted. */
static void
end_long_logins(struct state *s)
{
	uint64_t max_ms = (uint64_t)s->config->limits.login_grace_s * 1000 +
		PLACING_GRACE_MARGIN_MS;
	struct table_entry *next, *e = s->logins.by_id.first;

	for (; e != NULL; e = next) {
		struct login *login = TABLE_OWNER(e, struct login, entry);

		next = e->next;
		if (s->now_ms - login->accepted_at_ms < max_ms)
			break;
		if (login->state == LOGIN_AUTHENTICATED)
			continue;
		gate_tell_refused(login, LIMIT_LOGIN_GRACE);
		placing_end(s, login);
	}
}

void
placing_check_time(struct state *s)
{
	end_long_logins(s);
	end_long_handovers(s);
	end_long_waits(s);
	if (state_is_settled(s))
		retry(s, (struct tries){SIZE_MAX, SIZE_MAX});
	placing_run_queue(s);
}
