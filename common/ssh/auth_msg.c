/*
 * The messages of user authentication, parsed and written, for both roles.
 */
#include "common/ssh/auth_msg.h"

#include "common/ssh/message.h"
#include "common/ssh/wire.h"

static const char *const method_names[AUTH_METHOD_COUNT] = {
	[AUTH_NONE] = "none",
	[AUTH_PASSWORD] = "password",
	[AUTH_PUBLICKEY] = "publickey",
	[AUTH_KBDINT] = "keyboard-interactive",
	[AUTH_OTHER] = NULL,
};

const char *
auth_method_name(enum auth_method method)
{
	return (unsigned)method < AUTH_METHOD_COUNT ? method_names[method] : NULL;
}

/* A reader behind the message number, if it is this one. */
static enum err
open_message(struct span payload, uint8_t type, struct wire_reader *r)
{
	uint8_t is;

	*r = wire_reader_of(payload);
	return wire_get_u8(r, &is) == OK && is == type ? OK : ERR_FORMAT;
}

/*
 * A string without NUL bytes.  OpenSSH reads every text of a request so and disconnects otherwise: refused here, such a
 * request cannot make a sound node look broken.
 */
static enum err
get_text(struct wire_reader *r, size_t max, struct span *out)
{
	struct span s;

	if (wire_get_string_max(r, max, &s) != OK)
		return ERR_FORMAT;
	if (s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL)
		return ERR_FORMAT;
	*out = s;
	return OK;
}

static enum auth_method
kind_of(struct span method)
{
	if (span_is(method, AUTH_METHOD_HOSTBOUND))
		return AUTH_PUBLICKEY;
	for (enum auth_method m = AUTH_NONE; m < AUTH_OTHER; m++) {
		if (span_is(method, method_names[m]))
			return m;
	}
	return AUTH_OTHER;
}

/* The part that the signature covers comes first. */
static enum err
get_publickey(struct wire_reader *r, struct auth_request *rq)
{
	if (wire_get_bool(r, &rq->has_signature) != OK ||
		get_text(r, AUTH_NAME_MAX, &rq->algorithm) != OK ||
		wire_get_string_max(r, AUTH_KEY_MAX, &rq->key) != OK)
		return ERR_FORMAT;
	if (rq->is_hostbound && wire_get_string_max(r, AUTH_KEY_MAX, &rq->host_key) != OK)
		return ERR_FORMAT;
	if (rq->has_signature && wire_get_string_max(r, AUTH_SIGNATURE_MAX, &rq->signature) != OK)
		return ERR_FORMAT;
	return wire_end(r);
}

static enum err
get_password(struct wire_reader *r, struct auth_request *rq)
{
	if (wire_get_bool(r, &rq->is_password_change) != OK ||
		get_text(r, AUTH_PASSWORD_MAX, &rq->password) != OK)
		return ERR_FORMAT;
	if (rq->is_password_change && get_text(r, AUTH_PASSWORD_MAX, &rq->new_password) != OK)
		return ERR_FORMAT;
	return wire_end(r);
}

static enum err
get_kbdint(struct wire_reader *r, struct auth_request *rq)
{
	if (get_text(r, AUTH_LANGUAGE_MAX, &rq->kbdint_language) != OK ||
		get_text(r, AUTH_METHODS_MAX, &rq->kbdint_submethods) != OK)
		return ERR_FORMAT;
	return wire_end(r);
}

static enum err
get_method_part(struct wire_reader *r, struct auth_request *rq)
{
	switch (rq->kind) {
	case AUTH_NONE:
		return wire_end(r);
	case AUTH_PASSWORD:
		return get_password(r, rq);
	case AUTH_PUBLICKEY:
		return get_publickey(r, rq);
	case AUTH_KBDINT:
		return get_kbdint(r, rq);
	case AUTH_OTHER:
	case AUTH_METHOD_COUNT:
		break;
	}
	return OK;
}

enum err
auth_request_parse(struct span payload, struct auth_request *out)
{
	struct auth_request rq = {0};
	struct wire_reader r;

	if (open_message(payload, SSH_MSG_USERAUTH_REQUEST, &r) != OK ||
		get_text(&r, AUTH_USER_MAX, &rq.user) != OK ||
		get_text(&r, AUTH_NAME_MAX, &rq.service) != OK ||
		get_text(&r, AUTH_NAME_MAX, &rq.method) != OK)
		return ERR_FORMAT;
	rq.kind = kind_of(rq.method);
	rq.is_hostbound = span_is(rq.method, AUTH_METHOD_HOSTBOUND);
	if (get_method_part(&r, &rq) != OK)
		return ERR_FORMAT;
	*out = rq;
	return OK;
}

static struct span
method_of(const struct auth_request *rq)
{
	if (rq->kind == AUTH_OTHER)
		return rq->method;
	if (rq->kind == AUTH_PUBLICKEY && rq->is_hostbound)
		return span_str(AUTH_METHOD_HOSTBOUND);
	return span_str(auth_method_name(rq->kind));
}

static enum err
put_start(const struct auth_request *rq, struct buf *out)
{
	enum err e = wire_put_u8(out, SSH_MSG_USERAUTH_REQUEST);

	if (e == OK)
		e = wire_put_string(out, rq->user);
	if (e == OK)
		e = wire_put_string(out, rq->service);
	if (e == OK)
		e = wire_put_string(out, method_of(rq));
	return e;
}

static enum err
put_publickey(const struct auth_request *rq, bool has_signature, struct buf *out)
{
	enum err e = wire_put_bool(out, has_signature);

	if (e == OK)
		e = wire_put_string(out, rq->algorithm);
	if (e == OK)
		e = wire_put_string(out, rq->key);
	if (e == OK && rq->is_hostbound)
		e = wire_put_string(out, rq->host_key);
	return e;
}

static enum err
put_password(const struct auth_request *rq, struct buf *out)
{
	enum err e = wire_put_bool(out, rq->is_password_change);

	if (e == OK)
		e = wire_put_string(out, rq->password);
	if (e == OK && rq->is_password_change)
		e = wire_put_string(out, rq->new_password);
	return e;
}

static enum err
put_strings(struct span first, struct span second, struct buf *out)
{
	enum err e = wire_put_string(out, first);

	return e == OK ? wire_put_string(out, second) : e;
}

static enum err
put_method_part(const struct auth_request *rq, struct buf *out)
{
	enum err e;

	switch (rq->kind) {
	case AUTH_PASSWORD:
		return put_password(rq, out);
	case AUTH_PUBLICKEY:
		e = put_publickey(rq, rq->has_signature, out);
		if (e == OK && rq->has_signature)
			e = wire_put_string(out, rq->signature);
		return e;
	case AUTH_KBDINT:
		return put_strings(rq->kbdint_language, rq->kbdint_submethods, out);
	case AUTH_NONE:
	case AUTH_OTHER:
	case AUTH_METHOD_COUNT:
		break;
	}
	return OK;
}

/* Cut a message back that was only written in part. */
static enum err
all_or_nothing(enum err e, size_t before, struct buf *out)
{
	if (e != OK)
		buf_truncate(out, before);
	return e;
}

enum err
auth_request_write(const struct auth_request *rq, struct buf *out)
{
	size_t before = out->len;
	enum err e = put_start(rq, out);

	if (e == OK)
		e = put_method_part(rq, out);
	return all_or_nothing(e, before, out);
}

/*
 * Rebuilt from the fields, not cut out of the payload: what is verified is then what was looked at, and the boolean is
 * the TRUE of the RFC whatever non-zero byte stood there.
 */
enum err
auth_signed_data(struct span session_id, const struct auth_request *rq, struct buf *out)
{
	size_t before = out->len;
	enum err e = wire_put_string(out, session_id);

	if (e == OK)
		e = put_start(rq, out);
	if (e == OK)
		e = put_publickey(rq, true, out);
	return all_or_nothing(e, before, out);
}

enum err
auth_failure_parse(struct span payload, struct auth_failure *out)
{
	struct auth_failure f;
	struct wire_reader r;

	if (open_message(payload, SSH_MSG_USERAUTH_FAILURE, &r) != OK ||
		get_text(&r, AUTH_METHODS_MAX, &f.methods) != OK ||
		wire_get_bool(&r, &f.partial_success) != OK || wire_end(&r) != OK)
		return ERR_FORMAT;
	*out = f;
	return OK;
}

enum err
auth_failure_write(struct span methods, bool partial_success, struct buf *out)
{
	size_t before = out->len;
	enum err e = wire_put_u8(out, SSH_MSG_USERAUTH_FAILURE);

	if (e == OK)
		e = wire_put_string(out, methods);
	if (e == OK)
		e = wire_put_bool(out, partial_success);
	return all_or_nothing(e, before, out);
}

enum err
auth_success_parse(struct span payload)
{
	struct wire_reader r;

	return open_message(payload, SSH_MSG_USERAUTH_SUCCESS, &r) == OK ? wire_end(&r)
									 : ERR_FORMAT;
}

enum err
auth_success_write(struct buf *out)
{
	return wire_put_u8(out, SSH_MSG_USERAUTH_SUCCESS);
}

/* The messages that are two strings.  Texts of people may hold anything; names may not. */
static enum err
get_two_strings(
	struct span payload, uint8_t type, size_t max, struct span *first, struct span *second)
{
	struct wire_reader r;

	if (open_message(payload, type, &r) != OK || wire_get_string_max(&r, max, first) != OK ||
		wire_get_string_max(&r, AUTH_TEXT_MAX, second) != OK)
		return ERR_FORMAT;
	return wire_end(&r);
}

static enum err
put_two_strings(uint8_t type, struct span first, struct span second, struct buf *out)
{
	size_t before = out->len;
	enum err e = wire_put_u8(out, type);

	if (e == OK)
		e = put_strings(first, second, out);
	return all_or_nothing(e, before, out);
}

enum err
auth_banner_parse(struct span payload, struct auth_banner *out)
{
	struct auth_banner b;

	if (get_two_strings(payload, SSH_MSG_USERAUTH_BANNER, AUTH_BANNER_MAX, &b.text,
		    &b.language) != OK ||
		b.language.len > AUTH_LANGUAGE_MAX)
		return ERR_FORMAT;
	*out = b;
	return OK;
}

enum err
auth_banner_write(struct span text, struct span language, struct buf *out)
{
	return put_two_strings(SSH_MSG_USERAUTH_BANNER, text, language, out);
}

enum err
auth_pk_ok_parse(struct span payload, struct auth_pk_ok *out)
{
	struct auth_pk_ok ok;

	if (get_two_strings(
		    payload, SSH_MSG_USERAUTH_PK_OK, AUTH_TEXT_MAX, &ok.algorithm, &ok.key) != OK ||
		ok.algorithm.len > AUTH_NAME_MAX)
		return ERR_FORMAT;
	*out = ok;
	return OK;
}

enum err
auth_pk_ok_write(struct span algorithm, struct span key, struct buf *out)
{
	return put_two_strings(SSH_MSG_USERAUTH_PK_OK, algorithm, key, out);
}

enum err
auth_changereq_parse(struct span payload, struct auth_changereq *out)
{
	struct auth_changereq c;

	if (get_two_strings(payload, SSH_MSG_USERAUTH_PASSWD_CHANGEREQ, AUTH_TEXT_MAX, &c.prompt,
		    &c.language) != OK ||
		c.language.len > AUTH_LANGUAGE_MAX)
		return ERR_FORMAT;
	*out = c;
	return OK;
}

enum err
auth_changereq_write(struct span prompt, struct span language, struct buf *out)
{
	return put_two_strings(SSH_MSG_USERAUTH_PASSWD_CHANGEREQ, prompt, language, out);
}

static enum err
skip_prompts(struct wire_reader *r, uint32_t n)
{
	struct span prompt;
	bool echo;

	for (uint32_t i = 0; i < n; i++) {
		if (wire_get_string_max(r, AUTH_TEXT_MAX, &prompt) != OK ||
			wire_get_bool(r, &echo) != OK)
			return ERR_FORMAT;
	}
	return wire_end(r);
}

enum err
auth_info_request_parse(struct span payload, struct auth_info_request *out)
{
	struct auth_info_request rq;
	struct wire_reader r;

	if (open_message(payload, SSH_MSG_USERAUTH_INFO_REQUEST, &r) != OK ||
		wire_get_string_max(&r, AUTH_TEXT_MAX, &rq.name) != OK ||
		wire_get_string_max(&r, AUTH_TEXT_MAX, &rq.instruction) != OK ||
		wire_get_string_max(&r, AUTH_LANGUAGE_MAX, &rq.language) != OK ||
		wire_get_u32(&r, &rq.n_prompts) != OK || rq.n_prompts > AUTH_PROMPTS_MAX ||
		skip_prompts(&r, rq.n_prompts) != OK)
		return ERR_FORMAT;
	*out = rq;
	return OK;
}

static enum err
skip_responses(struct wire_reader *r, uint32_t n)
{
	struct span response;

	for (uint32_t i = 0; i < n; i++) {
		if (get_text(r, AUTH_TEXT_MAX, &response) != OK)
			return ERR_FORMAT;
	}
	return wire_end(r);
}

enum err
auth_info_response_parse(struct span payload, uint32_t *n_responses)
{
	struct wire_reader r;
	uint32_t n;

	if (open_message(payload, SSH_MSG_USERAUTH_INFO_RESPONSE, &r) != OK ||
		wire_get_u32(&r, &n) != OK || n > AUTH_PROMPTS_MAX || skip_responses(&r, n) != OK)
		return ERR_FORMAT;
	*n_responses = n;
	return OK;
}

enum err
auth_service_parse(uint8_t type, struct span payload, struct span *service)
{
	struct wire_reader r;
	struct span name;

	if (open_message(payload, type, &r) != OK || get_text(&r, AUTH_NAME_MAX, &name) != OK ||
		wire_end(&r) != OK)
		return ERR_FORMAT;
	*service = name;
	return OK;
}

enum err
auth_service_write(uint8_t type, struct span service, struct buf *out)
{
	size_t before = out->len;
	enum err e = wire_put_u8(out, type);

	if (e == OK)
		e = wire_put_string(out, service);
	return all_or_nothing(e, before, out);
}
