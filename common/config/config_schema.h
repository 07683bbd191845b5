/*
 * The JSON Schema of the configuration, made from the table of keys, for editors.
 */
#ifndef COMMON_CONFIG_CONFIG_SCHEMA_H
#define COMMON_CONFIG_CONFIG_SCHEMA_H

#include "common/buf.h"

/* Append the schema's text; config/sshbroker.schema.json is a copy of it (a test tells).  ERR_NOMEM, ERR_LIMIT. */
MUST_CHECK enum err config_schema_write(struct buf *out);

#endif
