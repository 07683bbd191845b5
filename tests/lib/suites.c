/*
 * Every cipher, and with each MAC that goes with it.
 */
#include "tests/lib/suites.h"

#include "tests/lib/leg_pair.h"

#include <stdio.h>
#include <stdlib.h>

#define SHA2_256_ETM "hmac-sha2-256-etm@openssh.com"
#define SHA2_512_ETM "hmac-sha2-512-etm@openssh.com"

const struct suite suites[SUITES] = {
	{"chacha20-poly1305@openssh.com", NULL},
	{"aes256-gcm@openssh.com", NULL},
	{"aes128-gcm@openssh.com", NULL},
	{"aes128-ctr", "hmac-sha2-256"},
	{"aes128-ctr", "hmac-sha2-512"},
	{"aes128-ctr", SHA2_256_ETM},
	{"aes128-ctr", SHA2_512_ETM},
	{"aes192-ctr", "hmac-sha2-256"},
	{"aes192-ctr", "hmac-sha2-512"},
	{"aes192-ctr", SHA2_256_ETM},
	{"aes192-ctr", SHA2_512_ETM},
	{"aes256-ctr", "hmac-sha2-256"},
	{"aes256-ctr", "hmac-sha2-512"},
	{"aes256-ctr", SHA2_256_ETM},
	{"aes256-ctr", SHA2_512_ETM},
};

struct cipher_suite
suite_kinds(const struct suite *s)
{
	return (struct cipher_suite){.kind = cipher_by_name(span_str(s->cipher)),
		.mac = s->mac != NULL ? mac_by_name(span_str(s->mac)) : MAC_NONE};
}

void
suite_cipher(struct cipher_suite kinds, enum cipher_direction direction, struct cipher **out)
{
	uint8_t key[CIPHER_KEY_MAX], iv[CIPHER_IV_MAX], mac_key[MAC_LEN_MAX];
	struct cipher_keys keys = {.key = key, .iv = iv, .mac_key = mac_key};

	payload_fill(key, sizeof(key), (uint8_t)kinds.kind, 1);
	payload_fill(iv, sizeof(iv), (uint8_t)kinds.kind, 2);
	payload_fill(mac_key, sizeof(mac_key), (uint8_t)kinds.mac, 3);
	if (cipher_new(kinds, direction, &keys, out) != OK) {
		(void)fprintf(stderr, "no cipher of %s and %s\n", cipher_info(kinds.kind)->name,
			mac_info(kinds.mac)->name);
		abort();
	}
}
