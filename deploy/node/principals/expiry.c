/*
 * The moments in expiry-time options.
 */
#include "deploy/node/principals/expiry.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* YYYYMMDDHHMMSS */
#define DIGITS_MAX 14

/* Cut a time zone off the end; is it UTC? */
static bool
cut_utc(char *text)
{
	static const char *const names[] = {"Z", "UTC"};
	size_t len = strlen(text);

	for (size_t i = 0; i < 2; i++) {
		size_t tail = strlen(names[i]);

		if (len > tail && strcasecmp(text + len - tail, names[i]) == 0) {
			text[len - tail] = '\0';
			return true;
		}
	}
	return false;
}

static int
number(const char *digits, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++)
		v = v * 10 + (digits[i] - '0');
	return v;
}

static bool
is_sound(const struct tm *t)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return t->tm_mon >= 0 && t->tm_mon < 12 && t->tm_mday >= 1 &&
		t->tm_mday <= days[t->tm_mon] && t->tm_hour < 24 && t->tm_min < 60 &&
		t->tm_sec <= 60;
}

enum err
expiry_parse(const char *text, uint64_t *out)
{
	char digits[DIGITS_MAX + 4] = "";
	struct tm t = {0};
	bool utc;
	time_t at;
	size_t len;

	if (snprintf(digits, sizeof(digits), "%s", text) >= (int)sizeof(digits))
		return ERR_FORMAT;
	utc = cut_utc(digits);
	len = strlen(digits);
	if ((len != 8 && len != 12 && len != 14) || strspn(digits, "0123456789") != len)
		return ERR_FORMAT;
	/* What is not given is 0, the beginning of that day or minute. */
	memset(digits + len, '0', DIGITS_MAX - len);
	t.tm_year = number(digits, 4) - 1900;
	t.tm_mon = number(digits + 4, 2) - 1;
	t.tm_mday = number(digits + 6, 2);
	t.tm_hour = number(digits + 8, 2);
	t.tm_min = number(digits + 10, 2);
	t.tm_sec = number(digits + 12, 2);
	if (!is_sound(&t))
		return ERR_FORMAT;
	at = utc ? timegm(&t) : mktime(&t);
	if (at <= 0)
		return ERR_FORMAT;
	*out = (uint64_t)at;
	return OK;
}
