/*
 * What no single key shows: names that must be unique, limits that must fit each other, defaults made of other keys.
 */
#ifndef COMMON_CONFIG_CONFIG_RULES_H
#define COMMON_CONFIG_CONFIG_RULES_H

#include "common/config/config_report.h"

/* Give keys that are absent what follows from others (admin.socket, a node's identity).  ERR_NOMEM. */
MUST_CHECK enum err config_derive(struct config *c);

/* Report what does not fit together.  Texts may be NULL where their keys had errors. */
void config_check_names(const struct config *c, struct config_report *r);
/* The same for numbers; only for a configuration without errors so far. */
void config_check_limits(const struct config *c, struct config_report *r);

#endif
