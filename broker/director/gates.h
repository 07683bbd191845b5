/*
 * The gates: what they tell of logins, and what they are told.
 */
#ifndef BROKER_DIRECTOR_GATES_H
#define BROKER_DIRECTOR_GATES_H

#include "broker/director/link.h"
#include "broker/director/room.h"

struct gate;

/*
 * A link to a gate; one before it with the same index is dropped with its logins.  Takes fd, also on failure.
 * ERR_NOMEM.
 */
MUST_CHECK enum err gates_link(struct state *s, const struct link_peer *peer, int fd);
/* Drop all of them with their logins. */
void gates_clear(struct state *s);
size_t gates_count(const struct state *s);

struct state *gate_state(const struct gate *g);
/* The link, for tests and for link_handle(). */
struct link *gate_link(struct gate *g);

/* Answers to MSG_PLACE.  fd is taken. */
bool gate_tell_placed(const struct login *login, const struct addr *address, int fd);
void gate_tell_not_placed(const struct login *login, enum not_placed reason, const char *text);
/* The login is over because of this limit; counted there. */
void gate_tell_refused(const struct login *login, enum limit limit);
/* One of its logins is no more. */
void gate_note_end(struct gate *g);

/*
 * A newcomer finds no dial (to that node, NULL: to any): have the login ended that room.h chooses.  Returns whether there
 * is one; its gate will say when it is over.
 */
bool gate_make_room_for_dial(struct state *s, const struct addr *client, const struct node *node);

#endif
