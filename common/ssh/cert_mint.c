/*
 * OpenSSH certificates: mint.
 */
#include "common/ssh/cert_internal.h"
#include "common/ssh/key_internal.h"

#include <openssl/rand.h>

#define NONCE_LEN 32

/* "string type, string nonce, the key's fields" */
static enum err
put_key(const struct pubkey *key, struct buf *b)
{
	struct wire_reader r = wire_reader_of(pubkey_blob(key));
	uint8_t nonce[NONCE_LEN];
	struct span name;
	enum err e = wire_get_string(&r, &name);

	if (e == OK && RAND_bytes(nonce, sizeof(nonce)) != 1)
		e = ERR_CRYPTO;
	if (e == OK)
		e = wire_put_cstring(b, cert_type_name(key->type));
	if (e == OK)
		e = wire_put_string(b, span_of(nonce, sizeof(nonce)));
	if (e == OK)
		e = wire_put_bytes(b, span_of(r.at, wire_left(&r)));
	return e;
}

/* Append the packed list as one string. */
static enum err
put_list(struct buf *list, enum err e, struct buf *b)
{
	if (e == OK)
		e = wire_put_string(b, buf_span(list));
	buf_clear(list);
	return e;
}

static enum err
put_principals(const char *const *names, struct buf *b)
{
	struct buf list = {0};
	enum err e = OK;

	for (; names != NULL && *names != NULL && e == OK; names++)
		e = wire_put_cstring(&list, *names);
	return put_list(&list, e, b);
}

/* A flag has no data, a value is a string inside the string. */
static enum err
put_option(const struct cert_option *o, struct buf *list)
{
	enum err e = wire_put_cstring(list, o->name);

	if (e != OK)
		return e;
	if (o->is_flag)
		return wire_put_cstring(list, "");
	if (o->value.len > CERT_BLOB_MAX)
		return ERR_LIMIT;
	e = wire_put_u32(list, (uint32_t)(4 + o->value.len));
	return e == OK ? wire_put_string(list, o->value) : e;
}

static enum err
put_options(const struct cert_option *options, struct buf *b)
{
	const char *before = "";
	struct buf list = {0};
	enum err e = OK;

	for (; options != NULL && options->name != NULL && e == OK; options++) {
		/* Sorted by name, and none twice. */
		if (strcmp(before, options->name) >= 0)
			e = ERR_FORMAT;
		else
			e = put_option(options, &list);
		before = options->name;
	}
	return put_list(&list, e, b);
}

/* All that is signed. */
static enum err
put_signed_part(const struct cert_template *t, const struct pubkey *ca_key, struct buf *b)
{
	enum err e = put_key(t->key, b);

	if (e == OK)
		e = wire_put_u64(b, t->serial);
	if (e == OK)
		e = wire_put_u32(b, t->kind);
	if (e == OK)
		e = wire_put_cstring(b, t->key_id);
	if (e == OK)
		e = put_principals(t->principals, b);
	if (e == OK)
		e = wire_put_u64(b, t->valid_after);
	if (e == OK)
		e = wire_put_u64(b, t->valid_before);
	if (e == OK)
		e = put_options(t->critical_options, b);
	if (e == OK)
		e = put_options(t->extensions, b);
	if (e == OK)
		e = wire_put_cstring(b, "");
	if (e == OK)
		e = wire_put_string(b, pubkey_blob(ca_key));
	return e;
}

static enum err
put_signature(const struct privkey *ca, struct buf *b)
{
	struct span sigalg = span_str(key_default_sigalg(pubkey_type(privkey_public(ca))));
	struct buf signature = {0};
	enum err e = privkey_sign(ca, sigalg, buf_span(b), &signature);

	if (e == OK)
		e = wire_put_string(b, buf_span(&signature));
	buf_clear(&signature);
	return e;
}

enum err
cert_mint(const struct cert_template *t, const struct privkey *ca, struct buf *out)
{
	struct cert_walk w;
	struct buf b;
	enum err e;

	buf_init(&b, CERT_BLOB_MAX);
	e = put_signed_part(t, privkey_public(ca), &b);
	if (e == OK)
		e = put_signature(ca, &b);
	/*
	 * What the parser would refuse (too many principals, a wrong kind) is refused by its own
	 * rules.
	 */
	if (e == OK)
		e = cert_walk(buf_span(&b), &w);
	if (e == OK)
		e = buf_append_span(out, buf_span(&b));
	buf_clear(&b);
	return e;
}
