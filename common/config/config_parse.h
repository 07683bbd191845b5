/*
 * The parser behind config_parse() and config_load().
 */
#ifndef COMMON_CONFIG_CONFIG_PARSE_H
#define COMMON_CONFIG_CONFIG_PARSE_H

#include "common/config/config.h"

struct config_names {
	const char *shown; /* in errors */
	const char *file; /* in the configuration; relative paths begin at its folder */
};

/* config_parse() with a name for the errors of its own. */
MUST_CHECK enum err config_parse_as(struct span text, const struct config_names *names,
	struct config **out, struct buf *errors);

#endif
