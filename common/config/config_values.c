/*
 * One number or text of the configuration: checked against its key, reported or stored.
 */
#include "common/config/config_values.h"

#include <stdio.h>
#include <stdlib.h>

/* How much of a wrong value an error shows. */
#define FOUND_SIZE 64
/* The largest whole number that a double holds exactly. */
#define NUMBER_MAX 9007199254740992.0

/* What was found, in the words of the file where it is short. */
static const char *
found(const struct config_parser *p, const cJSON *json, const char *path, char out[FOUND_SIZE])
{
	struct span text;

	if (cJSON_IsObject(json))
		return "an object";
	if (cJSON_IsArray(json))
		return "a list";
	(void)json_find(p->report.doc, path, &text);
	return log_printable(text, out, FOUND_SIZE);
}

static const char *
kind_suffix(const cJSON *json)
{
	if (cJSON_IsString(json))
		return " (a text)";
	return cJSON_IsNumber(json) ? " (a number)" : "";
}

/* "a port (1-65535)", "one of "refuse", "allow"" */
static const char *
expected(const struct config_key *key, char out[CONFIG_ERROR_SIZE])
{
	const struct config_type_info *info = config_type_info(key->type);
	unsigned long long min = key->min, max = key->max;
	int len;

	if (info->words != NULL) {
		len = snprintf(out, CONFIG_ERROR_SIZE, "one of");
		for (size_t i = 0; info->words[i] != NULL && len < CONFIG_ERROR_SIZE; i++)
			len += snprintf(out + len, CONFIG_ERROR_SIZE - (size_t)len, "%s \"%s\"",
				i > 0 ? "," : "", info->words[i]);
	} else if (info->form == CONFIG_FORM_NUMBER) {
		snprintf(out, CONFIG_ERROR_SIZE, "%s (%s%llu-%llu)", info->noun,
			key->type == CONFIG_BYTES_OR_0 ? "0 or " : "", min, max);
	} else {
		snprintf(out, CONFIG_ERROR_SIZE, "%s", info->noun);
	}
	return out;
}

void
config_report_kind(struct config_parser *p, const struct config_place *at, const char *prefix,
	const cJSON *json)
{
	char text[FOUND_SIZE], what[CONFIG_ERROR_SIZE];

	config_report_add(&p->report, at->path, "%s%s found, expected %s%s",
		found(p, json, at->path, text), kind_suffix(json), prefix, expected(at->key, what));
}

static void
report_value(struct config_parser *p, const struct config_place *at, const cJSON *json)
{
	char text[FOUND_SIZE], what[CONFIG_ERROR_SIZE];

	config_report_add(&p->report, at->path, "%s is not %s", found(p, json, at->path, text),
		expected(at->key, what));
}

static void
store_number(const struct config_place *at, uint64_t number)
{
	uint32_t small = (uint32_t)number;

	if (at->key->size == sizeof(number))
		memcpy(at->to, &number, sizeof(number));
	else
		memcpy(at->to, &small, sizeof(small));
}

static bool
number_in_range(const struct config_key *key, double number)
{
	if (!(number >= 0 && number <= NUMBER_MAX) || (double)(uint64_t)number != number)
		return false;
	if (number == 0 && key->type == CONFIG_BYTES_OR_0)
		return true;
	return number >= (double)key->min && number <= (double)key->max;
}

enum err
config_parse_number(struct config_parser *p, const struct config_place *at, const cJSON *json)
{
	if (!cJSON_IsNumber(json))
		config_report_kind(p, at, "", json);
	else if (!number_in_range(at->key, json->valuedouble))
		report_value(p, at, json);
	else
		store_number(at, (uint64_t)json->valuedouble);
	return OK;
}

/* A relative path begins at the folder of the file. */
static enum err
resolve_path(const struct config_parser *p, const char *text, char **out)
{
	const char *slash = strrchr(p->file_name, '/');
	char *copy;
	int len = 0;

	if (text[0] != '/' && slash != NULL)
		len = (int)(slash - p->file_name) + 1;
	if (asprintf(&copy, "%.*s%s", len, p->file_name, text) < 0)
		return ERR_NOMEM;
	*out = copy;
	return OK;
}

static enum err
store_text(struct config_parser *p, const struct config_place *at, const char *text)
{
	char *copy = NULL;
	enum err e = OK;

	if (at->key->type == CONFIG_PATH)
		e = resolve_path(p, text, &copy);
	else
		copy = strdup(text);
	if (e != OK || copy == NULL)
		return ERR_NOMEM;
	memcpy(at->to, &copy, sizeof(copy));
	return OK;
}

/* text was accepted by its type. */
static enum err
store_value(struct config_parser *p, const struct config_place *at, const char *text)
{
	const struct config_type_info *info = config_type_info(at->key->type);
	struct addr a;
	enum err e;

	if (config_type_is_held_as_text(at->key->type))
		return store_text(p, at, text);
	if (at->key->type == CONFIG_MODE) {
		store_number(at, strtoul(text, NULL, 8));
		return OK;
	}
	if (info->words != NULL) {
		store_number(at, (uint64_t)config_word_index(info, text));
		return OK;
	}
	e = addr_parse(text, true, &a);
	if (e == OK)
		memcpy(at->to, &a, sizeof(a));
	return e;
}

static bool
text_is_accepted(const struct config_type_info *info, const char *text)
{
	if (info->words != NULL)
		return config_word_index(info, text) >= 0;
	return text[0] != '\0' && (info->accepts == NULL || info->accepts(text));
}

/* The range of a list counts its entries; its texts are bounded by the file's size. */
static bool
length_in_range(const struct config_key *key, const char *text)
{
	size_t len = strlen(text);

	return key->shape == CONFIG_LIST || (len >= key->min && len <= key->max);
}

enum err
config_parse_text(struct config_parser *p, const struct config_place *at, const cJSON *json)
{
	const struct config_type_info *info = config_type_info(at->key->type);

	if (!cJSON_IsString(json)) {
		config_report_kind(p, at, "", json);
		return OK;
	}
	if (!text_is_accepted(info, json->valuestring)) {
		report_value(p, at, json);
		return OK;
	}
	if (!length_in_range(at->key, json->valuestring)) {
		config_report_add(&p->report, at->path, "%zu characters found, expected %llu-%llu",
			strlen(json->valuestring), (unsigned long long)at->key->min,
			(unsigned long long)at->key->max);
		return OK;
	}
	return store_value(p, at, json->valuestring);
}
