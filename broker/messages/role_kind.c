/*
 * Kinds of processes and their names.
 */
#include "broker/messages/role_kind.h"

#include <stdio.h>
#include <string.h>

static const char *const texts[ROLE_COUNT] = {
	[ROLE_NONE] = "none",
	[ROLE_SUPERVISOR] = "supervisor",
	[ROLE_DIRECTOR] = "director",
	[ROLE_KEYHOLDER] = "keyholder",
	[ROLE_GATE] = "gate",
	[ROLE_RELAY] = "relay",
};

const char *
role_kind_name(enum role_kind kind)
{
	return (unsigned)kind < ROLE_COUNT ? texts[kind] : texts[ROLE_NONE];
}

const char *
role_name(enum role_kind kind, unsigned index, char out[ROLE_NAME_SIZE])
{
	(void)snprintf(out, ROLE_NAME_SIZE, "%s/%u", role_kind_name(kind), index);
	return out;
}

static enum err
parse_index(const char *text, unsigned *out)
{
	unsigned v = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return ERR_FORMAT;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return ERR_FORMAT;
		v = v * 10 + (unsigned)(*text - '0');
		if (v >= ROLE_INDEX_MAX)
			return ERR_FORMAT;
	}
	*out = v;
	return OK;
}

enum err
role_name_parse(const char *text, enum role_kind *kind, unsigned *index)
{
	for (unsigned k = ROLE_NONE + 1; k < ROLE_COUNT; k++) {
		size_t len = strlen(texts[k]);
		enum err e;

		if (strncmp(text, texts[k], len) != 0 || text[len] != '/')
			continue;
		e = parse_index(text + len + 1, index);
		if (e == OK)
			*kind = (enum role_kind)k;
		return e;
	}
	return ERR_FORMAT;
}
