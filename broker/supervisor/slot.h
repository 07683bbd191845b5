/*
 * The place of one role process: what state it is in, and when that state has lasted too long.
 */
#ifndef BROKER_SUPERVISOR_SLOT_H
#define BROKER_SUPERVISOR_SLOT_H

#include "broker/messages/role_kind.h"
#include "broker/supervisor/backoff.h"
#include "broker/supervisor/run_dir.h"
#include "common/err.h"
#include "common/ipc/ipc.h"

#include <event2/event.h>
#include <sys/types.h>

/*
 *	EMPTY --> STARTING ----------> UP --> STOPPING --> KILLED
 *	  |        ^    |              ^ |       |           |
 *	  |        |    +--> ended <---|-+-------+-----------+
 *	  |        |           |       |
 *	  |     WAITING <------+       |         ended: WAITING for its next start, or
 *	  |                            |         EMPTY when all stops or it was adopted
 *	  +--> ADOPTING ---------------+
 */
enum slot_state {
	SLOT_EMPTY = 0, /* no process, and none will be started */
	SLOT_WAITING, /* no process; the timer starts one */
	SLOT_STARTING, /* has START, has not said READY */
	SLOT_ADOPTING, /* a relay of a former supervisor, has not said HELLO */
	SLOT_UP, /* serves, and is linked to its peers */
	SLOT_STOPPING, /* told to stop, or without its control link; the timer kills it */
	SLOT_KILLED, /* killed, not yet seen dead */
	SLOT_STATES
};

struct fleet;

/* Embedded by the fleet; read by all, state changed by slot_change() alone. */
struct slot {
	struct fleet *fleet;
	enum role_kind kind;
	unsigned index;
	char name[ROLE_NAME_SIZE];
	enum slot_state state;
	bool is_adopted; /* not our child: its death is seen by its control link */
	bool was_up; /* at any time */
	unsigned n_failures; /* deaths before it was ever up */
	pid_t pid;
	int64_t started_at_ms;
	struct backoff backoff;
	struct ipc *control;
	char socket_name[RUN_DIR_SOCKET_NAME_SIZE]; /* of a relay; "" for none */
	struct event *timer;
};

/* A place for that process, SLOT_EMPTY; timer calls on_timer with the slot.  ERR_NOMEM. */
MUST_CHECK enum err slot_init(struct slot *s, struct event_base *base, event_callback_fn on_timer);
void slot_clear(struct slot *s);

/* Go to that state, along an arrow; the timer rings after timer_ms, or never for 0. */
void slot_change(struct slot *s, enum slot_state to, uint32_t timer_ms);

/* Has it a living process, as far as we know? */
bool slot_is_alive(const struct slot *s);

#endif
