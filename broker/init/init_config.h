/*
 * The text of a new configuration: the documented example, with what this machine needs put into it.
 */
#ifndef BROKER_INIT_INIT_CONFIG_H
#define BROKER_INIT_INIT_CONFIG_H

#include "broker/init/init_keys.h"

/*
 * Append the text, with the names of these keys.  Without as_root, what only root can do is left out: ports from 2222,
 * and sockets below the folder of the file.  ERR_NOMEM, ERR_LIMIT.
 */
MUST_CHECK enum err init_config_write(const struct init_keys *keys, bool as_root, struct buf *out);

#endif
