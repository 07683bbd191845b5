/*
 * Words why something is not so, for the one line in the log.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_WHY_H
#define DEPLOY_NODE_PRINCIPALS_WHY_H

#include "common/attr.h"

/* Room for a sentence with a path or an option in it; longer ones are cut. */
#define WHY_SIZE 512

void why_set(char why[WHY_SIZE], const char *format, ...) PRINTF_LIKE(2, 3);

#endif
