/*
 * broker/messages/sign_turns: so many ask at a time, the others in order.
 */
#include "broker/messages/sign_turns.h"

#include <criterion/criterion.h>

#define TURNS (SIGN_TURNS_MAX + 4)

static struct sign_turns turns;
static struct sign_turn turn[TURNS];
static size_t asked[4 * TURNS], n_asked;
static bool leaves_at_once;

static void
ask(struct sign_turn *t)
{
	asked[n_asked++] = (size_t)(t - turn);
	if (leaves_at_once)
		sign_turns_leave(&turns, t);
}

static void
enter_all(void)
{
	sign_turns_init(&turns, ask);
	for (size_t i = 0; i < TURNS; i++)
		cr_assert_eq(
			sign_turns_enter(&turns, &turn[i]), !leaves_at_once && i >= SIGN_TURNS_MAX);
}

Test(sign_turns, the_others_wait_and_come_in_order)
{
	enter_all();
	cr_assert_eq(n_asked, SIGN_TURNS_MAX);
	sign_turns_leave(&turns, &turn[3]);
	sign_turns_leave(&turns, &turn[0]);
	cr_assert_eq(n_asked, SIGN_TURNS_MAX + 2);
	for (size_t i = 0; i < n_asked; i++)
		cr_assert_eq(asked[i], i);
	for (size_t i = 0; i < TURNS; i++)
		sign_turns_leave(&turns, &turn[i]);
	cr_assert_eq(n_asked, TURNS);
	cr_assert(turns.first == NULL && turns.last == NULL && turns.n_asked == 0);
}

Test(sign_turns, one_that_leaves_while_it_waits_never_asks)
{
	enter_all();
	sign_turns_leave(&turns, &turn[SIGN_TURNS_MAX]);
	sign_turns_leave(&turns, &turn[SIGN_TURNS_MAX]);
	sign_turns_leave(&turns, &turn[1]);
	cr_assert_eq(n_asked, SIGN_TURNS_MAX + 1);
	cr_assert_eq(asked[SIGN_TURNS_MAX], SIGN_TURNS_MAX + 1);
}

Test(sign_turns, another_keyholder_is_asked_what_the_one_before_was)
{
	enter_all();
	sign_turns_leave(&turns, &turn[0]);
	n_asked = 0;
	sign_turns_again(&turns);
	cr_assert_eq(n_asked, SIGN_TURNS_MAX);
	for (size_t i = 0; i < n_asked; i++)
		cr_assert_eq(asked[i], i + 1);
}

Test(sign_turns, those_whose_question_fails_keep_nobody_waiting)
{
	leaves_at_once = true;
	enter_all();
	cr_assert_eq(n_asked, TURNS);
	cr_assert(turns.first == NULL && turns.n_asked == 0);
}
