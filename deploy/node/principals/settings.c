/*
 * What the node's administrator told the helper.
 */
#include "deploy/node/principals/settings.h"

#include "common/file.h"
#include "deploy/node/principals/strict_modes.h"
#include "deploy/node/principals/why.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define UID_MIN_DEFAULT 1000
#define RSA_BITS_DEFAULT KEY_RSA_BITS_MIN

/* The node's identity stands in certificates; longer ones never match. */
#define TEXT_MAX 4096
#define NUMBER_MAX 1000000000u

enum kind { KIND_NONE = 0, KIND_TEXT, KIND_LIST, KIND_FLAG, KIND_NUMBER, KIND_CA };

static const struct keyword {
	const char *name;
	enum kind kind;
	size_t offset;
} keywords[] = {
	{"ca_key", KIND_CA, 0},
	{"node", KIND_TEXT, offsetof(struct settings, node)},
	{"authorized_keys_file", KIND_LIST, offsetof(struct settings, authorized_keys_files)},
	{"authorized_keys_command", KIND_TEXT, offsetof(struct settings, authorized_keys_command)},
	{"revoked_keys", KIND_LIST, offsetof(struct settings, revoked_keys)},
	{"pubkey_algorithms", KIND_TEXT, offsetof(struct settings, pubkey_algorithms)},
	{"ca_algorithms", KIND_TEXT, offsetof(struct settings, ca_algorithms)},
	{"previous_ca_keys", KIND_TEXT, offsetof(struct settings, previous_ca_keys)},
	{"previous_principals_file", KIND_TEXT,
		offsetof(struct settings, previous_principals_file)},
	{"previous_principals_command", KIND_TEXT,
		offsetof(struct settings, previous_principals_command)},
	{"allow_user", KIND_LIST, offsetof(struct settings, allow_users)},
	{"rsa_bits_min", KIND_NUMBER, offsetof(struct settings, rsa_bits_min)},
	{"uid_min", KIND_NUMBER, offsetof(struct settings, uid_min)},
	{"strict_modes", KIND_FLAG, offsetof(struct settings, strict_modes)},
	{"use_dns", KIND_FLAG, offsetof(struct settings, use_dns)},
	{"touch_required", KIND_FLAG, offsetof(struct settings, touch_required)},
	{"verify_required", KIND_FLAG, offsetof(struct settings, verify_required)},
};

static const struct keyword *
find_keyword(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
		if (span_is(name, keywords[i].name))
			return &keywords[i];
	}
	return NULL;
}

static enum err
copy_text(struct span value, char **out)
{
	char *copy = strndup((const char *)value.ptr, value.len);

	if (copy == NULL)
		return ERR_NOMEM;
	*out = copy;
	return OK;
}

static enum err
set_text(struct span value, char **out)
{
	return *out == NULL ? copy_text(value, out) : ERR_EXISTS;
}

static enum err
add_to_list(struct span value, struct settings_list *list)
{
	char **items;
	enum err e;

	if (list->n == SETTINGS_LIST_MAX)
		return ERR_LIMIT;
	items = realloc(list->items, (list->n + 1) * sizeof(*items));
	if (items == NULL)
		return ERR_NOMEM;
	list->items = items;
	e = copy_text(value, &items[list->n]);
	if (e == OK)
		list->n++;
	return e;
}

static enum err
set_flag(struct span value, bool *out)
{
	if (!span_is(value, "yes") && !span_is(value, "no"))
		return ERR_FORMAT;
	*out = span_is(value, "yes");
	return OK;
}

static enum err
set_number(struct span value, unsigned *out)
{
	unsigned n = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9' || n > NUMBER_MAX / 10)
			return ERR_FORMAT;
		n = n * 10 + (unsigned)(value.ptr[i] - '0');
	}
	*out = n;
	return OK;
}

static enum err
add_ca(struct span value, struct settings *s)
{
	struct pubkey *key;
	enum err e;

	if (s->n_ca_keys == SETTINGS_LIST_MAX)
		return ERR_LIMIT;
	e = pubkey_parse_line(value, &key);
	if (e == OK)
		s->ca_keys[s->n_ca_keys++] = key;
	return e;
}

static enum err
set_value(const struct keyword *k, struct span value, struct settings *s)
{
	void *at = (char *)s + k->offset;

	switch (k->kind) {
	case KIND_TEXT:
		return set_text(value, at);
	case KIND_LIST:
		return add_to_list(value, at);
	case KIND_FLAG:
		return set_flag(value, at);
	case KIND_NUMBER:
		return set_number(value, at);
	case KIND_CA:
		return add_ca(value, s);
	case KIND_NONE:
		break;
	}
	assert(false && "every keyword has a kind");
	return ERR_FORMAT;
}

static bool
value_is_clean(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		if ((value.ptr[i] < 0x20 && value.ptr[i] != '\t') || value.ptr[i] == 0x7f)
			return false;
	}
	return value.len > 0 && value.len <= TEXT_MAX;
}

static struct span
cut_at(struct span *rest, uint8_t c)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->ptr, c, rest->len) : NULL;
	struct span head = *rest;

	if (end == NULL) {
		*rest = span_of(NULL, 0);
		return head;
	}
	head.len = (size_t)(end - head.ptr);
	*rest = span_of(end + 1, rest->len - head.len - 1);
	return head;
}

static enum err
parse_line(struct span line, unsigned number, struct settings *s, char why[WHY_SIZE])
{
	const struct keyword *k;
	enum err e;

	if (line.len == 0 || line.ptr[0] == '#')
		return OK;
	k = find_keyword(cut_at(&line, ' '));
	if (k == NULL || !value_is_clean(line)) {
		why_set(why, "line %u: %s", number,
			k == NULL ? "no such keyword" : "no value, or not one of text");
		return ERR_FORMAT;
	}
	e = set_value(k, line, s);
	if (e != OK)
		why_set(why, "line %u: %s: %s", number, k->name,
			e == ERR_FORMAT ? "not such a value" : err_text(e));
	return e == OK || e == ERR_NOMEM ? e : ERR_FORMAT;
}

static enum err
parse_lines(struct span text, struct settings *s, char why[WHY_SIZE])
{
	enum err e = OK;

	for (unsigned number = 1; text.len > 0 && e == OK; number++)
		e = parse_line(cut_at(&text, '\n'), number, s, why);
	if (e == OK && (s->n_ca_keys == 0 || s->node == NULL)) {
		why_set(why, "no %s is given", s->n_ca_keys == 0 ? "ca_key" : "node");
		e = ERR_FORMAT;
	}
	return e;
}

enum err
settings_parse(struct span text, struct settings *out, char why[WHY_SIZE])
{
	struct settings s = {
		.uid_min = UID_MIN_DEFAULT,
		.rsa_bits_min = RSA_BITS_DEFAULT,
		.strict_modes = true,
	};
	enum err e;

	why_set(why, "memory ran out");
	e = parse_lines(text, &s, why);
	if (e == OK)
		*out = s;
	else
		settings_clear(&s);
	return e;
}

static enum err
read_checked(const char *path, uid_t owner, struct buf *text, char why[WHY_SIZE])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	enum err e;

	if (fd < 0) {
		why_set(why, "%s: %s", path, strerror(errno));
		return ERR_IO;
	}
	e = strict_modes_check(&(struct strict_modes){.fd = fd, .path = path, .uid = owner}, why);
	if (e == OK) {
		e = file_read_fd(fd, text);
		if (e != OK)
			why_set(why, "%s: %s", path, err_text(e));
	}
	close(fd);
	return e;
}

enum err
settings_load(const char *path, uid_t owner, struct settings *out, char why[WHY_SIZE])
{
	struct buf text;
	enum err e;

	buf_init(&text, SETTINGS_SIZE_MAX);
	e = read_checked(path, owner, &text, why);
	if (e == OK)
		e = settings_parse(buf_span(&text), out, why);
	buf_clear(&text);
	return e;
}

static void
clear_list(struct settings_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
}

void
settings_clear(struct settings *s)
{
	for (size_t i = 0; i < s->n_ca_keys; i++)
		pubkey_free(s->ca_keys[i]);
	clear_list(&s->authorized_keys_files);
	clear_list(&s->allow_users);
	clear_list(&s->revoked_keys);
	free(s->node);
	free(s->authorized_keys_command);
	free(s->pubkey_algorithms);
	free(s->ca_algorithms);
	free(s->previous_ca_keys);
	free(s->previous_principals_file);
	free(s->previous_principals_command);
	*s = (struct settings){0};
}

bool
settings_list_has(const struct settings_list *list, const char *item)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->items[i], item) == 0)
			return true;
	}
	return false;
}

bool
settings_trusts(const struct settings *s, struct span ca_blob)
{
	for (size_t i = 0; i < s->n_ca_keys; i++) {
		if (span_equal(pubkey_blob(s->ca_keys[i]), ca_blob))
			return true;
	}
	return false;
}
