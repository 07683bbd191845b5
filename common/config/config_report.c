/*
 * Collects what is wrong with a configuration.
 */
#include "common/config/config_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
config_report_init(struct config_report *r, const char *file_name, const struct json_doc *doc)
{
	r->file_name = file_name;
	r->doc = doc;
	r->n = 0;
}

void
config_report_add_line(struct config_report *r, unsigned line, const char *text)
{
	struct config_finding *f;

	if (r->n++ >= CONFIG_ERRORS_MAX)
		return;
	f = &r->findings[r->n - 1];
	f->line = line;
	log_printable(span_str(text), f->text, sizeof(f->text));
}

void
config_report_add(struct config_report *r, const char *path, const char *format, ...)
{
	char text[2 * CONFIG_ERROR_SIZE];
	va_list values;
	int len;

	/* Only counted: to find its line takes a walk through the text. */
	if (r->n >= CONFIG_ERRORS_MAX) {
		r->n++;
		return;
	}
	len = path[0] != '\0' ? snprintf(text, CONFIG_ERROR_SIZE, "%s: ", path) : 0;

	if (len >= CONFIG_ERROR_SIZE)
		len = CONFIG_ERROR_SIZE - 1;
	va_start(values, format);
	vsnprintf(text + len, sizeof(text) - (size_t)len, format, values);
	va_end(values);
	config_report_add_line(r, r->doc != NULL ? json_line(r->doc, path) : 0, text);
}

/* By line; findings on one line stay in the order in which they were made, which is the order in memory. */
static int
compare_findings(const void *a, const void *b)
{
	const struct config_finding *x = *(struct config_finding *const *)a;
	const struct config_finding *y = *(struct config_finding *const *)b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x < y ? -1 : 1;
}

static enum err
write_line(const struct config_report *r, unsigned line, const char *text, struct buf *errors)
{
	char place[16] = "";
	size_t size = strlen(r->file_name) + sizeof(place) + strlen(text) + 4;
	uint8_t *room;
	enum err e = buf_reserve(errors, size, &room);

	if (e != OK)
		return e;
	if (line != 0)
		snprintf(place, sizeof(place), "%u:", line);
	buf_commit(errors,
		(size_t)snprintf((char *)room, size, "%s:%s %s\n", r->file_name, place, text));
	return OK;
}

enum err
config_report_write(struct config_report *r, struct buf *errors)
{
	struct config_finding *sorted[CONFIG_ERRORS_MAX];
	size_t n = r->n < CONFIG_ERRORS_MAX ? r->n : CONFIG_ERRORS_MAX;
	char more[64];
	enum err e = OK;

	for (size_t i = 0; i < n; i++)
		sorted[i] = &r->findings[i];
	qsort(sorted, n, sizeof(sorted[0]), compare_findings);
	for (size_t i = 0; i < n && e == OK; i++)
		e = write_line(r, sorted[i]->line, sorted[i]->text, errors);
	if (e == OK && r->n > n) {
		snprintf(more, sizeof(more), "and %zu more errors", r->n - n);
		e = write_line(r, 0, more, errors);
	}
	if (e != OK)
		return e;
	return r->n > 0 ? ERR_FORMAT : OK;
}
