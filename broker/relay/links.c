/*
 * The links of a relay.
 *
 * Every peer may be compromised.  A gate can hand over connections, and nothing else; the director can end one; the
 * keyholder answers what was asked.  Anything else ends the link.
 */
#include "broker/relay/links.h"

#include "broker/relay/control.h"
#include "broker/relay/ending.h"
#include "broker/relay/process.h"
#include "broker/relay/rekey.h"
#include "broker/relay/report.h"
#include "common/log.h"

#include <openssl/crypto.h>
#include <unistd.h>

#define ANNOUNCE_AGAIN_MS 20

/* --- from a gate --- */

static void
answer_gate(struct link *l, uint64_t conn, bool taken)
{
	struct msg_handed_over m = {.conn = conn, .taken = taken};
	struct buf b = {0};

	if (message_encode(msg_handed_over_fields, &m, &b) != OK ||
		ipc_send(l->ipc, MSG_HANDED_OVER, buf_span(&b), NULL, 0) != OK)
		log_warn("gate/%u does not hear that a connection was handed over", l->index);
	buf_clear(&b);
}

static void
take_fds(struct ipc_message *m, int fds[2])
{
	for (size_t i = 0; i < 2; i++) {
		fds[i] = m->fds[i];
		m->fds[i] = -1;
	}
}

static enum err
on_hand_over(struct link *l, struct ipc_message *m)
{
	struct msg_hand_over hand_over;
	struct connection *c;
	uint64_t id = 0;
	int fds[2];
	enum err e;

	if (m->n_fds != 2 || message_decode(msg_hand_over_fields, m->body, &hand_over) != OK) {
		log_warn("gate/%u handed over something malformed", l->index);
		answer_gate(l, 0, false);
		return OK;
	}
	take_fds(m, fds);
	e = connection_new(l->process, &hand_over, fds, &id, &c);
	answer_gate(l, id, e == OK);
	if (e == OK)
		connection_start(c);
	else
		log_warn("a connection from gate/%u was not taken: %s", l->index, err_text(e));
	return OK;
}

/* --- from the director --- */

static enum err
on_end_connection(struct link *l, struct ipc_message *m)
{
	struct msg_end_connection end;
	struct connection *c;

	if (message_decode(msg_end_connection_fields, m->body, &end) != OK)
		return ERR_FORMAT;
	c = process_find(l->process, end.conn);
	if (c == NULL)
		return OK;
	ending_by_us(c, END_ADMIN, (enum ssh_disconnect)end.code, end.text);
	connection_settle(c);
	return OK;
}

/* --- from the keyholder --- */

static enum err
on_kex_signed(struct link *l, struct ipc_message *m)
{
	struct msg_kex_signed answer;
	struct connection *c;

	if (message_decode(msg_kex_signed_fields, m->body, &answer) != OK)
		return ERR_FORMAT;
	c = process_find(l->process, answer.conn);
	if (c == NULL)
		return OK;
	rekey_on_signed(c, &answer);
	connection_settle(c);
	return OK;
}

static enum err
on_hostkeys_proved(struct link *l, struct ipc_message *m)
{
	struct msg_hostkeys_proved answer;
	struct connection *c;

	if (message_decode(msg_hostkeys_proved_fields, m->body, &answer) != OK)
		return ERR_FORMAT;
	c = process_find(l->process, answer.conn);
	if (c == NULL)
		return OK;
	control_on_proved(c, &answer);
	connection_settle(c);
	return OK;
}

/* The first message of each keyholder.  What waited for it is asked again: the one before may have died with it. */
static enum err
on_host_keys(struct link *l, struct ipc_message *m)
{
	struct process *p = l->process;
	struct msg_host_keys keys;
	struct connection *c;
	enum err e;

	if (message_decode(msg_host_keys_fields, m->body, &keys) != OK)
		return ERR_FORMAT;
	e = leg_configs_set_host_keys(&p->leg_configs, keys.algorithms);
	if (e != OK)
		return e;
	buf_clear(&p->links.host_keys);
	e = buf_append_exact(&p->links.host_keys, keys.keys.ptr, keys.keys.len);
	if (e != OK)
		return e;
	sign_turns_again(&p->turns);
	for (c = process_next(p, NULL); c != NULL; c = process_next(p, c)) {
		if (c->state != CONNECTION_OPEN)
			continue;
		control_announce_hostkeys(c);
		control_ask_keyholder(c);
		connection_settle(c);
	}
	return OK;
}

/* --- all of them --- */

/* Who may say what. */
static const struct {
	enum message_type type;
	enum role_kind from;
	enum err (*handle)(struct link *l, struct ipc_message *m);
} handlers[] = {
	{MSG_HAND_OVER, ROLE_GATE, on_hand_over},
	{MSG_END_CONNECTION, ROLE_DIRECTOR, on_end_connection},
	{MSG_KEX_SIGNED, ROLE_KEYHOLDER, on_kex_signed},
	{MSG_HOSTKEYS_PROVED, ROLE_KEYHOLDER, on_hostkeys_proved},
	{MSG_HOST_KEYS, ROLE_KEYHOLDER, on_host_keys},
};

static enum err
handle(struct link *l, struct ipc_message *m)
{
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		if (handlers[i].type == m->type && handlers[i].from == l->kind)
			return handlers[i].handle(l, m);
	}
	return ERR_PROTO;
}

static void
drop(struct link *l)
{
	ipc_free(l->ipc);
	l->ipc = NULL;
}

static void
on_message(void *arg, struct ipc_message *m)
{
	char name[ROLE_NAME_SIZE];
	struct link *l = arg;
	enum err e;

	process_tick(l->process);
	e = handle(l, m);
	if (e == OK)
		return;
	log_error("message %u of %s: %s; the link is dropped", m->type,
		role_name(l->kind, l->index, name), err_text(e));
	drop(l);
}

static void
on_closed(void *arg, enum err why)
{
	char name[ROLE_NAME_SIZE];
	struct link *l = arg;

	log_info("the link to %s ended: %s", role_name(l->kind, l->index, name), err_text(why));
	drop(l);
}

/*
 * Tell a director all connections that it does not know, as fast as it takes them: the queue of a link has a maximum, and
 * they may be more than that.
 */
static void
announce(struct links *links)
{
	struct process *p = links->director.process;
	struct timeval again = {.tv_usec = ANNOUNCE_AGAIN_MS * 1000};
	struct connection *c;

	for (c = process_next(p, NULL); c != NULL; c = process_next(p, c)) {
		if (links->director.ipc == NULL)
			return;
		if (ipc_queued(links->director.ipc) > LINKS_DIRECTOR_QUEUE_MAX) {
			(void)event_add(links->announcing, &again);
			return;
		}
		report_connection(c);
	}
}

static void
on_announcing(evutil_socket_t fd, short what, void *arg)
{
	struct links *links = arg;

	(void)fd;
	(void)what;
	process_tick(links->director.process);
	announce(links);
}

enum err
links_init(struct links *links, struct process *p, struct event_base *base)
{
	*links = (struct links){.director = {.process = p, .kind = ROLE_DIRECTOR},
		.keyholder = {.process = p, .kind = ROLE_KEYHOLDER}};
	for (unsigned i = 0; i < CONFIG_GATES_MAX; i++)
		links->gates[i] = (struct link){.process = p, .kind = ROLE_GATE, .index = i};
	buf_init(&links->host_keys, MSG_KEY_MAX);
	links->announcing = evtimer_new(base, on_announcing, links);
	return links->announcing != NULL ? OK : ERR_NOMEM;
}

void
links_clear(struct links *links)
{
	drop(&links->director);
	drop(&links->keyholder);
	for (size_t i = 0; i < CONFIG_GATES_MAX; i++)
		drop(&links->gates[i]);
	buf_clear(&links->host_keys);
	if (links->announcing != NULL)
		event_free(links->announcing);
	links->announcing = NULL;
}

static struct link *
link_for(struct links *links, const struct role_peer *peer)
{
	switch (peer->kind) {
	case ROLE_DIRECTOR:
		return &links->director;
	case ROLE_KEYHOLDER:
		return &links->keyholder;
	case ROLE_GATE:
		return peer->index < CONFIG_GATES_MAX ? &links->gates[peer->index] : NULL;
	default:
		return NULL;
	}
}

void
links_add(struct links *links, const struct role_peer *peer, int fd)
{
	struct link *l = link_for(links, peer);
	char name[ROLE_NAME_SIZE];
	struct connection *c;
	enum err e;

	if (l == NULL) {
		close(fd);
		return;
	}
	drop(l);
	e = ipc_new(l->process->base, fd, on_message, on_closed, l, &l->ipc);
	if (e != OK) {
		log_error("link to %s: %s", role_name(peer->kind, peer->index, name), err_text(e));
		return;
	}
	if (peer->kind != ROLE_DIRECTOR)
		return;
	for (c = process_next(l->process, NULL); c != NULL; c = process_next(l->process, c))
		c->is_announced = false;
	limit_report_again(&l->process->limits);
	announce(links);
}

bool
links_tell_director(struct links *links, enum message_type type, struct span body)
{
	struct ipc *ipc = links->director.ipc;

	bool may_wait = type == MSG_COUNTERS || type == MSG_LIMIT_USE;

	if (ipc == NULL || (may_wait && ipc_queued(ipc) > LINKS_DIRECTOR_QUEUE_MAX))
		return false;
	return ipc_send(ipc, (uint16_t)type, body, NULL, 0) == OK;
}

void
links_tell_keyholder(struct links *links, enum message_type type, struct span body)
{
	/* A link that fails is told so by its callback, and what waits is sent again on the next one. */
	if (links->keyholder.ipc != NULL &&
		ipc_send(links->keyholder.ipc, (uint16_t)type, body, NULL, 0) != OK)
		log_warn("the keyholder was not reached with message %u", type);
}

bool
links_keyholder_is_busy(const struct links *links)
{
	return links->keyholder.ipc != NULL &&
		ipc_queued(links->keyholder.ipc) > LINKS_KEYHOLDER_QUEUE_MAX;
}

struct span
links_host_keys(const struct links *links)
{
	return buf_span(&links->host_keys);
}

void
links_flush(struct links *links, int timeout_ms)
{
	if (links->director.ipc != NULL && ipc_flush(links->director.ipc, timeout_ms) != OK)
		log_warn("the director did not hear of all endings");
}
