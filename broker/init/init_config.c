/*
 * The text of a new configuration.
 *
 * Values are replaced in the text, not in a parsed copy of it, so that every comment of the example stays.
 */
#include "broker/init/init_config.h"

#include "broker/init/config_example.h"
#include "common/json/json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Replace the value at path, which the text has, by value. */
static enum err
replace(struct buf *text, const char *path, const char *value)
{
	struct json_doc d;
	struct json_error why;
	struct span whole = buf_span(text), old;
	struct buf made = {0};
	size_t before;
	enum err e = json_parse(whole, &d, &why);
	bool found;

	if (e != OK)
		return e;
	/* The example is ours, and a unit test shows that it has every path that is replaced here. */
	found = json_find(&d, path, &old);
	assert(found);
	before = (size_t)(old.ptr - (const uint8_t *)d.text);
	e = buf_append(&made, whole.ptr, before);
	if (e == OK)
		e = buf_append(&made, value, strlen(value));
	if (e == OK)
		e = buf_append(&made, whole.ptr + before + old.len, whole.len - before - old.len);
	json_clear(&d);
	if (e == OK) {
		buf_reset(text);
		buf_take(text, &made);
	}
	buf_clear(&made);
	return e;
}

static enum err
replace_host_keys(struct buf *text, const struct init_keys *keys)
{
	struct buf list = {0};
	enum err e = buf_append(&list, "[", 1);

	for (size_t i = 0; i < keys->n_host && e == OK; i++) {
		char entry[64];
		int len = snprintf(
			entry, sizeof(entry), "%s\"%s\"", i > 0 ? ", " : "", keys->host[i].name);

		e = buf_append(&list, entry, (size_t)len);
	}
	if (e == OK)
		e = buf_append(&list, "]", sizeof("]"));
	if (e == OK)
		e = replace(text, "host_keys", (const char *)buf_span(&list).ptr);
	buf_clear(&list);
	return e;
}

enum err
init_config_write(const struct init_keys *keys, bool as_root, struct buf *out)
{
	struct buf text = {0};
	enum err e = buf_append(&text, config_example, config_example_len);

	if (e == OK)
		e = replace_host_keys(&text, keys);
	if (e == OK && !as_root)
		e = replace(&text, "listen", "[\"0.0.0.0:2222\", \"[::]:2222\"]");
	if (e == OK && !as_root)
		e = replace(&text, "run_dir", "\"run\"");
	if (e == OK && !as_root)
		e = replace(&text, "admin.socket", "\"run/admin.sock\"");
	if (e == OK)
		e = buf_append_span(out, buf_span(&text));
	buf_clear(&text);
	return e;
}
