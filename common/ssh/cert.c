/*
 * OpenSSH certificates: parse and verify, and ask what they say.
 *
 * A certificate is "string type, string nonce, the certified key's fields, u64 serial, u32 kind,
 * string key id, string principals, u64 valid after, u64 valid before, string critical options,
 * string extensions, string reserved, string CA key, string signature", the signature being over
 * all before it.
 */
#include "common/ssh/cert.h"

#include "common/ssh/cert_internal.h"
#include "common/ssh/key_internal.h"

#include <stdlib.h>

struct cert {
	struct buf blob;
	struct cert_fields fields;
	struct pubkey *key;
	struct pubkey *ca_key;
	struct span ca_sigalg;
};

bool
cert_is_type_name(struct span name)
{
	size_t len = strlen(CERT_NAME_SUFFIX);

	return name.len > len && memcmp(name.ptr + name.len - len, CERT_NAME_SUFFIX, len) == 0;
}

const char *
cert_type_name(enum key_type type)
{
	const struct key_desc *d = key_desc(type);

	return d != NULL ? d->cert_name : NULL;
}

static enum key_type
type_by_cert_name(struct span name)
{
	for (unsigned i = 0; i < KEY_TYPE_COUNT; i++) {
		const char *known = cert_type_name((enum key_type)i);

		if (known != NULL && span_is(name, known))
			return (enum key_type)i;
	}
	return KEY_NONE;
}

enum err
cert_sigalg(struct span algorithm, struct span *sigalg)
{
	const char *name = sigalg_of_cert(algorithm);

	if (name == NULL)
		return ERR_UNSUPPORTED;
	*sigalg = span_str(name);
	return OK;
}

/*
 * Names end up as C strings, here and in sshd: a NUL inside would make two readers see two names.
 */
static enum err
get_name(struct wire_reader *r, struct span *out)
{
	struct span s;

	if (wire_get_string(r, &s) != OK || (s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL))
		return ERR_FORMAT;
	*out = s;
	return OK;
}

bool
cert_next_string(struct span *list, struct span *out)
{
	struct wire_reader r = wire_reader_of(*list);

	if (get_name(&r, out) != OK)
		return false;
	*list = span_of(r.at, wire_left(&r));
	return true;
}

bool
cert_next_option(struct span *list, struct span *name, struct span *data)
{
	struct wire_reader r = wire_reader_of(*list);
	struct span n, d;

	if (get_name(&r, &n) != OK || n.len == 0 || wire_get_string(&r, &d) != OK)
		return false;
	*name = n;
	*data = d;
	*list = span_of(r.at, wire_left(&r));
	return true;
}

static enum err
check_principals(struct span list)
{
	struct span name;

	for (unsigned n = 0; list.len > 0; n++) {
		if (n == CERT_PRINCIPALS_MAX || !cert_next_string(&list, &name))
			return ERR_FORMAT;
	}
	return OK;
}

static bool
has_option(struct span list, struct span wanted)
{
	struct span name, data;

	while (cert_next_option(&list, &name, &data)) {
		if (span_equal(name, wanted))
			return true;
	}
	return false;
}

/*
 * The format demands options sorted by name and none twice.  A name twice is refused: two readers
 * could each believe another one.  The order is not looked at, as sshd does not: it means nothing,
 * and a certificate that logs in to a node directly shall log in through us.
 */
static enum err
check_options(struct span list)
{
	struct span name, data;

	for (unsigned n = 0; list.len > 0; n++) {
		if (n == CERT_OPTIONS_MAX || !cert_next_option(&list, &name, &data) ||
			has_option(list, name))
			return ERR_FORMAT;
	}
	return OK;
}

/* The type, the nonce, and where the certified key's fields lie. */
static enum err
walk_key(struct wire_reader *r, struct cert_walk *w)
{
	struct span nonce, field;
	const uint8_t *start;

	if (wire_get_string(r, &w->fields.type_name) != OK)
		return ERR_FORMAT;
	w->fields.type = type_by_cert_name(w->fields.type_name);
	if (w->fields.type == KEY_NONE)
		return ERR_UNSUPPORTED;
	if (wire_get_string(r, &nonce) != OK)
		return ERR_FORMAT;
	start = r->at;
	for (unsigned i = 0; i < key_desc(w->fields.type)->n_fields; i++) {
		if (wire_get_string(r, &field) != OK)
			return ERR_FORMAT;
	}
	w->key_fields = span_of(start, (size_t)(r->at - start));
	return OK;
}

static enum err
walk_fields(struct wire_reader *r, struct cert_fields *f)
{
	uint32_t kind;

	if (wire_get_u64(r, &f->serial) != OK || wire_get_u32(r, &kind) != OK ||
		(kind != CERT_USER && kind != CERT_HOST) || get_name(r, &f->key_id) != OK ||
		wire_get_string(r, &f->principals) != OK ||
		wire_get_u64(r, &f->valid_after) != OK || wire_get_u64(r, &f->valid_before) != OK ||
		wire_get_string(r, &f->critical_options) != OK ||
		wire_get_string(r, &f->extensions) != OK)
		return ERR_FORMAT;
	f->kind = (enum cert_kind)kind;
	if (check_principals(f->principals) != OK || check_options(f->critical_options) != OK ||
		check_options(f->extensions) != OK)
		return ERR_FORMAT;
	return OK;
}

enum err
cert_walk(struct span blob, struct cert_walk *out)
{
	struct wire_reader r = wire_reader_of(blob);
	struct cert_walk w = {0};
	struct span reserved;
	enum err e;

	if (blob.len > CERT_BLOB_MAX)
		return ERR_FORMAT;
	e = walk_key(&r, &w);
	if (e == OK)
		e = walk_fields(&r, &w.fields);
	if (e != OK)
		return e;
	/* What is reserved is ignored, as the format says. */
	if (wire_get_string(&r, &reserved) != OK || wire_get_string(&r, &w.ca_blob) != OK)
		return ERR_FORMAT;
	w.signed_part = span_of(blob.ptr, blob.len - wire_left(&r));
	if (wire_get_string(&r, &w.signature) != OK || wire_end(&r) != OK)
		return ERR_FORMAT;
	*out = w;
	return OK;
}

/* Append the blob of the certified key as a key of its own. */
static enum err
put_key(const struct cert_walk *w, struct buf *blob)
{
	enum err e = wire_put_cstring(blob, key_type_name(w->fields.type));

	return e == OK ? wire_put_bytes(blob, w->key_fields) : e;
}

static enum err
parse_key(const struct cert_walk *w, struct pubkey **out)
{
	struct buf blob = {0};
	enum err e = put_key(w, &blob);

	if (e == OK)
		e = pubkey_parse(buf_span(&blob), out);
	buf_clear(&blob);
	return e;
}

void
cert_fingerprint(struct span blob, char out[KEY_FINGERPRINT_SIZE])
{
	struct buf plain = {0};
	struct cert_walk w;

	if (cert_walk(blob, &w) == OK && put_key(&w, &plain) == OK)
		blob = buf_span(&plain);
	key_fingerprint(blob, out);
	buf_clear(&plain);
}

static enum err
verify(struct cert *c, const struct cert_walk *w)
{
	struct wire_reader r = wire_reader_of(w->signature);

	/*
	 * Any algorithm of ours that fits the CA's key will do; pubkey_verify refuses the others.
	 */
	if (wire_get_string(&r, &c->ca_sigalg) != OK)
		return ERR_FORMAT;
	return pubkey_verify(c->ca_key, c->ca_sigalg, w->signed_part, w->signature);
}

/* c->blob holds the certificate. */
static enum err
parse(struct cert *c)
{
	struct cert_walk w;
	enum err e = cert_walk(buf_span(&c->blob), &w);

	if (e == OK)
		e = parse_key(&w, &c->key);
	/*
	 * A certificate in the place of the CA's key is a type that pubkey_parse does not have: no
	 * chains.
	 */
	if (e == OK)
		e = pubkey_parse(w.ca_blob, &c->ca_key);
	if (e == OK)
		e = verify(c, &w);
	if (e == OK)
		c->fields = w.fields;
	return e;
}

enum err
cert_parse(struct span blob, struct cert **out)
{
	struct cert *c;
	enum err e;

	if (blob.len > CERT_BLOB_MAX)
		return ERR_FORMAT;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return ERR_NOMEM;
	e = buf_append_exact(&c->blob, blob.ptr, blob.len);
	if (e == OK)
		e = parse(c);
	if (e != OK) {
		cert_free(c);
		return e;
	}
	*out = c;
	return OK;
}

void
cert_free(struct cert *c)
{
	if (c == NULL)
		return;
	pubkey_free(c->key);
	pubkey_free(c->ca_key);
	buf_clear(&c->blob);
	free(c);
}

const struct cert_fields *
cert_fields(const struct cert *c)
{
	return &c->fields;
}

const struct pubkey *
cert_key(const struct cert *c)
{
	return c->key;
}

const struct pubkey *
cert_ca_key(const struct cert *c)
{
	return c->ca_key;
}

struct span
cert_ca_sigalg(const struct cert *c)
{
	return c->ca_sigalg;
}

struct span
cert_blob(const struct cert *c)
{
	return buf_span(&c->blob);
}

enum err
cert_find_option(struct span list, const char *name, struct span *data)
{
	struct span one, raw;

	while (cert_next_option(&list, &one, &raw)) {
		struct wire_reader r = wire_reader_of(raw);

		if (!span_is(one, name))
			continue;
		if (raw.len > 0 && (wire_get_string(&r, &raw) != OK || wire_end(&r) != OK))
			return ERR_FORMAT;
		*data = raw;
		return OK;
	}
	return ERR_NOT_FOUND;
}

bool
cert_has_principal(const struct cert *c, struct span principal)
{
	struct span list = c->fields.principals, one;

	while (principal.len > 0 && cert_next_string(&list, &one)) {
		if (span_equal(one, principal))
			return true;
	}
	return false;
}

bool
cert_is_valid_at(const struct cert *c, uint64_t seconds)
{
	return seconds >= c->fields.valid_after && seconds < c->fields.valid_before;
}
