/*
 * The log of relayed packets' numbers.
 */
#include "broker/relay/seqmap.h"

#include <string.h>

static struct seqmap_run *
last_run(struct seqmap *m)
{
	return &m->runs[(m->next + SEQMAP_RUNS - 1U) % SEQMAP_RUNS];
}

static void
add_run(struct seqmap *m, struct seqmap_run run)
{
	m->runs[m->next] = run;
	m->next = (uint8_t)((m->next + 1) % SEQMAP_RUNS);
}

void
seqmap_add(struct seqmap *m, uint32_t sent, uint32_t received)
{
	struct seqmap_run *last = last_run(m);

	/* A run may grow for ever: both numbers wrap alike.  One as long as all numbers would be ambiguous. */
	if (last->n > 0 && last->n < UINT32_MAX && sent == last->sent + last->n &&
		received == last->received + last->n) {
		last->n++;
		return;
	}
	add_run(m, (struct seqmap_run){.sent = sent, .received = received, .n = 1});
}

void
seqmap_add_waiting(struct seqmap *m, uint32_t received)
{
	if (received != m->waiting_first + m->n_waiting) {
		m->waiting_first = received;
		m->n_waiting = 0;
	}
	m->n_waiting++;
}

void
seqmap_sent_waiting(struct seqmap *m, uint32_t next)
{
	uint32_t first = m->waiting_first, n = m->n_waiting;

	seqmap_forget(m);
	if (n > 0)
		add_run(m, (struct seqmap_run){.sent = next - n, .received = first, .n = n});
}

void
seqmap_forget(struct seqmap *m)
{
	memset(m, 0, sizeof(*m));
}

bool
seqmap_find(const struct seqmap *m, uint32_t sent, uint32_t *received)
{
	for (unsigned i = 0; i < SEQMAP_RUNS; i++) {
		/* The newest first: a number that was used again means the later packet. */
		const struct seqmap_run
			*run = &m->runs[(m->next + 2U * SEQMAP_RUNS - 1 - i) % SEQMAP_RUNS];

		if (sent - run->sent < run->n) {
			*received = run->received + (sent - run->sent);
			return true;
		}
	}
	return false;
}
