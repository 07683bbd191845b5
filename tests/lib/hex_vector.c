/*
 * Vectors in hexadecimal.
 */
#include "tests/lib/hex_vector.h"

#include <stdio.h>
#include <stdlib.h>

static int
value_of(uint8_t digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = digit != '\0' ? strchr(digits, digit) : NULL;

	return p != NULL ? (int)(p - digits) : -1;
}

static void
read_digits(struct span digits, struct buf *out)
{
	buf_reset(out);
	for (size_t i = 0; i + 1 < digits.len; i += 2) {
		int high = value_of(digits.ptr[i]), low = value_of(digits.ptr[i + 1]);
		uint8_t byte = (uint8_t)(high << 4 | low);

		if (high < 0 || low < 0 || buf_append(out, &byte, 1) != OK)
			abort();
	}
	if (digits.len % 2 != 0)
		abort();
}

void
hex_read(const char *digits, struct buf *out)
{
	read_digits(span_str(digits), out);
}

void
hex_vector(const struct buf *file, const char *name, struct buf *out)
{
	struct span all = buf_span(file);
	const uint8_t *line = all.ptr, *end = all.ptr + all.len;
	size_t len = strlen(name);

	while (line < end) {
		const uint8_t *next = memchr(line, '\n', (size_t)(end - line));

		if (next == NULL)
			break;
		if ((size_t)(next - line) > len && memcmp(line, name, len) == 0 &&
			line[len] == ' ') {
			line += len + 1;
			read_digits(span_of(line, (size_t)(next - line)), out);
			return;
		}
		line = next + 1;
	}
	(void)fprintf(stderr, "no vector is called %s\n", name);
	abort();
}
