/*
 * KEX_SIGN: the host's signature over an exchange hash that is computed here.
 */
#include "broker/keyholder/kex_sign.h"

#include "common/ssh/message.h"
#include "common/ssh/wire.h"

#include <openssl/crypto.h>
#include <stdio.h>

#define IDENT_START "SSH-"

static bool
is_ident(struct span s)
{
	return s.len > strlen(IDENT_START) && memcmp(s.ptr, IDENT_START, strlen(IDENT_START)) == 0;
}

static bool
is_kexinit(struct span s)
{
	return s.len > 0 && s.ptr[0] == SSH_MSG_KEXINIT;
}

static bool
is_secret(struct span s)
{
	struct wire_reader r = wire_reader_of(s);
	struct span magnitude;

	return s.len <= KEX_PUBLIC_MAX && wire_get_mpint(&r, &magnitude) == OK &&
		magnitude.len > 0 && wire_end(&r) == OK;
}

/*
 * The signature says that this was an SSH key exchange of ours; what cannot be one is not signed, though a hash of it
 * could hardly serve anybody.
 */
static bool
is_transcript(enum kex_method method, const struct msg_kex_sign *m)
{
	return is_ident(m->client_ident) && is_ident(m->server_ident) &&
		is_kexinit(m->client_kexinit) && is_kexinit(m->server_kexinit) &&
		kex_public_is_sound(method, m->client_public) &&
		kex_public_is_sound(method, m->server_public) && is_secret(m->secret);
}

static enum err
hash_of(enum kex_method method, const struct msg_kex_sign *m, struct span host_key,
	struct kex_hash *out)
{
	struct kex_transcript t = {
		.client_ident = m->client_ident,
		.server_ident = m->server_ident,
		.client_kexinit = m->client_kexinit,
		.server_kexinit = m->server_kexinit,
		.host_key = host_key,
		.client_public = m->client_public,
		.server_public = m->server_public,
		.secret = m->secret,
	};

	return kex_exchange_hash(method, &t, out);
}

static void
note_algorithm(struct session *session, struct span algorithm)
{
	snprintf(session->host_key_alg, sizeof(session->host_key_alg), "%.*s", (int)algorithm.len,
		(const char *)algorithm.ptr);
}

/* The asker's connection; *out is NULL for one that is unknown. */
static enum err
find_session(struct core *c, const struct role_peer *asker, uint64_t conn, struct session **out)
{
	enum err e = sessions_get(c->sessions, conn, asker, out);

	if (e != ERR_NOT_FOUND)
		return e;
	*out = NULL;
	return OK;
}

/* Make a gate's connection known by its first exchange hash. */
static enum err
begin_session(struct core *c, const struct role_peer *asker, const struct msg_kex_sign *m,
	const struct kex_hash *hash)
{
	struct fresh_query q = core_fresh_query(c, asker);
	struct session *session;
	enum err e = sessions_add(c->sessions, m->conn, asker, &session);

	if (e != OK)
		return e;
	e = fresh_admit(sessions_fresh_of(c->sessions, asker), &q, m->server_kexinit, hash);
	if (e != OK) {
		sessions_forget(c->sessions, session);
		return e;
	}
	session->begun_at_s = q.now_s;
	session->id = *hash;
	session->host_key = keys_host_for(c->keys, m->host_key_alg);
	note_algorithm(session, m->host_key_alg);
	return OK;
}

static enum err
sign(const struct privkey *key, const struct msg_kex_sign *m, struct kex_hash *hash,
	struct buf *signature)
{
	enum kex_method method = kex_by_name(m->method);
	enum err e;

	if (method == KEX_NONE)
		return ERR_UNSUPPORTED;
	if (!is_transcript(method, m))
		return ERR_FORMAT;
	e = hash_of(method, m, pubkey_blob(privkey_public(key)), hash);
	if (e == OK)
		e = privkey_sign(key, m->host_key_alg, span_of(hash->bytes, hash->len), signature);
	return e;
}

enum err
kex_sign(struct core *c, const struct role_peer *asker, const struct msg_kex_sign *m,
	struct buf *signature, struct span *host_key)
{
	const struct privkey *key = keys_host_for(c->keys, m->host_key_alg);
	struct session *session;
	struct kex_hash hash;
	enum err e = find_session(c, asker, m->conn, &session);

	if (e == OK && key == NULL)
		e = ERR_UNSUPPORTED;
	if (e == OK)
		e = sign(key, m, &hash, signature);
	if (e == OK && session == NULL && asker->kind == ROLE_GATE)
		e = begin_session(c, asker, m, &hash);
	else if (e == OK && session != NULL)
		note_algorithm(session, m->host_key_alg);
	if (e == OK)
		*host_key = pubkey_blob(privkey_public(key));
	else
		buf_clear(signature);
	return e;
}
