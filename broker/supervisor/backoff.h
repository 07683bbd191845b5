/*
 * How long a role that died waits before it is started again.
 */
#ifndef BROKER_SUPERVISOR_BACKOFF_H
#define BROKER_SUPERVISOR_BACKOFF_H

#include <stdint.h>

/* A life of this length makes earlier deaths forgotten. */
#define BACKOFF_STABLE_MS ((int64_t)60 * 1000)

/* Embedded by its owner. */
struct backoff {
	uint32_t min_ms;
	uint32_t max_ms;
	uint32_t last_ms; /* 0: none yet */
};

/* 0 < min_ms; a max_ms below it counts as min_ms. */
void backoff_init(struct backoff *b, uint32_t min_ms, uint32_t max_ms);
/* The pause after a death at the age of lived_ms: the minimum first, doubled with each death in a row. */
uint32_t backoff_next(struct backoff *b, int64_t lived_ms);

#endif
