/*
 * The JSON Schema of the configuration.  (JSON Schema 2020-12)
 *
 * Built as a cJSON tree.  Adding to a tree fails only when memory runs out; the builders return NULL then, which cJSON
 * refuses to add, so that one check at the end of each is enough.
 */
#include "common/config/config_schema.h"

#include "common/config/config_table.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>

#define SCHEMA_VERSION "https://json-schema.org/draft/2020-12/schema"

static cJSON *scope_schema(const struct config_scope *scope);

/* Takes item; false (item is freed) when memory ran out. */
static bool
add(cJSON *object, const char *name, cJSON *item)
{
	if (item != NULL && cJSON_AddItemToObject(object, name, item))
		return true;
	cJSON_Delete(item);
	return false;
}

/* Returns item, or frees it and returns NULL. */
static cJSON *
keep_if(bool ok, cJSON *item)
{
	if (ok)
		return item;
	cJSON_Delete(item);
	return NULL;
}

static bool
add_text(cJSON *object, const char *name, const char *text)
{
	return add(object, name, cJSON_CreateString(text));
}

static bool
add_number(cJSON *object, const char *name, uint64_t number)
{
	return add(object, name, cJSON_CreateNumber((double)number));
}

static cJSON *
number_schema(const struct config_key *key)
{
	cJSON *schema = cJSON_CreateObject();
	bool ok = add_text(schema, "type", "integer");

	ok = ok && add_number(schema, "minimum", key->type == CONFIG_BYTES_OR_0 ? 0 : key->min);
	ok = ok && add_number(schema, "maximum", key->max);
	return keep_if(ok, schema);
}

static cJSON *
words_schema(const struct config_type_info *info)
{
	cJSON *schema = cJSON_CreateObject();
	int n = 0;

	while (info->words[n] != NULL)
		n++;
	return keep_if(add(schema, "enum", cJSON_CreateStringArray(info->words, n)), schema);
}

static cJSON *
text_schema(const struct config_key *key, const struct config_type_info *info)
{
	cJSON *schema = cJSON_CreateObject();
	bool ok = add_text(schema, "type", "string");

	if (ok && info->pattern != NULL)
		ok = add_text(schema, "pattern", info->pattern);
	if (ok && key->shape == CONFIG_ONE) {
		ok = add_number(schema, "minLength", key->min) &&
			add_number(schema, "maxLength", key->max);
	}
	return keep_if(ok, schema);
}

static cJSON *
value_schema(const struct config_key *key)
{
	const struct config_type_info *info = config_type_info(key->type);

	if (info->form == CONFIG_FORM_OBJECT)
		return scope_schema(config_object_scope(key->type));
	if (info->form == CONFIG_FORM_NUMBER)
		return number_schema(key);
	return info->words != NULL ? words_schema(info) : text_schema(key, info);
}

static cJSON *
list_schema(const struct config_key *key)
{
	cJSON *schema = cJSON_CreateObject();
	bool ok = add_text(schema, "type", "array") && add(schema, "items", value_schema(key));

	ok = ok && add_number(schema, "minItems", key->min);
	ok = ok && add_number(schema, "maxItems", key->max);
	return keep_if(ok, schema);
}

static cJSON *
key_schema(const struct config_key *key)
{
	cJSON *schema = key->shape == CONFIG_LIST ? list_schema(key) : value_schema(key);
	bool ok = schema != NULL && add_text(schema, "description", key->help);

	if (ok && key->def != NULL && !config_key_is_required(key))
		ok = add(schema, "default", cJSON_Parse(key->def));
	return keep_if(ok, schema);
}

/* An object that allows only the properties that will be added to the one called so. */
static cJSON *
object_schema(void)
{
	cJSON *schema = cJSON_CreateObject();
	bool ok = add_text(schema, "type", "object") &&
		add(schema, "properties", cJSON_CreateObject());

	return keep_if(ok && add(schema, "additionalProperties", cJSON_CreateFalse()), schema);
}

/* The schema of the group called name, made if this is its first key.  Borrowed from schema. */
static cJSON *
group_schema(cJSON *schema, const char *name)
{
	cJSON *properties = cJSON_GetObjectItem(schema, "properties");

	if (!cJSON_HasObjectItem(properties, name) && !add(properties, name, object_schema()))
		return NULL;
	return cJSON_GetObjectItem(properties, name);
}

static bool
add_required(cJSON *schema, const char *name)
{
	cJSON *required = cJSON_GetObjectItem(schema, "required");
	cJSON *item = cJSON_CreateString(name);

	if (required == NULL)
		required = cJSON_AddArrayToObject(schema, "required");
	if (item != NULL && cJSON_AddItemToArray(required, item))
		return true;
	cJSON_Delete(item);
	return false;
}

static bool
add_key(cJSON *schema, const struct config_key *key)
{
	const char *name = key->path;
	char group[CONFIG_PATH_SIZE];

	while (schema != NULL && strchr(name, '.') != NULL) {
		snprintf(group, sizeof(group), "%.*s", (int)strcspn(name, "."), name);
		schema = group_schema(schema, group);
		name += strlen(group) + 1;
	}
	if (schema == NULL)
		return false;
	if (config_key_is_required(key) && !add_required(schema, name))
		return false;
	return add(cJSON_GetObjectItem(schema, "properties"), name, key_schema(key));
}

static cJSON *
scope_schema(const struct config_scope *scope)
{
	cJSON *schema = object_schema();
	bool ok = schema != NULL;

	for (size_t i = 0; i < scope->n && ok; i++)
		ok = add_key(schema, &scope->keys[i]);
	return keep_if(ok, schema);
}

/* What only the whole has: what it is, and the key that editors put in to find it. */
static bool
add_frame(cJSON *schema)
{
	cJSON *editor = cJSON_CreateObject();

	return add(cJSON_GetObjectItem(schema, "properties"), "$schema", editor) &&
		add_text(editor, "type", "string") && add_text(schema, "$schema", SCHEMA_VERSION) &&
		add_text(schema, "title", "Configuration of sshbrokerd");
}

enum err
config_schema_write(struct buf *out)
{
	cJSON *schema = scope_schema(config_root_scope());
	char *text = NULL;
	enum err e = ERR_NOMEM;

	if (schema != NULL && add_frame(schema))
		text = cJSON_Print(schema);
	cJSON_Delete(schema);
	if (text != NULL)
		e = buf_append(out, text, strlen(text));
	if (e == OK)
		e = buf_append(out, "\n", 1);
	free(text);
	return e;
}
