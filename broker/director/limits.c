/*
 * How often limits were reached.
 */
#include "broker/director/limits.h"

#include "broker/director/link.h"
#include "common/log.h"

#include <inttypes.h>

void
limits_hit(struct limits *l, const struct config *c, enum limit limit, uint64_t now_ms)
{
	uint64_t n = ++l->of[limit].n_hits, n_logged = l->of[limit].n_hits_logged, max = 0;

	if (n_logged > 0 && now_ms - l->of[limit].logged_at_ms < LIMITS_LOG_INTERVAL_MS)
		return;
	(void)limit_max(c, limit, &max);
	log_warn("limit %s=%" PRIu64 " reached (%" PRIu64 " times since the last such line)",
		limit_name(limit), max, n - n_logged);
	l->of[limit].n_hits_logged = n;
	l->of[limit].logged_at_ms = now_ms;
}

void
limits_on_use(struct link *l, void *message)
{
	const struct msg_limit_use *m = message;

	if (m->limit >= LIMIT_COUNT) {
		link_ignore(l, 0, "a limit that is none");
		return;
	}
	l->uses[m->limit] = (struct limit_use){
		.n_hits = m->n_hits, .now = m->now, .max = m->max, .has_now = m->has_now};
}

/* These are logged by those who count them; the next line here is about the director's own. */
void
limits_keep(struct limits *limits, const struct link *l)
{
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		limits->of[i].n_hits += l->uses[i].n_hits;
		limits->of[i].n_hits_logged += l->uses[i].n_hits;
	}
}

void
limits_sum(const struct state *s, enum limit limit, struct limit_sum *out)
{
	*out = (struct limit_sum){.n_hits = s->limits.of[limit].n_hits};
	out->has_max = limit_max(s->config, limit, &out->max);
	for (const struct link *l = s->links; l != NULL; l = l->next) {
		const struct limit_use *use = &l->uses[limit];

		out->n_hits += use->n_hits;
		if (use->has_now && use->now >= out->now)
			out->now = use->now;
		out->has_now = out->has_now || use->has_now;
		/* What is built in is the same in all of them. */
		if (!out->has_max && use->max != 0) {
			out->max = use->max;
			out->has_max = true;
		}
	}
}
