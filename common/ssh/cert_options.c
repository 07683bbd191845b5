/*
 * What a user's certificate demands and permits.
 */
#include "common/ssh/cert_options.h"

#include "common/ssh/wire.h"

static const char *const permit_names[CERT_PERMIT_COUNT] = {
	[CERT_PERMIT_X11] = "permit-X11-forwarding",
	[CERT_PERMIT_AGENT] = "permit-agent-forwarding",
	[CERT_PERMIT_PORT] = "permit-port-forwarding",
	[CERT_PERMIT_PTY] = "permit-pty",
	[CERT_PERMIT_USER_RC] = "permit-user-rc",
};

const char *
cert_permit_name(enum cert_permit permit)
{
	return permit_names[permit];
}

static enum err
read_flag(struct span data, bool *flag)
{
	if (data.len > 0)
		return ERR_FORMAT;
	*flag = true;
	return OK;
}

/* A text that becomes a C string on its way. */
static enum err
read_text(struct span data, bool *has, struct span *text)
{
	struct wire_reader r = wire_reader_of(data);
	struct span s;

	if (wire_get_string(&r, &s) != OK || wire_end(&r) != OK ||
		(s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL))
		return ERR_FORMAT;
	*has = true;
	*text = s;
	return OK;
}

static enum err
read_critical(struct span name, struct span data, struct cert_options *o)
{
	if (span_is(name, "force-command"))
		return read_text(data, &o->has_command, &o->command);
	if (span_is(name, "source-address"))
		return read_text(data, &o->has_sources, &o->sources);
	if (span_is(name, "verify-required"))
		return read_flag(data, &o->verify_required);
	return ERR_UNSUPPORTED;
}

static enum err
read_extension(struct span name, struct span data, struct cert_options *o)
{
	if (span_is(name, "no-touch-required"))
		return read_flag(data, &o->no_touch_required);
	for (size_t i = 0; i < CERT_PERMIT_COUNT; i++) {
		if (span_is(name, permit_names[i]))
			return read_flag(data, &o->permits[i]);
	}
	return OK;
}

enum err
cert_options_read(const struct cert_fields *f, struct cert_options *out)
{
	struct span critical = f->critical_options, extensions = f->extensions, name, data;
	struct cert_options o = {0};
	enum err e = f->kind == CERT_USER ? OK : ERR_FORMAT;

	while (e == OK && cert_next_option(&critical, &name, &data))
		e = read_critical(name, data, &o);
	while (e == OK && cert_next_option(&extensions, &name, &data))
		e = read_extension(name, data, &o);
	if (e == OK)
		*out = o;
	return e;
}
