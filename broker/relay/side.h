/*
 * The two sides of a relayed connection.
 */
#ifndef BROKER_RELAY_SIDE_H
#define BROKER_RELAY_SIDE_H

/* Index of everything that a connection has twice. */
enum side { SIDE_CLIENT = 0, SIDE_NODE = 1, SIDES = 2 };

static inline enum side
side_other(enum side s)
{
	return s == SIDE_CLIENT ? SIDE_NODE : SIDE_CLIENT;
}

#endif
