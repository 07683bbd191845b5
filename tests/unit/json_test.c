/*
 * common/json: comments, strict grammar with lines, values by path.
 */
#include "common/json/json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const char sample[] = "// heading\n"
			     "{\n"
			     "\t\"a\": 1, /* one\n"
			     "\t\ttwo lines */ \"b\": [true, {\"c\": \"// no comment\"},\n"
			     "\t\t-2.5e3],\n"
			     "\t\"\": null // end\n"
			     "}\n";

Test(json, comments_are_spaces_and_strings_keep_theirs)
{
	struct json_doc d;
	struct json_error why;
	const cJSON *b;

	cr_assert_eq(json_parse(span_str(sample), &d, &why), OK);
	cr_assert_eq(cJSON_GetObjectItemCaseSensitive(d.root, "a")->valuedouble, 1);
	b = cJSON_GetObjectItemCaseSensitive(d.root, "b");
	cr_assert_str_eq(
		cJSON_GetObjectItem(cJSON_GetArrayItem(b, 1), "c")->valuestring, "// no comment");
	cr_assert_eq(cJSON_GetArrayItem(b, 2)->valuedouble, -2500);
	json_clear(&d);
}

Test(json, a_path_leads_to_the_text_and_the_line_of_a_value)
{
	static const struct {
		const char *path;
		bool exists;
		const char *text; /* NULL: a long one */
		unsigned line;
	} cases[] = {
		{"", true, NULL, 2},
		{"a", true, "1", 3},
		{"b", true, NULL, 4},
		{"b[0]", true, "true", 4},
		{"b[1].c", true, "\"// no comment\"", 4},
		{"b[2]", true, "-2.5e3", 5},
		{"b[3]", false, NULL, 4},
		{"b[1].d", false, "{\"c\": \"// no comment\"}", 4},
		{"b.c", false, NULL, 4},
		{"a.x.y[3]", false, "1", 3},
		{"b[", true, "true", 4},
		{"]", false, NULL, 2},
		{"zz", false, NULL, 2},
	};
	struct json_doc d;
	struct json_error why;

	cr_assert_eq(json_parse(span_str(sample), &d, &why), OK);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct span value;

		cr_expect_eq(
			json_find(&d, cases[i].path, &value), cases[i].exists, "%s", cases[i].path);
		if (cases[i].text != NULL)
			cr_expect(span_is(value, cases[i].text), "%s", cases[i].path);
		cr_expect_eq(json_line(&d, cases[i].path), cases[i].line, "%s", cases[i].path);
	}
	json_clear(&d);
}

Test(json, what_is_wrong_is_said_with_its_line)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *says;
	} cases[] = {
		{"", 1, "the end of the file found, expected a value"},
		{"\n{\n\"a\": 1,\n}", 4, "a comma must not stand before \"}\""},
		{"[1,\n2,\n]", 3, "a comma must not stand before \"]\""},
		{"[1 2]", 1, "\"2\" found, expected \",\" or \"]\""},
		{"{\"a\" 1}", 1, "\"1\" found, expected \":\" after the key"},
		{"{a: 1}", 1, "\"a\" found, expected a key in double quotes"},
		{"{\n\"a\": 1,\n\"b\": 2,\n\"a\": 3}", 4,
			"key \"a\" is given twice, first on line 2"},
		{"{\"a\\u0062\": 1}", 1, "a key may hold letters"},
		{"{\"a.b\": 1}", 1, "a key may hold letters"},
		{"[\n\"abc\n\"]", 2, "this text is not closed"},
		{"[\"a\tb\"]", 1, "byte 0x09 must not stand in a text"},
		{"[\"\\x\"]", 1, "this is no escape"},
		{"[\"\\u12g4\"]", 1, "\\u must be followed by four hex digits"},
		{"[\"\\u0000\"]", 1, "zero character"},
		{"[\"\\ud800\"]", 1, "cannot be represented"},
		{"[\"\xc0\xaf\"]", 1, "byte 0xc0 here is not UTF-8"},
		{"[\"\xed\xa0\x80\"]", 1, "byte 0xed here is not UTF-8"},
		{"[\"\xf4\x90\x80\x80\"]", 1, "byte 0xf4 here is not UTF-8"},
		{"[\"\xe2\x82\"]", 1, "byte 0xe2 here is not UTF-8"},
		{"[01]", 1, "a number must not begin with 0"},
		{"[-]", 1, "\"]\" found, expected a digit"},
		{"[1.]", 1, "\"]\" found, expected a digit"},
		{"[1e+]", 1, "\"]\" found, expected a digit"},
		{"[+1]", 1, "\"+\" found, expected a value"},
		{"[yes]", 1, "\"yes\" must stand in double quotes"},
		{"[True]", 1, "\"True\" must stand in double quotes"},
		{"[1] x", 1, "\"x\" found, expected nothing after"},
		{"{} /* \n never closed", 1, "this comment is not closed"},
		{"[\x01]", 1, "byte 0x01 found, expected a value"},
		{"[[[[[[[[[[[[[[[[[", 1, "brackets nested more than 16 deep"},
		{"{\"a\":", 1, "the end of the file found, expected a value"},
		{"[1", 1, "the end of the file found, expected \",\" or \"]\""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json_doc d = {0};
		struct json_error why = {0};

		cr_expect_neq(
			json_parse(span_str(cases[i].text), &d, &why), OK, "%s", cases[i].text);
		cr_expect_eq(why.line, cases[i].line, "%s: line %u", cases[i].text, why.line);
		cr_expect_not_null(
			strstr(why.text, cases[i].says), "%s: %s", cases[i].text, why.text);
	}
}

Test(json, sound_texts_are_accepted)
{
	static const char *const texts[] = {"0", "-0.5", "null", " [ ] ", "{ }",
		"\"\\\\\\\"\\u20ac\"", "\xef\xbb\xbf{}", "{}//", "//\n{}", "[1/**/,/***/2]",
		"\"\xf0\x9f\x90\xb3\"", "\"\\ud83d\\udc33\"", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct json_doc d;
		struct json_error why = {0};

		cr_assert_eq(
			json_parse(span_str(texts[i]), &d, &why), OK, "%s: %s", texts[i], why.text);
		json_clear(&d);
	}
}

Test(json, the_zero_byte_is_refused_outside_of_texts_too)
{
	struct json_doc d;
	struct json_error why;

	cr_assert_eq(json_parse(span_of("[1\0]", 4), &d, &why), ERR_FORMAT);
	cr_assert_not_null(strstr(why.text, "byte 0x00 found"));
	cr_assert_eq(json_parse(span_of("[\"a\0\"]", 6), &d, &why), ERR_FORMAT);
	cr_assert_eq(json_parse(span_of(NULL, 0), &d, &why), ERR_FORMAT);
}

/* Returns what json_parse says to n times the text between head and tail. */
static enum err
parse_repeated(const char *head, const char *element, size_t n, const char *tail)
{
	char *text = calloc(1, strlen(head) + n * (strlen(element) + 8) + strlen(tail) + 1);
	char *at = stpcpy(text, head);
	struct json_doc d = {0};
	struct json_error why;
	enum err e;

	for (size_t i = 0; i < n; i++) {
		at += sprintf(at, "%s", i > 0 ? "," : "");
		at += sprintf(at, element, (unsigned)i);
	}
	stpcpy(at, tail);
	e = json_parse(span_str(text), &d, &why);
	json_clear(&d);
	free(text);
	return e;
}

Test(json, size_and_counts_end_at_their_maximums)
{
	static char text[JSON_SIZE_MAX + 1];
	struct json_doc d;
	struct json_error why;

	cr_assert_eq(parse_repeated("[", "%u", JSON_ELEMENTS_MAX, "]"), OK);
	cr_assert_eq(parse_repeated("[", "%u", JSON_ELEMENTS_MAX + 1, "]"), ERR_LIMIT);
	cr_assert_eq(parse_repeated("{", "\"k%u\":1", JSON_MEMBERS_MAX, "}"), OK);
	cr_assert_eq(parse_repeated("{", "\"k%u\":1", JSON_MEMBERS_MAX + 1, "}"), ERR_LIMIT);
	memset(text, ' ', sizeof(text));
	text[0] = '1';
	cr_assert_eq(json_parse(span_of(text, JSON_SIZE_MAX + 1), &d, &why), ERR_LIMIT);
	cr_assert_eq(json_parse(span_of(text, JSON_SIZE_MAX), &d, &why), OK);
	json_clear(&d);
}
