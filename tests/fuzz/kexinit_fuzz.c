/*
 * common/ssh/kexinit: a peer's KEXINIT against ours, in either role.
 */
#include "common/ssh/kexinit.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_choice(const struct kexinit *peer, const struct kex_choice *c)
{
	assert(c->method > KEX_NONE && c->method < KEX_METHOD_COUNT);
	assert(c->c2s > CIPHER_NONE && c->c2s < CIPHER_KIND_COUNT);
	assert(c->s2c > CIPHER_NONE && c->s2c < CIPHER_KIND_COUNT);
	assert(wire_namelist_has(peer->lists[KEXINIT_HOST_KEY], span_str(c->host_key_alg)));
	assert(wire_namelist_has(
		peer->lists[KEXINIT_CIPHER_C2S], span_str(cipher_info(c->c2s)->name)));
	assert(wire_namelist_has(
		peer->lists[KEXINIT_CIPHER_S2C], span_str(cipher_info(c->s2c)->name)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kexinit_offer offer = {.kex = kex_names(),
		.host_keys = "ssh-ed25519,rsa-sha2-256",
		.ciphers = cipher_names()};
	struct kexinit own, peer;
	struct kex_choice c;
	const char *missing;
	struct buf b = {0};

	if (kexinit_parse(span_of(data, size), &peer) != OK)
		return 0;
	assert(kexinit_write(&offer, &b) == OK && kexinit_parse(buf_span(&b), &own) == OK);
	if (kexinit_choose(&own, &peer, &c, &missing) == OK)
		check_choice(&peer, &c);
	else
		assert(missing != NULL);
	if (kexinit_choose(&peer, &own, &c, &missing) == OK)
		check_choice(&peer, &c);
	buf_clear(&b);
	return 0;
}
