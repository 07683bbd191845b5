/*
 * The gate role: accepts clients and takes each through its login, until a relay has it.
 *
 * Bytes of strangers are parsed here and nowhere else.  A gate can connect nowhere: the director gives it the sockets to
 * the nodes, the keyholder its signatures.
 */
#ifndef BROKER_GATE_GATE_H
#define BROKER_GATE_GATE_H

#include "broker/role/role.h"

/* Runs until the broker stops.  Returns the exit code. */
int gate_main(struct role *r);

#endif
