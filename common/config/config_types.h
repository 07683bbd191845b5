/*
 * The types that a configuration value can have: what JSON it is written as, which texts it accepts, and its name in
 * error messages.
 */
#ifndef COMMON_CONFIG_CONFIG_TYPES_H
#define COMMON_CONFIG_CONFIG_TYPES_H

#include "common/config/config.h"

enum config_type {
	CONFIG_COUNT = 0,
	CONFIG_PORT,
	CONFIG_SECONDS,
	CONFIG_MILLISECONDS,
	CONFIG_BYTES,
	CONFIG_BYTES_OR_0, /* 0 is allowed besides the range */
	CONFIG_PATH,
	CONFIG_NAME,
	CONFIG_HOST,
	CONFIG_LISTEN,
	CONFIG_USER,
	CONFIG_GROUP,
	CONFIG_MODE,
	CONFIG_PUBLIC_KEY,
	CONFIG_NETWORK,
	CONFIG_LOG_LEVEL,
	CONFIG_SYSTEM_USERS,
	CONFIG_KEX,
	CONFIG_CIPHER,
	CONFIG_MAC,
	CONFIG_SIGNATURE,
	CONFIG_COMPRESSION,
	CONFIG_POOL,
	CONFIG_NODE,
	CONFIG_TYPE_COUNT
};

enum config_form { CONFIG_FORM_NUMBER = 0, CONFIG_FORM_TEXT, CONFIG_FORM_OBJECT };

struct config_type_info {
	enum config_form form;
	const char *noun; /* with article; NULL if words says it all */
	bool (*accepts)(const char *text); /* NULL: any text */
	const char *const *words; /* NULL-terminated: the only texts accepted; NULL otherwise */
	const char *pattern; /* regular expression for the schema, wider than accepts; NULL: none */
};

/* Static. */
const struct config_type_info *config_type_info(enum config_type type);

/* Is a value of this type held as an allocated text, not as a number, an address or a struct? */
bool config_type_is_held_as_text(enum config_type type);

/* The place of text among the words of a type; -1 when it is none of them. */
int config_word_index(const struct config_type_info *info, const char *text);

#endif
