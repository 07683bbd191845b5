/*
 * The inside of struct fleet, shared by fleet.c and life.c only.
 */
#ifndef BROKER_SUPERVISOR_FLEET_IMPL_H
#define BROKER_SUPERVISOR_FLEET_IMPL_H

#include "broker/supervisor/fleet.h"
#include "broker/supervisor/slot.h"

#define SLOTS_MAX (2 + CONFIG_GATES_MAX + CONFIG_RELAYS_MAX + FLEET_ADOPTED_MAX)

struct fleet {
	struct fleet_setup setup;
	const struct fleet_callbacks *callbacks;
	void *arg;
	struct slot slots[SLOTS_MAX];
	size_t n_slots;
	bool came_up;
	bool has_failed;
	bool is_stopping;
	bool is_over; /* on_empty was called */
};

/* Has every role been up? */
bool fleet_is_all_up(const struct fleet *f);
/* Call on_empty, once, if all has stopped. */
void fleet_report_empty(struct fleet *f);

#endif
