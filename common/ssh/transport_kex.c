/*
 * Key exchanges of a leg, the first and all later ones, in both roles.  (RFC 4253 section 7 to 9, RFC 5656, RFC 8308)
 */
#include "common/ssh/key.h"
#include "common/ssh/transport_impl.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_LIST_MAX 1024

void
transport_exchange_free(struct exchange *x)
{
	if (x == NULL)
		return;
	buf_clear(&x->own_kexinit);
	buf_clear(&x->peer_kexinit);
	buf_clear(&x->peer_public);
	buf_clear(&x->secret);
	kex_free(x->kex);
	cipher_free(x->next_in);
	OPENSSL_cleanse(x, sizeof(*x));
	free(x);
}

static enum err
fail_internal(struct transport *t, enum err e)
{
	return transport_fail(t, e, SSH_DISCONNECT_BY_APPLICATION, "internal error");
}

static enum err
fail_kex(struct transport *t, enum err e, const char *text)
{
	return transport_fail(t, e, SSH_DISCONNECT_KEY_EXCHANGE_FAILED, text);
}

static bool
is_first(const struct transport *t)
{
	return t->session_id.len == 0;
}

/* The lists that are put together for an offer. */
struct offer_text {
	char kex[NAME_LIST_MAX];
	char ciphers[NAME_LIST_MAX];
	char macs[NAME_LIST_MAX];
};

/* A list that was cut would silently lack strict KEX: it is refused. */
static enum err
join(char out[NAME_LIST_MAX], const char *a, const char *b)
{
	int len = snprintf(out, NAME_LIST_MAX, "%s%s%s", a, b[0] != '\0' ? "," : "", b);

	return len >= 0 && len < NAME_LIST_MAX ? OK : ERR_LIMIT;
}

/* The list with this name in front of it; NULL: none. */
static enum err
join_first(char out[NAME_LIST_MAX], const char *first, const char *list)
{
	return first != NULL ? join(out, first, list) : join(out, list, "");
}

static const char *
pseudo_algorithms(const struct transport *t)
{
	if (!is_first(t))
		return "";
	return t->config->role == TRANSPORT_CLIENT ? KEXINIT_EXT_INFO_C "," KEXINIT_STRICT_C
						   : KEXINIT_STRICT_S;
}

/*
 * What we offer.  The pseudo-algorithms belong to the first exchange only.  In later ones a client role asks for the same
 * host key, which must not change, and first for the same cipher and MAC, so that packets can go on being re-encrypted
 * where they stand; should the node no longer have them, others are better than none.
 */
static enum err
make_offer(const struct transport *t, struct offer_text *text, struct kexinit_offer *offer)
{
	const struct transport_config *c = t->config;
	const char *ciphers = c->ciphers != NULL ? c->ciphers : cipher_names();
	const char *macs = c->macs != NULL ? c->macs : mac_names();
	bool again = c->role == TRANSPORT_CLIENT && !is_first(t);
	struct cipher_suite suite = {0};
	enum err e;

	if (again)
		suite = cipher_suite(t->sealed.cipher);
	e = join(text->kex, c->kex != NULL ? c->kex : kex_names(), pseudo_algorithms(t));
	if (e == OK)
		e = join_first(
			text->ciphers, again ? cipher_info(suite.kind)->name : NULL, ciphers);
	if (e == OK)
		e = join_first(
			text->macs, suite.mac != MAC_NONE ? mac_info(suite.mac)->name : NULL, macs);
	offer->cookie_start = c->cookie_start;
	offer->kex = text->kex;
	offer->ciphers = text->ciphers;
	offer->macs = text->macs;
	offer->compression = c->compression;
	offer->host_keys = c->host_keys != NULL ? c->host_keys : sigalg_names();
	if (again)
		offer->host_keys = t->host_key_alg;
	return e;
}

enum err
transport_send_kexinit(struct transport *t)
{
	struct kexinit_offer offer;
	struct offer_text text;
	enum err e;

	if (t->exchange == NULL)
		t->exchange = calloc(1, sizeof(*t->exchange));
	if (t->exchange == NULL)
		return ERR_NOMEM;
	e = make_offer(t, &text, &offer);
	if (e == OK)
		e = kexinit_write(&offer, &t->exchange->own_kexinit);
	if (e == OK)
		e = transport_seal_now(t, buf_span(&t->exchange->own_kexinit));
	if (e == OK)
		t->clear = false;
	return e;
}

/*
 * The first exchange settles whether strict KEX and EXT_INFO are in use, for the whole life of the leg.  Strict KEX is when
 * both sides have said so.
 */
static enum err
settle_extensions(struct transport *t, const struct kexinit *peer, uint32_t seq)
{
	bool is_server = t->config->role == TRANSPORT_SERVER;
	struct span kex = peer->lists[KEXINIT_KEX];
	struct kexinit own;

	if (kexinit_parse(buf_span(&t->exchange->own_kexinit), &own) != OK)
		return fail_internal(t, ERR_FORMAT);
	t->strict = wire_namelist_has(
			    kex, span_str(is_server ? KEXINIT_STRICT_C : KEXINIT_STRICT_S)) &&
		wire_namelist_has(own.lists[KEXINIT_KEX],
			span_str(is_server ? KEXINIT_STRICT_S : KEXINIT_STRICT_C));
	t->peer_takes_ext_info = is_server && wire_namelist_has(kex, span_str(KEXINIT_EXT_INFO_C));
	if (t->strict && seq != 0)
		return transport_fail(t, ERR_PROTO, SSH_DISCONNECT_PROTOCOL_ERROR,
			"strict key exchange: KEXINIT was not the first packet");
	return OK;
}

enum err
transport_choose(struct transport *t, const struct kexinit *peer)
{
	bool is_server = t->config->role == TRANSPORT_SERVER;
	struct exchange *x = t->exchange;
	const char *missing;
	struct kexinit own;
	char text[128];
	enum err e;

	e = kexinit_parse(buf_span(&x->own_kexinit), &own);
	if (e != OK)
		return fail_internal(t, e);
	e = kexinit_choose(is_server ? peer : &own, is_server ? &own : peer, &x->choice, &missing);
	if (e != OK) {
		snprintf(text, sizeof(text), "no %s in common", missing);
		return fail_kex(t, e, text);
	}
	x->skip_next = peer->first_kex_follows && x->choice.guess_was_wrong;
	return OK;
}

/* Our half of the exchange, good for the keys of both directions. */
static enum err
make_kex(struct exchange *x)
{
	size_t c2s = cipher_suite_need(x->choice.c2s), s2c = cipher_suite_need(x->choice.s2c);

	return kex_new(x->choice.method, c2s > s2c ? c2s : s2c, &x->kex);
}

static enum err
send_kex_init(struct transport *t)
{
	struct exchange *x = t->exchange;
	struct buf b = {0};
	enum err e;

	e = make_kex(x);
	if (e == OK)
		e = wire_put_u8(&b, SSH_MSG_KEX_ECDH_INIT);
	if (e == OK)
		e = wire_put_string(&b, kex_public(x->kex));
	if (e == OK)
		e = transport_seal_now(t, buf_span(&b));
	buf_clear(&b);
	return e == OK ? OK : fail_internal(t, e);
}

static bool
are_too_many(struct transport *t)
{
	return t->phase != TRANSPORT_PHASE_CONNECTION &&
		++t->n_early_exchanges > TRANSPORT_EARLY_EXCHANGES_MAX;
}

enum err
transport_on_kexinit(struct transport *t, const struct packet *p)
{
	struct kexinit peer;
	enum err e;

	if (are_too_many(t))
		return fail_kex(t, ERR_LIMIT, "too many key exchanges before a login");
	if (kexinit_parse(p->payload, &peer) != OK)
		return transport_fail(
			t, ERR_FORMAT, SSH_DISCONNECT_PROTOCOL_ERROR, "malformed KEXINIT");
	if (is_first(t)) {
		e = settle_extensions(t, &peer, p->seq);
		if (e != OK)
			return e;
	}
	if (t->exchange == NULL) {
		e = transport_send_kexinit(t);
		if (e != OK)
			return fail_internal(t, e);
	}
	e = buf_append_span(&t->exchange->peer_kexinit, p->payload);
	if (e != OK)
		return fail_internal(t, e);
	e = transport_choose(t, &peer);
	if (e != OK)
		return e;
	t->state = TRANSPORT_KEX;
	return t->config->role == TRANSPORT_CLIENT ? send_kex_init(t) : OK;
}

static void
fill_transcript(const struct transport *t, struct span client_public, struct span server_public,
	struct kex_transcript *out)
{
	const struct exchange *x = t->exchange;
	bool is_server = t->config->role == TRANSPORT_SERVER;
	struct span own_ident = span_str(t->own_ident), peer_ident = span_str(t->peer_ident);
	struct span own = buf_span(&x->own_kexinit), peer = buf_span(&x->peer_kexinit);

	*out = (struct kex_transcript){
		.client_ident = is_server ? peer_ident : own_ident,
		.server_ident = is_server ? own_ident : peer_ident,
		.client_kexinit = is_server ? peer : own,
		.server_kexinit = is_server ? own : peer,
		.client_public = client_public,
		.server_public = server_public,
		.secret = buf_span(&x->secret),
	};
}

/* Server: the client's public value has come; what remains for our reply is the signature. */
enum err
transport_on_kex_init(struct transport *t, struct span payload, struct transport_event *event)
{
	struct wire_reader r = wire_reader_of(payload);
	struct exchange *x = t->exchange;
	struct span public;
	uint8_t type;
	enum err e;

	if (wire_get_u8(&r, &type) != OK ||
		wire_get_string_max(&r, KEX_PUBLIC_MAX, &public) != OK || wire_end(&r) != OK)
		return fail_kex(t, ERR_FORMAT, "malformed key exchange message");
	e = make_kex(x);
	if (e != OK)
		return fail_internal(t, e);
	e = kex_secret(x->kex, public, &x->secret);
	if (e != OK)
		return fail_kex(t, e, "unsuitable public value in the key exchange");
	e = buf_append_span(&x->peer_public, public);
	if (e != OK)
		return fail_internal(t, e);
	t->state = TRANSPORT_SIGN;
	event->kind = TRANSPORT_EVENT_SIGN;
	return transport_to_sign(t, &event->exchange);
}

enum err
transport_to_sign(const struct transport *t, struct transport_exchange *out)
{
	const struct exchange *x = t->exchange;

	if (t->state != TRANSPORT_SIGN)
		return ERR_BAD_STATE;
	out->method = x->choice.method;
	out->host_key_alg = x->choice.host_key_alg;
	fill_transcript(t, buf_span(&x->peer_public), kex_public(x->kex), &out->transcript);
	return OK;
}

static enum err
make_cipher(struct transport *t, const struct kex_hash *hash, bool c2s,
	enum cipher_direction direction, struct cipher **out)
{
	struct exchange *x = t->exchange;
	struct cipher_suite suite = c2s ? x->choice.c2s : x->choice.s2c;
	const struct cipher_info *info = cipher_info(suite.kind);
	struct kex_derivation d = {x->choice.method, buf_span(&x->secret), hash,
		span_of(t->session_id.bytes, t->session_id.len)};
	uint8_t iv[CIPHER_IV_MAX], key[CIPHER_KEY_MAX], mac_key[MAC_LEN_MAX];
	struct cipher_keys keys = {.key = key, .iv = iv, .mac_key = mac_key};
	enum err e;

	e = kex_derive(&d, c2s ? 'A' : 'B', iv, info->iv_len);
	if (e == OK)
		e = kex_derive(&d, c2s ? 'C' : 'D', key, info->key_len);
	if (e == OK)
		e = kex_derive(&d, c2s ? 'E' : 'F', mac_key, mac_info(suite.mac)->len);
	if (e == OK)
		e = cipher_new(suite, direction, &keys, out);
	OPENSSL_cleanse(iv, sizeof(iv));
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(mac_key, sizeof(mac_key));
	return e;
}

static enum err
send_ext_info(struct transport *t)
{
	static const char *const flags[] = {"publickey-hostbound@openssh.com", "ping@openssh.com"};
	struct buf b = {0};
	enum err e;

	e = wire_put_u8(&b, SSH_MSG_EXT_INFO);
	if (e == OK)
		e = wire_put_u32(&b, 1 + ARRAY_LEN(flags));
	if (e == OK)
		e = wire_put_cstring(&b, "server-sig-algs");
	if (e == OK)
		e = wire_put_cstring(&b, sigalg_names());
	for (size_t i = 0; i < ARRAY_LEN(flags) && e == OK; i++) {
		e = wire_put_cstring(&b, flags[i]);
		if (e == OK)
			e = wire_put_cstring(&b, "0");
	}
	if (e == OK)
		e = transport_seal_now(t, buf_span(&b));
	buf_clear(&b);
	return e;
}

/* The peer may take its time with its NEWKEYS, and an ephemeral key should not live for longer than it is needed. */
static void
forget_secrets(struct exchange *x)
{
	buf_clear(&x->secret);
	kex_free(x->kex);
	x->kex = NULL;
}

/*
 * The exchange hash is known and vouched for: make both keys, send NEWKEYS and go on under the new key.  EXT_INFO must
 * be the very next packet after the first NEWKEYS (RFC 8308 section 2.4).
 */
static enum err
finish(struct transport *t, const struct kex_hash *hash)
{
	static const uint8_t newkeys[] = {SSH_MSG_NEWKEYS};
	bool is_server = t->config->role == TRANSPORT_SERVER, first = is_first(t);
	struct exchange *x = t->exchange;
	struct cipher *next_out = NULL;
	enum err e;

	if (first)
		t->session_id = *hash;
	e = make_cipher(t, hash, !is_server, CIPHER_SEAL, &next_out);
	if (e == OK)
		e = make_cipher(t, hash, is_server, CIPHER_OPEN, &x->next_in);
	if (e == OK)
		e = transport_seal_now(t, span_of(newkeys, sizeof(newkeys)));
	if (e != OK) {
		cipher_free(next_out);
		return e;
	}
	packet_stream_rekey(&t->sealed, next_out, t->strict);
	transport_restart_deflate(t);
	t->compression_out = is_server ? x->choice.compression_s2c : x->choice.compression_c2s;
	forget_secrets(x);
	t->method = x->choice.method;
	memcpy(t->host_key_alg, x->choice.host_key_alg, sizeof(t->host_key_alg));
	t->clear = true;
	t->state = TRANSPORT_NEWKEYS;
	if (first && t->peer_takes_ext_info)
		e = send_ext_info(t);
	return e == OK ? transport_flush_waiting(t) : e;
}

static enum err
send_kex_reply(struct transport *t, struct span host_key, struct span signature)
{
	struct buf b = {0};
	enum err e;

	e = wire_put_u8(&b, SSH_MSG_KEX_ECDH_REPLY);
	if (e == OK)
		e = wire_put_string(&b, host_key);
	if (e == OK)
		e = wire_put_string(&b, kex_public(t->exchange->kex));
	if (e == OK)
		e = wire_put_string(&b, signature);
	if (e == OK)
		e = transport_seal_now(t, buf_span(&b));
	buf_clear(&b);
	return e;
}

enum err
transport_signed(struct transport *t, struct span host_key, struct span signature)
{
	struct exchange *x = t->exchange;
	struct kex_transcript transcript;
	struct kex_hash hash;
	enum err e;

	if (t->state != TRANSPORT_SIGN)
		return ERR_BAD_STATE;
	fill_transcript(t, buf_span(&x->peer_public), kex_public(x->kex), &transcript);
	transcript.host_key = host_key;
	e = kex_exchange_hash(x->choice.method, &transcript, &hash);
	if (e == OK)
		e = send_kex_reply(t, host_key, signature);
	if (e == OK)
		e = finish(t, &hash);
	OPENSSL_cleanse(&hash, sizeof(hash));
	return e == OK ? OK : fail_internal(t, e);
}

/*
 * Client: may this be the node's key?  The owner says so for the first exchange; later ones must show the same key, since
 * the owner that knew the node may be another process by then.
 */
static enum err
check_host_key(struct transport *t, struct span host_key)
{
	const struct transport_config *c = t->config;
	uint8_t hash[HOST_KEY_HASH_LEN];
	bool ok;

	if (EVP_Digest(host_key.ptr, host_key.len, hash, NULL, EVP_sha256(), NULL) != 1)
		return fail_internal(t, ERR_CRYPTO);
	if (is_first(t))
		ok = c->host_key_ok != NULL && c->host_key_ok(c->host_key_arg, host_key);
	else
		ok = memcmp(hash, t->host_key_hash, sizeof(hash)) == 0;
	if (!ok)
		return transport_fail(t, ERR_KEY, SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE,
			"the host key is not the expected one");
	memcpy(t->host_key_hash, hash, sizeof(hash));
	return OK;
}

static enum err
check_signature(struct transport *t, struct span host_key, struct span signature,
	const struct kex_hash *hash)
{
	struct pubkey *key;
	enum err e;

	e = pubkey_parse(host_key, &key);
	if (e != OK)
		return transport_fail(t, e, SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE,
			"the host key cannot be used");
	e = pubkey_verify(key, span_str(t->exchange->choice.host_key_alg),
		span_of(hash->bytes, hash->len), signature);
	pubkey_free(key);
	return e == OK ? OK : fail_kex(t, e, "wrong host key signature");
}

/* Client: the server's public value and signature have come. */
enum err
transport_on_kex_reply(struct transport *t, struct span payload)
{
	struct wire_reader r = wire_reader_of(payload);
	struct exchange *x = t->exchange;
	struct span host_key, public, signature;
	struct kex_transcript transcript;
	struct kex_hash hash;
	uint8_t type;
	enum err e;

	if (wire_get_u8(&r, &type) != OK ||
		wire_get_string_max(&r, KEY_BLOB_MAX, &host_key) != OK ||
		wire_get_string_max(&r, KEX_PUBLIC_MAX, &public) != OK ||
		wire_get_string_max(&r, KEY_BLOB_MAX, &signature) != OK || wire_end(&r) != OK)
		return fail_kex(t, ERR_FORMAT, "malformed key exchange message");
	e = check_host_key(t, host_key);
	if (e != OK)
		return e;
	e = kex_secret(x->kex, public, &x->secret);
	if (e != OK)
		return fail_kex(t, e, "unsuitable public value in the key exchange");
	fill_transcript(t, kex_public(x->kex), public, &transcript);
	transcript.host_key = host_key;
	e = kex_exchange_hash(x->choice.method, &transcript, &hash);
	if (e != OK)
		return fail_internal(t, e);
	e = check_signature(t, host_key, signature, &hash);
	if (e != OK)
		return e;
	e = finish(t, &hash);
	return e == OK ? OK : fail_internal(t, e);
}

enum err
transport_on_newkeys(struct transport *t, struct span payload, struct transport_event *event)
{
	bool is_server = t->config->role == TRANSPORT_SERVER;
	struct exchange *x = t->exchange;

	if (payload.len != 1)
		return transport_fail(
			t, ERR_FORMAT, SSH_DISCONNECT_PROTOCOL_ERROR, "malformed NEWKEYS");
	packet_stream_rekey(&t->in, x->next_in, t->strict);
	transport_restart_inflate(t);
	t->plain_in = false;
	t->compression_in = is_server ? x->choice.compression_c2s : x->choice.compression_s2c;
	x->next_in = NULL;
	transport_exchange_free(x);
	t->exchange = NULL;
	t->state = TRANSPORT_OPEN;
	event->kind = TRANSPORT_EVENT_KEYS;
	return OK;
}

static enum err
take_extension(struct transport *t, struct span name, struct span value)
{
	if (span_is(name, "ping@openssh.com") && span_is(value, "0"))
		t->peer_has_ping = true;
	if (span_is(name, "server-sig-algs") && t->config->role == TRANSPORT_CLIENT &&
		value.len <= SIG_ALGS_MAX) {
		free(t->sig_algs);
		t->sig_algs = strndup((const char *)value.ptr, value.len);
		if (t->sig_algs == NULL)
			return ERR_NOMEM;
	}
	return OK;
}

enum err
transport_on_ext_info(struct transport *t, struct span payload)
{
	struct wire_reader r = wire_reader_of(payload);
	struct span name, value;
	uint32_t n;
	uint8_t type;
	enum err e = OK;

	if (wire_get_u8(&r, &type) != OK || wire_get_u32(&r, &n) != OK)
		e = ERR_FORMAT;
	for (uint32_t i = 0; e == OK && i < n; i++) {
		if (wire_get_string(&r, &name) != OK || wire_get_string(&r, &value) != OK)
			e = ERR_FORMAT;
		else
			e = take_extension(t, name, value);
	}
	if (e == OK && wire_end(&r) != OK)
		e = ERR_FORMAT;
	if (e == ERR_FORMAT)
		return transport_fail(
			t, e, SSH_DISCONNECT_PROTOCOL_ERROR, "malformed extension message");
	return e == OK ? OK : fail_internal(t, e);
}
