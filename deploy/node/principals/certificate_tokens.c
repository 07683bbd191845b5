/*
 * The %-tokens of an AuthorizedPrincipalsCommand.
 */
#include "deploy/node/principals/certificate_tokens.h"

#include "common/base64.h"
#include "common/ssh/wire.h"
#include "deploy/node/principals/tokens.h"

#include <stdio.h>
#include <string.h>

#define TEXT_SIZE 256
#define SERIAL_SIZE 24
#define UID_TEXT_SIZE 16
/* The strings of the key that is certified: four for a DSA key, the most that there are. */
#define KEY_STRINGS_MAX 4
#define CERT_KIND_USER 1
#define CERT_SUFFIX "-cert-v01@openssh.com"
#define SK_SUFFIX "@openssh.com"

/* What the tokens show of a certificate. */
struct parts {
	uint64_t serial;
	struct span type;
	struct span key; /* the strings of the key that is certified */
	struct span key_id;
	struct span ca;
};

/* "uint64 serial, uint32 kind, string key id, string principals, uint64 after, uint64 before, 3 strings, string CA". */
static enum err
read_tail(struct wire_reader *r, struct parts *out)
{
	struct span skipped;
	uint64_t moment;
	uint32_t kind;
	enum err e = wire_get_u64(r, &out->serial);

	if (e == OK)
		e = wire_get_u32(r, &kind);
	if (e != OK || kind != CERT_KIND_USER)
		return ERR_FORMAT;
	if (wire_get_string(r, &out->key_id) != OK || wire_get_string(r, &skipped) != OK ||
		wire_get_u64(r, &moment) != OK || wire_get_u64(r, &moment) != OK)
		return ERR_FORMAT;
	for (size_t i = 0; i < 3; i++) {
		if (wire_get_string(r, &skipped) != OK)
			return ERR_FORMAT;
	}
	if (wire_get_string(r, &out->ca) != OK || wire_get_string(r, &skipped) != OK)
		return ERR_FORMAT;
	return wire_end(r);
}

/* How many strings stand for the key itself differs by its type: the tail fits behind one number of them. */
static enum err
read_parts(struct span blob, struct parts *out)
{
	struct wire_reader r = wire_reader_of(blob);
	struct span skipped;
	enum err e = wire_get_string(&r, &out->type);

	if (e == OK)
		e = wire_get_string(&r, &skipped); /* the nonce */
	out->key.ptr = r.at;
	for (size_t i = 0; i < KEY_STRINGS_MAX && e == OK; i++) {
		struct wire_reader tail;

		e = wire_get_string(&r, &skipped);
		tail = r;
		if (e == OK && read_tail(&tail, out) == OK) {
			out->key.len = (size_t)(r.at - out->key.ptr);
			return OK;
		}
	}
	return ERR_FORMAT;
}

/* The fingerprint of a certificate is that of its key alone. */
static enum err
plain_fingerprint(const struct parts *p, char out[KEY_FINGERPRINT_SIZE])
{
	size_t suffix = strlen(CERT_SUFFIX), len = p->type.len;
	struct buf type = {0}, blob = {0};
	enum err e = ERR_FORMAT;

	if (len > suffix && memcmp(p->type.ptr + len - suffix, CERT_SUFFIX, suffix) == 0)
		e = buf_append(&type, p->type.ptr, len - suffix);
	if (e == OK && len > 3 && memcmp(p->type.ptr, "sk-", 3) == 0)
		e = buf_append_span(&type, span_str(SK_SUFFIX));
	if (e == OK)
		e = wire_put_string(&blob, buf_span(&type));
	if (e == OK)
		e = wire_put_bytes(&blob, p->key);
	if (e == OK)
		key_fingerprint(buf_span(&blob), out);
	buf_clear(&type);
	buf_clear(&blob);
	return e;
}

static enum err
copy_text(struct span s, char out[TEXT_SIZE])
{
	if (s.len >= TEXT_SIZE || (s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL))
		return ERR_FORMAT;
	if (s.len > 0)
		memcpy(out, s.ptr, s.len);
	out[s.len] = '\0';
	return OK;
}

/* Of any length, with a NUL behind it. */
static enum err
copy_key_id(struct span s, struct buf *out)
{
	enum err e = s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL ? ERR_FORMAT : OK;

	if (e == OK)
		e = buf_append_span(out, s);
	return e == OK ? buf_append(out, "", 1) : e;
}

static enum err
ca_type(struct span ca, char out[TEXT_SIZE])
{
	struct wire_reader r = wire_reader_of(ca);
	struct span type;
	enum err e = wire_get_string(&r, &type);

	return e == OK ? copy_text(type, out) : e;
}

/* base64 as a C string, at the end of b; borrowed from it. */
static enum err
text_of(struct span blob, struct buf *b)
{
	enum err e = base64_encode(blob, b);

	return e == OK ? buf_append(b, "", 1) : e;
}

static enum err
expand(const char *command, const struct request *r, struct span blob, char ***words)
{
	char type[TEXT_SIZE], ca_name[TEXT_SIZE], serial[SERIAL_SIZE];
	char fingerprint[KEY_FINGERPRINT_SIZE], uid[UID_TEXT_SIZE];
	struct buf base64 = {0}, ca = {0}, key_id = {0};
	struct parts p;
	size_t n;
	enum err e = read_parts(blob, &p);

	if (e == OK)
		e = copy_text(p.type, type);
	if (e == OK)
		e = copy_key_id(p.key_id, &key_id);
	if (e == OK)
		e = ca_type(p.ca, ca_name);
	if (e == OK)
		e = plain_fingerprint(&p, fingerprint);
	if (e == OK)
		e = text_of(blob, &base64);
	if (e == OK)
		e = text_of(p.ca, &ca);
	if (e == OK) {
		const struct token tokens[] = {{'U', uid}, {'u', r->user.name}, {'h', r->user.home},
			{'t', type}, {'T', ca_name}, {'f', fingerprint}, {'F', r->ca_fingerprint},
			{'k', (const char *)buf_span(&base64).ptr},
			{'K', (const char *)buf_span(&ca).ptr},
			{'i', (const char *)buf_span(&key_id).ptr}, {'s', serial}, {'\0', NULL}};

		(void)snprintf(serial, sizeof(serial), "%llu", (unsigned long long)p.serial);
		(void)snprintf(uid, sizeof(uid), "%u", (unsigned)r->user.uid);
		e = tokens_command(command, tokens, words, &n);
	}
	buf_clear(&base64);
	buf_clear(&ca);
	buf_clear(&key_id);
	return e;
}

enum err
certificate_tokens_command(const char *command, const struct request *r, char ***words)
{
	struct buf blob = {0};
	enum err e = base64_decode(r->certificate, &blob);

	if (e == OK)
		e = expand(command, r, buf_span(&blob), words);
	buf_clear(&blob);
	return e;
}

enum err
certificate_tokens_ca(const struct request *r, struct buf *ca)
{
	struct buf blob = {0};
	struct parts p;
	enum err e = base64_decode(r->certificate, &blob);

	if (e == OK)
		e = read_parts(buf_span(&blob), &p);
	if (e == OK)
		e = buf_append_span(ca, p.ca);
	buf_clear(&blob);
	return e;
}
