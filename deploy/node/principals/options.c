/*
 * The options of an authorized_keys line.
 *
 * sshd gets them from the helper as a line of an authorized principals file, which has the same options; what only makes
 * sense where the key and the client are known (from=, touch, PIN) is decided here and left out.
 */
#include "deploy/node/principals/options.h"

#include "deploy/node/principals/expiry.h"

#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define PORT_MAX 65535
#define TUNNEL_MAX 0x7ffffffd

/* One option as it stands: NAME or NAME="VALUE". */
struct option {
	struct span raw;
	struct span name;
	bool has_value;
	char *value; /* owned, without quotes and escapes */
};

static const char unknown[] = "an option that is not known";

/*
 * Take a quoted value off the front.  Only \" is an escape.  *out is owned.
 */
static enum err
take_quoted(struct span *rest, char **out, const char **why)
{
	const uint8_t *p = rest->ptr, *end = p + rest->len;
	char *value, *to;

	*why = "a value without quotes";
	if (p == end || *p++ != '"')
		return ERR_FORMAT;
	value = malloc(rest->len + 1);
	if (value == NULL)
		return ERR_NOMEM;
	for (to = value; p < end && *p != '"' && *p != '\0'; *to++ = (char)*p++) {
		if (*p == '\\' && p + 1 < end && p[1] == '"')
			p++;
	}
	if (p == end || *p == '\0') {
		*why = "a quote that is not closed";
		free(value);
		return ERR_FORMAT;
	}
	*to = '\0';
	p++;
	*rest = span_of(p, (size_t)(end - p));
	*out = value;
	return OK;
}

static size_t
name_length(struct span s)
{
	size_t n = 0;

	while (n < s.len && (isalnum(s.ptr[n]) || s.ptr[n] == '-'))
		n++;
	return n;
}

/*
 * Take one option off the front, with the comma behind it.  sshd takes empty options, too.
 */
static enum err
take_option(struct span *rest, struct option *out, const char **why)
{
	struct option o = {.name = span_of(rest->ptr, name_length(*rest))};
	struct span s = span_of(rest->ptr + o.name.len, rest->len - o.name.len);
	enum err e = OK;

	if (s.len > 0 && s.ptr[0] == '=') {
		s = span_of(s.ptr + 1, s.len - 1);
		o.has_value = true;
		e = take_quoted(&s, &o.value, why);
	}
	if (e != OK)
		return e;
	o.raw = span_of(rest->ptr, rest->len - s.len);
	if (s.len > 0 && s.ptr[0] != ',') {
		*why = unknown;
		free(o.value);
		return ERR_FORMAT;
	}
	*rest = s.len > 0 ? span_of(s.ptr + 1, s.len - 1) : s;
	*out = o;
	return OK;
}

/* Names of options have no case. */
static bool
is_named(const struct option *o, const char *name)
{
	return o->name.len == strlen(name) &&
		strncasecmp((const char *)o->name.ptr, name, o->name.len) == 0;
}

static enum err
keep(const struct option *o, struct options *all)
{
	enum err e = all->kept.len > 0 ? buf_append(&all->kept, ",", 1) : OK;

	return e == OK ? buf_append_span(&all->kept, o->raw) : e;
}

/* The value becomes *member, which may be given once. */
static enum err
take_once(struct option *o, char **member, const char **why)
{
	if (*member != NULL) {
		*why = "an option that is given twice";
		return ERR_FORMAT;
	}
	*member = o->value;
	o->value = NULL;
	return OK;
}

static enum err
on_from(struct option *o, struct options *all, const char **why)
{
	return take_once(o, &all->from, why);
}

static enum err
on_command(struct option *o, struct options *all, const char **why)
{
	return take_once(o, &all->command, why);
}

static enum err
on_principals(struct option *o, struct options *all, const char **why)
{
	return take_once(o, &all->principals, why);
}

static enum err
on_expiry_time(struct option *o, struct options *all, const char **why)
{
	uint64_t at;

	if (expiry_parse(o->value, &at) != OK) {
		*why = "an expiry-time that is no time";
		return ERR_FORMAT;
	}
	if (all->expires_at == 0 || at < all->expires_at)
		all->expires_at = at;
	return keep(o, all);
}

/*
 * NAME=VALUE with a plain name.  One with our variable's name is left out: an sshd before OpenSSH 8.7 would let it count.
 */
static enum err
on_environment(struct option *o, struct options *all, const char **why)
{
	size_t len = strcspn(o->value, "=");

	*why = "an environment that is not NAME=VALUE";
	if (len == 0 || o->value[len] != '=')
		return ERR_FORMAT;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)o->value[i]) && o->value[i] != '_')
			return ERR_FORMAT;
	}
	return span_is(span_of(o->value, len), OPTIONS_CLIENT_VARIABLE) ? OK : keep(o, all);
}

static bool
is_number(const char *text, unsigned long max)
{
	char *end;

	return *text >= '0' && *text <= '9' && strtoul(text, &end, 10) <= max && *end == '\0';
}

static bool
is_port(const char *text)
{
	if (strcmp(text, "*") == 0 || is_number(text, PORT_MAX))
		return *text == '*' || strtoul(text, NULL, 10) > 0;
	return getservbyname(text, "tcp") != NULL;
}

/* HOST:PORT, an IPv6 address in brackets. */
static bool
is_host_port(const char *text)
{
	const char *end = *text == '[' ? strchr(text, ']') : strpbrk(text, ":/");

	if (end != NULL && *end == ']')
		end++;
	return end != NULL && (*end == ':' || *end == '/') && end - text < NI_MAXHOST &&
		is_port(end + 1);
}

static enum err
on_permitopen(struct option *o, struct options *all, const char **why)
{
	*why = "a permitopen that is not HOST:PORT";
	return is_host_port(o->value) ? keep(o, all) : ERR_FORMAT;
}

static enum err
on_permitlisten(struct option *o, struct options *all, const char **why)
{
	*why = "a permitlisten that is neither HOST:PORT nor PORT";
	if (strchr(o->value, ':') == NULL ? is_port(o->value) : is_host_port(o->value))
		return keep(o, all);
	return ERR_FORMAT;
}

static enum err
on_tunnel(struct option *o, struct options *all, const char **why)
{
	*why = "a tunnel that is no device";
	if (strcasecmp(o->value, "any") == 0 || is_number(o->value, TUNNEL_MAX))
		return keep(o, all);
	return ERR_FORMAT;
}

static enum err
on_cert_authority(struct option *o, struct options *all, const char **why)
{
	(void)o;
	(void)why;
	all->is_cert_authority = true;
	return OK;
}

/* About security keys' signatures; the last one counts. */
static enum err
on_touch(struct option *o, struct options *all, const char **why)
{
	(void)why;
	all->no_touch_required = is_named(o, "no-touch-required");
	return OK;
}

static enum err
on_verify(struct option *o, struct options *all, const char **why)
{
	(void)why;
	all->verify_required = is_named(o, "verify-required");
	return OK;
}

static enum err
on_kept(struct option *o, struct options *all, const char **why)
{
	(void)why;
	return keep(o, all);
}

static const struct rule {
	const char *name;
	bool has_value;
	enum err (*apply)(struct option *o, struct options *all, const char **why);
} rules[] = {
	{"restrict", false, on_kept},
	{"cert-authority", false, on_cert_authority},
	{"port-forwarding", false, on_kept},
	{"no-port-forwarding", false, on_kept},
	{"agent-forwarding", false, on_kept},
	{"no-agent-forwarding", false, on_kept},
	{"x11-forwarding", false, on_kept},
	{"no-x11-forwarding", false, on_kept},
	{"pty", false, on_kept},
	{"no-pty", false, on_kept},
	{"user-rc", false, on_kept},
	{"no-user-rc", false, on_kept},
	{"touch-required", false, on_touch},
	{"no-touch-required", false, on_touch},
	{"verify-required", false, on_verify},
	{"no-verify-required", false, on_verify},
	{"command", true, on_command},
	{"principals", true, on_principals},
	{"from", true, on_from},
	{"expiry-time", true, on_expiry_time},
	{"environment", true, on_environment},
	{"permitopen", true, on_permitopen},
	{"permitlisten", true, on_permitlisten},
	{"tunnel", true, on_tunnel},
};

static enum err
apply(struct option *o, struct options *all, const char **why)
{
	if (o->raw.len == 0)
		return OK;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (is_named(o, rules[i].name) && o->has_value == rules[i].has_value)
			return rules[i].apply(o, all, why);
	}
	*why = unknown;
	return ERR_FORMAT;
}

enum err
options_parse(struct span text, struct options *out, const char **why)
{
	struct options all = {0};
	enum err e = OK;

	while (e == OK && text.len > 0) {
		struct option o = {0};

		e = take_option(&text, &o, why);
		if (e == OK)
			e = apply(&o, &all, why);
		free(o.value);
	}
	if (e == OK)
		*out = all;
	else
		options_clear(&all);
	return e;
}

void
options_clear(struct options *o)
{
	buf_clear(&o->kept);
	free(o->from);
	free(o->command);
	free(o->principals);
	*o = (struct options){0};
}

static bool
has_hash(struct span s)
{
	return s.len > 0 && memchr(s.ptr, '#', s.len) != NULL;
}

static enum err
put_text(struct buf *out, const char *text)
{
	return buf_append_span(out, span_str(text));
}

static enum err
put_client(const struct addr *client, struct buf *out)
{
	char ip[ADDR_TEXT_SIZE], text[ADDR_TEXT_SIZE + 64];

	(void)snprintf(text, sizeof(text), "environment=\"" OPTIONS_CLIENT_VARIABLE "=%s %u\"",
		addr_ip_text(client, ip), (unsigned)client->port);
	return put_text(out, text);
}

/* A value in quotes, as take_quoted() reads it. */
static enum err
put_quoted(const char *value, struct buf *out)
{
	enum err e = put_text(out, "\"");

	for (; *value != '\0' && e == OK; value++) {
		if (*value == '"')
			e = put_text(out, "\\");
		if (e == OK)
			e = buf_append(out, value, 1);
	}
	return e == OK ? put_text(out, "\"") : e;
}

/* The command in hexadecimal, which our own program turns back and runs: nothing in it can look like a comment. */
static enum err
put_hidden(const char *command, const char *program, struct buf *out)
{
	enum err e = put_text(out, "\"");

	if (e == OK)
		e = put_text(out, program);
	if (e == OK)
		e = put_text(out, " " OPTIONS_RUN_FLAG " ");
	for (; *command != '\0' && e == OK; command++) {
		char hex[3];

		(void)snprintf(hex, sizeof(hex), "%02x", (unsigned)(unsigned char)*command);
		e = put_text(out, hex);
	}
	return e == OK ? put_text(out, "\"") : e;
}

static enum err
put_command(const char *command, const char *program, struct buf *out)
{
	enum err e = put_text(out, ",command=");

	if (e != OK)
		return e;
	if (!has_hash(span_str(command)))
		return put_quoted(command, out);
	return put_hidden(command, program, out);
}

static enum err
put_all(const struct options *o, const struct addr *client, const char *program, struct buf *out)
{
	enum err e = put_client(client, out);

	if (e == OK && o->kept.len > 0)
		e = put_text(out, ",");
	if (e == OK)
		e = buf_append_span(out, buf_span(&o->kept));
	if (e == OK && o->command != NULL)
		e = put_command(o->command, program, out);
	return e;
}

/* A path that every shell takes as it stands. */
static bool
is_plain_path(const char *path)
{
	size_t n = 0;

	while (isalnum((unsigned char)path[n]) ||
		(path[n] != '\0' && strchr("/._-", path[n]) != NULL))
		n++;
	return path[0] == '/' && path[n] == '\0';
}

enum err
options_write(
	const struct options *o, const struct addr *client, const char *program, struct buf *out)
{
	size_t before = out->len;
	enum err e;

	if (has_hash(buf_span(&o->kept)) ||
		(o->command != NULL && has_hash(span_str(o->command)) && !is_plain_path(program)))
		return ERR_UNSUPPORTED;
	e = put_all(o, client, program, out);
	if (e != OK)
		buf_truncate(out, before);
	return e;
}
