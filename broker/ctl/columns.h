/*
 * A table of text: cells are collected, and printed with each column as wide as it must be.
 */
#ifndef BROKER_CTL_COLUMNS_H
#define BROKER_CTL_COLUMNS_H

#include "common/buf.h"

#include <stdio.h>

#define COLUMNS_MAX 16
/* The widest cell, in bytes; longer ones end in "...". */
#define COLUMNS_CELL_SIZE 256

struct column {
	const char *head;
	bool is_number; /* flush right */
};

/* Embedded by its owner. */
struct columns {
	const struct column *list; /* borrowed */
	size_t n;
	struct buf cells; /* C strings, row by row */
	bool has_failed; /* memory ran out */
};

/* A table with these columns, borrowed.  Cleared with columns_clear. */
void columns_init(struct columns *c, const struct column *list, size_t n);
void columns_clear(struct columns *c);

/* Add the next cell; what could steer a terminal is escaped.  NULL or "" is shown as "-". */
void columns_add(struct columns *c, const char *text);
void columns_addf(struct columns *c, const char *format, ...) PRINTF_LIKE(2, 3);

/* Print the heads and all rows.  ERR_NOMEM: memory ran out before. */
MUST_CHECK enum err columns_print(const struct columns *c, FILE *out);

#endif
