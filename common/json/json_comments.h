/*
 * Comments out of JSON: the copy has spaces in their place, so that each byte stays where it is.
 */
#ifndef COMMON_JSON_JSON_COMMENTS_H
#define COMMON_JSON_JSON_COMMENTS_H

#include "common/json/json.h"

/*
 * Copy text to out (text.len bytes) with comments and a byte order mark replaced by spaces; newlines stay.
 * ERR_FORMAT: a comment is not closed.
 */
MUST_CHECK enum err json_strip_comments(struct span text, char *out, struct json_error *why);

#endif
