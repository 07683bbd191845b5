/*
 * The user's own key in the places where this node's sshd would look for it.
 */
#include "deploy/node/principals/search.h"

#include "deploy/node/principals/authorized_keys.h"
#include "deploy/node/principals/command.h"
#include "deploy/node/principals/lines.h"
#include "deploy/node/principals/strict_modes.h"
#include "deploy/node/principals/tokens.h"
#include "deploy/node/principals/trusted_ca.h"
#include "deploy/node/principals/verdict.h"
#include "deploy/node/principals/why.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define UID_TEXT_SIZE 16

/* One search under way. */
struct state {
	struct verdict v;
	struct authorized_key key; /* what a line must have: the key, or the certificate's CA */
	struct authorized_key shown; /* what the user showed, for an AuthorizedKeysCommand */
	char uid[UID_TEXT_SIZE];
};

/* A line's own list of names, where it has one, counts in place of the user's name. */
static bool
has_principal(const struct cert *c, const char *list, const char *user)
{
	if (list == NULL)
		return cert_has_principal(c, span_str(user));
	while (*list != '\0' && *list != ',') {
		size_t len = strcspn(list, ",");

		if (cert_has_principal(c, span_of(list, len)))
			return true;
		list += len + (list[len] == ',' ? 1 : 0);
	}
	return false;
}

/* What makes sshd pass over the line and look at the next one. */
static bool
line_counts(struct verdict *v, const struct options *o)
{
	const struct cert *cert = v->q->shown->cert;

	if (o->is_cert_authority != (cert != NULL))
		return false;
	if (!o->is_cert_authority && o->principals != NULL) {
		verdict_say(v, "principals= without cert-authority");
		return false;
	}
	if (cert != NULL && !has_principal(cert, o->principals, v->q->user->name)) {
		verdict_say(v, "the certificate's principals are not those of the line");
		return false;
	}
	return verdict_counts(v, o);
}

/* ERR_NOT_FOUND: the line does not count. */
static enum err
on_line(struct state *s, struct span line)
{
	struct span text;
	struct options o;
	const char *what = "";
	char words[128];
	enum err e;

	if (!authorized_keys_match(&s->key, line, &text))
		return ERR_NOT_FOUND;
	e = options_parse(text, &o, &what);
	if (e == ERR_FORMAT) {
		(void)snprintf(words, sizeof(words), "the key has %s", what);
		verdict_say(&s->v, words);
		return ERR_NOT_FOUND;
	}
	if (e != OK)
		return e;
	e = line_counts(&s->v, &o) ? verdict_accept(&s->v, &o) : ERR_NOT_FOUND;
	options_clear(&o);
	return e;
}

static enum err
search_lines(struct state *s, struct lines *l)
{
	enum err e;

	do {
		struct span line;

		e = lines_next(l, &line);
		s->v.line = l->number;
		if (e == OK)
			e = on_line(s, line);
		else if (e == ERR_NOT_FOUND)
			return e;
		else
			verdict_say(&s->v, err_text(e));
	} while (e == ERR_NOT_FOUND);
	return e;
}

static enum err
open_regular(const char *path, int *fd, char *why)
{
	struct stat st;
	int opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (opened < 0) {
		if (errno == ENOENT)
			return ERR_NOT_FOUND;
		why_set(why, "%s: %s", path, strerror(errno));
		return ERR_IO;
	}
	if (fstat(opened, &st) != 0 || !S_ISREG(st.st_mode)) {
		why_set(why, "%s is not a regular file", path);
		close(opened);
		return ERR_DENIED;
	}
	*fd = opened;
	return OK;
}

static enum err
open_checked(
	const struct settings *s, const struct user *user, const char *path, int *fd, char *why)
{
	struct strict_modes m = {.path = path, .home = user->home, .uid = user->uid};
	enum err e = open_regular(path, &m.fd, why);

	if (e == OK && s->strict_modes) {
		e = strict_modes_check(&m, why);
		if (e != OK)
			close(m.fd);
	}
	if (e == OK)
		*fd = m.fd;
	return e;
}

enum err
search_open_file(const struct settings *s, const struct user *user, const char *pattern, int *fd,
	char why[WHY_SIZE])
{
	char uid[UID_TEXT_SIZE], path[PATH_MAX];
	const struct token tokens[] = {
		{'h', user->home}, {'u', user->name}, {'U', uid}, {'\0', NULL}};
	char *name;
	bool fits;
	enum err e;

	(void)snprintf(uid, sizeof(uid), "%u", (unsigned)user->uid);
	e = tokens_expand(pattern, tokens, &name);
	if (e != OK) {
		why_set(why, "the tokens of %s are not known", pattern);
		return e;
	}
	fits = snprintf(path, sizeof(path), "%s%s%s", name[0] == '/' ? "" : user->home,
		       name[0] == '/' ? "" : "/", name) < (int)sizeof(path);
	free(name);
	if (!fits) {
		why_set(why, "the path of %s is too long", pattern);
		return ERR_LIMIT;
	}
	return open_checked(s, user, path, fd, why);
}

/* sshd goes on with the next file when one cannot be read or is not safe; so do we. */
static enum err
search_file(struct state *s, const char *pattern)
{
	struct lines l = {0};
	enum err e;

	if (strcasecmp(pattern, "none") == 0)
		return ERR_NOT_FOUND;
	s->v.source = pattern;
	e = search_open_file(s->v.q->settings, s->v.q->user, pattern, &l.fd, s->v.why);
	if (e != OK)
		return ERR_NOT_FOUND;
	e = search_lines(s, &l);
	lines_clear(&l);
	close(l.fd);
	return e;
}

/* A command without arguments gets the user's name. */
static enum err
command_words(struct state *s, const char *command, char ***words)
{
	char fingerprint[KEY_FINGERPRINT_SIZE];
	const struct token tokens[] = {{'U', s->uid}, {'u', s->v.q->user->name},
		{'h', s->v.q->user->home}, {'t', (const char *)buf_span(&s->shown.type).ptr},
		{'f', fingerprint}, {'k', (const char *)buf_span(&s->shown.base64).ptr},
		{'\0', NULL}};
	size_t n;
	enum err e;

	key_fingerprint(s->v.q->shown->key, fingerprint);
	e = tokens_command(command, tokens, words, &n);
	if (e == OK && n == 1) {
		(*words)[1] = strdup(s->v.q->user->name);
		if ((*words)[1] == NULL) {
			tokens_free(*words);
			e = ERR_NOMEM;
		}
	}
	return e;
}

/* A NUL behind each, for who wants a C string; it is not part of the content. */
static enum err
terminate(struct authorized_key *k)
{
	enum err e = buf_append(&k->type, "", 1);

	if (e == OK)
		e = buf_append(&k->base64, "", 1);
	if (e == OK) {
		buf_truncate(&k->type, k->type.len - 1);
		buf_truncate(&k->base64, k->base64.len - 1);
	}
	return e;
}

/* All that the command prints is read, and counts only if the command ends well. */
static enum err
search_output(struct state *s, struct command *c)
{
	struct lines l = {.fd = c->fd, .deadline_ms = c->deadline_ms};
	size_t before = s->v.out->len;
	struct span line;
	enum err found = search_lines(s, &l), e = found, ended;

	while (e == OK)
		e = lines_next(&l, &line);
	lines_clear(&l);
	if (e != ERR_NOT_FOUND) {
		command_kill(c);
		buf_truncate(s->v.out, before);
		return e;
	}
	ended = command_finish(c);
	if (ended == OK)
		return found;
	buf_truncate(s->v.out, before);
	why_set(s->v.why, "the AuthorizedKeysCommand failed");
	return ERR_DENIED;
}

static enum err
search_command(struct state *s, const char *command)
{
	struct command c;
	char **words;
	enum err e = command_words(s, command, &words);

	s->v.source = "AuthorizedKeysCommand";
	if (e != OK) {
		why_set(s->v.why, "the words of AuthorizedKeysCommand: %s", err_text(e));
		return e;
	}
	e = command_start(words, s->v.q->user, &c, s->v.why);
	tokens_free(words);
	return e == OK ? search_output(s, &c) : e;
}

static enum err
search_all(struct state *s)
{
	const struct settings *set = s->v.q->settings;
	enum err e = ERR_NOT_FOUND;

	for (size_t i = 0; i < set->authorized_keys_files.n && e == ERR_NOT_FOUND; i++)
		e = search_file(s, set->authorized_keys_files.items[i]);
	if (e == ERR_NOT_FOUND)
		e = trusted_ca_search(&s->v);
	if (e == ERR_NOT_FOUND && set->authorized_keys_command != NULL)
		e = search_command(s, set->authorized_keys_command);
	return e;
}

static enum err
init(struct state *s)
{
	const struct shown *shown = s->v.q->shown;
	struct span trusted = shown->cert != NULL ? pubkey_blob(cert_ca_key(shown->cert))
						  : shown->blob;
	enum err e = authorized_key_init(&s->key, trusted);

	if (e == OK)
		e = authorized_key_init(&s->shown, shown->blob);
	if (e == OK)
		e = terminate(&s->shown);
	(void)snprintf(s->uid, sizeof(s->uid), "%u", (unsigned)s->v.q->user->uid);
	return e;
}

enum err
search_key(const struct search *q, struct buf *out, char why[WHY_SIZE])
{
	struct state s = {.v = {.q = q, .out = out, .why = why}};
	enum err e = init(&s);

	why_set(why, "%s is not in the user's authorized keys",
		q->shown->cert != NULL ? "the certificate's CA" : "the key");
	if (e == OK)
		e = search_all(&s);
	authorized_key_clear(&s.key);
	authorized_key_clear(&s.shown);
	return e;
}
