/*
 * The CA of the user's certificate among those that the node trusts for all users.
 *
 * sshd decides this itself where a certificate comes directly, with the lines that the helper passes on to it (previous).
 * Through the broker it sees the broker's certificate, and what it would have decided is decided here.
 */
#include "deploy/node/principals/trusted_ca.h"

#include "common/base64.h"
#include "deploy/node/principals/authorized_keys.h"
#include "deploy/node/principals/decide.h"
#include "deploy/node/principals/previous.h"

#define LINES_MAX ((size_t)1 << 20)

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && is_blank(s.ptr[0]))
		s = span_of(s.ptr + 1, s.len - 1);
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* Behind the last c; the whole where there is none. */
static size_t
last_word_at(struct span s, uint8_t c)
{
	size_t i = s.len;

	while (i > 0 && s.ptr[i - 1] != c)
		i--;
	return i;
}

/* A line of principals: "[OPTIONS] PRINCIPAL".  A tab separates only where there is no space, as with sshd. */
static struct span
principal_of(struct span line)
{
	size_t at = last_word_at(line, ' ');

	if (at == 0)
		at = last_word_at(line, '\t');
	while (at < line.len && is_blank(line.ptr[at]))
		at++;
	return span_of(line.ptr + at, line.len - at);
}

static struct span
options_of(struct span line, struct span principal)
{
	struct span options = span_of(line.ptr, 0);

	if (principal.ptr != line.ptr && !authorized_keys_options(line, &options))
		options = line; /* a quote stays open: no options that can be read */
	return options;
}

/* What may not stand in a line of principals. */
static bool
belongs_here(struct verdict *v, const struct options *o)
{
	if (!o->is_cert_authority && o->principals == NULL)
		return true;
	verdict_say(v, "cert-authority or principals= in a line of principals");
	return false;
}

static enum err
judge(struct verdict *v, struct options *o)
{
	return belongs_here(v, o) && verdict_counts(v, o) ? verdict_accept(v, o) : ERR_NOT_FOUND;
}

/* *found: the line names a principal of the certificate, and so is the one that decides. */
static enum err
on_line(struct verdict *v, struct span line, bool *found)
{
	struct span principal = principal_of(line);
	struct options o;
	const char *what = "";
	enum err e = options_parse(options_of(line, principal), &o, &what);

	if (e == ERR_FORMAT)
		return ERR_NOT_FOUND;
	if (e != OK)
		return e;
	*found = cert_has_principal(v->q->shown->cert, principal);
	e = *found ? judge(v, &o) : ERR_NOT_FOUND;
	options_clear(&o);
	return e;
}

static struct span
take_line(struct span *rest)
{
	const uint8_t *end = memchr(rest->ptr, '\n', rest->len), *hash;
	struct span line = *rest;

	if (end != NULL)
		line.len = (size_t)(end - line.ptr);
	*rest = span_of(line.ptr + line.len + (end != NULL ? 1 : 0),
		rest->len - line.len - (end != NULL ? 1 : 0));
	hash = line.len > 0 ? memchr(line.ptr, '#', line.len) : NULL;
	if (hash != NULL)
		line.len = (size_t)(hash - line.ptr);
	return trim(line);
}

static enum err
search_lines(struct verdict *v, struct span text, bool *found)
{
	enum err e = ERR_NOT_FOUND;

	v->line = 0;
	while (text.len > 0 && !*found && e == ERR_NOT_FOUND) {
		struct span line = take_line(&text);

		v->line++;
		if (line.len > 0)
			e = on_line(v, line, found);
	}
	return e;
}

/* The node's own file, and only if no line of that names a principal the command. */
static enum err
search_principals(struct verdict *v, const struct request *r)
{
	const struct settings *s = v->q->settings;
	struct buf lines;
	bool found = false;
	enum err e = ERR_NOT_FOUND;

	buf_init(&lines, LINES_MAX);
	v->source = "AuthorizedPrincipalsFile";
	if (s->previous_principals_file != NULL && previous_file(s, &r->user, &lines, v->why) == OK)
		e = search_lines(v, buf_span(&lines), &found);
	buf_reset(&lines);
	if (!found && e == ERR_NOT_FOUND && s->previous_principals_command != NULL) {
		v->source = "AuthorizedPrincipalsCommand";
		if (previous_command(s, r, &lines, v->why) == OK)
			e = search_lines(v, buf_span(&lines), &found);
	}
	buf_clear(&lines);
	return e;
}

static enum err
search_name(struct verdict *v)
{
	struct options none = {.no_touch_required = true};

	v->source = "TrustedUserCAKeys";
	v->line = 0;
	if (!cert_has_principal(v->q->shown->cert, span_str(v->q->user->name))) {
		verdict_say(v, "the certificate's principals do not have the user's name");
		return ERR_NOT_FOUND;
	}
	return judge(v, &none);
}

static enum err
search(struct verdict *v, const struct request *r)
{
	const struct settings *s = v->q->settings;

	/* Not among them: there may still be an AuthorizedKeysCommand that trusts it. */
	if (previous_ca(s, r, v->why) != OK)
		return ERR_NOT_FOUND;
	if (s->previous_principals_file == NULL && s->previous_principals_command == NULL)
		return search_name(v);
	why_set(v->why, "no principal of the certificate is authorized for the user");
	return search_principals(v, r);
}

enum err
trusted_ca_search(struct verdict *v)
{
	const struct shown *shown = v->q->shown;
	char fingerprint[KEY_FINGERPRINT_SIZE];
	struct buf base64 = {0};
	enum err e = ERR_NOT_FOUND;

	if (shown->cert == NULL || v->q->settings->previous_ca_keys == NULL)
		return ERR_NOT_FOUND;
	key_fingerprint(pubkey_blob(cert_ca_key(shown->cert)), fingerprint);
	e = base64_encode(shown->blob, &base64);
	if (e == OK) {
		/* As if sshd had asked about the user's own certificate. */
		struct request r = {.user = *v->q->user,
			.ca_fingerprint = fingerprint,
			.certificate = buf_span(&base64),
			.program = v->q->program,
			.now = v->q->now};

		e = search(v, &r);
	}
	buf_clear(&base64);
	return e;
}
