/*
 * HOSTKEYS_PROVE: proof to a client that the host keys announced to it are ours.
 */
#include "broker/keyholder/hostkeys.h"

#include "common/ssh/wire.h"

#define REQUEST_NAME "hostkeys-prove-00@openssh.com"

static enum err
put_signed_data(const struct session *session, struct span blob, struct buf *out)
{
	enum err e = wire_put_cstring(out, REQUEST_NAME);

	if (e == OK)
		e = wire_put_string(out, span_of(session->id.bytes, session->id.len));
	return e == OK ? wire_put_string(out, blob) : e;
}

/* OpenSSH's client expects the algorithm that it negotiated where that is one for RSA, and either of the two else. */
static struct span
algorithm_for(const struct session *session, const struct pubkey *key)
{
	if (pubkey_type(key) != KEY_RSA)
		return span_str(key_type_name(pubkey_type(key)));
	if (sigalg_key_type(span_str(session->host_key_alg)) == KEY_RSA)
		return span_str(session->host_key_alg);
	return span_str("rsa-sha2-512");
}

static enum err
prove_one(const struct core *c, const struct session *session, struct span blob, struct buf *out)
{
	const struct privkey *key = keys_host_by_blob(c->keys, blob);
	struct buf data = {0}, signature = {0};
	enum err e = key != NULL ? put_signed_data(session, blob, &data) : ERR_NOT_FOUND;

	if (e == OK)
		e = privkey_sign(key, algorithm_for(session, privkey_public(key)), buf_span(&data),
			&signature);
	if (e == OK)
		e = wire_put_string(out, buf_span(&signature));
	buf_clear(&signature);
	buf_clear(&data);
	return e;
}

enum err
hostkeys_prove(struct core *c, const struct role_peer *asker, const struct msg_hostkeys_prove *m,
	struct buf *signatures)
{
	struct wire_reader r = wire_reader_of(m->keys);
	struct session *session;
	enum err e = sessions_get(c->sessions, m->conn, asker, &session);
	struct span blob;

	for (unsigned n = 0; e == OK && wire_left(&r) > 0; n++) {
		e = n < CONFIG_HOST_KEYS_MAX ? wire_get_string(&r, &blob) : ERR_LIMIT;
		if (e == OK)
			e = prove_one(c, session, blob, signatures);
	}
	return e;
}
