/*
 * The order of global requests in one direction: replies carry no id, so each must go out in its turn.
 * (RFC 4254 section 4)
 *
 * The queue stands between one side that asks (the asker) and the other side (the answerer).  The asker is owed an answer
 * for what it asked, in its order, whether the answerer gives it or we do; the answerer replies in its own order to what
 * it was sent, by the asker or by us.
 */
#ifndef BROKER_RELAY_REQUESTS_H
#define BROKER_RELAY_REQUESTS_H

#include "common/err.h"
#include "common/span.h"

enum request_kind {
	REQUEST_FORWARDED = 0, /* asked by the asker, sent on to the answerer */
	REQUEST_OWN, /* asked by us; the answer is swallowed */
	REQUEST_LOCAL, /* asked by the asker, answered by us */
};

struct request;

/* Embedded; zeroed it is empty.  An empty queue owns no memory. */
struct requests {
	struct request *first, *last;
	unsigned n;
	unsigned n_own;
	uint32_t next_id;
	size_t n_held; /* bytes of answers that wait for their turn */
};

/* Frees what waits. */
void requests_clear(struct requests *q);

/*
 * A request was made.  seq is the number that it has on the answerer's leg (has_seq: if it is known), for
 * requests_unimplemented().  *id names it for requests_answer(); may be NULL.  ERR_NOMEM.
 */
MUST_CHECK enum err requests_add(
	struct requests *q, enum request_kind kind, const uint32_t *seq, uint32_t *id);

enum request_reply {
	REQUEST_UNASKED = 0, /* nobody asked: drop it */
	REQUEST_SWALLOW, /* it was for us: drop it */
	REQUEST_PASS, /* its turn: it goes to the asker now */
	REQUEST_HELD, /* a copy was kept until its turn comes */
};

/* The answerer replied.  ERR_NOMEM. */
MUST_CHECK enum err requests_reply(
	struct requests *q, struct span payload, enum request_reply *out);

/*
 * Our answer to a local request.  A request that is not there any more is no error.  ERR_NOMEM.
 */
MUST_CHECK enum err requests_answer(struct requests *q, uint32_t id, struct span payload);

/* The answerer did not understand the packet of this number.  If it was a request, there will be no reply to it. */
void requests_unimplemented(struct requests *q, uint32_t seq);

/* Is there an answer whose turn it is?  *out is borrowed until requests_sent(), which takes it off. */
bool requests_next(const struct requests *q, struct span *out);
void requests_sent(struct requests *q);

#endif
