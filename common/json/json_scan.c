/*
 * Walks JSON text without building anything.
 *
 * The walk is recursive; JSON_DEPTH_MAX bounds the stack, JSON_MEMBERS_MAX the search for keys given twice.
 */
#include "common/json/json_scan.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct scan {
	struct span text;
	const uint8_t *at;
	const uint8_t *end;
	unsigned depth;
	struct json_error *why;
};

static enum err scan_value(struct scan *s);

unsigned
json_scan_line(struct span text, const uint8_t *at)
{
	unsigned line = 1;

	for (const uint8_t *p = text.ptr; p < at; p++)
		line += *p == '\n';
	return line;
}

static enum err fail(struct scan *s, enum err e, const char *format, ...) PRINTF_LIKE(3, 4);

static enum err
fail(struct scan *s, enum err e, const char *format, ...)
{
	va_list values;

	s->why->line = json_scan_line(s->text, s->at);
	va_start(values, format);
	vsnprintf(s->why->text, sizeof(s->why->text), format, values);
	va_end(values);
	return e;
}

/* What stands here, in words. */
static const char *
here(const struct scan *s, char out[16])
{
	if (s->at == s->end)
		return "the end of the file";
	if (*s->at >= ' ' && *s->at < 0x7f)
		snprintf(out, 16, "\"%c\"", *s->at);
	else
		snprintf(out, 16, "byte 0x%02x", *s->at);
	return out;
}

static enum err
fail_expected(struct scan *s, const char *expected)
{
	char found[16];

	return fail(s, ERR_FORMAT, "%s found, expected %s", here(s, found), expected);
}

static bool
at_char(const struct scan *s, char c)
{
	return s->at < s->end && *s->at == (uint8_t)c;
}

static void
skip_space(struct scan *s)
{
	while (s->at < s->end && memchr(" \t\r\n", *s->at, 4) != NULL)
		s->at++;
}

/* The length of the UTF-8 character at p (RFC 3629); 0 when it is none. */
static size_t
utf8_length(const uint8_t *p, size_t left)
{
	/* The second byte's range keeps out overlong forms, surrogates and what is past U+10FFFF. */
	static const struct {
		uint8_t first_min, first_max, second_min, second_max;
		size_t length;
	} forms[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	if (p[0] < 0x80)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (p[0] < forms[i].first_min || p[0] > forms[i].first_max)
			continue;
		if (left < forms[i].length || p[1] < forms[i].second_min ||
			p[1] > forms[i].second_max)
			return 0;
		for (size_t j = 2; j < forms[i].length; j++) {
			if ((p[j] & 0xc0) != 0x80)
				return 0;
		}
		return forms[i].length;
	}
	return 0;
}

/* at stands on the backslash. */
static enum err
scan_escape(struct scan *s)
{
	size_t left = (size_t)(s->end - s->at);

	if (left >= 2 && s->at[1] != '\0' && strchr("\"\\/bfnrt", s->at[1]) != NULL) {
		s->at += 2;
		return OK;
	}
	if (left < 6 || s->at[1] != 'u')
		return fail(
			s, ERR_FORMAT, "this is no escape of JSON (a backslash is written \\\\)");
	for (size_t i = 2; i < 6; i++) {
		if (!isxdigit(s->at[i]))
			return fail(s, ERR_FORMAT, "\\u must be followed by four hex digits");
	}
	if (memcmp(s->at + 2, "0000", 4) == 0)
		return fail(s, ERR_FORMAT, "a text must not hold the zero character");
	s->at += 6;
	return OK;
}

/* at stands on the quote; *out is what stands between the quotes. */
static enum err
scan_string(struct scan *s, struct span *out)
{
	const uint8_t *begin = ++s->at;

	while (!at_char(s, '"')) {
		enum err e = OK;
		size_t len;

		if (s->at == s->end || *s->at == '\n')
			return fail(s, ERR_FORMAT, "this text is not closed by a \" on its line");
		if (*s->at < ' ')
			return fail(s, ERR_FORMAT, "byte 0x%02x must not stand in a text", *s->at);
		len = utf8_length(s->at, (size_t)(s->end - s->at));
		if (len == 0)
			return fail(s, ERR_FORMAT, "byte 0x%02x here is not UTF-8", *s->at);
		if (*s->at == '\\')
			e = scan_escape(s);
		else
			s->at += len;
		if (e != OK)
			return e;
	}
	*out = span_of(begin, (size_t)(s->at - begin));
	s->at++;
	return OK;
}

static enum err
scan_digits(struct scan *s)
{
	if (s->at == s->end || !isdigit(*s->at))
		return fail_expected(s, "a digit");
	while (s->at < s->end && isdigit(*s->at))
		s->at++;
	return OK;
}

static enum err
scan_number(struct scan *s)
{
	enum err e;

	if (at_char(s, '-'))
		s->at++;
	if (at_char(s, '0') && s->end - s->at > 1 && isdigit(s->at[1]))
		return fail(s, ERR_FORMAT, "a number must not begin with 0");
	e = scan_digits(s);
	if (e == OK && at_char(s, '.')) {
		s->at++;
		e = scan_digits(s);
	}
	if (e == OK && (at_char(s, 'e') || at_char(s, 'E'))) {
		s->at++;
		if (at_char(s, '+') || at_char(s, '-'))
			s->at++;
		e = scan_digits(s);
	}
	return e;
}

static enum err
scan_word(struct scan *s)
{
	static const char *const words[] = {"true", "false", "null"};
	size_t len = 0;

	while (s->at + len < s->end && isalpha(s->at[len]))
		len++;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!span_is(span_of(s->at, len), words[i]))
			continue;
		s->at += len;
		return OK;
	}
	return fail(s, ERR_FORMAT, "\"%.*s\" must stand in double quotes if it is a text",
		(int)(len < 40 ? len : 40), (const char *)s->at);
}

static bool
is_key_char(uint8_t c)
{
	return isalnum(c) || c == '_' || c == '-' || c == '$';
}

static enum err
scan_key(struct scan *s, struct span *out)
{
	enum err e;

	skip_space(s);
	if (at_char(s, '}'))
		return fail(s, ERR_FORMAT, "a comma must not stand before \"}\"");
	if (!at_char(s, '"'))
		return fail_expected(s, "a key in double quotes");
	e = scan_string(s, out);
	if (e != OK)
		return e;
	for (size_t i = 0; i < out->len; i++) {
		if (is_key_char(out->ptr[i]))
			continue;
		return fail(s, ERR_FORMAT,
			"a key may hold letters, digits, \"_\", \"-\" and \"$\" only");
	}
	skip_space(s);
	if (!at_char(s, ':'))
		return fail_expected(s, "\":\" after the key");
	s->at++;
	return OK;
}

/* Is key, found at its place, the first of its name among the n keys before it? */
static enum err
check_key(struct scan *s, const struct span *before, size_t n, struct span key)
{
	if (n == JSON_MEMBERS_MAX)
		return fail(s, ERR_LIMIT, "more than %d keys in one object", JSON_MEMBERS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (!span_equal(before[i], key))
			continue;
		return fail(s, ERR_FORMAT, "key \"%.*s\" is given twice, first on line %u",
			(int)(key.len < 64 ? key.len : 64), (const char *)key.ptr,
			json_scan_line(s->text, before[i].ptr));
	}
	return OK;
}

/*
 * After an element: a comma, or the closing bracket, which is taken with *more set to false.
 */
static enum err
scan_separator(struct scan *s, char close, bool *more)
{
	skip_space(s);
	if (!at_char(s, ',') && !at_char(s, close))
		return fail_expected(s, close == ']' ? "\",\" or \"]\"" : "\",\" or \"}\"");
	*more = *s->at == ',';
	s->at++;
	return OK;
}

/* at stands on the opening bracket.  True: nothing stands between it and the closing one, both are taken. */
static bool
scan_empty(struct scan *s, char close)
{
	s->at++;
	skip_space(s);
	if (!at_char(s, close))
		return false;
	s->at++;
	return true;
}

static enum err
scan_object(struct scan *s)
{
	struct span keys[JSON_MEMBERS_MAX];
	size_t n = 0;
	bool more = !scan_empty(s, '}');

	while (more) {
		struct span key;
		enum err e = scan_key(s, &key);

		if (e == OK)
			e = check_key(s, keys, n, key);
		if (e != OK)
			return e;
		keys[n++] = key;
		e = scan_value(s);
		if (e == OK)
			e = scan_separator(s, '}', &more);
		if (e != OK)
			return e;
	}
	return OK;
}

static enum err
scan_array(struct scan *s)
{
	size_t n = 0;
	bool more = !scan_empty(s, ']');

	while (more) {
		enum err e;

		skip_space(s);
		if (at_char(s, ']'))
			return fail(s, ERR_FORMAT, "a comma must not stand before \"]\"");
		if (n++ == JSON_ELEMENTS_MAX)
			return fail(s, ERR_LIMIT, "more than %d elements in one list",
				JSON_ELEMENTS_MAX);
		e = scan_value(s);
		if (e == OK)
			e = scan_separator(s, ']', &more);
		if (e != OK)
			return e;
	}
	return OK;
}

static enum err
scan_container(struct scan *s)
{
	enum err e;

	if (s->depth == JSON_DEPTH_MAX)
		return fail(s, ERR_LIMIT, "brackets nested more than %d deep", JSON_DEPTH_MAX);
	s->depth++;
	e = *s->at == '{' ? scan_object(s) : scan_array(s);
	s->depth--;
	return e;
}

static enum err
scan_value(struct scan *s)
{
	struct span string;

	skip_space(s);
	if (at_char(s, '{') || at_char(s, '['))
		return scan_container(s);
	if (at_char(s, '"'))
		return scan_string(s, &string);
	if (at_char(s, '-') || (s->at < s->end && isdigit(*s->at)))
		return scan_number(s);
	if (s->at < s->end && isalpha(*s->at))
		return scan_word(s);
	return fail_expected(s, "a value");
}

static struct scan
scan_of(struct span text, struct json_error *why)
{
	return (struct scan){.text = text, .at = text.ptr, .end = text.ptr + text.len, .why = why};
}

enum err
json_scan_check(struct span text, struct json_error *why)
{
	struct scan s = scan_of(text, why);
	enum err e = scan_value(&s);

	if (e != OK)
		return e;
	skip_space(&s);
	if (s.at < s.end)
		return fail_expected(&s, "nothing after the closing bracket");
	return OK;
}

/* Stands s on the value of key in the object under it?  Else s is somewhere behind. */
static bool
enter_member(struct scan *s, struct span key)
{
	bool more = at_char(s, '{') && !scan_empty(s, '}');

	while (more) {
		struct span found = {0};

		if (scan_key(s, &found) != OK)
			return false;
		if (span_equal(found, key)) {
			skip_space(s);
			return true;
		}
		if (scan_value(s) != OK || scan_separator(s, '}', &more) != OK)
			return false;
	}
	return false;
}

/* The same for element number index of the array under s. */
static bool
enter_element(struct scan *s, unsigned long index)
{
	bool more = at_char(s, '[') && !scan_empty(s, ']');

	while (more) {
		skip_space(s);
		if (index-- == 0)
			return true;
		if (scan_value(s) != OK || scan_separator(s, ']', &more) != OK)
			return false;
	}
	return false;
}

/* Follow the first step of *path and take it off. */
static bool
enter_step(struct scan *s, const char **path)
{
	unsigned long index;
	size_t len;
	char *end;

	if (**path == '[') {
		index = strtoul(*path + 1, &end, 10);
		*path = *end == ']' ? end + 1 : end;
		return enter_element(s, index);
	}
	if (**path == '.')
		(*path)++;
	len = strcspn(*path, ".[");
	if (!enter_member(s, span_of(*path, len)))
		return false;
	*path += len;
	return true;
}

/* The text of the value under s. */
static struct span
value_at(struct scan s)
{
	const uint8_t *begin = s.at;

	return scan_value(&s) == OK ? span_of(begin, (size_t)(s.at - begin)) : span_of(begin, 0);
}

bool
json_scan_find(struct span text, const char *path, struct span *value)
{
	struct json_error ignored;
	struct scan s = scan_of(text, &ignored);

	skip_space(&s);
	while (*path != '\0') {
		struct scan deeper = s;

		if (!enter_step(&deeper, &path)) {
			*value = value_at(s);
			return false;
		}
		s.at = deeper.at;
	}
	*value = value_at(s);
	return true;
}
