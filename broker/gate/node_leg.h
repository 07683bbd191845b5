/*
 * The node leg of a login: from a connected socket to a node that waits for the user's authentication requests.
 */
#ifndef BROKER_GATE_NODE_LEG_H
#define BROKER_GATE_NODE_LEG_H

#include "broker/gate/login_leg.h"
#include "broker/messages/messages.h"
#include "common/config/config.h"

struct node_leg;

struct node_leg_events {
	/* The node waits for requests; methods as it named them.  is_open: "none" let the user in already. */
	void (*on_ready)(void *arg, struct span methods, bool is_open);
	/* An authentication message (other than a banner) after on_ready; borrowed. */
	void (*on_message)(void *arg, struct span payload);
	/* A banner, at any time; the whole payload, borrowed. */
	void (*on_banner)(void *arg, struct span payload);
	/* The node is lost; called once.  code is not 0 when it said goodbye itself, then text is the node's, made printable. */
	void (*on_failed)(
		void *arg, enum node_failure cause, enum ssh_disconnect code, const char *text);
};

/* Borrowed during node_leg_new() only. */
struct node_leg_params {
	const struct msg_placed *placed;
	const struct config *config; /* borrowed for the node's life */
	const char *user; /* the login name on the node */
	struct span client_ident; /* the client's identification */
	enum cipher_kind client_cipher; /* is offered first */
	enum mac_kind client_mac; /* likewise */
};

/* Takes fd, also on failure.  *out is owned; free it outside of its callbacks. */
MUST_CHECK enum err node_leg_new(struct event_base *base, int fd,
	const struct node_leg_params *params, const struct node_leg_events *events, void *arg,
	struct node_leg **out);
void node_leg_free(struct node_leg *n);

MUST_CHECK enum err node_leg_send(struct node_leg *n, struct span payload);

/* Facts: what placed said, kept. */
const char *node_leg_name(const struct node_leg *n);
const char *node_leg_identity(const struct node_leg *n);
const char *node_leg_why(const struct node_leg *n);
struct addr node_leg_addr(const struct node_leg *n);

struct login_leg *node_leg_under(struct node_leg *n);

#endif
