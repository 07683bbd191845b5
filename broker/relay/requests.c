/*
 * The order of global requests in one direction.
 */
#include "broker/relay/requests.h"

#include "common/buf.h"

#include <stdlib.h>

struct request {
	struct request *next;
	enum request_kind kind;
	uint32_t id;
	bool has_seq;
	bool is_answered;
	uint32_t seq;
	struct buf answer;
};

static bool
is_owed(const struct request *r)
{
	return r->kind != REQUEST_OWN;
}

static bool
awaits_reply(const struct request *r)
{
	return r->kind != REQUEST_LOCAL && !r->is_answered;
}

/* Unlink what *link points to. */
static void
drop(struct requests *q, struct request **link)
{
	struct request *r = *link;

	*link = r->next;
	if (q->last == r) {
		q->last = q->first;
		while (q->last != NULL && q->last->next != NULL)
			q->last = q->last->next;
	}
	q->n--;
	if (r->kind == REQUEST_OWN)
		q->n_own--;
	q->n_held -= r->answer.len;
	buf_clear(&r->answer);
	free(r);
}

void
requests_clear(struct requests *q)
{
	while (q->first != NULL)
		drop(q, &q->first);
}

enum err
requests_add(struct requests *q, enum request_kind kind, const uint32_t *seq, uint32_t *id)
{
	struct request *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return ERR_NOMEM;
	r->kind = kind;
	r->id = q->next_id++;
	r->has_seq = seq != NULL;
	r->seq = seq != NULL ? *seq : 0;
	if (q->last != NULL)
		q->last->next = r;
	else
		q->first = r;
	q->last = r;
	q->n++;
	if (kind == REQUEST_OWN)
		q->n_own++;
	if (id != NULL)
		*id = r->id;
	return OK;
}

static enum err
hold(struct requests *q, struct request *r, struct span payload)
{
	enum err e;

	buf_init(&r->answer, payload.len);
	e = buf_append_exact(&r->answer, payload.ptr, payload.len);
	if (e != OK)
		return e;
	r->is_answered = true;
	q->n_held += payload.len;
	return OK;
}

/* The first one that the answerer owes a reply to, and whether an answer owed to the asker stands before it. */
static struct request **
find_awaiting(struct requests *q, bool *is_first)
{
	struct request **link = &q->first;

	*is_first = true;
	while (*link != NULL && !awaits_reply(*link)) {
		*is_first = *is_first && !is_owed(*link);
		link = &(*link)->next;
	}
	return link;
}

enum err
requests_reply(struct requests *q, struct span payload, enum request_reply *out)
{
	bool is_first;
	struct request **link = find_awaiting(q, &is_first);
	enum err e;

	if (*link == NULL) {
		*out = REQUEST_UNASKED;
		return OK;
	}
	if (is_owed(*link) && !is_first) {
		e = hold(q, *link, payload);
		if (e == OK)
			*out = REQUEST_HELD;
		return e;
	}
	*out = is_owed(*link) ? REQUEST_PASS : REQUEST_SWALLOW;
	drop(q, link);
	return OK;
}

enum err
requests_answer(struct requests *q, uint32_t id, struct span payload)
{
	for (struct request *r = q->first; r != NULL; r = r->next) {
		if (r->kind == REQUEST_LOCAL && r->id == id && !r->is_answered)
			return hold(q, r, payload);
	}
	return OK;
}

void
requests_unimplemented(struct requests *q, uint32_t seq)
{
	for (struct request **link = &q->first; *link != NULL; link = &(*link)->next) {
		if (awaits_reply(*link) && (*link)->has_seq && (*link)->seq == seq) {
			drop(q, link);
			return;
		}
	}
}

/* Requests of our own keep nobody waiting: nothing is owed to the asker for them. */
static struct request *const *
find_owed(struct request *const *link)
{
	while (*link != NULL && !is_owed(*link))
		link = &(*link)->next;
	return link;
}

bool
requests_next(const struct requests *q, struct span *out)
{
	const struct request *r = *find_owed(&q->first);

	if (r == NULL || !r->is_answered)
		return false;
	*out = buf_span(&r->answer);
	return true;
}

void
requests_sent(struct requests *q)
{
	struct request **link = &q->first;

	while (*link != NULL && !is_owed(*link))
		link = &(*link)->next;
	if (*link != NULL)
		drop(q, link);
}
