/*
 * The written form of a leg: whatever is taken can be written again and is used.
 *
 * The first byte says the role (1: client), the next two how many bytes of state follow; the rest comes from the peer.
 */
#include "common/ssh/transport_state.h"

#include "common/ssh/wire.h"

#include <assert.h>
#include <stdlib.h>

#define STATE_MAX                                                                                  \
	(TRANSPORT_OUT_MAX + TRANSPORT_SEALED_GROWTH * TRANSPORT_WAITING_MAX +                     \
		TRANSPORT_STATE_SIZE_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
no_host_key(void *arg, struct span host_key)
{
	(void)arg;
	(void)host_key;
	return false;
}

static void
use(struct transport *t, struct span from_peer)
{
	uint8_t *bytes = malloc(from_peer.len + 1), payload[20] = {94};
	struct transport_exchange exchange;
	struct transport_event event;
	size_t used, at = 0;
	enum err e = OK;

	if (from_peer.len > 0)
		memcpy(bytes, from_peer.ptr, from_peer.len);
	while (e == OK && at < from_peer.len) {
		e = transport_step(t, bytes + at, from_peer.len - at, &used, &event);
		if (e == OK)
			at += used;
	}
	if (transport_to_sign(t, &exchange) == OK)
		(void)!transport_signed(t, from_peer, from_peer);
	e = transport_send(t, span_of(payload, sizeof(payload)));
	assert(e == OK || e == ERR_CLOSED || e == ERR_LIMIT);
	if (transport_rekey(t) == OK)
		transport_disconnect(t, SSH_DISCONNECT_BY_APPLICATION, "bye");
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct transport_config config = {
		.ident = "SSH-2.0-x", .host_keys = "ssh-ed25519", .host_key_ok = no_host_key};
	struct span state, rest;
	struct transport *t;
	struct buf again;
	size_t n;

	if (size < 3)
		return 0;
	config.role = (data[0] & 1) != 0 ? TRANSPORT_CLIENT : TRANSPORT_SERVER;
	n = (size_t)data[1] << 8 | data[2];
	if (n > size - 3)
		n = size - 3;
	state = span_of(data + 3, n);
	rest = span_of(data + 3 + n, size - 3 - n);
	if (transport_state_read(state, &config, &t) != OK)
		return 0;
	buf_init(&again, STATE_MAX);
	assert(transport_state_write(t, &again) == OK);
	buf_clear(&again);
	use(t, rest);
	transport_free(t);
	return 0;
}
