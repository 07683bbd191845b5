/*
 * The %-tokens and the quoting of sshd_config.
 */
#include "deploy/node/principals/tokens.h"

#include "common/buf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *
value_of(char letter, const struct token *tokens)
{
	if (letter == '%')
		return "%";
	for (; letter != '\0' && tokens->letter != '\0'; tokens++) {
		if (tokens->letter == letter)
			return tokens->value;
	}
	return NULL;
}

static enum err
expand(const char *text, const struct token *tokens, struct buf *out)
{
	enum err e = OK;

	for (; *text != '\0' && e == OK; text++) {
		const char *value;

		if (*text != '%') {
			e = buf_append(out, text, 1);
			continue;
		}
		text++;
		value = value_of(*text, tokens);
		if (value == NULL)
			return ERR_FORMAT;
		e = buf_append_span(out, span_str(value));
	}
	return e == OK ? buf_append(out, "", 1) : e;
}

enum err
tokens_expand(const char *text, const struct token *tokens, char **out)
{
	struct buf b;
	char *copy = NULL;
	enum err e;

	buf_init(&b, TOKENS_TEXT_MAX);
	e = expand(text, tokens, &b);
	if (e == OK) {
		copy = strdup((const char *)buf_span(&b).ptr);
		e = copy != NULL ? OK : ERR_NOMEM;
	}
	if (e == OK)
		*out = copy;
	buf_clear(&b);
	return e;
}

/* Does the backslash at s stand for the character behind it?  Else it stands for itself. */
static bool
is_escape(const char *s, char quote)
{
	if (s[0] != '\\' || s[1] == '\0')
		return false;
	return strchr("'\"\\", s[1]) != NULL || (quote == '\0' && s[1] == ' ');
}

/* Copy the word at *s to out, without its quoting, and move *s behind it; false when a quote stays open. */
static bool
take_word(const char **s, char *out)
{
	const char *p = *s;
	char quote = '\0';

	for (; *p != '\0' && (quote != '\0' || (*p != ' ' && *p != '\t')); p++) {
		if (is_escape(p, quote))
			*out++ = *++p;
		else if (quote == '\0' && (*p == '"' || *p == '\''))
			quote = *p;
		else if (quote != '\0' && *p == quote)
			quote = '\0';
		else
			*out++ = *p;
	}
	*out = '\0';
	*s = p;
	return quote == '\0';
}

enum err
tokens_split(const char *command, char ***out, size_t *n)
{
	char **words = calloc(TOKENS_WORDS_MAX + 1, sizeof(*words));
	size_t count = 0;
	enum err e = words != NULL ? OK : ERR_NOMEM;

	while (e == OK) {
		command += strspn(command, " \t");
		if (*command == '\0')
			break;
		if (count == TOKENS_WORDS_MAX) {
			e = ERR_LIMIT;
			break;
		}
		words[count] = calloc(1, strlen(command) + 1);
		if (words[count] == NULL)
			e = ERR_NOMEM;
		else if (!take_word(&command, words[count++]))
			e = ERR_FORMAT;
	}
	if (e != OK) {
		tokens_free(words);
		return e;
	}
	*out = words;
	*n = count;
	return OK;
}

enum err
tokens_command(const char *command, const struct token *tokens, char ***out, size_t *n)
{
	char **words;
	size_t count;
	enum err e = tokens_split(command, &words, &count);

	if (e != OK)
		return e;
	if (count == 0)
		e = ERR_FORMAT;
	for (size_t i = 1; i < count && e == OK; i++) {
		char *expanded;

		e = tokens_expand(words[i], tokens, &expanded);
		if (e == OK) {
			free(words[i]);
			words[i] = expanded;
		}
	}
	if (e != OK) {
		tokens_free(words);
		return e;
	}
	*out = words;
	*n = count;
	return OK;
}

void
tokens_free(char **words)
{
	for (size_t i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}
