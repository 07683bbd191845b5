/*
 * A gate's links to the director, the keyholder and the relays, and what is sent over them.
 */
#ifndef BROKER_GATE_GATE_LINKS_H
#define BROKER_GATE_GATE_LINKS_H

#include "broker/messages/messages.h"
#include "broker/role/role.h"
#include "common/ipc/ipc.h"

struct gate_links;

struct gate_links_events {
	/* A link is there, new or again. */
	void (*on_up)(void *arg, const struct role_peer *peer);
	/* A link is gone; a new one may come. */
	void (*on_down)(void *arg, const struct role_peer *peer);
	/* A message; borrowed during the call. */
	void (*on_message)(void *arg, const struct role_peer *peer, struct ipc_message *m);
};

/* *out is owned. */
MUST_CHECK enum err gate_links_new(struct event_base *base, const struct gate_links_events *events,
	void *arg, struct gate_links **out);
void gate_links_free(struct gate_links *l);

/* Use fd (taken) for this peer from now on. */
void gate_links_set(struct gate_links *l, const struct role_peer *peer, int fd);

/* ERR_CLOSED: there is no link to the director now.  Otherwise errors of message_encode() and ipc_send(). */
MUST_CHECK enum err gate_links_to_director(struct gate_links *l, enum message_type type,
	const struct message_field *fields, const void *message);
MUST_CHECK enum err gate_links_to_keyholder(struct gate_links *l, enum message_type type,
	const struct message_field *fields, const void *message);

/* The relay whose turn it is.  ERR_NOT_FOUND: none is there. */
MUST_CHECK enum err gate_links_choose_relay(struct gate_links *l, struct role_peer *out);
/* Takes the descriptors, also on failure. */
MUST_CHECK enum err gate_links_hand_over(struct gate_links *l, const struct role_peer *relay,
	const struct msg_hand_over *message, const int fds[2]);

#endif
