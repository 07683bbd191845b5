/*
 * Which node a login goes to.
 */
#include "broker/director/placement.h"

#include <stdarg.h>
#include <stdio.h>

static void PRINTF_LIKE(4, 5) decide(struct placement *out, enum placement_result result,
	struct node *node, const char *format, ...)
{
	va_list ap;

	out->result = result;
	out->node = node;
	va_start(ap, format);
	(void)vsnprintf(out->why, sizeof(out->why), format, ap);
	va_end(ap);
}

static bool
is_excluded(const struct placement_query *q, const struct node *node)
{
	for (size_t i = 0; i < q->n_excluded; i++) {
		if (q->excluded[i] == node)
			return true;
	}
	return false;
}

static bool
may_dial(const struct placement_query *q, const struct node *node)
{
	return q->dials_max == 0 || node->n_dials < q->dials_max;
}

/* --- where the user is already --- */

static bool
has_more_connections(const struct presence *a, const struct presence *b)
{
	if (a->n_connections != b->n_connections)
		return a->n_connections > b->n_connections;
	return a->newest_at_ms > b->newest_at_ms;
}

static const struct presence *
with_connections(const struct placement_query *q)
{
	const struct presence *best = NULL;

	for (const struct presence *p = q->user->presences; p != NULL; p = p->next) {
		if (p->n_connections == 0 || is_excluded(q, p->node))
			continue;
		if (best == NULL || has_more_connections(p, best))
			best = p;
	}
	return best;
}

static const struct presence *
with_reservations(const struct placement_query *q)
{
	const struct presence *best = NULL;

	for (const struct presence *p = q->user->presences; p != NULL; p = p->next) {
		if (p->n_reservations == 0 || is_excluded(q, p->node))
			continue;
		if (best == NULL || p->n_reservations > best->n_reservations)
			best = p;
	}
	return best;
}

static void
stay(const struct placement_query *q, const struct presence *p, struct placement *out)
{
	enum placement_result result = may_dial(q, p->node) ? PLACEMENT_NODE : PLACEMENT_WAIT;

	if (p->n_connections == 0)
		decide(out, result, p->node, "you are logging in there just now");
	else
		decide(out, result, p->node, "you have %u connection%s there", p->n_connections,
			p->n_connections == 1 ? "" : "s");
}

/* --- the best candidate --- */

/* What a look at all nodes found. */
struct survey {
	struct node *best; /* one of the best; NULL: no candidate */
	uint32_t n_best;
	uint32_t n_candidates;
	uint32_t n_excluded, n_full, n_busy, n_failed_lately;
};

/* a / weight of a against b / weight of b, without dividing.  Negative: a is less. */
static int
compare_per_weight(uint32_t a, const struct node *node_a, uint32_t b, const struct node *node_b)
{
	uint64_t left = (uint64_t)a * node_b->weight, right = (uint64_t)b * node_a->weight;

	return left < right ? -1 : left > right;
}

static int
compare(const struct placement_query *q, const struct node *a, const struct node *b)
{
	int a_failed = node_failed_lately(a, q->reporter, q->now_ms),
	    b_failed = node_failed_lately(b, q->reporter, q->now_ms);

	if (a_failed != b_failed)
		return a_failed - b_failed;
	return compare_per_weight(node_load(a), a, node_load(b), b);
}

/* Counts why a node is none. */
static bool
is_candidate(const struct placement_query *q, const struct node *node, struct survey *s)
{
	uint32_t *why_not = is_excluded(q, node) ? &s->n_excluded
		: node_is_full(node)		 ? &s->n_full
		: node_is_reserved(node)	 ? &s->n_busy
		: !may_dial(q, node)		 ? &s->n_busy
						 : NULL;

	if (why_not != NULL)
		++*why_not;
	return why_not == NULL;
}

static void
consider(const struct placement_query *q, struct node *node, struct survey *s)
{
	int order = s->best != NULL ? compare(q, node, s->best) : -1;

	s->n_candidates++;
	if (node_failed_lately(node, q->reporter, q->now_ms))
		s->n_failed_lately++;
	if (order < 0) {
		s->best = node;
		s->n_best = 1;
	} else if (order == 0) {
		s->n_best++;
	}
}

static void
survey_nodes(const struct placement_query *q, struct survey *s)
{
	for (struct node *n = nodes_first(q->nodes); n != NULL; n = nodes_next(n)) {
		if (is_candidate(q, n, s))
			consider(q, n, s);
	}
}

/* The candidate number i of those that are as good as the best. */
static struct node *
nth_best(const struct placement_query *q, const struct survey *s, uint32_t i)
{
	struct survey scratch = {0};
	struct node *n = nodes_first(q->nodes);

	for (; n != NULL; n = nodes_next(n)) {
		if (is_candidate(q, n, &scratch) && compare(q, n, s->best) == 0 && i-- == 0)
			break;
	}
	return n;
}

/* Two random choices: much better than one, and unlike the best of all no herd runs to one node. */
static struct node *
draw(const struct placement_query *q, const struct survey *s)
{
	uint32_t first, second;
	struct node *a, *b;

	if (s->n_best == 1)
		return s->best;
	first = q->random_below(q->random_arg, s->n_best);
	second = q->random_below(q->random_arg, s->n_best - 1);
	if (second >= first)
		second++;
	a = nth_best(q, s, first);
	b = nth_best(q, s, second);
	return compare_per_weight(b->n_connections, b, a->n_connections, a) < 0 ? b : a;
}

static void
append_count(struct placement *out, uint32_t n, const char *what)
{
	size_t len = strlen(out->why);

	if (n > 0)
		(void)snprintf(out->why + len, sizeof(out->why) - len, ", %u %s", n, what);
}

static void
explain_rest(const struct survey *s, struct placement *out)
{
	append_count(out, s->n_excluded, "not serving");
	append_count(out, s->n_full, "full");
	append_count(out, s->n_busy, "busy with logins");
	append_count(out, s->n_failed_lately, "failed lately");
}

static void
choose_candidate(const struct placement_query *q, struct placement *out)
{
	struct survey s = {0};
	struct node *node;

	survey_nodes(q, &s);
	if (s.n_candidates > 0) {
		node = draw(q, &s);
		decide(out, PLACEMENT_NODE, node, "fewest users per weight: %u/%u of %u node%s",
			node_load(node), node->weight, s.n_candidates,
			s.n_candidates == 1 ? "" : "s");
	} else if (s.n_busy > 0) {
		decide(out, PLACEMENT_WAIT, NULL, "no node can take another login just now");
	} else if (s.n_full > 0) {
		decide(out, PLACEMENT_FULL, NULL, "no node may have another user");
	} else {
		decide(out, PLACEMENT_NONE, NULL, "no node is left");
	}
	explain_rest(&s, out);
}

void
placement_choose(const struct placement_query *q, struct placement *out)
{
	const struct presence *p = NULL;

	if (q->user != NULL) {
		p = with_connections(q);
		if (p == NULL && !q->ignore_reservations)
			p = with_reservations(q);
	}
	if (p != NULL)
		stay(q, p, out);
	else
		choose_candidate(q, out);
}
