/*
 * broker/relay/requests: replies in their order, whoever gives them.
 */
#include "broker/relay/requests.h"

#include <criterion/criterion.h>

static void
add(struct requests *q, enum request_kind kind, uint32_t *id)
{
	cr_assert_eq(requests_add(q, kind, NULL, id), OK);
}

static void
assert_reply(struct requests *q, const char *payload, enum request_reply due)
{
	enum request_reply got;

	cr_assert_eq(requests_reply(q, span_str(payload), &got), OK);
	cr_assert_eq(got, due, "%s", payload);
}

static void
assert_next(struct requests *q, const char *due)
{
	struct span answer;

	if (due == NULL) {
		cr_assert(!requests_next(q, &answer));
		return;
	}
	cr_assert(requests_next(q, &answer), "nothing where %s is due", due);
	cr_assert(span_is(answer, due));
	requests_sent(q);
}

Test(relay_requests, an_empty_queue_was_not_asked)
{
	struct requests q = {0};

	assert_reply(&q, "x", REQUEST_UNASKED);
	assert_next(&q, NULL);
}

Test(relay_requests, forwarded_ones_pass)
{
	struct requests q = {0};

	add(&q, REQUEST_FORWARDED, NULL);
	add(&q, REQUEST_FORWARDED, NULL);
	assert_reply(&q, "1", REQUEST_PASS);
	assert_reply(&q, "2", REQUEST_PASS);
	assert_reply(&q, "3", REQUEST_UNASKED);
	cr_assert_eq(q.n, 0);
	cr_assert_null(q.first);
	cr_assert_null(q.last);
}

Test(relay_requests, our_own_are_swallowed_and_keep_nobody_waiting)
{
	struct requests q = {0};
	uint32_t local;

	add(&q, REQUEST_OWN, NULL);
	add(&q, REQUEST_LOCAL, &local);
	add(&q, REQUEST_FORWARDED, NULL);
	cr_assert_eq(requests_answer(&q, local, span_str("l")), OK);
	assert_next(&q, "l");
	assert_next(&q, NULL);
	assert_reply(&q, "own", REQUEST_SWALLOW);
	assert_reply(&q, "f", REQUEST_PASS);
	cr_assert_eq(q.n, 0);
	cr_assert_eq(q.n_own, 0);
}

Test(relay_requests, a_reply_waits_for_the_answer_before_it)
{
	struct requests q = {0};
	uint32_t first, second;

	add(&q, REQUEST_LOCAL, &first);
	add(&q, REQUEST_FORWARDED, NULL);
	add(&q, REQUEST_OWN, NULL);
	add(&q, REQUEST_LOCAL, &second);
	add(&q, REQUEST_FORWARDED, NULL);
	assert_reply(&q, "f1", REQUEST_HELD);
	assert_reply(&q, "own", REQUEST_SWALLOW);
	assert_reply(&q, "f2", REQUEST_HELD);
	cr_assert_eq(q.n_held, 4);
	assert_next(&q, NULL);
	cr_assert_eq(requests_answer(&q, second, span_str("l2")), OK);
	assert_next(&q, NULL);
	cr_assert_eq(requests_answer(&q, first, span_str("l1")), OK);
	assert_next(&q, "l1");
	assert_next(&q, "f1");
	assert_next(&q, "l2");
	assert_next(&q, "f2");
	assert_next(&q, NULL);
	cr_assert_eq(q.n_held, 0);
	cr_assert_eq(q.n, 0);
}

Test(relay_requests, an_answer_is_taken_once_and_for_local_ones_only)
{
	struct requests q = {0};
	uint32_t forwarded, local;

	add(&q, REQUEST_FORWARDED, &forwarded);
	add(&q, REQUEST_LOCAL, &local);
	cr_assert_eq(requests_answer(&q, forwarded, span_str("x")), OK);
	assert_next(&q, NULL);
	cr_assert_eq(requests_answer(&q, local, span_str("1")), OK);
	cr_assert_eq(requests_answer(&q, local, span_str("2")), OK);
	cr_assert_eq(requests_answer(&q, 4711, span_str("3")), OK);
	assert_reply(&q, "f", REQUEST_PASS);
	assert_next(&q, "1");
	assert_next(&q, NULL);
}

Test(relay_requests, an_unimplemented_request_gets_no_reply)
{
	struct requests q = {0};
	uint32_t seq = 5, other = 6;

	cr_assert_eq(requests_add(&q, REQUEST_OWN, &seq, NULL), OK);
	cr_assert_eq(requests_add(&q, REQUEST_FORWARDED, &other, NULL), OK);
	add(&q, REQUEST_FORWARDED, NULL);
	requests_unimplemented(&q, 7);
	cr_assert_eq(q.n, 3);
	requests_unimplemented(&q, 5);
	cr_assert_eq(q.n, 2);
	cr_assert_eq(q.n_own, 0);
	requests_unimplemented(&q, 6);
	assert_reply(&q, "f", REQUEST_PASS);
	assert_reply(&q, "g", REQUEST_UNASKED);
}

Test(relay_requests, clearing_frees_what_is_held)
{
	struct requests q = {0};
	uint32_t local;

	add(&q, REQUEST_LOCAL, &local);
	add(&q, REQUEST_FORWARDED, NULL);
	assert_reply(&q, "held", REQUEST_HELD);
	requests_clear(&q);
	cr_assert_eq(q.n, 0);
	cr_assert_eq(q.n_held, 0);
	cr_assert_null(q.last);
}
