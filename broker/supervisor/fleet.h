/*
 * The role processes: started, linked to each other, restarted when they die, stopped together.
 */
#ifndef BROKER_SUPERVISOR_FLEET_H
#define BROKER_SUPERVISOR_FLEET_H

#include "broker/supervisor/run_dir.h"
#include "common/config/config.h"
#include "common/err.h"
#include "common/span.h"

#include <event2/event.h>

/* Relays of former supervisors that are adopted; more are left to themselves. */
#define FLEET_ADOPTED_MAX 64
/* A role that dies this often before it was ever up ends the start of the broker. */
#define FLEET_START_FAILURES_MAX 3

struct fleet;

/* What the fleet works with.  All borrowed until fleet_free(). */
struct fleet_setup {
	struct event_base *base;
	const struct config *config;
	struct span config_text;
	const struct run_dir *run_dir;
	int program; /* of spawn_open_program() */
	const int *listeners;
	size_t n_listeners;
	int admin_listener;
};

/* Called from the loop, or from within fleet_start(), fleet_stop() and fleet_reap(). */
struct fleet_callbacks {
	/* Every role has been up. */
	void (*on_up)(void *arg);
	/* A role cannot be started at all (logged); called once, before on_up would have been. */
	void (*on_failed)(void *arg);
	/* After fleet_stop(): no process is left. */
	void (*on_empty)(void *arg);
};

/* *out is owned.  ERR_NOMEM. */
MUST_CHECK enum err fleet_new(const struct fleet_setup *setup,
	const struct fleet_callbacks *callbacks, void *arg, struct fleet **out);
/* Kills nobody.  NULL does nothing. */
void fleet_free(struct fleet *f);

/* Adopt the relays that former supervisors left, and start one director, one keyholder, gates and relays. */
void fleet_start(struct fleet *f);

/* Look which children have ended (SIGCHLD). */
void fleet_reap(struct fleet *f);

/*
 * Stop all; who does not end within roles.stop_timeout_s is killed.  Adopted relays are stopped with them, or left to the
 * next supervisor.
 */
void fleet_stop(struct fleet *f, bool with_adopted);
/* Kill at once what has not ended since fleet_stop(). */
void fleet_kill(struct fleet *f);

#endif
