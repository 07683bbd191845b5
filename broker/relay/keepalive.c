/*
 * Counts the silence of a peer.
 *
 * Hearing something costs one store: only the look at due_at, once per interval, finds out what it means.
 */
#include "broker/relay/keepalive.h"

void
keepalive_start(struct keepalive *k, const struct keepalive_rules *rules, uint64_t now)
{
	*k = (struct keepalive){
		.heard_at = now, .due_at = now + rules->interval_ms + rules->jitter_ms};
}

void
keepalive_heard(struct keepalive *k, uint64_t now)
{
	k->heard_at = now;
	k->n_misses = 0;
	k->is_asked = false;
}

enum keepalive_verdict
keepalive_look(struct keepalive *k, const struct keepalive_rules *rules, uint64_t now, bool listens)
{
	if (rules->interval_ms == 0 || now < k->due_at)
		return KEEPALIVE_QUIET;
	if (now < k->heard_at + rules->interval_ms) {
		k->due_at = k->heard_at + rules->interval_ms;
		return KEEPALIVE_QUIET;
	}
	k->due_at = now + rules->interval_ms;
	if (!listens)
		return KEEPALIVE_QUIET;
	if (k->is_asked)
		k->n_misses++;
	if (k->n_misses >= rules->misses_max)
		return KEEPALIVE_LOST;
	k->is_asked = true;
	return KEEPALIVE_ASK;
}

uint64_t
keepalive_due(const struct keepalive *k, const struct keepalive_rules *rules)
{
	return rules->interval_ms == 0 ? UINT64_MAX : k->due_at;
}
