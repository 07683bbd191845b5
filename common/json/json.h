/*
 * JSON with comments, as our configuration is written: strict about everything else, and able to tell the line of a
 * value.  (RFC 8259)
 */
#ifndef COMMON_JSON_JSON_H
#define COMMON_JSON_JSON_H

#include "common/err.h"
#include "common/span.h"

#include <cjson/cJSON.h>

/* The largest text, and how deep, wide and long what stands in it may be. */
#define JSON_SIZE_MAX ((size_t)1 << 20)
#define JSON_DEPTH_MAX 16
#define JSON_MEMBERS_MAX 256
#define JSON_ELEMENTS_MAX 4096

#define JSON_ERROR_SIZE 200

/* Plain data. */
struct json_error {
	unsigned line; /* from 1; 0: the text as a whole */
	char text[JSON_ERROR_SIZE]; /* what is wrong there, without newline; only printable ASCII */
};

/* Embedded by its owner.  Read root; the rest serves json_find. */
struct json_doc {
	cJSON *root;
	char *text; /* the text with its comments as spaces: each byte stands where it stood */
	size_t len;
};

/*
 * Parse a whole text.  The comments of C (both kinds) and a byte order mark count as space; a comma before a closing
 * bracket is an error, as are a key given twice, a key of other characters than letters, digits and "_-$", the zero
 * byte, and text that is not UTF-8.  *out is to be cleared with json_clear.  ERR_FORMAT, ERR_LIMIT (one of the maximums
 * above), ERR_NOMEM: *why tells.
 */
MUST_CHECK enum err json_parse(struct span text, struct json_doc *out, struct json_error *why);
/* A zeroed or cleared struct is left alone. */
void json_clear(struct json_doc *d);

/*
 * Find the value at a path like "pools[0].nodes[2].port" ("" is the root).  True: *value is its text, borrowed from d.
 * False: there is none, and *value is the innermost one on the way that exists.
 */
bool json_find(const struct json_doc *d, const char *path, struct span *value);
/* The line on which the value at path, or the innermost one on the way, begins. */
unsigned json_line(const struct json_doc *d, const char *path);

#endif
