/*
 * A key exchange under way, in the written form of a leg.
 *
 * state; has a key exchange; both KEXINITs; whether a guess is to be skipped; then what the state needs: our pair, the
 * peer's public value and the secret, or the cipher for after the peer's NEWKEYS.  What was negotiated is not written: it
 * follows from the KEXINITs.  Which of these go together is checked by table when it is read back.
 */
#include "common/ssh/transport_impl.h"

#include <stdlib.h>

/* What a leg has in each state, besides both KEXINITs. */
struct needs {
	bool is_possible;
	bool clear; /* our NEWKEYS went out */
	bool pair;
	bool secret; /* with the peer's public value */
	bool next_in;
};

static struct needs
needs_of(const struct transport *t)
{
	bool is_server = t->config->role == TRANSPORT_SERVER;

	switch (t->state) {
	case TRANSPORT_OPEN: /* the peer's KEXINIT is due */
		return (struct needs){.is_possible = true};
	case TRANSPORT_KEX: /* a client has begun already */
		return (struct needs){.is_possible = true, .pair = !is_server};
	case TRANSPORT_SIGN:
		return (struct needs){.is_possible = is_server, .pair = true, .secret = true};
	case TRANSPORT_NEWKEYS:
		return (struct needs){.is_possible = true, .clear = true, .next_in = true};
	default:
		return (struct needs){.is_possible = false};
	}
}

static enum err
write_parts(const struct exchange *x, const struct needs *needs, struct buf *out)
{
	enum err e;

	e = wire_put_string(out, buf_span(&x->own_kexinit));
	if (e == OK)
		e = wire_put_string(out, buf_span(&x->peer_kexinit));
	if (e == OK)
		e = wire_put_bool(out, x->skip_next);
	if (e == OK && needs->pair)
		e = kex_write(x->kex, out);
	if (e == OK && needs->secret)
		e = wire_put_string(out, buf_span(&x->peer_public));
	if (e == OK && needs->secret)
		e = wire_put_string(out, buf_span(&x->secret));
	if (e == OK && needs->next_in)
		e = cipher_write(x->next_in, out);
	return e;
}

enum err
transport_exchange_write(const struct transport *t, struct buf *out)
{
	struct needs needs = needs_of(t);
	enum err e;

	if (!needs.is_possible)
		return ERR_AGAIN;
	e = wire_put_u8(out, (uint8_t)t->state);
	if (e == OK)
		e = wire_put_bool(out, t->exchange != NULL);
	if (e == OK && t->exchange != NULL)
		e = write_parts(t->exchange, &needs, out);
	if (e == OK)
		e = wire_put_bool(out, t->plain_in);
	if (e == OK)
		e = wire_put_bool(out, t->plain_out);
	if (e == OK)
		e = wire_put_u32(out, (uint32_t)t->waiting_plain);
	return e == OK ? wire_put_string(out, buf_span(&t->waiting)) : e;
}

static enum err
read_copy(struct wire_reader *r, size_t max, struct buf *out)
{
	struct span s;

	if (wire_get_string_max(r, max, &s) != OK)
		return ERR_FORMAT;
	return buf_append_exact(out, s.ptr, s.len);
}

/* The peer's is absent before it has come. */
static enum err
read_kexinits(struct wire_reader *r, struct transport *t)
{
	struct exchange *x = t->exchange;
	struct kexinit own, peer;
	enum err e;

	e = read_copy(r, PACKET_PAYLOAD_MAX, &x->own_kexinit);
	if (e == OK)
		e = read_copy(r, PACKET_PAYLOAD_MAX, &x->peer_kexinit);
	if (e != OK)
		return e;
	if (kexinit_parse(buf_span(&x->own_kexinit), &own) != OK)
		return ERR_FORMAT;
	if (t->state == TRANSPORT_OPEN)
		return x->peer_kexinit.len == 0 ? OK : ERR_FORMAT;
	if (kexinit_parse(buf_span(&x->peer_kexinit), &peer) != OK ||
		transport_choose(t, &peer) != OK)
		return ERR_FORMAT;
	return OK;
}

static enum err
read_secret(struct wire_reader *r, struct exchange *x)
{
	enum err e = read_copy(r, KEX_PUBLIC_MAX, &x->peer_public);

	if (e == OK)
		e = read_copy(r, KEX_PUBLIC_MAX, &x->secret);
	return e == OK && (x->peer_public.len == 0 || x->secret.len == 0) ? ERR_FORMAT : e;
}

static enum err
read_parts(struct wire_reader *r, struct transport *t, const struct needs *needs)
{
	struct exchange *x = calloc(1, sizeof(*x));
	enum err e;

	if (x == NULL)
		return ERR_NOMEM;
	t->exchange = x;
	e = read_kexinits(r, t);
	if (e == OK && wire_get_bool(r, &x->skip_next) != OK)
		e = ERR_FORMAT;
	if (e == OK && needs->pair)
		e = kex_read(r, x->choice.method, &x->kex);
	if (e == OK && needs->secret)
		e = read_secret(r, x);
	if (e == OK && needs->next_in)
		e = cipher_read(r, CIPHER_OPEN, &x->next_in);
	return e;
}

/* What waits is strings, each a payload: it is parsed again when it is sent, and must not fail then. */
static bool
waiting_is_sound(const struct transport *t)
{
	struct wire_reader r = wire_reader_of(buf_span(&t->waiting));
	struct span payload;

	if (t->waiting.len > 0 && t->clear)
		return false;
	while (wire_left(&r) > 0) {
		if (wire_get_string_max(&r, PACKET_PAYLOAD_MAX, &payload) != OK || payload.len == 0)
			return false;
	}
	return t->waiting_plain <= t->waiting.len;
}

static enum err
read_waiting(struct wire_reader *r, struct transport *t)
{
	uint32_t plain;
	enum err e;

	if (wire_get_bool(r, &t->plain_in) != OK || wire_get_bool(r, &t->plain_out) != OK ||
		wire_get_u32(r, &plain) != OK)
		return ERR_FORMAT;
	t->waiting_plain = plain;
	e = read_copy(r, t->waiting.max, &t->waiting);
	return e == OK && !waiting_is_sound(t) ? ERR_FORMAT : e;
}

enum err
transport_exchange_read(struct wire_reader *r, struct transport *t)
{
	struct needs needs;
	bool has_exchange;
	uint8_t state;
	enum err e = OK;

	if (wire_get_u8(r, &state) != OK || state >= TRANSPORT_STATE_COUNT ||
		wire_get_bool(r, &has_exchange) != OK)
		return ERR_FORMAT;
	t->state = state;
	needs = needs_of(t);
	if (!needs.is_possible || (!has_exchange && t->state != TRANSPORT_OPEN))
		return ERR_FORMAT;
	t->clear = needs.clear || !has_exchange;
	if (has_exchange)
		e = read_parts(r, t, &needs);
	return e == OK ? read_waiting(r, t) : e;
}
