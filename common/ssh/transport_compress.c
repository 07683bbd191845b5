/*
 * The compression of a leg: its streams, and packets on their way through them.
 */
#include "common/ssh/transport_impl.h"

/* zlib@openssh.com begins with the first packet after authentication. */
static bool
is_in_use(const struct transport *t, enum compression c)
{
	return c != COMPRESSION_NONE && t->phase == TRANSPORT_PHASE_CONNECTION;
}

void
transport_restart_inflate(struct transport *t)
{
	compress_free(t->inflate);
	t->inflate = NULL;
}

void
transport_restart_deflate(struct transport *t)
{
	compress_free(t->deflate);
	t->deflate = NULL;
}

bool
transport_is_compressed(const struct transport *t, enum cipher_direction direction)
{
	if (direction == CIPHER_SEAL)
		return is_in_use(t, t->compression_out) && !t->plain_out;
	return is_in_use(t, t->compression_in) && !t->plain_in;
}

static enum err
fail_inflate(struct transport *t, enum err e)
{
	switch (e) {
	case ERR_LIMIT:
		return transport_fail(
			t, e, SSH_DISCONNECT_COMPRESSION_ERROR, "a compressed packet is too large");
	case ERR_FORMAT:
		return transport_fail(t, e, SSH_DISCONNECT_COMPRESSION_ERROR,
			"a packet is not compressed as negotiated");
	default:
		return transport_fail(t, e, SSH_DISCONNECT_BY_APPLICATION, "internal error");
	}
}

enum err
transport_inflate(struct transport *t, struct packet *p)
{
	enum err e = OK;

	if (!transport_is_compressed(t, CIPHER_OPEN))
		return OK;
	if (t->inflate == NULL)
		e = compress_new_inflate(&t->inflate);
	if (e == OK)
		e = compress_inflate(t->inflate, p->payload, &t->inflated);
	if (e == OK && t->inflated.len == 0)
		e = ERR_FORMAT;
	if (e != OK)
		return fail_inflate(t, e);
	p->payload = buf_span(&t->inflated);
	return OK;
}

/* What is longer than this when compressed cannot be sent. */
static size_t
deflated_max(size_t payload_len)
{
	size_t bound = compress_bound(payload_len);

	return bound < PACKET_PAYLOAD_MAX ? bound : PACKET_PAYLOAD_MAX;
}

size_t
transport_sealed_size(const struct transport *t, size_t payload_len)
{
	if (transport_is_compressed(t, CIPHER_SEAL))
		payload_len = deflated_max(payload_len);
	return packet_sealed_size(&t->sealed, payload_len);
}

/* The compressed payload is made where it is sealed afterwards. */
static enum err
deflate_to(struct transport *t, uint8_t *at, struct span *payload)
{
	size_t len;
	enum err e = OK;

	if (t->deflate == NULL)
		e = compress_new_deflate(&t->deflate);
	if (e == OK)
		e = compress_deflate(t->deflate, *payload, at, deflated_max(payload->len), &len);
	if (e == OK)
		*payload = span_of(at, len);
	return e;
}

enum err
transport_seal_now_at(struct transport *t, struct span payload, uint8_t *at, size_t *size)
{
	enum err e = OK;

	if (transport_is_compressed(t, CIPHER_SEAL))
		e = deflate_to(t, at + PACKET_PAYLOAD_AT, &payload);
	return e == OK ? packet_seal_at(&t->sealed, payload, at, size) : e;
}

enum err
transport_seal_now(struct transport *t, struct span payload)
{
	size_t size;
	uint8_t *at;
	enum err e;

	if (payload.len == 0 || payload.len > PACKET_PAYLOAD_MAX)
		return ERR_LIMIT;
	e = buf_reserve(&t->out, transport_sealed_size(t, payload.len), &at);
	if (e == OK)
		e = transport_seal_now_at(t, payload, at, &size);
	if (e == OK)
		buf_commit(&t->out, size);
	return e;
}
