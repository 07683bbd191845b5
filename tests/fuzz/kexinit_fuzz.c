/*
 * common/ssh/kexinit: a peer's KEXINIT against ours, in either role.
 */
#include "common/ssh/kexinit.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A cipher that the peer named, and a MAC that it named where the cipher needs one. */
static void
check_suite(const struct kexinit *peer, enum kexinit_list cipher, struct cipher_suite suite)
{
	enum kexinit_list mac = cipher - KEXINIT_CIPHER_C2S + KEXINIT_MAC_C2S;

	assert(suite.kind > CIPHER_NONE && suite.kind < CIPHER_KIND_COUNT);
	assert(wire_namelist_has(peer->lists[cipher], span_str(cipher_info(suite.kind)->name)));
	assert(cipher_needs_mac(suite.kind) == (suite.mac != MAC_NONE));
	assert(suite.mac == MAC_NONE ||
		wire_namelist_has(peer->lists[mac], span_str(mac_info(suite.mac)->name)));
}

static void
check_choice(const struct kexinit *peer, const struct kex_choice *c)
{
	assert(c->method > KEX_NONE && c->method < KEX_METHOD_COUNT);
	check_suite(peer, KEXINIT_CIPHER_C2S, c->c2s);
	check_suite(peer, KEXINIT_CIPHER_S2C, c->s2c);
	assert(wire_namelist_has(peer->lists[KEXINIT_HOST_KEY], span_str(c->host_key_alg)));
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
