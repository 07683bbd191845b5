/*
 * The %-tokens and the quoting of sshd_config: paths and commands with the user filled in.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_TOKENS_H
#define DEPLOY_NODE_PRINCIPALS_TOKENS_H

#include "common/err.h"

#include <stddef.h>

#define TOKENS_WORDS_MAX 64
/* The most that tokens may be expanded to: a key in base64 fits. */
#define TOKENS_TEXT_MAX ((size_t)128 * 1024)

/* One %-letter and what it stands for. */
struct token {
	char letter;
	const char *value;
};

/*
 * Expand %-tokens; "%%" is a percent sign.  The list ends with letter 0.  *out is owned.  ERR_FORMAT: a token that is
 * not in the list.  ERR_LIMIT, ERR_NOMEM.
 */
MUST_CHECK enum err tokens_expand(const char *text, const struct token *tokens, char **out);

/*
 * Split a command into words as sshd does: spaces separate, quotes keep together, a backslash keeps a quote, a backslash
 * or, outside of quotes, a space.  *out is owned, ended by NULL; *n may be 0.  ERR_FORMAT: a quote is not closed.
 * ERR_LIMIT, ERR_NOMEM.
 */
MUST_CHECK enum err tokens_split(const char *command, char ***out, size_t *n);
/* Splits, and then expands every word but the first.  ERR_FORMAT too when there is no word. */
MUST_CHECK enum err tokens_command(
	const char *command, const struct token *tokens, char ***out, size_t *n);
void tokens_free(char **words);

#endif
