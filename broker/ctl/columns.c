/*
 * A table of text.
 */
#include "broker/ctl/columns.h"

#include "common/log.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

/* Cells in all: some hundred thousand connections. */
#define CELLS_BYTES_MAX ((size_t)256 << 20)
#define GAP "  "

/* Characters of UTF-8; that each is one cell wide is true enough for names. */
static size_t
width_of(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void
columns_init(struct columns *c, const struct column *list, size_t n)
{
	assert(n <= COLUMNS_MAX);
	*c = (struct columns){.list = list, .n = n};
	buf_init(&c->cells, CELLS_BYTES_MAX);
	for (size_t i = 0; i < n; i++)
		columns_add(c, list[i].head);
}

void
columns_clear(struct columns *c)
{
	buf_clear(&c->cells);
}

void
columns_add(struct columns *c, const char *text)
{
	char safe[COLUMNS_CELL_SIZE];

	if (text == NULL || text[0] == '\0')
		text = "-";
	(void)log_printable(span_str(text), safe, sizeof(safe));
	if (buf_append(&c->cells, safe, strlen(safe) + 1) != OK)
		c->has_failed = true;
}

void
columns_addf(struct columns *c, const char *format, ...)
{
	char text[COLUMNS_CELL_SIZE];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	columns_add(c, text);
}

static void
measure(const struct columns *c, size_t widths[COLUMNS_MAX])
{
	struct span all = buf_span(&c->cells);
	const char *at = (const char *)all.ptr, *end = at + all.len;

	for (size_t i = 0; at < end; i = (i + 1) % c->n, at += strlen(at) + 1) {
		if (width_of(at) > widths[i])
			widths[i] = width_of(at);
	}
}

static void
print_cell(const char *text, size_t width, bool is_number, bool is_last, FILE *out)
{
	int padding = (int)(width - width_of(text));

	if (is_number)
		(void)fprintf(out, "%*s%s", padding, "", text);
	else
		(void)fprintf(out, "%s%*s", text, is_last ? 0 : padding, "");
	(void)fputs(is_last ? "\n" : GAP, out);
}

enum err
columns_print(const struct columns *c, FILE *out)
{
	size_t widths[COLUMNS_MAX] = {0};
	struct span all = buf_span(&c->cells);
	const char *at = (const char *)all.ptr, *end = at + all.len;

	if (c->has_failed)
		return ERR_NOMEM;
	measure(c, widths);
	for (size_t i = 0; at < end; i = (i + 1) % c->n, at += strlen(at) + 1)
		print_cell(at, widths[i], c->list[i].is_number, i == c->n - 1, out);
	return OK;
}
