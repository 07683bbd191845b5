/*
 * How many channels are open, counted from the messages that open and close them; nothing else of them is looked at.
 */
#ifndef BROKER_RELAY_LEDGER_H
#define BROKER_RELAY_LEDGER_H

#include "broker/relay/side.h"

#include <stdint.h>

/* Embedded; zeroed it is empty. */
struct ledger {
	uint32_t n_open;
	uint32_t
		n_closing[SIDES]; /* CLOSE messages of this side that the other side's are due to */
};

/* A packet of this type went by from that side. */
void ledger_see(struct ledger *l, enum side from, uint8_t type);

#endif
