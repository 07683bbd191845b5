/*
 * A security key in software.
 */
#include "tests/lib/sk_token.h"

#include "common/base64.h"
#include "common/ssh/wire.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define HASH_LEN 32

static void
must(enum err e)
{
	if (e == OK)
		return;
	(void)fprintf(stderr, "security key: %s\n", err_text(e));
	abort();
}

static bool
is_ed25519(const struct sk_token *t)
{
	return pubkey_type(privkey_public(t->soft)) == KEY_ED25519;
}

const char *
sk_token_type(const struct sk_token *t)
{
	return key_type_name(is_ed25519(t) ? KEY_SK_ED25519 : KEY_SK_ECDSA);
}

void
sk_token_blob(const struct sk_token *t, struct buf *out)
{
	struct wire_reader r = wire_reader_of(pubkey_blob(privkey_public(t->soft)));
	struct span name;

	must(wire_get_string(&r, &name));
	must(wire_put_cstring(out, sk_token_type(t)));
	must(wire_put_bytes(out, span_of(r.at, wire_left(&r))));
	must(wire_put_cstring(out, t->application));
}

static void
put_hash(struct span data, struct buf *out)
{
	uint8_t hash[HASH_LEN];

	if (EVP_Digest(data.ptr, data.len, hash, NULL, EVP_sha256(), NULL) != 1)
		abort();
	must(buf_append(out, hash, sizeof(hash)));
}

/* "string algorithm, string numbers, u8 flags, u32 counter" */
static void
sign(const struct sk_token *t, const char *algorithm, struct span message, struct span extensions,
	struct buf *out)
{
	struct buf data = {0}, plain = {0};
	struct span name, numbers;
	struct wire_reader r;

	put_hash(span_str(t->application), &data);
	must(wire_put_u8(&data, t->flags));
	must(wire_put_u32(&data, t->counter));
	must(wire_put_bytes(&data, extensions));
	put_hash(message, &data);
	must(privkey_sign(t->soft, span_str(is_ed25519(t) ? "ssh-ed25519" : "ecdsa-sha2-nistp256"),
		buf_span(&data), &plain));
	r = wire_reader_of(buf_span(&plain));
	must(wire_get_string(&r, &name));
	must(wire_get_string(&r, &numbers));
	must(wire_put_cstring(out, algorithm));
	must(wire_put_string(out, numbers));
	must(wire_put_u8(out, t->flags));
	must(wire_put_u32(out, t->counter));
	buf_clear(&data);
	buf_clear(&plain);
}

void
sk_token_sign(const struct sk_token *t, struct span data, struct buf *out)
{
	sign(t, sk_token_type(t), data, span_of(NULL, 0), out);
}

void
sk_token_sign_webauthn(const struct sk_token *t, const char *origin, struct span client_data,
	struct span extensions, struct buf *out)
{
	sign(t, SIGALG_WEBAUTHN, client_data, extensions, out);
	must(wire_put_cstring(out, origin));
	must(wire_put_string(out, client_data));
	must(wire_put_string(out, extensions));
}

void
sk_token_client_data(struct span data, const char *origin, struct buf *out)
{
	struct buf text = {0};
	size_t len;

	must(base64_encode(data, &text));
	for (len = 0; len < text.len && text.data[len] != '='; len++) {
		if (text.data[len] == '+')
			text.data[len] = '-';
		else if (text.data[len] == '/')
			text.data[len] = '_';
	}
	must(buf_append_span(out, span_str("{\"type\":\"webauthn.get\",\"challenge\":\"")));
	must(buf_append(out, text.data, len));
	must(buf_append_span(out, span_str("\",\"origin\":\"")));
	must(buf_append_span(out, span_str(origin)));
	must(buf_append_span(out, span_str("\",\"crossOrigin\":false}")));
	buf_clear(&text);
}
