/*
 * common/ssh/transport: both roles against each other in memory.
 */
#include "common/ssh/transport.h"

#include "tests/lib/leg_pair.h"

#include <criterion/criterion.h>

static const char *const kexes[] = {"curve25519-sha256", "curve25519-sha256@libssh.org",
	"ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521"};
static const char *const ciphers[] = {
	"chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com"};
static const char *const host_keys[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256"};

static void
exchange_works(const struct leg_options *o)
{
	struct leg_pair p;

	leg_pair_begin(&p, o);
	leg_pair_run(&p);
	cr_assert_eq(p.client.err, OK, "%s %s %s: %s", o->kex, o->ciphers, o->host_key_alg,
		transport_failure(p.client.t)->text);
	cr_assert_eq(p.server.err, OK, "%s %s %s: %s", o->kex, o->ciphers, o->host_key_alg,
		transport_failure(p.server.t)->text);
	cr_assert_eq(p.client.n_keys, 1);
	cr_assert_eq(p.server.n_keys, 1);
	leg_pair_end(&p);
}

Test(transport, each_algorithm_with_each_other)
{
	for (size_t i = 0; i < ARRAY_LEN(kexes); i++) {
		for (size_t j = 0; j < ARRAY_LEN(ciphers); j++) {
			for (size_t k = 0; k < ARRAY_LEN(host_keys); k++) {
				struct leg_options o = {.kex = kexes[i],
					.ciphers = ciphers[j],
					.host_key_alg = host_keys[k]};

				exchange_works(&o);
			}
		}
	}
}
