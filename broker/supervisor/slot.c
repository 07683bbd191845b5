/*
 * The states of a role process.
 */
#include "broker/supervisor/slot.h"

#include "common/log.h"

#include <assert.h>
#include <string.h>

#define TO(state) (1u << (state))
#define ENDED (TO(SLOT_WAITING) | TO(SLOT_EMPTY))

static const unsigned arrows[SLOT_STATES] = {
	[SLOT_EMPTY] = TO(SLOT_STARTING) | TO(SLOT_ADOPTING) | TO(SLOT_WAITING),
	[SLOT_WAITING] = TO(SLOT_STARTING) | TO(SLOT_WAITING) | TO(SLOT_EMPTY),
	[SLOT_STARTING] = TO(SLOT_UP) | TO(SLOT_STOPPING) | TO(SLOT_KILLED) | ENDED,
	[SLOT_ADOPTING] = TO(SLOT_UP) | TO(SLOT_KILLED) | TO(SLOT_EMPTY),
	[SLOT_UP] = TO(SLOT_STOPPING) | TO(SLOT_KILLED) | ENDED,
	[SLOT_STOPPING] = TO(SLOT_KILLED) | ENDED,
	[SLOT_KILLED] = ENDED,
};

static const char *const names[SLOT_STATES] = {
	[SLOT_EMPTY] = "empty",
	[SLOT_WAITING] = "waiting",
	[SLOT_STARTING] = "starting",
	[SLOT_ADOPTING] = "adopting",
	[SLOT_UP] = "up",
	[SLOT_STOPPING] = "stopping",
	[SLOT_KILLED] = "killed",
};

enum err
slot_init(struct slot *s, struct event_base *base, event_callback_fn on_timer)
{
	s->timer = evtimer_new(base, on_timer, s);
	return s->timer != NULL ? OK : ERR_NOMEM;
}

void
slot_clear(struct slot *s)
{
	ipc_free(s->control);
	s->control = NULL;
	if (s->timer != NULL)
		event_free(s->timer);
	s->timer = NULL;
}

void
slot_change(struct slot *s, enum slot_state to, uint32_t timer_ms)
{
	struct timeval after = {timer_ms / 1000, (suseconds_t)(timer_ms % 1000) * 1000};

	assert((arrows[s->state] & TO(to)) != 0);
	log_debug("%s: %s -> %s", s->name, names[s->state], names[to]);
	s->state = to;
	event_del(s->timer);
	/* An evtimer has its place in the heap reserved by the first event_add(); this cannot fail for want of a
	 * descriptor, and without memory the process is about to die anyway. */
	if (timer_ms > 0 && event_add(s->timer, &after) != 0)
		log_error("%s: no timer: %s", s->name, err_text(ERR_NOMEM));
}

bool
slot_is_alive(const struct slot *s)
{
	return s->state != SLOT_EMPTY && s->state != SLOT_WAITING;
}
