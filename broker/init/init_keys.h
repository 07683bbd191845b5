/*
 * The keys of a new configuration: host keys, imported or made, and the user CA key.
 */
#ifndef BROKER_INIT_INIT_KEYS_H
#define BROKER_INIT_INIT_KEYS_H

#include "common/config/config.h"
#include "common/ssh/key.h"

struct init_key {
	struct privkey *key; /* owned by the struct init_keys */
	const char *name; /* of its file; static */
	const char *origin; /* the path it was imported from, borrowed from argv; NULL: it is new */
};

/* Embedded by its owner. */
struct init_keys {
	struct init_key host[CONFIG_HOST_KEYS_MAX];
	size_t n_host;
	struct init_key ca;
};

/*
 * Load the files at the n paths, and make what is missing: an ed25519, an ecdsa and an rsa host key where none of that
 * family was imported, and the user CA key.  What is wrong is said on stderr.  Errors of keyfile_parse, ERR_IO;
 * ERR_EXISTS: two imported keys of one type.  k is to be cleared in any case.
 */
MUST_CHECK enum err init_keys_collect(struct init_keys *k, char *const *paths, size_t n);
void init_keys_clear(struct init_keys *k);

#endif
