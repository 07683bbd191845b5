/*
 * May this certificate in, and with which options?
 */
#include "deploy/node/principals/decide.h"

#include "common/base64.h"
#include "common/facts.h"
#include "common/log.h"
#include "common/ssh/cert.h"
#include "deploy/node/principals/previous.h"
#include "deploy/node/principals/search.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>

#define LINES_MAX ((size_t)1 << 20)
#define SHA256_PREFIX "SHA256:"

void
decision_init(struct decision *d)
{
	*d = (struct decision){0};
	buf_init(&d->lines, LINES_MAX);
}

void
decision_clear(struct decision *d)
{
	buf_clear(&d->lines);
}

/* Words for the log; always false, for a check that fails. */
static bool PRINTF_LIKE(2, 3) refuse(struct decision *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(d->why, sizeof(d->why), format, args);
	va_end(args);
	return false;
}

/*
 * Could a certificate that we cannot read be ours?  Only if its CA has the fingerprint of one of ours, or a fingerprint
 * of a kind that we do not compute.
 */
static bool
may_be_ours(const struct settings *s, const char *ca_fingerprint)
{
	char ours[KEY_FINGERPRINT_SIZE];

	if (strncmp(ca_fingerprint, SHA256_PREFIX, strlen(SHA256_PREFIX)) != 0)
		return true;
	for (size_t i = 0; i < s->n_ca_keys; i++) {
		key_fingerprint(pubkey_blob(s->ca_keys[i]), ours);
		if (strcmp(ours, ca_fingerprint) == 0)
			return true;
	}
	return false;
}

/* The certificate is what the broker mints: for users, with our principal and no other. */
static bool
certificate_is_sound(const struct cert *c, struct decision *d)
{
	struct span names = cert_fields(c)->principals, first, second;

	if (cert_fields(c)->kind != CERT_USER)
		return refuse(d, "it is no certificate for users");
	if (!cert_next_string(&names, &first) || !span_is(first, FACTS_PRINCIPAL) ||
		cert_next_string(&names, &second))
		return refuse(d, "its principal is not %s alone", FACTS_PRINCIPAL);
	return true;
}

static bool
read_facts(const struct cert *c, struct facts *f, struct decision *d)
{
	struct span data;
	enum err e = cert_find_option(cert_fields(c)->extensions, FACTS_EXTENSION, &data);

	if (e == OK)
		e = facts_parse(data, f);
	if (e != OK)
		return refuse(d, "its facts: %s", err_text(e));
	(void)conn_id_text(f->conn_id, d->conn_id);
	return true;
}

static bool
user_is_allowed(const struct settings *s, const struct user *user, struct decision *d)
{
	if (settings_list_has(&s->allow_users, user->name))
		return true;
	if (user->uid < s->uid_min || user->uid == 0 || user->uid == DECIDE_UID_NOBODY)
		return refuse(d, "a system user (uid %u), whom allow_user does not name",
			(unsigned)user->uid);
	return true;
}

/*
 * Do both names lead to one account?  The user typed one, and sshd gives the account's own: a directory may take other
 * letter cases and forms for the same.
 */
static bool
is_same_account(struct span typed, const struct user *user)
{
	char name[FACTS_NAME_MAX + 1];
	const struct passwd *pw;

	if (span_is(typed, user->name))
		return true;
	if (typed.len == 0)
		return false;
	memcpy(name, typed.ptr, typed.len);
	name[typed.len] = '\0';
	pw = getpwnam(name);
	return pw != NULL && pw->pw_uid == user->uid && strcmp(pw->pw_name, user->name) == 0;
}

/* The facts are about this node and this user. */
static bool
facts_are_ours(const struct settings *s, const struct request *r, const struct facts *f,
	struct decision *d)
{
	char node[128], user[128];

	if (!span_is(f->node, s->node))
		return refuse(d, "it is for the node %s, and this is %s",
			log_printable(f->node, node, sizeof(node)), s->node);
	if (!is_same_account(f->node_user, &r->user))
		return refuse(d, "it is for the user %s, not %s",
			log_printable(f->node_user, user, sizeof(user)), r->user.name);
	return user_is_allowed(s, &r->user, d);
}

static enum err
put_principal(struct buf *lines)
{
	return buf_append_span(lines, span_str(" " FACTS_PRINCIPAL "\n"));
}

/* What the user showed must be good here, and then its line says how far. */
static bool
decide_shown(const struct settings *s, const struct request *r, const struct facts *f,
	struct decision *d)
{
	struct shown shown;
	struct search q = {.settings = s,
		.facts = f,
		.shown = &shown,
		.user = &r->user,
		.program = r->program,
		.now = r->now};
	enum err e = shown_read(s, f, &shown, d->why);

	if (e != OK)
		return false;
	e = shown_check(s, f, &shown, r->now, d->why);
	if (e == OK)
		e = search_key(&q, &d->lines, d->why);
	shown_clear(&shown);
	return e == OK && put_principal(&d->lines) == OK;
}

/* Our CA: everything must be right. */
static bool
decide_ours(
	const struct settings *s, const struct request *r, const struct cert *c, struct decision *d)
{
	struct facts f = {0};

	return certificate_is_sound(c, d) && read_facts(c, &f, d) && facts_are_ours(s, r, &f, d) &&
		decide_shown(s, r, &f, d);
}

static bool
decide_other(const struct settings *s, const struct request *r, struct decision *d)
{
	return previous_principals(s, r, &d->lines, d->why) == OK;
}

static bool
decide_blob(const struct settings *s, const struct request *r, struct span blob, struct decision *d)
{
	struct cert *c;
	bool allowed;
	enum err e = cert_parse(blob, &c);

	if (e != OK) {
		d->is_ours = may_be_ours(s, r->ca_fingerprint);
		return d->is_ours ? refuse(d, "the certificate: %s", err_text(e))
				  : decide_other(s, r, d);
	}
	d->is_ours = settings_trusts(s, pubkey_blob(cert_ca_key(c)));
	allowed = d->is_ours ? decide_ours(s, r, c, d) : decide_other(s, r, d);
	cert_free(c);
	return allowed;
}

void
decide(const struct settings *s, const struct request *r, struct decision *d)
{
	struct buf blob;
	bool allowed = false;

	buf_init(&blob, CERT_BLOB_MAX);
	if (base64_decode(r->certificate, &blob) == OK) {
		allowed = decide_blob(s, r, buf_span(&blob), d);
	} else {
		d->is_ours = true;
		(void)refuse(d, "the certificate is not base64");
	}
	buf_clear(&blob);
	/* Half an answer is none; the principals file of another CA stands, even where its command failed. */
	if (!allowed && d->is_ours)
		buf_reset(&d->lines);
}
