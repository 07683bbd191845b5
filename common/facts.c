/*
 * What a minted certificate tells the node's helper about the real user.
 *
 * "u8 version, u8 flags, u64 connection id, u8 address family, its 4 or 16 bytes, u16 port, string
 * node, string user, string node user, string key"
 */
#include "common/facts.h"

#include "common/ssh/wire.h"

#define VERSION 1
#define FLAGS_KNOWN (FACTS_TOUCH_VERIFIED | FACTS_PIN_VERIFIED | FACTS_NOT_FINAL | FACTS_WEBAUTHN)

static size_t
ip_len(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

static bool
name_is_clean(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
			return false;
	}
	return name.len > 0 && name.len <= FACTS_NAME_MAX;
}

/*
 * One address has one form: the tail of an IPv4 address is zero, and no IPv6 address stands for
 * one.
 */
static bool
addr_is_canonical(const struct addr *a)
{
	static const uint8_t zero[16], mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (a->family == 4)
		return memcmp(a->ip + 4, zero, 12) == 0;
	return a->family == 6 && memcmp(a->ip, mapped, sizeof(mapped)) != 0;
}

/* The rules that facts_write and facts_parse share. */
static enum err
check(const struct facts *f)
{
	if ((f->flags & ~FLAGS_KNOWN) != 0)
		return ERR_UNSUPPORTED;
	if (f->conn_id == 0 || f->conn_id >> CONN_ID_BITS != 0 || !addr_is_canonical(&f->client))
		return ERR_FORMAT;
	if (!name_is_clean(f->node) || !name_is_clean(f->user) || !name_is_clean(f->node_user))
		return ERR_FORMAT;
	return f->key.len > 0 && f->key.len <= FACTS_KEY_MAX ? OK : ERR_FORMAT;
}

static enum err
put_client(const struct addr *a, struct buf *b)
{
	enum err e = wire_put_u8(b, a->family);

	if (e == OK)
		e = wire_put_bytes(b, span_of(a->ip, ip_len(a->family)));
	if (e == OK)
		e = wire_put_u16(b, a->port);
	return e;
}

static enum err
put_all(const struct facts *f, struct buf *b)
{
	enum err e = wire_put_u8(b, VERSION);

	if (e == OK)
		e = wire_put_u8(b, f->flags);
	if (e == OK)
		e = wire_put_u64(b, f->conn_id);
	if (e == OK)
		e = put_client(&f->client, b);
	if (e == OK)
		e = wire_put_string(b, f->node);
	if (e == OK)
		e = wire_put_string(b, f->user);
	if (e == OK)
		e = wire_put_string(b, f->node_user);
	if (e == OK)
		e = wire_put_string(b, f->key);
	return e;
}

enum err
facts_write(const struct facts *f, struct buf *out)
{
	size_t before = out->len;
	enum err e = check(f);

	if (e != OK)
		return e;
	e = put_all(f, out);
	if (e != OK)
		buf_truncate(out, before);
	return e;
}

static enum err
get_client(struct wire_reader *r, struct addr *out)
{
	struct addr a = {0};
	struct span ip;

	if (wire_get_u8(r, &a.family) != OK || (a.family != 4 && a.family != 6) ||
		wire_get_bytes(r, ip_len(a.family), &ip) != OK || wire_get_u16(r, &a.port) != OK)
		return ERR_FORMAT;
	memcpy(a.ip, ip.ptr, ip.len);
	*out = a;
	return OK;
}

enum err
facts_parse(struct span data, struct facts *out)
{
	struct wire_reader r = wire_reader_of(data);
	struct facts f = {0};
	uint8_t version;
	enum err e;

	if (wire_get_u8(&r, &version) != OK)
		return ERR_FORMAT;
	if (version != VERSION)
		return ERR_UNSUPPORTED;
	if (wire_get_u8(&r, &f.flags) != OK || wire_get_u64(&r, &f.conn_id) != OK ||
		get_client(&r, &f.client) != OK || wire_get_string(&r, &f.node) != OK ||
		wire_get_string(&r, &f.user) != OK || wire_get_string(&r, &f.node_user) != OK ||
		wire_get_string(&r, &f.key) != OK || wire_end(&r) != OK)
		return ERR_FORMAT;
	e = check(&f);
	if (e == OK)
		*out = f;
	return e;
}
