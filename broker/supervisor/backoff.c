/*
 * Pauses that double.
 */
#include "broker/supervisor/backoff.h"

#include <assert.h>

void
backoff_init(struct backoff *b, uint32_t min_ms, uint32_t max_ms)
{
	assert(min_ms > 0);
	*b = (struct backoff){.min_ms = min_ms, .max_ms = max_ms > min_ms ? max_ms : min_ms};
}

uint32_t
backoff_next(struct backoff *b, int64_t lived_ms)
{
	if (b->last_ms == 0 || lived_ms >= BACKOFF_STABLE_MS)
		b->last_ms = b->min_ms;
	else if (b->last_ms > b->max_ms / 2)
		b->last_ms = b->max_ms;
	else
		b->last_ms *= 2;
	return b->last_ms;
}
