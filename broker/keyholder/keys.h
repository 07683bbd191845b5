/*
 * The private keys that the keyholder exists for: the host keys that clients see, and the user CA's.
 */
#ifndef BROKER_KEYHOLDER_KEYS_H
#define BROKER_KEYHOLDER_KEYS_H

#include "common/config/config.h"
#include "common/ssh/key.h"

/* "ssh-ed25519,ecdsa-sha2-nistp256,..." and the NUL. */
#define KEYS_ALGORITHMS_SIZE 512

struct keys;

/*
 * A set of n host keys (1 to CONFIG_HOST_KEYS_MAX) and the user CA key, all of which it takes, also on failure.
 * preferred is the order in which signature algorithms are offered; an empty list means the built-in order.  *out is
 * owned.  ERR_EXISTS: the same host key twice.  ERR_NO_MATCH: no key signs with any preferred algorithm.  ERR_LIMIT.
 */
MUST_CHECK enum err keys_new(struct privkey *const *host, size_t n, struct privkey *ca,
	const struct config_list *preferred, struct keys **out);
/* Read the files that c names and make a set of them.  Errors of keyfile_load and keys_new, logged. */
MUST_CHECK enum err keys_load(const struct config *c, struct keys **out);
/* Wipes the private halves.  NULL does nothing. */
void keys_free(struct keys *k);

/* All that follows is borrowed from k. */

/* The first host key that signs with this algorithm; NULL: none, or the configuration does not want the algorithm. */
const struct privkey *keys_host_for(const struct keys *k, struct span algorithm);
/* The host key with this public blob, or NULL. */
const struct privkey *keys_host_by_blob(const struct keys *k, struct span blob);
const struct privkey *keys_user_ca(const struct keys *k);
/* A secret that follows from the user CA key: what the words of fresh.h are made with. */
struct span keys_word_key(const struct keys *k);
/* The name list for KEXINIT. */
const char *keys_algorithms(const struct keys *k);
/* The public blobs of the host keys, as packed strings. */
struct span keys_host_blobs(const struct keys *k);

#endif
