/*
 * Comments out of JSON.
 */
#include "common/json/json_comments.h"

#include <stdio.h>

/* All three return how many bytes from at belong to what begins there. */

static size_t
string_length(struct span text, size_t at)
{
	size_t i = at + 1;

	/* A string that is not closed ends with its line: the scanner will say so, in the right line. */
	while (i < text.len && text.ptr[i] != '"' && text.ptr[i] != '\n')
		i += text.ptr[i] == '\\' && i + 1 < text.len ? 2 : 1;
	return (i < text.len ? i + 1 : text.len) - at;
}

static size_t
line_comment_length(struct span text, size_t at)
{
	const uint8_t *newline = memchr(text.ptr + at, '\n', text.len - at);

	return newline != NULL ? (size_t)(newline - (text.ptr + at)) : text.len - at;
}

/* 0: it is not closed. */
static size_t
block_comment_length(struct span text, size_t at)
{
	for (size_t i = at + 2; i + 1 < text.len; i++) {
		if (text.ptr[i] == '*' && text.ptr[i + 1] == '/')
			return i + 2 - at;
	}
	return 0;
}

static bool
stands_at(struct span text, size_t at, const char *what)
{
	size_t len = strlen(what);

	return text.len - at >= len && memcmp(text.ptr + at, what, len) == 0;
}

static void
blank(struct span text, size_t at, size_t len, char *out)
{
	for (size_t i = at; i < at + len; i++)
		out[i] = text.ptr[i] == '\n' ? '\n' : ' ';
}

static enum err
fail_unclosed(struct span text, size_t at, struct json_error *why)
{
	why->line = 1;
	for (size_t i = 0; i < at; i++)
		why->line += text.ptr[i] == '\n';
	snprintf(why->text, sizeof(why->text), "this comment is not closed by \"*/\"");
	return ERR_FORMAT;
}

enum err
json_strip_comments(struct span text, char *out, struct json_error *why)
{
	size_t at = 0, len;

	if (stands_at(text, 0, "\xef\xbb\xbf")) {
		blank(text, 0, 3, out);
		at = 3;
	}
	while (at < text.len) {
		if (stands_at(text, at, "//")) {
			len = line_comment_length(text, at);
			blank(text, at, len, out);
		} else if (stands_at(text, at, "/*")) {
			len = block_comment_length(text, at);
			if (len == 0)
				return fail_unclosed(text, at, why);
			blank(text, at, len, out);
		} else {
			len = text.ptr[at] == '"' ? string_length(text, at) : 1;
			memcpy(out + at, text.ptr + at, len);
		}
		at += len;
	}
	return OK;
}
