/*
 * The user's own key in the places where this node's sshd would look for it.
 */
#include "deploy/node/principals/search.h"

#include "common/log.h"
#include "deploy/node/principals/authorized_keys.h"
#include "deploy/node/principals/command.h"
#include "deploy/node/principals/from_match.h"
#include "deploy/node/principals/host_name.h"
#include "deploy/node/principals/lines.h"
#include "deploy/node/principals/options.h"
#include "deploy/node/principals/strict_modes.h"
#include "deploy/node/principals/tokens.h"
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
#define SK_PREFIX "sk-"

/* One search under way. */
struct state {
	const struct search *q;
	struct authorized_key key;
	char host[NI_MAXHOST]; /* of the client; "" before it was looked up */
	char uid[UID_TEXT_SIZE];
	const char *source; /* the file or command that is being read */
	unsigned long line;
	struct buf *out;
	char *why;
};

/* Remember why a line did not count: the last one is told if none does. */
static void
say(struct state *s, const char *what)
{
	char source[256];

	why_set(s->why, "%s at %s:%lu", what,
		log_printable(span_str(s->source), source, sizeof(source)), s->line);
}

static const char *
host_of(struct state *s)
{
	const struct addr *client = &s->q->facts->client;
	char ip[ADDR_TEXT_SIZE];

	if (s->host[0] == '\0' && s->q->settings->use_dns)
		host_name_lookup(client, s->host);
	else if (s->host[0] == '\0')
		(void)snprintf(s->host, sizeof(s->host), "%s", addr_ip_text(client, ip));
	return s->host;
}

static bool
is_from_here(struct state *s, const char *patterns)
{
	char ip[ADDR_TEXT_SIZE], text[ADDR_TEXT_SIZE + 64];

	if (patterns == NULL)
		return true;
	(void)addr_ip_text(&s->q->facts->client, ip);
	switch (from_match(patterns, ip, host_of(s))) {
	case FROM_MATCH_YES:
		return true;
	case FROM_MATCH_INVALID:
		say(s, "from= is not a list of patterns");
		return false;
	case FROM_MATCH_NO:
		break;
	}
	(void)snprintf(text, sizeof(text), "from= does not name %s", ip);
	say(s, text);
	return false;
}

/* What makes sshd pass over the line and look at the next one. */
static bool
line_counts(struct state *s, const struct options *o)
{
	if (o->is_cert_authority)
		return false;
	if (o->expires_at != 0 && o->expires_at < s->q->now) {
		say(s, "the key is expired");
		return false;
	}
	if (o->has_principals) {
		say(s, "principals= without cert-authority");
		return false;
	}
	return is_from_here(s, o->from);
}

/* What a security key's signature must show; other keys cannot show it and need not. */
static enum err
check_presence(struct state *s, const struct options *o)
{
	const struct settings *set = s->q->settings;
	unsigned flags = s->q->facts->flags;
	struct span type = buf_span(&s->key.type);

	if (type.len < strlen(SK_PREFIX) || memcmp(type.ptr, SK_PREFIX, strlen(SK_PREFIX)) != 0)
		return OK;
	if ((set->touch_required || !o->no_touch_required) && (flags & FACTS_TOUCH_VERIFIED) == 0) {
		say(s, "the security key was not touched, as is required");
		return ERR_DENIED;
	}
	if ((set->verify_required || o->verify_required) && (flags & FACTS_PIN_VERIFIED) == 0) {
		say(s, "the security key was not unlocked by its user, as is required");
		return ERR_DENIED;
	}
	return OK;
}

/* The line decides: write its options, or end the search. */
static enum err
accept_line(struct state *s, const struct options *o)
{
	enum err e = check_presence(s, o);

	if (e != OK)
		return e;
	e = options_write(o, &s->q->facts->client, s->q->program, s->out);
	/* A later line of the same key may well allow more than this one: it does not count. */
	if (e == ERR_UNSUPPORTED)
		say(s, "an option other than command= holds '#', which sshd takes from no helper,");
	else if (e == OK)
		say(s, "the key is");
	return e;
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
		say(s, words);
		return ERR_NOT_FOUND;
	}
	if (e != OK)
		return e;
	e = line_counts(s, &o) ? accept_line(s, &o) : ERR_NOT_FOUND;
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
		s->line = l->number;
		if (e == OK)
			e = on_line(s, line);
		else if (e == ERR_NOT_FOUND)
			return e;
		else
			say(s, err_text(e));
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
	s->source = pattern;
	e = search_open_file(s->q->settings, s->q->user, pattern, &l.fd, s->why);
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
	const struct token tokens[] = {{'U', s->uid}, {'u', s->q->user->name},
		{'h', s->q->user->home}, {'t', (const char *)buf_span(&s->key.type).ptr},
		{'f', fingerprint}, {'k', (const char *)buf_span(&s->key.base64).ptr},
		{'\0', NULL}};
	size_t n;
	enum err e;

	key_fingerprint(s->q->facts->key, fingerprint);
	e = tokens_command(command, tokens, words, &n);
	if (e == OK && n == 1) {
		(*words)[1] = strdup(s->q->user->name);
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
	size_t before = s->out->len;
	struct span line;
	enum err found = search_lines(s, &l), e = found, ended;

	while (e == OK)
		e = lines_next(&l, &line);
	lines_clear(&l);
	if (e != ERR_NOT_FOUND) {
		command_kill(c);
		buf_truncate(s->out, before);
		return e;
	}
	ended = command_finish(c);
	if (ended == OK)
		return found;
	buf_truncate(s->out, before);
	why_set(s->why, "the AuthorizedKeysCommand failed");
	return ERR_DENIED;
}

static enum err
search_command(struct state *s, const char *command)
{
	struct command c;
	char **words;
	enum err e = command_words(s, command, &words);

	s->source = "AuthorizedKeysCommand";
	if (e != OK) {
		why_set(s->why, "the words of AuthorizedKeysCommand: %s", err_text(e));
		return e;
	}
	e = command_start(words, s->q->user, &c, s->why);
	tokens_free(words);
	return e == OK ? search_output(s, &c) : e;
}

static enum err
search_all(struct state *s)
{
	const struct settings *set = s->q->settings;
	enum err e = ERR_NOT_FOUND;

	for (size_t i = 0; i < set->authorized_keys_files.n && e == ERR_NOT_FOUND; i++)
		e = search_file(s, set->authorized_keys_files.items[i]);
	if (e == ERR_NOT_FOUND && set->authorized_keys_command != NULL)
		e = search_command(s, set->authorized_keys_command);
	return e;
}

enum err
search_key(const struct search *q, struct buf *out, char why[WHY_SIZE])
{
	struct state s = {.q = q, .out = out, .why = why};
	enum err e = authorized_key_init(&s.key, q->facts->key);

	why_set(why, "the key is not in the user's authorized keys");
	if (e != OK)
		return e;
	(void)snprintf(s.uid, sizeof(s.uid), "%u", (unsigned)q->user->uid);
	e = terminate(&s.key);
	if (e == OK)
		e = search_all(&s);
	authorized_key_clear(&s.key);
	return e;
}
