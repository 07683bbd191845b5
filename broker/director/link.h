/*
 * One role at the other end of an ipc link: its messages are decoded by a table and given to their handlers.
 */
#ifndef BROKER_DIRECTOR_LINK_H
#define BROKER_DIRECTOR_LINK_H

#include "broker/director/state.h"
#include "broker/messages/messages.h"
#include "common/ipc/ipc.h"

struct link;

typedef void (*link_handler_fn)(struct link *l, void *message);
/* The link is dead: free it, here or later. */
typedef void (*link_closed_fn)(struct link *l);

/* What a role may say.  Tables end with type 0. */
struct link_handler {
	uint16_t type;
	const struct message_field *fields;
	link_handler_fn handle; /* message is the struct that fields describes */
};

/* Embedded by its owner. */
struct link {
	struct state *state; /* borrowed */
	struct link *next; /* of the state's, while it is up */
	struct ipc *ipc;
	const struct link_handler *handlers; /* static */
	link_closed_fn on_closed;
	const char *kind; /* "gate", static */
	unsigned index;
	int32_t pid;
	bool has_misbehaved; /* a message of its was malformed; logged once */
	struct limit_use uses[LIMIT_COUNT]; /* what it has told of its limits */
};

/* Who is at the other end.  Plain data. */
struct link_peer {
	const char *kind; /* static */
	unsigned index;
	int32_t pid;
};

/* Takes fd, also on failure.  ERR_NOMEM. */
MUST_CHECK enum err link_init(struct link *l, struct state *s, const struct link_peer *peer, int fd,
	const struct link_handler *handlers, link_closed_fn on_closed);
/* Allowed within handlers and on_closed. */
void link_clear(struct link *l);

/*
 * Send message (a struct that fields describes) with fd (taken; -1: none).  What cannot be sent is logged; a link that
 * is dead says so by on_closed.  Returns whether it is on its way.
 */
bool link_send(struct link *l, uint16_t type, const struct message_field *fields,
	const void *message, int fd);

/* A message that does not fit what we know: a duplicate, or of a connection that the peer does not have. */
void link_ignore(struct link *l, uint64_t conn, const char *what);

/* Look at one frame as if it came over the link. */
void link_handle(struct link *l, uint16_t type, struct span body);

#endif
