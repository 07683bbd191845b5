/*
 * The moments in expiry-time options: YYYYMMDD[HHMM[SS]], with "Z" or "UTC" behind for UTC, else of the node's time zone.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_EXPIRY_H
#define DEPLOY_NODE_PRINCIPALS_EXPIRY_H

#include "common/err.h"

#include <stdint.h>

/* Seconds since 1970, more than 0.  ERR_FORMAT: no such moment. */
MUST_CHECK enum err expiry_parse(const char *text, uint64_t *out);

#endif
