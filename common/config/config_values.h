/*
 * One number or text of the configuration: checked against its key, reported or stored.
 */
#ifndef COMMON_CONFIG_CONFIG_VALUES_H
#define COMMON_CONFIG_CONFIG_VALUES_H

#include "common/config/config_report.h"
#include "common/config/config_table.h"

/* What the walk through a file carries. */
struct config_parser {
	struct config_report report;
	const char *file_name; /* where relative paths begin */
};

/* One value to be read: which key, where in the file, where in memory. */
struct config_place {
	const struct config_key *key;
	char path[CONFIG_PATH_SIZE];
	void *to;
};

/* Store the value at at->to, or report why not.  ERR_NOMEM; findings are in the report. */
MUST_CHECK enum err config_parse_number(
	struct config_parser *p, const struct config_place *at, const cJSON *json);
MUST_CHECK enum err config_parse_text(
	struct config_parser *p, const struct config_place *at, const cJSON *json);

/* Report that another kind of JSON was found than expected: prefix and the words for the key's type. */
void config_report_kind(struct config_parser *p, const struct config_place *at, const char *prefix,
	const cJSON *json);

#endif
