/*
 * The two clocks of the system, in milliseconds.
 */
#ifndef BROKER_DIRECTOR_CLOCK_H
#define BROKER_DIRECTOR_CLOCK_H

#include <stdint.h>

/* Only ever forward, from an unknown beginning: for durations. */
uint64_t clock_monotonic_ms(void);
/* Since 1970: for people. */
uint64_t clock_wall_ms(void);

#endif
