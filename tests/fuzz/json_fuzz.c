/*
 * common/json: no text breaks the parser, and what it accepts can be found again by path.
 */
#include "common/json/json.h"

#include <assert.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of each member and element must lead to a value on a line of the text. */
static void
check_paths(const struct json_doc *d, const cJSON *json, const char *path)
{
	const cJSON *item;
	size_t i = 0;

	cJSON_ArrayForEach (item, json) {
		char inner[512];
		struct span value;
		int len = cJSON_IsArray(json) ? snprintf(inner, sizeof(inner), "%s[%zu]", path, i)
					      : snprintf(inner, sizeof(inner), "%s%s%s", path,
							*path != '\0' ? "." : "", item->string);

		if (i++ > 8 || len >= (int)sizeof(inner))
			return;
		/* "" within a path is not told from its end. */
		if (item->string != NULL && item->string[0] == '\0')
			continue;
		assert(json_find(d, inner, &value) && value.len > 0);
		assert(json_line(d, inner) >= 1);
		check_paths(d, item, inner);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_doc d = {0};
	struct json_error why = {0};

	if (json_parse(span_of(data, size), &d, &why) == OK)
		check_paths(&d, d.root, "");
	else
		assert(why.text[0] != '\0' && strlen(why.text) < sizeof(why.text));
	json_clear(&d);
	return 0;
}
