/*
 * The data types of RFC 4251 section 5.
 */
#include "common/ssh/wire.h"

struct wire_reader
wire_reader_of(struct span s)
{
	static const uint8_t nothing;
	const uint8_t *p = s.ptr != NULL ? s.ptr : &nothing;

	return (struct wire_reader){.at = p, .end = p + s.len};
}

size_t
wire_left(const struct wire_reader *r)
{
	return (size_t)(r->end - r->at);
}

uint32_t
wire_peek_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void
wire_poke_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

uint64_t
wire_peek_u64(const uint8_t *p)
{
	return (uint64_t)wire_peek_u32(p) << 32 | wire_peek_u32(p + 4);
}

void
wire_poke_u64(uint8_t *p, uint64_t v)
{
	wire_poke_u32(p, (uint32_t)(v >> 32));
	wire_poke_u32(p + 4, (uint32_t)v);
}

enum err
wire_get_bytes(struct wire_reader *r, size_t len, struct span *out)
{
	if (wire_left(r) < len)
		return ERR_FORMAT;
	*out = span_of(r->at, len);
	r->at += len;
	return OK;
}

enum err
wire_get_u8(struct wire_reader *r, uint8_t *out)
{
	struct span s;

	if (wire_get_bytes(r, 1, &s) != OK)
		return ERR_FORMAT;
	*out = s.ptr[0];
	return OK;
}

enum err
wire_get_bool(struct wire_reader *r, bool *out)
{
	uint8_t v;

	if (wire_get_u8(r, &v) != OK)
		return ERR_FORMAT;
	*out = v != 0;
	return OK;
}

enum err
wire_get_u16(struct wire_reader *r, uint16_t *out)
{
	struct span s;

	if (wire_get_bytes(r, 2, &s) != OK)
		return ERR_FORMAT;
	*out = (uint16_t)(s.ptr[0] << 8 | s.ptr[1]);
	return OK;
}

enum err
wire_get_u32(struct wire_reader *r, uint32_t *out)
{
	struct span s;

	if (wire_get_bytes(r, 4, &s) != OK)
		return ERR_FORMAT;
	*out = wire_peek_u32(s.ptr);
	return OK;
}

enum err
wire_get_u64(struct wire_reader *r, uint64_t *out)
{
	struct span s;

	if (wire_get_bytes(r, 8, &s) != OK)
		return ERR_FORMAT;
	*out = wire_peek_u64(s.ptr);
	return OK;
}

enum err
wire_get_string_max(struct wire_reader *r, size_t max, struct span *out)
{
	struct wire_reader ahead = *r;
	uint32_t len;

	if (wire_get_u32(&ahead, &len) != OK || len > max || wire_get_bytes(&ahead, len, out) != OK)
		return ERR_FORMAT;
	*r = ahead;
	return OK;
}

enum err
wire_get_string(struct wire_reader *r, struct span *out)
{
	return wire_get_string_max(r, UINT32_MAX, out);
}

enum err
wire_get_cstring(struct wire_reader *r, char *out, size_t size)
{
	struct wire_reader ahead = *r;
	struct span s;

	if (size == 0 || wire_get_string_max(&ahead, size - 1, &s) != OK)
		return ERR_FORMAT;
	if (s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL)
		return ERR_FORMAT;
	if (s.len > 0)
		memcpy(out, s.ptr, s.len);
	out[s.len] = '\0';
	*r = ahead;
	return OK;
}

enum err
wire_get_mpint(struct wire_reader *r, struct span *out)
{
	struct wire_reader ahead = *r;
	struct span s;

	if (wire_get_string(&ahead, &s) != OK)
		return ERR_FORMAT;
	if (s.len > 0) {
		if ((s.ptr[0] & 0x80) != 0)
			return ERR_FORMAT;
		/* A leading zero byte is there only to keep the sign bit clear. */
		if (s.ptr[0] == 0) {
			if (s.len == 1 || (s.ptr[1] & 0x80) == 0)
				return ERR_FORMAT;
			s = span_of(s.ptr + 1, s.len - 1);
		}
	}
	*out = s;
	*r = ahead;
	return OK;
}

enum err
wire_end(const struct wire_reader *r)
{
	return wire_left(r) == 0 ? OK : ERR_FORMAT;
}

enum err
wire_put_bytes(struct buf *b, struct span s)
{
	return buf_append_span(b, s);
}

enum err
wire_put_u8(struct buf *b, uint8_t v)
{
	return buf_append(b, &v, 1);
}

enum err
wire_put_bool(struct buf *b, bool v)
{
	return wire_put_u8(b, v ? 1 : 0);
}

enum err
wire_put_u16(struct buf *b, uint16_t v)
{
	uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	return buf_append(b, bytes, sizeof(bytes));
}

enum err
wire_put_u32(struct buf *b, uint32_t v)
{
	uint8_t bytes[4];

	wire_poke_u32(bytes, v);
	return buf_append(b, bytes, sizeof(bytes));
}

enum err
wire_put_u64(struct buf *b, uint64_t v)
{
	uint8_t bytes[8];

	wire_poke_u64(bytes, v);
	return buf_append(b, bytes, sizeof(bytes));
}

/* A string with one zero byte before its content, when zero asks for it. */
static enum err
put_string(struct buf *b, struct span s, bool zero)
{
	size_t total = s.len + (zero ? 1 : 0);
	uint8_t *p;
	enum err e;

	if (total > UINT32_MAX)
		return ERR_LIMIT;
	e = buf_reserve(b, 4 + total, &p);
	if (e != OK)
		return e;
	wire_poke_u32(p, (uint32_t)total);
	p += 4;
	if (zero)
		*p++ = 0;
	if (s.len > 0)
		memcpy(p, s.ptr, s.len);
	buf_commit(b, 4 + total);
	return OK;
}

enum err
wire_put_string(struct buf *b, struct span s)
{
	return put_string(b, s, false);
}

enum err
wire_put_cstring(struct buf *b, const char *s)
{
	return put_string(b, span_str(s), false);
}

enum err
wire_put_mpint(struct buf *b, struct span magnitude)
{
	while (magnitude.len > 0 && magnitude.ptr[0] == 0)
		magnitude = span_of(magnitude.ptr + 1, magnitude.len - 1);
	return put_string(b, magnitude, magnitude.len > 0 && (magnitude.ptr[0] & 0x80) != 0);
}

bool
wire_namelist_next(struct span *list, struct span *name)
{
	const uint8_t *comma;
	size_t len;

	if (list->len == 0)
		return false;
	comma = memchr(list->ptr, ',', list->len);
	len = comma != NULL ? (size_t)(comma - list->ptr) : list->len;
	*name = span_of(list->ptr, len);
	*list = comma != NULL ? span_of(comma + 1, list->len - len - 1) : span_of(NULL, 0);
	return true;
}

bool
wire_namelist_has(struct span list, struct span name)
{
	struct span one;

	while (wire_namelist_next(&list, &one)) {
		if (span_equal(one, name))
			return true;
	}
	return false;
}
