/*
 * SSH_MSG_KEXINIT: what each side offers, and what follows from both.
 */
#include "common/ssh/kexinit.h"

#include "common/ssh/message.h"

#include <openssl/rand.h>

#define COOKIE_LEN 16

static enum err
put_lists(const struct kexinit_offer *offer, struct buf *out)
{
	const char *compression = offer->compression != NULL ? offer->compression : "none";
	const char *macs = offer->macs != NULL ? offer->macs : mac_names();
	const char *const lists[KEXINIT_LISTS] = {
		[KEXINIT_KEX] = offer->kex,
		[KEXINIT_HOST_KEY] = offer->host_keys,
		[KEXINIT_CIPHER_C2S] = offer->ciphers,
		[KEXINIT_CIPHER_S2C] = offer->ciphers,
		[KEXINIT_MAC_C2S] = macs,
		[KEXINIT_MAC_S2C] = macs,
		[KEXINIT_COMPRESSION_C2S] = compression,
		[KEXINIT_COMPRESSION_S2C] = compression,
		[KEXINIT_LANGUAGE_C2S] = "",
		[KEXINIT_LANGUAGE_S2C] = "",
	};
	enum err e = OK;

	for (size_t i = 0; i < KEXINIT_LISTS && e == OK; i++)
		e = wire_put_cstring(out, lists[i]);
	return e;
}

enum err
kexinit_write(const struct kexinit_offer *offer, struct buf *out)
{
	uint8_t cookie[COOKIE_LEN];
	enum err e;

	if (RAND_bytes(cookie, sizeof(cookie)) != 1)
		return ERR_CRYPTO;
	if (offer->cookie_start != NULL)
		memcpy(cookie, offer->cookie_start, KEXINIT_COOKIE_START_SIZE);
	e = wire_put_u8(out, SSH_MSG_KEXINIT);
	if (e == OK)
		e = wire_put_bytes(out, span_of(cookie, sizeof(cookie)));
	if (e == OK)
		e = put_lists(offer, out);
	if (e == OK)
		e = wire_put_bool(out, false);
	if (e == OK)
		e = wire_put_u32(out, 0);
	return e;
}

enum err
kexinit_parse(struct span payload, struct kexinit *out)
{
	struct wire_reader r = wire_reader_of(payload);
	struct kexinit k;
	struct span cookie;
	uint32_t reserved;
	uint8_t type;

	if (wire_get_u8(&r, &type) != OK || type != SSH_MSG_KEXINIT ||
		wire_get_bytes(&r, COOKIE_LEN, &cookie) != OK)
		return ERR_FORMAT;
	for (size_t i = 0; i < KEXINIT_LISTS; i++) {
		if (wire_get_string(&r, &k.lists[i]) != OK)
			return ERR_FORMAT;
	}
	if (wire_get_bool(&r, &k.first_kex_follows) != OK || wire_get_u32(&r, &reserved) != OK ||
		wire_end(&r) != OK)
		return ERR_FORMAT;
	*out = k;
	return OK;
}

/* The client's first name that the server has too. */
static enum err
choose(const struct kexinit *client, const struct kexinit *server, enum kexinit_list which,
	struct span *out)
{
	struct span list = client->lists[which], name;

	while (wire_namelist_next(&list, &name)) {
		if (name.len > 0 && wire_namelist_has(server->lists[which], name)) {
			*out = name;
			return OK;
		}
	}
	return ERR_NO_MATCH;
}

static bool
first_names_are_equal(
	const struct kexinit *client, const struct kexinit *server, enum kexinit_list which)
{
	struct span a = client->lists[which], b = server->lists[which], first_a, first_b;

	return wire_namelist_next(&a, &first_a) && wire_namelist_next(&b, &first_b) &&
		span_equal(first_a, first_b);
}

/* The pseudo-algorithms are in no list of ours, so a match with one of them is none (kex_by_name() has no such name). */
static enum err
choose_kex(const struct kexinit *client, const struct kexinit *server, enum kex_method *out)
{
	struct span list = client->lists[KEXINIT_KEX], name;

	while (wire_namelist_next(&list, &name)) {
		enum kex_method method = kex_by_name(name);

		if (method != KEX_NONE && wire_namelist_has(server->lists[KEXINIT_KEX], name)) {
			*out = method;
			return OK;
		}
	}
	return ERR_NO_MATCH;
}

/* The lists of one direction, and what is said when they have nothing in common. */
struct direction {
	enum kexinit_list cipher, mac;
	const char *no_cipher, *no_mac;
};

static const struct direction to_server = {KEXINIT_CIPHER_C2S, KEXINIT_MAC_C2S,
	"cipher from client to server", "MAC from client to server"};
static const struct direction to_client = {KEXINIT_CIPHER_S2C, KEXINIT_MAC_S2C,
	"cipher from server to client", "MAC from server to client"};

static enum err
choose_suite(const struct kexinit *client, const struct kexinit *server, const struct direction *d,
	struct cipher_suite *out, const char **missing)
{
	struct span name;

	*missing = d->no_cipher;
	if (choose(client, server, d->cipher, &name) != OK)
		return ERR_NO_MATCH;
	out->kind = cipher_by_name(name);
	if (out->kind == CIPHER_NONE)
		return ERR_NO_MATCH;
	if (!cipher_needs_mac(out->kind))
		return OK;
	*missing = d->no_mac;
	if (choose(client, server, d->mac, &name) != OK)
		return ERR_NO_MATCH;
	out->mac = mac_by_name(name);
	return out->mac != MAC_NONE ? OK : ERR_NO_MATCH;
}

static enum err
choose_host_key(const struct kexinit *client, const struct kexinit *server, struct kex_choice *c)
{
	struct span name;

	if (choose(client, server, KEXINIT_HOST_KEY, &name) != OK ||
		name.len >= sizeof(c->host_key_alg))
		return ERR_NO_MATCH;
	memcpy(c->host_key_alg, name.ptr, name.len);
	c->host_key_alg[name.len] = '\0';
	return OK;
}

static enum err
choose_compression(const struct kexinit *client, const struct kexinit *server,
	enum kexinit_list which, enum compression *out)
{
	struct span name;

	if (choose(client, server, which, &name) != OK || compression_by_name(name, out) != OK)
		return ERR_NO_MATCH;
	return OK;
}

enum err
kexinit_choose(const struct kexinit *client, const struct kexinit *server, struct kex_choice *out,
	const char **missing)
{
	struct kex_choice c = {0};

	if (choose_kex(client, server, &c.method) != OK)
		*missing = "key exchange method";
	else if (choose_host_key(client, server, &c) != OK)
		*missing = "host key algorithm";
	else if (choose_suite(client, server, &to_server, &c.c2s, missing) != OK ||
		choose_suite(client, server, &to_client, &c.s2c, missing) != OK)
		return ERR_NO_MATCH;
	else if (choose_compression(client, server, KEXINIT_COMPRESSION_C2S, &c.compression_c2s) !=
			OK ||
		choose_compression(client, server, KEXINIT_COMPRESSION_S2C, &c.compression_s2c) !=
			OK)
		*missing = "compression method";
	else {
		c.guess_was_wrong = !first_names_are_equal(client, server, KEXINIT_KEX) ||
			!first_names_are_equal(client, server, KEXINIT_HOST_KEY);
		*out = c;
		return OK;
	}
	return ERR_NO_MATCH;
}
