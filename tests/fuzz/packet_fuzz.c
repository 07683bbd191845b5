/*
 * The cleartext that a peer sends, as transport_step() takes it: identification, packets, the first key exchange.
 *
 * The first byte says the role (1: client) and how the bytes are cut.
 */
#include "tests/lib/leg_pair.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_end(const struct leg *l)
{
	const struct transport_failure *f = transport_failure(l->t);

	if (l->err != OK)
		assert(f->code != SSH_DISCONNECT_NONE && f->text[0] != '\0');
	/* Nobody could have made the signature or the tag that it takes to get further. */
	assert(l->n_packets == 0);
	assert(transport_out(l->t)->len <= TRANSPORT_OUT_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct leg_pair p;
	struct leg *l;
	size_t cut;

	if (size == 0)
		return 0;
	leg_pair_begin(&p, NULL);
	l = (data[0] & 1) != 0 ? &p.client : &p.server;
	cut = (data[0] >> 1) + (size_t)1;
	if (cut == 128)
		cut = size;
	for (size_t i = 1; i < size; i += cut) {
		size_t n = size - i < cut ? size - i : cut;

		assert(buf_append(&l->in, data + i, n) == OK);
		leg_take(l);
	}
	check_end(l);
	leg_pair_end(&p);
	return 0;
}
