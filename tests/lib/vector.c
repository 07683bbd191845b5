/*
 * The files in tests/unit/vectors, read for a test.
 */
#include "tests/lib/vector.h"

#include "common/base64.h"

#include <stdio.h>
#include <stdlib.h>

static void
give_up(const char *name, const char *what)
{
	(void)fprintf(stderr, "test vector %s: %s\n", name, what);
	abort();
}

void
vector_read(const char *name, struct buf *out)
{
	char path[512], bytes[4096];
	size_t len;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", TEST_VECTORS, name);
	f = fopen(path, "rbe");
	if (f == NULL)
		give_up(name, "cannot be read");
	buf_reset(out);
	do {
		len = fread(bytes, 1, sizeof(bytes), f);
		if (buf_append(out, bytes, len) != OK)
			give_up(name, "is too large");
	} while (len > 0);
	(void)fclose(f);
}

/* Append to out what lies between the first line and the last, without line ends. */
static void
join_lines(const char *text, struct buf *out)
{
	const char *line = strchr(text, '\n');

	while (line != NULL && line[1] != '-') {
		size_t len = strcspn(line + 1, "\n");

		if (buf_append(out, line + 1, len) != OK)
			abort();
		line = strchr(line + 1, '\n');
	}
}

void
vector_read_blob(const char *name, struct buf *out)
{
	struct buf file = {0}, base64 = {0};
	const char *text;

	vector_read(name, &file);
	if (buf_append(&file, "", 1) != OK)
		abort();
	text = (const char *)buf_span(&file).ptr;
	if (text[0] == '-') {
		join_lines(text, &base64);
	} else {
		const char *space = strchr(text, ' ');

		if (space == NULL ||
			buf_append(&base64, space + 1, strcspn(space + 1, " \n")) != OK)
			give_up(name, "is no key file");
	}
	buf_reset(out);
	if (base64_decode(buf_span(&base64), out) != OK)
		give_up(name, "is not base64");
	buf_clear(&base64);
	buf_clear(&file);
}
