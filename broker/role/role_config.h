/*
 * The configuration as a role gets it: as text in a message.
 */
#ifndef BROKER_ROLE_ROLE_CONFIG_H
#define BROKER_ROLE_ROLE_CONFIG_H

#include "broker/messages/control.h"
#include "common/config/config.h"

/* *out is owned.  What is wrong with it is logged.  Errors of config_parse. */
MUST_CHECK enum err role_config_parse(const struct control_config *m, struct config **out);

/* One log line for each line in errors, as config_parse and config_load append them. */
void role_config_log_errors(const struct buf *errors);

#endif
