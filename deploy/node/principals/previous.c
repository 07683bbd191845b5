/*
 * Certificates of other CAs: what sshd did about them before.
 */
#include "deploy/node/principals/previous.h"

#include "common/base64.h"
#include "common/facts.h"
#include "common/ssh/wire.h"
#include "deploy/node/principals/authorized_keys.h"
#include "deploy/node/principals/certificate_tokens.h"
#include "deploy/node/principals/command.h"
#include "deploy/node/principals/lines.h"
#include "deploy/node/principals/search.h"
#include "deploy/node/principals/tokens.h"
#include "deploy/node/principals/why.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* What sshd takes for the principal: the last word before a comment. */
static struct span
principal_of(struct span line)
{
	const uint8_t *hash = line.len > 0 ? memchr(line.ptr, '#', line.len) : NULL;
	struct span word;

	if (hash != NULL)
		line.len = (size_t)(hash - line.ptr);
	while (line.len > 0 && is_blank(line.ptr[line.len - 1]))
		line.len--;
	word = span_of(line.ptr + line.len, 0);
	while (word.len < line.len && !is_blank(word.ptr[-1])) {
		word.ptr--;
		word.len++;
	}
	return word;
}

static enum err
put_line(struct span line, struct buf *out)
{
	enum err e;

	if (span_is(principal_of(line), FACTS_PRINCIPAL))
		return OK;
	e = buf_append_span(out, line);
	return e == OK ? buf_append(out, "\n", 1) : e;
}

static enum err
put_lines(struct lines *l, struct buf *out)
{
	enum err e;

	do {
		struct span line;

		e = lines_next(l, &line);
		if (e == OK)
			e = put_line(line, out);
	} while (e == OK);
	return e == ERR_NOT_FOUND ? OK : e;
}

/* A file that is not there, or not to be believed, names nobody. */
enum err
previous_file(
	const struct settings *s, const struct user *user, struct buf *out, char why[WHY_SIZE])
{
	struct lines l = {0};
	enum err e = search_open_file(s, user, s->previous_principals_file, &l.fd, why);

	if (e != OK)
		return OK;
	e = put_lines(&l, out);
	lines_clear(&l);
	close(l.fd);
	return e;
}

static enum err
put_output(struct command *c, struct buf *out)
{
	struct lines l = {.fd = c->fd, .deadline_ms = c->deadline_ms};
	enum err e = put_lines(&l, out);

	lines_clear(&l);
	if (e == OK)
		return command_finish(c);
	command_kill(c);
	return e;
}

/* What a command that failed has printed does not count. */
enum err
previous_command(
	const struct settings *s, const struct request *r, struct buf *out, char why[WHY_SIZE])
{
	size_t before = out->len;
	struct command c;
	char **words;
	enum err e = certificate_tokens_command(s->previous_principals_command, r, &words);

	if (e != OK) {
		why_set(why, "the words of the previous command: %s", err_text(e));
		return e;
	}
	e = command_start(words, &r->user, &c, why);
	tokens_free(words);
	if (e != OK)
		return e;
	e = put_output(&c, out);
	if (e != OK) {
		why_set(why, "the previous command failed: %s", err_text(e));
		buf_truncate(out, before);
	}
	return e;
}

/* A name with a blank or '#' in it would be read as options and a principal, or as less than it is. */
static enum err
put_name(const char *name, struct buf *out, char why[WHY_SIZE])
{
	if (name[strcspn(name, " \t#\r\n")] == '\0')
		return put_line(span_str(name), out);
	why_set(why, "sshd would not read this user's name as one word");
	return ERR_UNSUPPORTED;
}

static enum err
find_ca(struct lines *l, struct span ca)
{
	struct authorized_key key;
	struct span line, options;
	enum err e = authorized_key_init(&key, ca);

	if (e != OK)
		return e;
	do
		e = lines_next(l, &line);
	while (e == OK && (!authorized_keys_match(&key, line, &options) || options.len > 0));
	authorized_key_clear(&key);
	return e;
}

/*
 * Is the CA of this certificate still among those of before?  sshd itself looks into a copy of that file, which may be
 * older than what the administrator wrote last.
 */
enum err
previous_ca(const struct settings *s, const struct request *r, char why[WHY_SIZE])
{
	struct lines l = {.fd = open(s->previous_ca_keys, O_RDONLY | O_CLOEXEC | O_NOCTTY)};
	struct buf ca = {0};
	enum err e = ERR_IO;

	if (l.fd >= 0) {
		e = certificate_tokens_ca(r, &ca);
		if (e == OK)
			e = find_ca(&l, buf_span(&ca));
		lines_clear(&l);
		close(l.fd);
	}
	buf_clear(&ca);
	if (e != OK)
		why_set(why, "the certificate's CA is not found in %s: %s", s->previous_ca_keys,
			l.fd < 0 ? strerror(errno) : err_text(e));
	return e;
}

enum err
previous_principals(
	const struct settings *s, const struct request *r, struct buf *out, char why[WHY_SIZE])
{
	enum err e = s->previous_ca_keys != NULL ? previous_ca(s, r, why) : OK;

	if (e != OK)
		return e;
	if (s->previous_principals_file == NULL && s->previous_principals_command == NULL)
		return put_name(r->user.name, out, why);
	if (s->previous_principals_file != NULL)
		e = previous_file(s, &r->user, out, why);
	if (e == OK && s->previous_principals_command != NULL)
		e = previous_command(s, r, out, why);
	return e;
}
