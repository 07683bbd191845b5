/*
 * The keys of the configuration as tables.
 */
#include "common/config/config_table.h"

#include "common/config/config_keys.h"

#include <stdlib.h>

#define KEY(scope, member, key_type, key_shape, key_def, key_min, key_max, key_help)               \
	{.path = #member,                                                                          \
		.type = CONFIG_##key_type,                                                         \
		.shape = CONFIG_##key_shape,                                                       \
		.offset = offsetof(struct scope, member),                                          \
		.size = sizeof(((struct scope *)NULL)->member),                                    \
		.def = key_def,                                                                    \
		.min = key_min,                                                                    \
		.max = key_max,                                                                    \
		.help = key_help},
#define ROOT_KEY(...) KEY(config, __VA_ARGS__)
#define POOL_KEY(...) KEY(config_pool, __VA_ARGS__)
#define NODE_KEY(...) KEY(config_node, __VA_ARGS__)

static const struct config_key root_keys[] = {CONFIG_ROOT_KEYS(ROOT_KEY)};
static const struct config_key pool_keys[] = {CONFIG_POOL_KEYS(POOL_KEY)};
static const struct config_key node_keys[] = {CONFIG_NODE_KEYS(NODE_KEY)};

static const struct config_scope root_scope = {
	root_keys, ARRAY_LEN(root_keys), sizeof(struct config)};
static const struct config_scope pool_scope = {
	pool_keys, ARRAY_LEN(pool_keys), sizeof(struct config_pool)};
static const struct config_scope node_scope = {
	node_keys, ARRAY_LEN(node_keys), sizeof(struct config_node)};

const struct config_scope *
config_root_scope(void)
{
	return &root_scope;
}

const struct config_scope *
config_object_scope(enum config_type type)
{
	return type == CONFIG_POOL ? &pool_scope : &node_scope;
}

bool
config_key_is_required(const struct config_key *key)
{
	return key->def != CONFIG_ABSENT && key->def[0] == '\0';
}

const struct config_key *
config_key_find(const struct config_scope *scope, const char *path)
{
	for (size_t i = 0; i < scope->n; i++) {
		if (strcmp(scope->keys[i].path, path) == 0)
			return &scope->keys[i];
	}
	return NULL;
}

bool
config_is_group(const struct config_scope *scope, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < scope->n; i++) {
		const char *known = scope->keys[i].path;

		if (strncmp(known, path, len) == 0 && known[len] == '.')
			return true;
	}
	return false;
}

static unsigned
min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* How many characters must be added, removed or replaced to make b of a (Levenshtein); both are cut to 63. */
static unsigned
edit_distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t a_len = strnlen(a, 63), b_len = strnlen(b, 63);

	for (size_t j = 0; j <= b_len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1,
				diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
			diagonal = above;
		}
	}
	return row[b_len];
}

static const char *
last_part(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot != NULL ? dot + 1 : path;
}

/* A key in the wrong group counts as nearly right: that is how keys get lost when a file is rearranged. */
static unsigned
distance(const char *unknown, const char *known)
{
	unsigned whole = edit_distance(unknown, known);
	unsigned last = edit_distance(last_part(unknown), last_part(known)) + 1;

	return whole < last ? whole : last;
}

const char *
config_nearest(const struct config_scope *scope, const char *path)
{
	const char *nearest = scope->keys[0].path;

	for (size_t i = 1; i < scope->n; i++) {
		if (distance(path, scope->keys[i].path) < distance(path, nearest))
			nearest = scope->keys[i].path;
	}
	return nearest;
}

size_t
config_item_size(const struct config_key *key)
{
	if (key->shape == CONFIG_ONE)
		return key->size;
	if (config_type_info(key->type)->form == CONFIG_FORM_OBJECT)
		return config_object_scope(key->type)->size;
	return key->type == CONFIG_LISTEN ? sizeof(struct addr) : sizeof(char *);
}

static void
clear_item(const struct config_key *key, void *item)
{
	char *text;

	if (config_type_info(key->type)->form == CONFIG_FORM_OBJECT) {
		config_scope_clear(config_object_scope(key->type), item);
	} else if (config_type_is_held_as_text(key->type)) {
		memcpy(&text, item, sizeof(text));
		free(text);
	}
}

void
config_scope_clear(const struct config_scope *scope, void *object)
{
	for (size_t i = 0; i < scope->n; i++) {
		const struct config_key *key = &scope->keys[i];
		uint8_t *member = (uint8_t *)object + key->offset;
		struct config_any_list list;

		if (key->shape == CONFIG_ONE) {
			clear_item(key, member);
			continue;
		}
		memcpy(&list, member, sizeof(list));
		for (size_t j = 0; j < list.n; j++)
			clear_item(key, (uint8_t *)list.items + j * config_item_size(key));
		free(list.items);
	}
}
