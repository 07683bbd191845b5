/*
 * JSON with comments: comments out, grammar checked, values built by cJSON.
 */
#include "common/json/json.h"

#include "common/json/json_comments.h"
#include "common/json/json_scan.h"

#include <stdio.h>
#include <stdlib.h>

static enum err
fail(struct json_error *why, enum err e, unsigned line, const char *text)
{
	why->line = line;
	snprintf(why->text, sizeof(why->text), "%s", text);
	return e;
}

/* d->text holds sound text. */
static enum err
build(struct json_doc *d, struct json_error *why)
{
	struct span text = span_of(d->text, d->len);
	const char *end = NULL;

	d->root = cJSON_ParseWithLengthOpts(d->text, d->len + 1, &end, true);
	if (d->root != NULL)
		return OK;
	/* What the scanner lets pass: half of a surrogate pair, a number of more than 63 characters. */
	return fail(why, ERR_FORMAT, json_scan_line(text, (const uint8_t *)end),
		"this text or number cannot be represented");
}

enum err
json_parse(struct span text, struct json_doc *out, struct json_error *why)
{
	struct json_doc d = {.len = text.len};
	enum err e;

	if (text.len > JSON_SIZE_MAX)
		return fail(why, ERR_LIMIT, 0, "the text is larger than 1 MiB");
	d.text = calloc(1, text.len + 1);
	if (d.text == NULL)
		return fail(why, ERR_NOMEM, 0, "out of memory");
	e = json_strip_comments(text, d.text, why);
	if (e == OK)
		e = json_scan_check(span_of(d.text, d.len), why);
	if (e == OK)
		e = build(&d, why);
	if (e != OK) {
		json_clear(&d);
		return e;
	}
	*out = d;
	return OK;
}

void
json_clear(struct json_doc *d)
{
	cJSON_Delete(d->root);
	free(d->text);
	*d = (struct json_doc){0};
}

bool
json_find(const struct json_doc *d, const char *path, struct span *value)
{
	return json_scan_find(span_of(d->text, d->len), path, value);
}

unsigned
json_line(const struct json_doc *d, const char *path)
{
	struct span value;

	(void)json_find(d, path, &value);
	return json_scan_line(span_of(d->text, d->len), value.ptr);
}
