/*
 * A gate's links to the director, the keyholder and the relays.
 */
#include "broker/gate/gate_links.h"

#include "common/log.h"

#include <stdlib.h>
#include <unistd.h>

/* Place 0 and 1 are the director and the keyholder, the relays follow by index. */
enum { PLACE_DIRECTOR = 0, PLACE_KEYHOLDER = 1, PLACE_RELAYS = 2 };

struct link {
	struct gate_links *all;
	struct role_peer peer;
	struct ipc *ipc; /* NULL: down */
};

struct gate_links {
	struct event_base *base;
	const struct gate_links_events *events;
	void *arg;
	size_t next_relay;
	struct link places[PLACE_RELAYS + ROLE_RELAYS_MAX];
};

enum err
gate_links_new(struct event_base *base, const struct gate_links_events *events, void *arg,
	struct gate_links **out)
{
	struct gate_links *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ERR_NOMEM;
	l->base = base;
	l->events = events;
	l->arg = arg;
	for (size_t i = 0; i < ARRAY_LEN(l->places); i++)
		l->places[i].all = l;
	*out = l;
	return OK;
}

void
gate_links_free(struct gate_links *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < ARRAY_LEN(l->places); i++)
		ipc_free(l->places[i].ipc);
	free(l);
}

static struct link *
place_for(struct gate_links *l, const struct role_peer *peer)
{
	if (peer->kind == ROLE_DIRECTOR)
		return &l->places[PLACE_DIRECTOR];
	if (peer->kind == ROLE_KEYHOLDER)
		return &l->places[PLACE_KEYHOLDER];
	if (peer->kind == ROLE_RELAY && peer->index < ROLE_RELAYS_MAX)
		return &l->places[PLACE_RELAYS + peer->index];
	return NULL;
}

static void
on_message(void *arg, struct ipc_message *m)
{
	struct link *link = arg;

	link->all->events->on_message(link->all->arg, &link->peer, m);
}

static void
on_closed(void *arg, enum err why)
{
	struct link *link = arg;

	log_debug("link to %s/%u closed: %s", role_kind_name(link->peer.kind), link->peer.index,
		err_text(why));
	ipc_free(link->ipc);
	link->ipc = NULL;
	link->all->events->on_down(link->all->arg, &link->peer);
}

void
gate_links_set(struct gate_links *l, const struct role_peer *peer, int fd)
{
	struct link *link = place_for(l, peer);

	if (link == NULL) {
		log_warn("link refused: a gate has nothing to do with %s/%u",
			role_kind_name(peer->kind), peer->index);
		close(fd);
		return;
	}
	if (link->ipc != NULL)
		on_closed(link, ERR_CLOSED);
	link->peer = *peer;
	if (ipc_new(l->base, fd, on_message, on_closed, link, &link->ipc) != OK) {
		log_error("link to %s/%u cannot be made: out of memory", role_kind_name(peer->kind),
			peer->index);
		return;
	}
	l->events->on_up(l->arg, &link->peer);
}

static enum err
send_over(struct link *link, enum message_type type, const struct message_field *fields,
	const void *message)
{
	struct buf body;
	enum err e;

	if (link->ipc == NULL)
		return ERR_CLOSED;
	buf_init(&body, IPC_BODY_MAX);
	e = message_encode(fields, message, &body);
	if (e == OK)
		e = ipc_send(link->ipc, (uint16_t)type, buf_span(&body), NULL, 0);
	buf_clear(&body);
	return e;
}

enum err
gate_links_to_director(struct gate_links *l, enum message_type type,
	const struct message_field *fields, const void *message)
{
	return send_over(&l->places[PLACE_DIRECTOR], type, fields, message);
}

enum err
gate_links_to_keyholder(struct gate_links *l, enum message_type type,
	const struct message_field *fields, const void *message)
{
	return send_over(&l->places[PLACE_KEYHOLDER], type, fields, message);
}

enum err
gate_links_choose_relay(struct gate_links *l, struct role_peer *out)
{
	for (size_t i = 0; i < ROLE_RELAYS_MAX; i++) {
		size_t at = (l->next_relay + i) % ROLE_RELAYS_MAX;

		if (l->places[PLACE_RELAYS + at].ipc != NULL) {
			l->next_relay = at + 1;
			*out = l->places[PLACE_RELAYS + at].peer;
			return OK;
		}
	}
	return ERR_NOT_FOUND;
}

static void
close_both(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

enum err
gate_links_hand_over(struct gate_links *l, const struct role_peer *relay,
	const struct msg_hand_over *message, const int fds[2])
{
	struct link *link = place_for(l, relay);
	struct buf body;
	enum err e;

	if (link == NULL || link->ipc == NULL) {
		close_both(fds);
		return ERR_CLOSED;
	}
	buf_init(&body, IPC_BODY_MAX);
	e = message_encode(msg_hand_over_fields, message, &body);
	if (e == OK)
		e = ipc_send(link->ipc, MSG_HAND_OVER, buf_span(&body), fds, 2);
	else
		close_both(fds);
	buf_clear(&body);
	return e;
}
