/*
 * Whose turn it is to ask the keyholder for a signature.
 *
 * Peers decide when key exchanges happen and how long their KEXINITs are, so that questions of all connections together
 * could fill a link to its maximum, which is the end of the link, and keep the keyholder from everybody else.  A process
 * has so many questions with the keyholder; the others wait in order.
 */
#ifndef BROKER_MESSAGES_SIGN_TURNS_H
#define BROKER_MESSAGES_SIGN_TURNS_H

#include <stdbool.h>
#include <stddef.h>

/* Questions of one process at a time.  Each is as long as two packets at most. */
#define SIGN_TURNS_MAX 16

/* Embedded, zeroed, in what asks.  owner is its own. */
struct sign_turn {
	struct sign_turn *next, *prev;
	void *owner;
	bool is_in;
	bool is_asked;
};

/* It is this one's turn: send the question.  It may leave within this call. */
typedef void (*sign_ask_fn)(struct sign_turn *turn);

/* Plain data. */
struct sign_turns {
	struct sign_turn *first, *last; /* those that have asked come first */
	size_t n_asked;
	sign_ask_fn ask;
	bool is_asking;
};

void sign_turns_init(struct sign_turns *t, sign_ask_fn ask);
/* Ask now, or when its turn comes.  It is not in yet.  Returns whether it must wait. */
bool sign_turns_enter(struct sign_turns *t, struct sign_turn *turn);
/* It has its answer, or wants none any more.  One that is not in is left alone. */
void sign_turns_leave(struct sign_turns *t, struct sign_turn *turn);
/* The keyholder is another one: those that have asked ask again. */
void sign_turns_again(struct sign_turns *t);

#endif
