/*
 * From a gate's request to its answer: choose a node, dial it, or wait, or try the next one.
 */
#ifndef BROKER_DIRECTOR_PLACING_H
#define BROKER_DIRECTOR_PLACING_H

#include "broker/director/state.h"

/*
 * A login that its gate has not ended so long after limits.login_grace_s is ended here: the gate is stuck, or in wrong
 * hands.
 */
#define PLACING_GRACE_MARGIN_MS 5000U
/* Logins that wait and are looked at when a dial became free; all are looked at when time is. */
#define PLACING_LOOKS_MAX 64U

/* A gate wants a node for a login; it is answered now or later. */
void placing_want(struct state *s, struct login *login, const struct msg_place *m);
/* The node that the login was placed on did not serve. */
void placing_node_failed(struct state *s, struct login *login, enum node_failure cause);
/* The login is over here: stop what is under way, release what it holds, free it. */
void placing_end(struct state *s, struct login *login);

/* If dials became free in this turn, let logins go on that wait for one. */
void placing_run_queue(struct state *s);
/* Answer those that have waited long enough, and look again for all others.  Call it now and then. */
void placing_check_time(struct state *s);

#endif
