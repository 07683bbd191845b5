/*
 * Makes room for a newcomer where one source has much more than its share.
 *
 * Limits alone let whoever holds all places keep everybody else out: a few clients that say nothing after a first request
 * hold all dials that the nodes of a pool may have, for as long as a login may take.  So where a newcomer finds no place,
 * the source that has most gives one up, if it has at least two more than the newcomer's.
 */
#ifndef BROKER_DIRECTOR_ROOM_H
#define BROKER_DIRECTOR_ROOM_H

#include "broker/director/logins.h"

/* A login that got on lately is let be: most take less than this. */
#define ROOM_AGE_MIN_MS 5000

/* What there is no more of. */
enum room { ROOM_LOGINS = 0, ROOM_DIALS };

struct room_query {
	const struct logins *logins;
	enum room room;
	const struct addr *client; /* the newcomer's */
	const struct node *node; /* ROOM_DIALS: of this node; NULL: of any */
	const struct gate *gate; /* ROOM_LOGINS: of this gate */
	uint64_t now_ms;
};

/* The login that is to go; NULL: none has to.  One that is_leaving is not chosen again. */
struct login *room_choose(const struct room_query *q);

#endif
