/*
 * Walks JSON text without building anything: checks its grammar with an error that tells the line, and finds values.
 *
 * cJSON builds the values, but it accepts more than JSON (a zero byte in a string, keys given twice, 01) and does not
 * say what is wrong.
 */
#ifndef COMMON_JSON_JSON_SCAN_H
#define COMMON_JSON_JSON_SCAN_H

#include "common/json/json.h"

/* Is text, without comments, one sound JSON value?  Errors as json_parse. */
MUST_CHECK enum err json_scan_check(struct span text, struct json_error *why);

/* As json_find, in text that json_scan_check found sound. */
bool json_scan_find(struct span text, const char *path, struct span *value);

/* The line of text on which at stands. */
unsigned json_scan_line(struct span text, const uint8_t *at);

#endif
