/*
 * Signatures of security keys.
 *
 * The key signs "SHA-256 of the application's name, flags, u32 counter, extensions, SHA-256 of the message".  Over SSH
 * the message is the data, and there are no extensions.  A browser lets a page sign only its own JSON around a challenge;
 * the challenge is the data then, and the JSON is the message.
 */
#include "common/ssh/key_sk.h"

#include "common/base64.h"

/* Further bits of the flags (Web Authentication section 6.1): what follows the counter. */
#define FLAG_ATTESTED 0x40
#define FLAG_EXTENSIONS 0x80

#define CLIENT_DATA_MAX ((size_t)128 * 1024)

static enum err
read_webauthn(struct wire_reader *r, struct sk_signature *s)
{
	if (wire_get_string(r, &s->origin) != OK || wire_get_string(r, &s->client_data) != OK ||
		wire_get_string_max(r, SK_EXTENSIONS_MAX, &s->extensions) != OK)
		return ERR_FORMAT;
	/* It stands between quotes, and sshd reads it as a C string. */
	if (s->origin.len > 0 &&
		(memchr(s->origin.ptr, '"', s->origin.len) != NULL ||
			memchr(s->origin.ptr, '\0', s->origin.len) != NULL))
		return ERR_FORMAT;
	if ((s->details.flags & FLAG_ATTESTED) != 0 ||
		((s->details.flags & FLAG_EXTENSIONS) != 0) != (s->extensions.len > 0))
		return ERR_FORMAT;
	return OK;
}

enum err
sk_signature_read(struct wire_reader *r, struct sk_signature *s)
{
	if (wire_get_u8(r, &s->details.flags) != OK || wire_get_u32(r, &s->details.counter) != OK)
		return ERR_FORMAT;
	return s->is_webauthn ? read_webauthn(r, s) : OK;
}

/* base64 as web pages write it: "-" and "_", and no padding. */
static enum err
put_challenge(struct span data, struct buf *out)
{
	size_t before = out->len;
	enum err e = base64_encode(data, out);
	uint8_t *text = out->data + out->head;

	for (size_t i = before; e == OK && i < out->len; i++) {
		if (text[i] == '+')
			text[i] = '-';
		else if (text[i] == '/')
			text[i] = '_';
	}
	while (e == OK && out->len > before && text[out->len - 1] == '=')
		buf_truncate(out, out->len - 1);
	return e;
}

static enum err
put_expected(struct span data, struct span origin, struct buf *out)
{
	enum err e = buf_append_span(out, span_str("{\"type\":\"webauthn.get\",\"challenge\":\""));

	if (e == OK)
		e = put_challenge(data, out);
	if (e == OK)
		e = buf_append_span(out, span_str("\",\"origin\":\""));
	if (e == OK)
		e = buf_append_span(out, origin);
	return e == OK ? buf_append(out, "\"", 1) : e;
}

/*
 * Is our challenge in the browser's JSON?  Browsers write its members in one order, so that its beginning can be compared;
 * what follows (whether the page was framed by another) does not matter.
 */
static enum err
check_client_data(struct span data, const struct sk_signature *s)
{
	struct buf expected;
	struct span want;
	enum err e;

	buf_init(&expected, CLIENT_DATA_MAX);
	e = put_expected(data, s->origin, &expected);
	want = buf_span(&expected);
	if (e == OK &&
		(s->client_data.len < want.len ||
			memcmp(s->client_data.ptr, want.ptr, want.len) != 0))
		e = ERR_SIGNATURE;
	buf_clear(&expected);
	return e;
}

enum err
sk_signed_data(const struct pubkey *k, struct span data, const struct sk_signature *s,
	uint8_t out[SK_SIGNED_MAX], size_t *len)
{
	uint32_t counter = s->details.counter;
	const uint8_t head[] = {s->details.flags, (uint8_t)(counter >> 24),
		(uint8_t)(counter >> 16), (uint8_t)(counter >> 8), (uint8_t)counter};
	uint8_t *p = out;
	enum err e = s->is_webauthn ? check_client_data(data, s) : OK;

	if (e != OK)
		return e;
	memcpy(p, k->application, SHA256_LEN);
	p += SHA256_LEN;
	memcpy(p, head, sizeof(head));
	p += sizeof(head);
	if (s->extensions.len > 0)
		memcpy(p, s->extensions.ptr, s->extensions.len);
	p += s->extensions.len;
	e = key_sha256(s->is_webauthn ? s->client_data : data, p);
	if (e == OK)
		*len = (size_t)(p - out) + SHA256_LEN;
	return e;
}
