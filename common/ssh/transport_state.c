/*
 * The written form of a leg.
 *
 * version, role, phase; both packet streams with their keys; flags; names; the session id; the key exchange under way, if
 * one is, with what waits for its end (transport_state_kex.c); what is sealed and not yet written to the peer.
 */
#include "common/ssh/transport_state.h"

#include "common/ssh/transport_impl.h"

#include <stdlib.h>

enum flag {
	FLAG_STRICT = 1 << 0,
	FLAG_PEER_HAS_PING = 1 << 1,
	FLAG_PEER_TAKES_EXT_INFO = 1 << 2,
	FLAG_ALL = (1 << 3) - 1,
};

static uint32_t
flags_of(const struct transport *t)
{
	return (t->strict ? FLAG_STRICT : 0) | (t->peer_has_ping ? FLAG_PEER_HAS_PING : 0) |
		(t->peer_takes_ext_info ? FLAG_PEER_TAKES_EXT_INFO : 0);
}

static enum err
write_head(const struct transport *t, struct buf *out)
{
	enum err e;

	e = wire_put_u8(out, TRANSPORT_STATE_VERSION);
	if (e == OK)
		e = wire_put_u8(out, (uint8_t)t->config->role);
	if (e == OK)
		e = wire_put_u8(out, (uint8_t)t->phase);
	if (e == OK)
		e = wire_put_u32(out, flags_of(t));
	if (e == OK)
		e = wire_put_cstring(out, compression_name(t->compression_in));
	if (e == OK)
		e = wire_put_cstring(out, compression_name(t->compression_out));
	if (e == OK)
		e = packet_stream_write(&t->in, out);
	if (e == OK)
		e = packet_stream_write(&t->sealed, out);
	return e;
}

static enum err
write_names(const struct transport *t, struct buf *out)
{
	enum err e;

	e = wire_put_cstring(out, t->own_ident);
	if (e == OK)
		e = wire_put_cstring(out, t->peer_ident);
	if (e == OK)
		e = wire_put_cstring(out, t->sig_algs != NULL ? t->sig_algs : "");
	if (e == OK)
		e = wire_put_cstring(out, kex_method_name(t->method));
	if (e == OK)
		e = wire_put_cstring(out, t->host_key_alg);
	if (e == OK)
		e = wire_put_string(out, span_of(t->host_key_hash, sizeof(t->host_key_hash)));
	if (e == OK)
		e = wire_put_string(out, transport_session_id(t));
	return e;
}

enum err
transport_state_write(const struct transport *t, struct buf *out)
{
	size_t before;
	enum err e;

	if (t->state == TRANSPORT_DEAD)
		return ERR_BAD_STATE;
	/* Before the first key exchange is over there is nothing yet that would be worth it. */
	if (t->in.cipher == NULL)
		return ERR_AGAIN;
	/* What a stream has seen cannot be written out; after a key exchange it has seen nothing. */
	if (t->inflate != NULL || t->deflate != NULL)
		return ERR_AGAIN;
	before = out->len;
	e = write_head(t, out);
	if (e == OK)
		e = write_names(t, out);
	if (e == OK)
		e = transport_exchange_write(t, out);
	if (e == OK)
		e = wire_put_string(out, buf_span(&t->out));
	if (e != OK)
		buf_truncate(out, before);
	return e;
}

static enum err
read_compression(struct wire_reader *r, enum compression *out)
{
	struct span name;

	return wire_get_string(r, &name) == OK && compression_by_name(name, out) == OK ? OK
										       : ERR_FORMAT;
}

static enum err
read_head(struct wire_reader *r, struct transport *t)
{
	uint8_t version, role, phase;
	uint32_t flags;
	enum err e;

	if (wire_get_u8(r, &version) != OK)
		return ERR_FORMAT;
	if (version != TRANSPORT_STATE_VERSION)
		return ERR_UNSUPPORTED;
	if (wire_get_u8(r, &role) != OK || role != t->config->role ||
		wire_get_u8(r, &phase) != OK || phase > TRANSPORT_PHASE_CONNECTION ||
		wire_get_u32(r, &flags) != OK || (flags & ~(uint32_t)FLAG_ALL) != 0)
		return ERR_FORMAT;
	t->phase = phase;
	t->strict = (flags & FLAG_STRICT) != 0;
	t->peer_has_ping = (flags & FLAG_PEER_HAS_PING) != 0;
	t->peer_takes_ext_info = (flags & FLAG_PEER_TAKES_EXT_INFO) != 0;
	e = read_compression(r, &t->compression_in);
	if (e == OK)
		e = read_compression(r, &t->compression_out);
	if (e == OK)
		e = packet_stream_read(r, CIPHER_OPEN, &t->in);
	if (e == OK)
		e = packet_stream_read(r, CIPHER_SEAL, &t->sealed);
	if (e == OK && (t->in.cipher == NULL || t->sealed.cipher == NULL))
		e = ERR_FORMAT;
	return e;
}

/* An owned copy of a string; NULL for an empty one. */
static enum err
read_text(struct wire_reader *r, size_t max, char **out)
{
	struct span s;

	if (wire_get_string_max(r, max, &s) != OK)
		return ERR_FORMAT;
	if (s.len == 0)
		return OK;
	if (memchr(s.ptr, '\0', s.len) != NULL)
		return ERR_FORMAT;
	*out = strndup((const char *)s.ptr, s.len);
	return *out != NULL ? OK : ERR_NOMEM;
}

static enum err
read_names(struct wire_reader *r, struct transport *t)
{
	struct span method, hash, session_id;
	enum err e;

	e = read_text(r, TRANSPORT_IDENT_MAX, &t->own_ident);
	if (e == OK)
		e = read_text(r, TRANSPORT_IDENT_MAX, &t->peer_ident);
	if (e == OK)
		e = read_text(r, SIG_ALGS_MAX, &t->sig_algs);
	if (e != OK)
		return e;
	if (t->own_ident == NULL || t->peer_ident == NULL || wire_get_string(r, &method) != OK ||
		wire_get_cstring(r, t->host_key_alg, sizeof(t->host_key_alg)) != OK ||
		wire_get_string(r, &hash) != OK || hash.len != sizeof(t->host_key_hash) ||
		wire_get_string_max(r, KEX_HASH_MAX, &session_id) != OK || session_id.len == 0)
		return ERR_FORMAT;
	t->method = kex_by_name(method);
	if (t->method == KEX_NONE)
		return ERR_FORMAT;
	memcpy(t->host_key_hash, hash.ptr, hash.len);
	memcpy(t->session_id.bytes, session_id.ptr, session_id.len);
	t->session_id.len = session_id.len;
	return OK;
}

enum err
transport_state_read(
	struct span state, const struct transport_config *config, struct transport **out)
{
	struct wire_reader r = wire_reader_of(state);
	struct transport *t = calloc(1, sizeof(*t));
	struct span pending;
	enum err e;

	if (t == NULL)
		return ERR_NOMEM;
	t->config = config;
	transport_init_queues(t);
	e = read_head(&r, t);
	if (e == OK)
		e = read_names(&r, t);
	if (e == OK)
		e = transport_exchange_read(&r, t);
	if (e == OK && (wire_get_string_max(&r, t->out.max, &pending) != OK || wire_end(&r) != OK))
		e = ERR_FORMAT;
	if (e == OK)
		e = buf_append_exact(&t->out, pending.ptr, pending.len);
	if (e != OK) {
		transport_free(t);
		return e;
	}
	*out = t;
	return OK;
}
