/*
 * Whose turn it is to ask the keyholder for a signature.
 */
#include "broker/messages/sign_turns.h"

#include <assert.h>

void
sign_turns_init(struct sign_turns *t, sign_ask_fn ask)
{
	*t = (struct sign_turns){.ask = ask};
}

/* Those that have asked are a run at the front, since turns come in order. */
static struct sign_turn *
first_waiting(const struct sign_turns *t)
{
	struct sign_turn *turn = t->first;

	while (turn != NULL && turn->is_asked)
		turn = turn->next;
	return turn;
}

/* A question may fail, and the one who asked leave with it: only the outermost call goes on with the next. */
static void
ask_next(struct sign_turns *t)
{
	struct sign_turn *turn;

	if (t->is_asking)
		return;
	t->is_asking = true;
	while (t->n_asked < SIGN_TURNS_MAX && (turn = first_waiting(t)) != NULL) {
		turn->is_asked = true;
		t->n_asked++;
		t->ask(turn);
	}
	t->is_asking = false;
}

bool
sign_turns_enter(struct sign_turns *t, struct sign_turn *turn)
{
	assert(!turn->is_in);
	turn->is_in = true;
	turn->is_asked = false;
	turn->next = NULL;
	turn->prev = t->last;
	if (t->last != NULL)
		t->last->next = turn;
	else
		t->first = turn;
	t->last = turn;
	/* It may have asked and left within this. */
	if (t->n_asked >= SIGN_TURNS_MAX)
		return true;
	ask_next(t);
	return false;
}

void
sign_turns_leave(struct sign_turns *t, struct sign_turn *turn)
{
	if (!turn->is_in)
		return;
	if (turn->prev != NULL)
		turn->prev->next = turn->next;
	else
		t->first = turn->next;
	if (turn->next != NULL)
		turn->next->prev = turn->prev;
	else
		t->last = turn->prev;
	if (turn->is_asked)
		t->n_asked--;
	turn->is_in = false;
	turn->is_asked = false;
	ask_next(t);
}

void
sign_turns_again(struct sign_turns *t)
{
	for (struct sign_turn *turn = t->first; turn != NULL && turn->is_asked; turn = turn->next)
		turn->is_asked = false;
	t->n_asked = 0;
	ask_next(t);
}
