/*
 * deploy/node/principals/tokens: words and %-tokens as in sshd_config.
 */
#include "deploy/node/principals/tokens.h"

#include "common/attr.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct token tokens[] = {{'u', "alice"}, {'h', "/home/al ice"}, {'\0', NULL}};

Test(tokens, tokens_are_filled_in)
{
	static const char *const cases[][2] = {{"", ""}, {"%u", "alice"},
		{"%h/.ssh/%u", "/home/al ice/.ssh/alice"}, {"100%%", "100%"}, {"%%u", "%u"},
		{"a%ub", "aaliceb"}};
	static const char *const bad[] = {"%", "a%", "%x", "%%%", "% u"};
	char *out;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cr_assert_eq(tokens_expand(cases[i][0], tokens, &out), OK);
		cr_assert_str_eq(out, cases[i][1]);
		free(out);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_assert_eq(tokens_expand(bad[i], tokens, &out), ERR_FORMAT, "%s", bad[i]);
}

Test(tokens, growth_has_an_end)
{
	char *big = malloc(TOKENS_TEXT_MAX + 2), *out;

	cr_assert_not_null(big);
	memset(big, 'a', TOKENS_TEXT_MAX + 1);
	big[TOKENS_TEXT_MAX + 1] = '\0';
	cr_assert_eq(tokens_expand(big, tokens, &out), ERR_LIMIT);
	free(big);
}

/* The words, each in brackets; "(bad)" when there are none to be had. */
static const char *
words_of(const char *command)
{
	static char text[512];
	char **words;
	size_t n, used = 0;
	enum err e = tokens_command(command, tokens, &words, &n);

	if (e != OK)
		return "(bad)";
	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "[%s]", words[i]);
	cr_assert_null(words[n]);
	tokens_free(words);
	return text;
}

Test(tokens, commands_are_split_as_sshd_does)
{
	static const char *const cases[][2] = {
		{"/bin/x", "[/bin/x]"},
		{"  /bin/x  a\tb ", "[/bin/x][a][b]"},
		{"/bin/x \"a b\" 'c d'", "[/bin/x][a b][c d]"},
		{"/bin/x a\"b c\"d", "[/bin/x][ab cd]"},
		{"/bin/x \"\" ''", "[/bin/x][][]"},
		{"/bin/x a\\ b \\\" \\' \\\\ \\n",
			"[/bin/x][a b][\"][']"
			"[\\][\\n]"},
		{"/bin/x \"a\\ b\"", "[/bin/x][a\\ b]"},
		{"/bin/x %h '%u'", "[/bin/x][/home/al ice][alice]"},
		/* The program's own path has no tokens. */
		{"/bin/%u %%", "[/bin/%u][%]"},
		{"", "(bad)"},
		{" \t", "(bad)"},
		{"/bin/x \"a", "(bad)"},
		{"/bin/x 'a\"", "(bad)"},
		{"/bin/x %z", "(bad)"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_str_eq(words_of(cases[i][0]), cases[i][1]);
}

Test(tokens, words_have_a_maximum)
{
	char command[4 * TOKENS_WORDS_MAX] = "";
	char **words;
	size_t n;

	for (size_t i = 0; i < TOKENS_WORDS_MAX; i++)
		strcat(command, "a ");
	cr_assert_eq(tokens_split(command, &words, &n), OK);
	cr_assert_eq(n, TOKENS_WORDS_MAX);
	tokens_free(words);
	strcat(command, "a");
	cr_assert_eq(tokens_split(command, &words, &n), ERR_LIMIT);
}
