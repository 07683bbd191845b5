/*
 * Collects what is wrong with a configuration and writes it out in the order of the file.
 */
#ifndef COMMON_CONFIG_CONFIG_REPORT_H
#define COMMON_CONFIG_CONFIG_REPORT_H

#include "common/config/config.h"
#include "common/json/json.h"

/* The longest error, cut beyond. */
#define CONFIG_ERROR_SIZE 512

struct config_finding {
	unsigned line; /* 0: the file as a whole */
	char text[CONFIG_ERROR_SIZE];
};

/* Embedded by its owner; about 26 kB.  Plain data. */
struct config_report {
	const char *file_name; /* borrowed */
	const struct json_doc *doc; /* borrowed; NULL: no lines are known */
	struct config_finding findings[CONFIG_ERRORS_MAX];
	size_t n; /* all that were found, also those past the maximum */
};

void config_report_init(struct config_report *r, const char *file_name, const struct json_doc *doc);

/*
 * Note what is wrong with the value at path ("": with the whole); format continues "PATH: ".  Bytes that are not
 * printable ASCII are escaped.
 */
void config_report_add(struct config_report *r, const char *path, const char *format, ...)
	PRINTF_LIKE(3, 4);
/* The same at a line that is known otherwise. */
void config_report_add_line(struct config_report *r, unsigned line, const char *text);

/*
 * Append a line per finding to errors.  ERR_FORMAT: there was one; OK: none.  ERR_NOMEM, ERR_LIMIT: errors did not
 * take them.
 */
MUST_CHECK enum err config_report_write(struct config_report *r, struct buf *errors);

#endif
