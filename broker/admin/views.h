/*
 * What the director knows, as JSON.
 */
#ifndef BROKER_ADMIN_VIEWS_H
#define BROKER_ADMIN_VIEWS_H

#include "common/err.h"

#include <cjson/cJSON.h>

struct state;

/*
 * Each fills reply, an object.  Moments (*_at_ms) are milliseconds since 1970; what is not known is null.  Texts of
 * other people (user names, client software) hold no control characters.  ERR_NOMEM.
 */
MUST_CHECK enum err view_status(const struct state *s, cJSON *reply);
MUST_CHECK enum err view_nodes(const struct state *s, cJSON *reply);
MUST_CHECK enum err view_users(const struct state *s, cJSON *reply);
MUST_CHECK enum err view_connections(const struct state *s, cJSON *reply);

#endif
