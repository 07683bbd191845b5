/*
 * From text to struct config, driven by the tables of config_table.h.
 *
 * A value that is wrong is reported and left out, and the walk goes on, so that one run shows all errors.  The functions
 * of the walk return OK or ERR_NOMEM; findings are in the report.
 */
#include "common/config/config_parse.h"

#include "common/config/config_rules.h"
#include "common/config/config_values.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Editors write the address of the schema here. */
#define SCHEMA_KEY "$schema"

static_assert(CONFIG_SIZE_MAX == JSON_SIZE_MAX, "the JSON reader refuses what is larger");

static enum err parse_scope(struct config_parser *p, const struct config_scope *scope,
	const cJSON *json, const char *path, void *object);

static enum err
parse_one(struct config_parser *p, const struct config_place *at, const cJSON *json)
{
	switch (config_type_info(at->key->type)->form) {
	case CONFIG_FORM_NUMBER:
		return config_parse_number(p, at, json);
	case CONFIG_FORM_TEXT:
		return config_parse_text(p, at, json);
	case CONFIG_FORM_OBJECT:
		break;
	}
	if (!cJSON_IsObject(json)) {
		config_report_kind(p, at, "", json);
		return OK;
	}
	return parse_scope(p, config_object_scope(at->key->type), json, at->path, at->to);
}

/* Does the text stand in its list before?  Lists of texts are short. */
static bool
is_repeated(const cJSON *list, const cJSON *item)
{
	const cJSON *before;

	if (!cJSON_IsString(item))
		return false;
	for (before = list->child; before != item; before = before->next) {
		if (cJSON_IsString(before) && strcmp(before->valuestring, item->valuestring) == 0)
			return true;
	}
	return false;
}

static enum err
parse_items(
	struct config_parser *p, const struct config_place *at, const cJSON *json, uint8_t *items)
{
	size_t i = 0;
	const cJSON *item;

	cJSON_ArrayForEach (item, json) {
		struct config_place one = {
			.key = at->key, .to = items + i * config_item_size(at->key)};
		enum err e;

		snprintf(one.path, sizeof(one.path), "%.*s[%zu]", CONFIG_PATH_SIZE - 24, at->path,
			i);
		if (is_repeated(json, item))
			config_report_add(&p->report, one.path, "stands in the list already");
		e = parse_one(p, &one, item);
		if (e != OK)
			return e;
		i++;
	}
	return OK;
}

static enum err
parse_list(struct config_parser *p, const struct config_place *at, const cJSON *json)
{
	const struct config_key *key = at->key;
	struct config_any_list list = {.n = (size_t)cJSON_GetArraySize(json)};

	if (!cJSON_IsArray(json)) {
		config_report_kind(p, at, "a list of entries that are each ", json);
		return OK;
	}
	if (list.n < key->min || list.n > key->max) {
		config_report_add(&p->report, at->path, "%zu entries found, expected %llu-%llu",
			list.n, (unsigned long long)key->min, (unsigned long long)key->max);
		return OK;
	}
	if (list.n == 0)
		return OK;
	list.items = calloc(list.n, config_item_size(key));
	if (list.items == NULL)
		return ERR_NOMEM;
	/* It belongs to the configuration from here on, which is freed whole if an entry fails. */
	memcpy(at->to, &list, sizeof(list));
	return parse_items(p, at, json, list.items);
}

static enum err
parse_value(struct config_parser *p, const struct config_place *at, const cJSON *json)
{
	return at->key->shape == CONFIG_LIST ? parse_list(p, at, json) : parse_one(p, at, json);
}

/* Defaults go the way of what stands in the file; a unit test shows that none is refused. */
static enum err
parse_default(struct config_parser *p, const struct config_place *at)
{
	cJSON *json;
	enum err e;

	if (config_key_is_required(at->key)) {
		config_report_add(&p->report, at->path, "is missing. %s", at->key->help);
		return OK;
	}
	if (at->key->def == NULL)
		return OK;
	json = cJSON_Parse(at->key->def);
	if (json == NULL)
		return ERR_NOMEM;
	e = parse_value(p, at, json);
	cJSON_Delete(json);
	return e;
}

/* The value at a path of groups below json; NULL when a part of the path is absent or no object. */
static const cJSON *
value_at(const cJSON *json, const char *path)
{
	char name[CONFIG_PATH_SIZE];
	size_t len = strcspn(path, ".");

	while (json != NULL) {
		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		json = cJSON_IsObject(json) ? cJSON_GetObjectItemCaseSensitive(json, name) : NULL;
		path += len;
		if (*path == '\0')
			break;
		path++;
		len = strcspn(path, ".");
	}
	return json;
}

static const char *
join(const char *path, const char *name, char out[CONFIG_PATH_SIZE])
{
	snprintf(out, CONFIG_PATH_SIZE, "%.*s%s%.64s", CONFIG_PATH_SIZE - 67, path,
		path[0] != '\0' ? "." : "", name);
	return out;
}

/*
 * Report the keys in json that the scope does not have.  group is the path of json within the scope, path the one
 * within the file.
 */
static void
check_unknown(struct config_parser *p, const struct config_scope *scope, const cJSON *json,
	const char *group, const char *path)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, json) {
		char inner[CONFIG_PATH_SIZE], whole[CONFIG_PATH_SIZE];

		join(group, item->string, inner);
		join(path, item->string, whole);
		if (config_key_find(scope, inner) != NULL ||
			(path[0] == '\0' && strcmp(item->string, SCHEMA_KEY) == 0))
			continue;
		if (!config_is_group(scope, inner))
			config_report_add(&p->report, whole, "unknown key, the nearest is \"%s\"",
				config_nearest(scope, inner));
		else if (!cJSON_IsObject(item))
			config_report_add(&p->report, whole, "is a group of keys: { ... }");
		else
			check_unknown(p, scope, item, inner, whole);
	}
}

static enum err
parse_scope(struct config_parser *p, const struct config_scope *scope, const cJSON *json,
	const char *path, void *object)
{
	check_unknown(p, scope, json, "", path);
	for (size_t i = 0; i < scope->n; i++) {
		const struct config_key *key = &scope->keys[i];
		struct config_place at = {.key = key, .to = (uint8_t *)object + key->offset};
		const cJSON *value = value_at(json, key->path);
		enum err e;

		join(path, key->path, at.path);
		e = value != NULL ? parse_value(p, &at, value) : parse_default(p, &at);
		if (e != OK)
			return e;
	}
	return OK;
}

static enum err
parse_root(struct config_parser *p, const cJSON *root, struct config *c)
{
	enum err e;

	if (!cJSON_IsObject(root)) {
		config_report_add(&p->report, "", "the configuration is an object: { ... }");
		return OK;
	}
	e = parse_scope(p, config_root_scope(), root, "", c);
	if (e == OK)
		e = config_derive(c);
	if (e != OK)
		return e;
	config_check_names(c, &p->report);
	if (p->report.n == 0)
		config_check_limits(c, &p->report);
	return OK;
}

static enum err
parse_document(struct config_parser *p, const struct json_doc *doc, struct config **out)
{
	struct config *c = calloc(1, sizeof(*c));
	enum err e;

	if (c == NULL)
		return ERR_NOMEM;
	c->file = strdup(p->file_name);
	e = c->file != NULL ? parse_root(p, doc->root, c) : ERR_NOMEM;
	if (e == OK && p->report.n == 0)
		*out = c;
	else
		config_free(c);
	return e;
}

static enum err
finish(struct config_parser *p, enum err e, struct buf *errors)
{
	enum err written = config_report_write(&p->report, errors);

	return e != OK ? e : written;
}

enum err
config_parse_as(
	struct span text, const struct config_names *names, struct config **out, struct buf *errors)
{
	struct config_parser p = {.file_name = names->file};
	struct json_doc doc = {0};
	struct json_error why;
	enum err e = json_parse(text, &doc, &why);

	config_report_init(&p.report, names->shown, &doc);
	if (e != OK) {
		config_report_add_line(&p.report, why.line, why.text);
		return finish(&p, e, errors);
	}
	e = parse_document(&p, &doc, out);
	if (e == ERR_NOMEM)
		config_report_add_line(&p.report, 0, "out of memory");
	e = finish(&p, e, errors);
	json_clear(&doc);
	return e;
}

enum err
config_parse(struct span text, const char *file_name, struct config **out, struct buf *errors)
{
	struct config_names names = {.shown = file_name, .file = file_name};

	return config_parse_as(text, &names, out, errors);
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	config_scope_clear(config_root_scope(), c);
	free(c->file);
	free(c);
}
