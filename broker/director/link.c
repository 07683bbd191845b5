/*
 * One role at the other end of an ipc link.
 */
#include "broker/director/link.h"

#include "broker/director/placing.h"
#include "common/log.h"

#include <assert.h>
#include <unistd.h>

/* Room for the largest of what roles send to the director. */
union any_message {
	struct msg_conn conn;
	struct msg_accepted accepted;
	struct msg_place place;
	struct msg_node_failed node_failed;
	struct msg_node_methods node_methods;
	struct msg_ended ended;
	struct msg_connection connection;
	struct msg_counters counters;
	struct msg_connection_ended connection_ended;
	struct msg_limit_use limit_use;
};

static const struct link_handler *
find_handler(const struct link *l, uint16_t type)
{
	const struct link_handler *h = l->handlers;

	while (h->type != 0 && h->type != type)
		h++;
	return h->type != 0 ? h : NULL;
}

static void
refuse_malformed(struct link *l, uint16_t type)
{
	l->state->n_malformed++;
	if (!l->has_misbehaved)
		log_warn("%s/%u (pid %d): message %u is not one that it may send; such messages "
			 "are ignored",
			l->kind, l->index, (int)l->pid, type);
	l->has_misbehaved = true;
}

void
link_handle(struct link *l, uint16_t type, struct span body)
{
	const struct link_handler *h = find_handler(l, type);
	union any_message message = {0};
	struct state *s = l->state;

	if (h == NULL || message_decode(h->fields, body, &message) != OK) {
		refuse_malformed(l, type);
		return;
	}
	state_tick(s);
	h->handle(l, &message);
	placing_run_queue(s);
}

static void
on_message(void *arg, struct ipc_message *m)
{
	link_handle(arg, m->type, m->body);
}

static void
on_closed(void *arg, enum err why)
{
	struct link *l = arg;
	struct state *s = l->state;

	log_info("%s/%u (pid %d): link closed: %s", l->kind, l->index, (int)l->pid, err_text(why));
	state_tick(s);
	l->on_closed(l);
	placing_run_queue(s);
}

enum err
link_init(struct link *l, struct state *s, const struct link_peer *peer, int fd,
	const struct link_handler *handlers, link_closed_fn closed)
{
	enum err e;

	*l = (struct link){.state = s,
		.handlers = handlers,
		.on_closed = closed,
		.kind = peer->kind,
		.index = peer->index,
		.pid = peer->pid};
	e = ipc_new(s->base, fd, on_message, on_closed, l, &l->ipc);
	if (e != OK)
		return e;
	l->next = s->links;
	s->links = l;
	return OK;
}

static void
unlink_from_state(struct link *l)
{
	struct link **at = &l->state->links;

	while (*at != NULL && *at != l)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = l->next;
	limits_keep(&l->state->limits, l);
}

void
link_clear(struct link *l)
{
	unlink_from_state(l);
	ipc_free(l->ipc);
	l->ipc = NULL;
}

static enum err
send_encoded(struct link *l, uint16_t type, struct span body, int fd)
{
	return ipc_send(l->ipc, type, body, &fd, fd >= 0 ? 1 : 0);
}

bool
link_send(struct link *l, uint16_t type, const struct message_field *fields, const void *message,
	int fd)
{
	struct buf body = {0};
	enum err e = message_encode(fields, message, &body);

	if (e == OK)
		e = send_encoded(l, type, buf_span(&body), fd);
	else if (fd >= 0)
		close(fd);
	buf_clear(&body);
	if (e != OK)
		log_debug("%s/%u: message %u not sent: %s", l->kind, l->index, type, err_text(e));
	return e == OK;
}

void
link_ignore(struct link *l, uint64_t conn, const char *what)
{
	char id[CONN_ID_TEXT_SIZE];

	l->state->n_ignored++;
	log_debug("%s/%u: connection %s: %s, ignored", l->kind, l->index, conn_id_text(conn, id),
		what);
}
