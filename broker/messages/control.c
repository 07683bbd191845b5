/*
 * Bodies of the messages between supervisor and roles.
 */
#include "broker/messages/control.h"

#include "common/ssh/wire.h"

static enum err
put_process(struct buf *out, enum role_kind kind, unsigned index)
{
	enum err e = wire_put_u8(out, (uint8_t)kind);

	return e != OK ? e : wire_put_u32(out, index);
}

static enum err
get_process(struct wire_reader *r, enum role_kind *kind, unsigned *index)
{
	uint32_t i;
	uint8_t k;

	if (wire_get_u8(r, &k) != OK || wire_get_u32(r, &i) != OK)
		return ERR_FORMAT;
	if (k == ROLE_NONE || k >= ROLE_COUNT || i >= ROLE_INDEX_MAX)
		return ERR_FORMAT;
	*kind = (enum role_kind)k;
	*index = i;
	return OK;
}

static enum err
get_version(struct wire_reader *r)
{
	uint32_t version;

	if (wire_get_u32(r, &version) != OK)
		return ERR_FORMAT;
	return version == CONTROL_VERSION ? OK : ERR_UNSUPPORTED;
}

static enum err
put_config(struct buf *out, const struct control_config *c)
{
	enum err e;

	if (c->file.len > CONTROL_FILE_MAX || c->text.len > CONTROL_CONFIG_MAX)
		return ERR_LIMIT;
	e = wire_put_u8(out, (uint8_t)c->log_level);
	if (e == OK)
		e = wire_put_string(out, c->file);
	return e != OK ? e : wire_put_string(out, c->text);
}

static enum err
get_config(struct wire_reader *r, struct control_config *out)
{
	struct control_config c;
	uint8_t level;

	if (wire_get_u8(r, &level) != OK || level > LOG_LEVEL_DEBUG)
		return ERR_FORMAT;
	c.log_level = (enum log_level)level;
	if (wire_get_string_max(r, CONTROL_FILE_MAX, &c.file) != OK ||
		wire_get_string_max(r, CONTROL_CONFIG_MAX, &c.text) != OK)
		return ERR_FORMAT;
	*out = c;
	return OK;
}

/* Cut what was appended since the content was before bytes long, unless all went well. */
static enum err
finish(struct buf *out, size_t before, enum err e)
{
	if (e != OK)
		buf_truncate(out, before);
	return e;
}

enum err
control_write_start(const struct control_start *m, struct buf *out)
{
	size_t before = out->len;
	enum err e = wire_put_u32(out, CONTROL_VERSION);

	if (e == OK)
		e = put_process(out, m->kind, m->index);
	if (e == OK)
		e = put_config(out, &m->config);
	if (e == OK)
		e = wire_put_u8(out, (uint8_t)m->n_listeners);
	if (e == OK)
		e = wire_put_u8(out, m->has_admin);
	if (e == OK)
		e = wire_put_u8(out, m->has_rejoin);
	return finish(out, before, e);
}

enum err
control_parse_start(struct span body, size_t n_fds, struct control_start *out)
{
	struct wire_reader r = wire_reader_of(body);
	struct control_start m;
	uint8_t n_listeners;
	enum err e = get_version(&r);

	if (e == OK)
		e = get_process(&r, &m.kind, &m.index);
	if (e == OK)
		e = get_config(&r, &m.config);
	if (e != OK)
		return e;
	if (wire_get_u8(&r, &n_listeners) != OK || wire_get_bool(&r, &m.has_admin) != OK ||
		wire_get_bool(&r, &m.has_rejoin) != OK || wire_end(&r) != OK)
		return ERR_FORMAT;
	if (n_listeners > CONTROL_LISTENERS_MAX)
		return ERR_FORMAT;
	m.n_listeners = n_listeners;
	if (n_fds != (size_t)m.n_listeners + m.has_admin + m.has_rejoin)
		return ERR_PROTO;
	*out = m;
	return OK;
}

enum err
control_write_link(const struct control_link *m, struct buf *out)
{
	size_t before = out->len;
	enum err e = put_process(out, m->kind, m->index);

	if (e == OK)
		e = wire_put_u32(out, (uint32_t)m->pid);
	return finish(out, before, e);
}

enum err
control_parse_link(struct span body, size_t n_fds, struct control_link *out)
{
	struct wire_reader r = wire_reader_of(body);
	struct control_link m;
	uint32_t pid;

	if (get_process(&r, &m.kind, &m.index) != OK || wire_get_u32(&r, &pid) != OK ||
		wire_end(&r) != OK)
		return ERR_FORMAT;
	if (pid == 0 || pid > INT32_MAX)
		return ERR_FORMAT;
	m.pid = (pid_t)pid;
	if (n_fds != 1)
		return ERR_PROTO;
	*out = m;
	return OK;
}

enum err
control_write_hello(const struct control_hello *m, struct buf *out)
{
	size_t before = out->len;
	enum err e = wire_put_u32(out, CONTROL_VERSION);

	if (e == OK)
		e = put_process(out, m->kind, m->index);
	return finish(out, before, e);
}

enum err
control_parse_hello(struct span body, size_t n_fds, struct control_hello *out)
{
	struct wire_reader r = wire_reader_of(body);
	struct control_hello m;
	enum err e = get_version(&r);

	if (e != OK)
		return e;
	if (get_process(&r, &m.kind, &m.index) != OK || wire_end(&r) != OK)
		return ERR_FORMAT;
	if (n_fds != 0)
		return ERR_PROTO;
	*out = m;
	return OK;
}

enum err
control_write_adopt(const struct control_config *m, struct buf *out)
{
	size_t before = out->len;
	enum err e = wire_put_u32(out, CONTROL_VERSION);

	if (e == OK)
		e = put_config(out, m);
	return finish(out, before, e);
}

enum err
control_parse_adopt(struct span body, size_t n_fds, struct control_config *out)
{
	struct wire_reader r = wire_reader_of(body);
	struct control_config m;
	enum err e = get_version(&r);

	if (e != OK)
		return e;
	if (get_config(&r, &m) != OK || wire_end(&r) != OK)
		return ERR_FORMAT;
	if (n_fds != 0)
		return ERR_PROTO;
	*out = m;
	return OK;
}

enum err
control_parse_empty(struct span body, size_t n_fds)
{
	if (body.len != 0)
		return ERR_FORMAT;
	return n_fds == 0 ? OK : ERR_PROTO;
}
