/*
 * What a line that trusts the user's key, or the CA of the user's certificate, means for this login.
 */
#include "deploy/node/principals/verdict.h"

#include "common/log.h"
#include "deploy/node/principals/from_match.h"
#include "deploy/node/principals/host_name.h"

#include <stdio.h>
#include <stdlib.h>

void
verdict_say(struct verdict *v, const char *what)
{
	char source[256];

	(void)log_printable(span_str(v->source), source, sizeof(source));
	if (v->line > 0)
		why_set(v->why, "%s at %s:%lu", what, source, v->line);
	else
		why_set(v->why, "%s at %s", what, source);
}

static const char *
host_of(struct verdict *v)
{
	const struct addr *client = &v->q->facts->client;
	char ip[ADDR_TEXT_SIZE];

	if (v->host[0] == '\0' && v->q->settings->use_dns)
		host_name_lookup(client, v->host);
	else if (v->host[0] == '\0')
		(void)snprintf(v->host, sizeof(v->host), "%s", addr_ip_text(client, ip));
	return v->host;
}

static bool
is_from_here(struct verdict *v, const char *patterns)
{
	char ip[ADDR_TEXT_SIZE], text[ADDR_TEXT_SIZE + 64];

	if (patterns == NULL)
		return true;
	(void)addr_ip_text(&v->q->facts->client, ip);
	switch (from_match(patterns, ip, host_of(v))) {
	case FROM_MATCH_YES:
		return true;
	case FROM_MATCH_INVALID:
		verdict_say(v, "from= is not a list of patterns");
		return false;
	case FROM_MATCH_NO:
		break;
	}
	(void)snprintf(text, sizeof(text), "from= does not name %s", ip);
	verdict_say(v, text);
	return false;
}

/* The certificate's own source-address: addresses and networks, no names, and none negated. */
static bool
certificate_is_from_here(struct verdict *v, struct span sources)
{
	char ip[ADDR_TEXT_SIZE], *list = strndup((const char *)sources.ptr, sources.len);
	bool is_here = list != NULL &&
		from_match_networks(list, addr_ip_text(&v->q->facts->client, ip)) == FROM_MATCH_YES;

	free(list);
	if (!is_here)
		verdict_say(v, "the certificate's source-address does not name the client");
	return is_here;
}

static bool
certificate_counts(struct verdict *v, const struct options *o)
{
	const struct cert_options *c = &v->q->shown->options;

	if (c->has_sources && !certificate_is_from_here(v, c->sources))
		return false;
	if (c->has_command && o->command != NULL && !span_is(c->command, o->command)) {
		verdict_say(v, "the certificate forces another command");
		return false;
	}
	return true;
}

bool
verdict_counts(struct verdict *v, const struct options *o)
{
	if (o->expires_at != 0 && o->expires_at < v->q->now) {
		verdict_say(v, "the key is expired");
		return false;
	}
	if (!is_from_here(v, o->from))
		return false;
	return v->q->shown->cert == NULL || certificate_counts(v, o);
}

static bool
touch_is_needed(const struct verdict *v, const struct options *o)
{
	const struct shown *shown = v->q->shown;

	return v->q->settings->touch_required || !o->no_touch_required ||
		(shown->cert != NULL && !shown->options.no_touch_required);
}

static bool
pin_is_needed(const struct verdict *v, const struct options *o)
{
	return v->q->settings->verify_required || o->verify_required ||
		v->q->shown->options.verify_required;
}

/*
 * What a security key's signature must show; other keys cannot show it and need not.  Before the signature nothing can be
 * asked of it: the certificate of that moment is one with which nobody can log in.
 */
static enum err
check_presence(struct verdict *v, const struct options *o)
{
	unsigned flags = v->q->facts->flags;

	if (!v->q->shown->is_sk || (flags & FACTS_NOT_FINAL) != 0)
		return OK;
	if (touch_is_needed(v, o) && (flags & FACTS_TOUCH_VERIFIED) == 0) {
		verdict_say(v, "the security key was not touched, as is required");
		return ERR_DENIED;
	}
	if (pin_is_needed(v, o) && (flags & FACTS_PIN_VERIFIED) == 0) {
		verdict_say(v, "the security key was not unlocked by its user, as is required");
		return ERR_DENIED;
	}
	return OK;
}

enum err
verdict_accept(struct verdict *v, struct options *o)
{
	enum err e = check_presence(v, o);

	if (e != OK)
		return e;
	/* The broker's certificate forces the same one. */
	if (v->q->shown->options.has_command) {
		free(o->command);
		o->command = NULL;
	}
	e = options_write(o, &v->q->facts->client, v->q->program, v->out);
	/* A later line of the same key may well allow more than this one: it does not count. */
	if (e == ERR_UNSUPPORTED)
		verdict_say(v,
			"an option other than command= holds '#', which sshd takes from no "
			"helper,");
	else if (e == OK)
		verdict_say(
			v, v->q->shown->cert != NULL ? "the certificate's CA is" : "the key is");
	return e;
}
