/*
 * The keyholder: the process that has the private keys and no network, and signs only what it has checked itself.
 */
#ifndef BROKER_KEYHOLDER_KEYHOLDER_H
#define BROKER_KEYHOLDER_KEYHOLDER_H

#include "broker/role/role.h"

/* Runs the role.  Returns the exit code. */
int keyholder_main(struct role *r);

#endif
