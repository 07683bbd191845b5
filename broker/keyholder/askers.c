/*
 * The keyholder's links to gates and relays, and what travels on them.
 */
#include "broker/keyholder/askers.h"

#include "broker/keyholder/requests.h"
#include "common/ipc/ipc.h"
#include "common/log.h"
#include "common/ssh/wire.h"

#include <stdlib.h>
#include <unistd.h>

struct asker {
	struct asker *next;
	struct askers *all;
	struct role_peer who;
	struct ipc *ipc;
	unsigned n_warnings;
};

struct askers {
	struct event_base *base;
	struct event *timer;
	struct core *core;
	struct asker *first;
	size_t n;
};

static struct asker *
find(const struct askers *l, const struct role_peer *peer)
{
	struct asker *asker = l->first;

	while (asker != NULL && !role_peer_equal(&asker->who, peer))
		asker = asker->next;
	return asker;
}

static bool
is_linked(void *arg, const struct role_peer *peer)
{
	return find(arg, peer) != NULL;
}

static enum err
tell_word(struct asker *asker)
{
	struct buf body = {0};
	enum err e = requests_kex_word(asker->all->core, &asker->who, &body);

	if (e == OK)
		e = ipc_send(asker->ipc, MSG_KEX_WORD, buf_span(&body), NULL, 0);
	buf_clear(&body);
	return e;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	const struct askers *l = arg;

	(void)fd;
	(void)what;
	/* A link that cannot take it is closed by itself. */
	for (struct asker *asker = l->first; asker != NULL; asker = asker->next) {
		if (asker->who.kind == ROLE_GATE)
			(void)!tell_word(asker);
	}
}

enum err
askers_new(struct event_base *base, struct core *core, struct askers **out)
{
	/* Twice in the time that a word has, so that gates are never far behind. */
	static const struct timeval interval = {FRESH_PERIOD_S / 2, 0};
	struct askers *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ERR_NOMEM;
	l->base = base;
	l->core = core;
	l->timer = event_new(base, -1, EV_PERSIST, on_timer, l);
	if (l->timer == NULL || event_add(l->timer, &interval) != 0) {
		askers_free(l);
		return ERR_NOMEM;
	}
	core->is_linked = is_linked;
	core->is_linked_arg = l;
	*out = l;
	return OK;
}

static void
drop(struct asker *asker)
{
	struct asker **at = &asker->all->first;

	while (*at != asker)
		at = &(*at)->next;
	*at = asker->next;
	asker->all->n--;
	ipc_free(asker->ipc);
	free(asker);
}

void
askers_free(struct askers *l)
{
	if (l == NULL)
		return;
	while (l->first != NULL)
		drop(l->first);
	if (l->timer != NULL)
		event_free(l->timer);
	free(l);
}

/* The peer is gone, or as good as: its connections are over, or nothing that it says about them counts any more. */
static void
end(struct asker *asker, enum err why)
{
	char name[ROLE_NAME_SIZE];
	size_t n = sessions_forget_all_of(asker->all->core->sessions, &asker->who);

	role_name(asker->who.kind, asker->who.index, name);
	if (why == ERR_CLOSED)
		log_info(
			"link closed peer=%s pid=%d connections=%zu", name, (int)asker->who.pid, n);
	else
		log_error("link dropped peer=%s pid=%d connections=%zu: %s", name,
			(int)asker->who.pid, n, err_text(why));
	drop(asker);
}

/* Nothing an honest peer does comes here, so it may be captured; it must not fill the log either. */
static void
warn(struct asker *asker, uint16_t type)
{
	char name[ROLE_NAME_SIZE];

	if (asker->n_warnings >= ASKERS_WARNINGS_MAX)
		return;
	asker->n_warnings++;
	log_warn("refused peer=%s pid=%d message=%u: not its to ask%s",
		role_name(asker->who.kind, asker->who.index, name), (int)asker->who.pid,
		(unsigned)type,
		asker->n_warnings == ASKERS_WARNINGS_MAX ? " (no more of these are logged)" : "");
}

/*
 * A gate says that a connection is a relay's now before it hands it over, but on another link than the one that the
 * relay then asks on: what the gate has said so far is heard first.  No other gate is, and none without need: it may have
 * said much that takes long.
 */
static void
hear_gate_of(const struct askers *l, struct span body)
{
	struct wire_reader r = wire_reader_of(body);
	const struct session *session;
	struct asker *asker;
	uint64_t conn;

	/* All that a relay says begins so. */
	if (wire_get_u64(&r, &conn) != OK)
		return;
	session = sessions_find(l->core->sessions, conn);
	if (session == NULL || session->owner.kind != ROLE_GATE)
		return;
	asker = find(l, &session->owner);
	if (asker != NULL)
		ipc_pump(asker->ipc);
}

static void
on_message(void *arg, struct ipc_message *m)
{
	struct asker *asker = arg;
	struct reply reply = {0};
	enum err e;

	if (asker->who.kind == ROLE_RELAY)
		hear_gate_of(asker->all, m->body);
	e = requests_handle(asker->all->core, &asker->who, m->type, m->body, &reply);
	if (reply.err == ERR_PROTO)
		warn(asker, m->type);
	/* A link that cannot take the answer is closed by itself. */
	if (e == OK && reply.type != 0)
		(void)!ipc_send(asker->ipc, reply.type, buf_span(&reply.body), NULL, 0);
	reply_clear(&reply);
	if (e != OK)
		end(asker, e);
}

static void
on_closed(void *arg, enum err why)
{
	end(arg, why);
}

static enum err
greet(struct asker *asker)
{
	struct buf body = {0};
	enum err e = asker->who.kind == ROLE_GATE ? tell_word(asker) : OK;

	if (e == OK)
		e = requests_host_keys(asker->all->core, &body);
	if (e == OK)
		e = ipc_send(asker->ipc, MSG_HOST_KEYS, buf_span(&body), NULL, 0);
	buf_clear(&body);
	return e;
}

/* Takes fd. */
static enum err
add(struct askers *l, const struct role_peer *peer, int fd)
{
	struct asker *asker = l->n < ASKERS_MAX ? calloc(1, sizeof(*asker)) : NULL;
	enum err e;

	if (asker == NULL) {
		close(fd);
		return l->n < ASKERS_MAX ? ERR_NOMEM : ERR_LIMIT;
	}
	asker->all = l;
	asker->who = *peer;
	e = ipc_new(l->base, fd, on_message, on_closed, asker, &asker->ipc);
	if (e != OK) {
		free(asker);
		return e;
	}
	asker->next = l->first;
	l->first = asker;
	l->n++;
	e = greet(asker);
	if (e != OK)
		drop(asker);
	return e;
}

void
askers_add(struct askers *l, const struct role_peer *peer, int fd)
{
	struct asker *old = find(l, peer);
	char name[ROLE_NAME_SIZE];
	enum err e = ERR_PROTO;

	if (old != NULL)
		drop(old);
	if (peer->kind == ROLE_GATE || peer->kind == ROLE_RELAY)
		e = add(l, peer, fd);
	else
		close(fd);
	if (e != OK)
		log_error("link refused peer=%s pid=%d: %s",
			role_name(peer->kind, peer->index, name), (int)peer->pid, err_text(e));
}
