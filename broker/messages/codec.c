/*
 * One description per message makes its encoder and its decoder.
 */
#include "broker/messages/codec.h"

#include "common/addr.h"
#include "common/ssh/wire.h"

/* The fields of a struct are reached by offset; these are the only places that do so. */
static const void *
field_in(const struct message_field *f, const void *message)
{
	return (const uint8_t *)message + f->offset;
}

static void *
field_of(const struct message_field *f, void *message)
{
	return (uint8_t *)message + f->offset;
}

static enum err
put_addr(struct buf *out, const struct addr *a)
{
	enum err e;

	e = wire_put_u8(out, a->family);
	if (e == OK)
		e = wire_put_bytes(out, span_of(a->ip, sizeof(a->ip)));
	if (e == OK)
		e = wire_put_u16(out, a->port);
	return e;
}

static enum err
get_addr(struct wire_reader *r, struct addr *out)
{
	struct addr a = {0};
	struct span ip;

	if (wire_get_u8(r, &a.family) != OK || wire_get_bytes(r, sizeof(a.ip), &ip) != OK ||
		wire_get_u16(r, &a.port) != OK)
		return ERR_FORMAT;
	if (a.family != 0 && a.family != 4 && a.family != 6)
		return ERR_FORMAT;
	memcpy(a.ip, ip.ptr, ip.len);
	*out = a;
	return OK;
}

static bool
is_text(struct span s)
{
	return s.len == 0 || memchr(s.ptr, '\0', s.len) == NULL;
}

static enum err
put_span(struct buf *out, const struct message_field *f, struct span s)
{
	if (s.len > f->max)
		return ERR_LIMIT;
	if (f->kind == FIELD_TEXT && !is_text(s))
		return ERR_FORMAT;
	return wire_put_string(out, s);
}

static enum err
put_field(const struct message_field *f, const void *value, struct buf *out)
{
	switch (f->kind) {
	case FIELD_BOOL:
		return wire_put_bool(out, *(const bool *)value);
	case FIELD_U8:
		return wire_put_u8(out, *(const uint8_t *)value);
	case FIELD_U16:
		return wire_put_u16(out, *(const uint16_t *)value);
	case FIELD_U32:
		return wire_put_u32(out, *(const uint32_t *)value);
	case FIELD_U64:
		return wire_put_u64(out, *(const uint64_t *)value);
	case FIELD_BYTES:
	case FIELD_TEXT:
		return put_span(out, f, *(const struct span *)value);
	case FIELD_ADDR:
		return put_addr(out, value);
	case FIELD_END:
		break;
	}
	return ERR_FORMAT;
}

static enum err
get_field(const struct message_field *f, struct wire_reader *r, void *value)
{
	enum err e;

	switch (f->kind) {
	case FIELD_BOOL:
		return wire_get_bool(r, value);
	case FIELD_U8:
		return wire_get_u8(r, value);
	case FIELD_U16:
		return wire_get_u16(r, value);
	case FIELD_U32:
		return wire_get_u32(r, value);
	case FIELD_U64:
		return wire_get_u64(r, value);
	case FIELD_BYTES:
		return wire_get_string_max(r, f->max, value);
	case FIELD_TEXT:
		e = wire_get_string_max(r, f->max, value);
		return e == OK && !is_text(*(struct span *)value) ? ERR_FORMAT : e;
	case FIELD_ADDR:
		return get_addr(r, value);
	case FIELD_END:
		break;
	}
	return ERR_FORMAT;
}

enum err
message_encode(const struct message_field *fields, const void *message, struct buf *out)
{
	size_t before = out->len;
	enum err e = OK;

	for (const struct message_field *f = fields; f->kind != FIELD_END && e == OK; f++)
		e = put_field(f, field_in(f, message), out);
	if (e != OK)
		buf_truncate(out, before);
	return e;
}

enum err
message_decode(const struct message_field *fields, struct span body, void *message)
{
	struct wire_reader r = wire_reader_of(body);

	for (const struct message_field *f = fields; f->kind != FIELD_END; f++) {
		if (get_field(f, &r, field_of(f, message)) != OK)
			return ERR_FORMAT;
	}
	return wire_end(&r);
}
