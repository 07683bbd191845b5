/*
 * The relay role: carries the connections of logged-in users between client and node.
 */
#ifndef BROKER_RELAY_RELAY_H
#define BROKER_RELAY_RELAY_H

struct role;

/* The main of a relay process.  Returns the exit code. */
int relay_main(struct role *r);

#endif
