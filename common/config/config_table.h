/*
 * The keys of config_keys.h as tables: one scope per struct.
 */
#ifndef COMMON_CONFIG_CONFIG_TABLE_H
#define COMMON_CONFIG_CONFIG_TABLE_H

#include "common/config/config_types.h"

/* The longest path of a key, with its NUL; longer ones (they can only be unknown) are cut in messages. */
#define CONFIG_PATH_SIZE 256

/* Defaults that are no JSON text. */
#define CONFIG_REQUIRED ""
#define CONFIG_ABSENT NULL

enum config_shape { CONFIG_ONE = 0, CONFIG_LIST };

struct config_key {
	const char *path; /* below its scope: "limits.login_grace_s" */
	enum config_type type;
	enum config_shape shape;
	size_t offset; /* of the member in the scope's struct */
	size_t size;
	const char *def; /* JSON text, or CONFIG_REQUIRED, or CONFIG_ABSENT */
	uint64_t min;
	uint64_t max;
	const char *help;
};

struct config_scope {
	const struct config_key *keys;
	size_t n;
	size_t size; /* of the struct */
};

/* The whole file.  Static, as the next. */
const struct config_scope *config_root_scope(void);
/* What stands in an object of this type (CONFIG_POOL, CONFIG_NODE). */
const struct config_scope *config_object_scope(enum config_type type);

bool config_key_is_required(const struct config_key *key);
/* NULL when there is none. */
const struct config_key *config_key_find(const struct config_scope *scope, const char *path);
/* Is path the first part of longer paths of the scope ("limits")? */
bool config_is_group(const struct config_scope *scope, const char *path);
/* The known path that is nearest to an unknown one.  Never NULL. */
const char *config_nearest(const struct config_scope *scope, const char *path);

/* What a LIST member looks like, whatever its items. */
struct config_any_list {
	void *items;
	size_t n;
};

/* The size of one value of this key: the member's, or that of an item of its list. */
size_t config_item_size(const struct config_key *key);

/* Free what the struct of the scope at object owns, not the struct. */
void config_scope_clear(const struct config_scope *scope, void *object);

#endif
