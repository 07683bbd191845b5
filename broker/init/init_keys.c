/*
 * The keys of a new configuration.
 */
#include "broker/init/init_keys.h"

#include "common/file.h"
#include "common/ssh/keyfile.h"

#include <errno.h>
#include <stdio.h>

#define USER_CA_KEY_NAME "user_ca_key"
/* As ssh-keygen makes them. */
#define RSA_BITS 3072

static const char *const file_names[KEY_TYPE_COUNT] = {
	[KEY_ED25519] = "ssh_host_ed25519_key",
	[KEY_ECDSA_P256] = "ssh_host_ecdsa_key",
	[KEY_ECDSA_P384] = "ssh_host_ecdsa384_key",
	[KEY_ECDSA_P521] = "ssh_host_ecdsa521_key",
	[KEY_RSA] = "ssh_host_rsa_key",
};

static enum key_type
type_of(const struct init_key *k)
{
	return pubkey_type(privkey_public(k->key));
}

static bool
has_type(const struct init_keys *k, enum key_type type)
{
	for (size_t i = 0; i < k->n_host; i++) {
		if (type_of(&k->host[i]) == type)
			return true;
	}
	return false;
}

/* Takes key. */
static void
add_host_key(struct init_keys *k, struct privkey *key, const char *origin)
{
	k->host[k->n_host++] = (struct init_key){
		.key = key,
		.name = file_names[pubkey_type(privkey_public(key))],
		.origin = origin,
	};
}

/*
 * Not keyfile_load(): systems that give a group of their own access to host keys are right where they are; only the
 * copy has to be ours alone.
 */
static enum err
load(const char *path, struct privkey **out)
{
	struct buf text;
	enum err e;

	buf_init(&text, KEYFILE_SIZE_MAX);
	e = file_read(path, &text);
	if (e == OK)
		e = keyfile_parse(buf_span(&text), out);
	buf_clear(&text);
	return e;
}

static enum err
import(struct init_keys *k, const char *path)
{
	struct privkey *key = NULL;
	enum err e = load(path, &key);

	if (e == OK && has_type(k, pubkey_type(privkey_public(key))))
		e = ERR_EXISTS;
	switch (e) {
	case OK:
		add_host_key(k, key, path);
		return OK;
	case ERR_IO:
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		break;
	case ERR_EXISTS:
		fprintf(stderr, "%s: a key of this type was imported already\n", path);
		break;
	case ERR_UNSUPPORTED:
		fprintf(stderr, "%s: the key is encrypted or neither ed25519, ecdsa nor rsa\n",
			path);
		break;
	default:
		fprintf(stderr, "%s: no private key that can be used (%s)\n", path, err_text(e));
		break;
	}
	privkey_free(key);
	return e;
}

static enum err
make(enum key_type type, struct privkey **out)
{
	enum err e = privkey_generate(type, RSA_BITS, out);

	if (e != OK)
		fprintf(stderr, "a new %s key cannot be made: %s\n", key_type_name(type),
			err_text(e));
	return e;
}

static enum err
make_host_key(struct init_keys *k, enum key_type type)
{
	struct privkey *key = NULL;
	enum err e = make(type, &key);

	if (e == OK)
		add_host_key(k, key, NULL);
	return e;
}

static enum err
make_missing(struct init_keys *k)
{
	enum err e = OK;

	if (!has_type(k, KEY_ED25519))
		e = make_host_key(k, KEY_ED25519);
	if (e == OK && !has_type(k, KEY_ECDSA_P256) && !has_type(k, KEY_ECDSA_P384) &&
		!has_type(k, KEY_ECDSA_P521))
		e = make_host_key(k, KEY_ECDSA_P256);
	if (e == OK && !has_type(k, KEY_RSA))
		e = make_host_key(k, KEY_RSA);
	return e;
}

enum err
init_keys_collect(struct init_keys *k, char *const *paths, size_t n)
{
	enum err e = OK;

	*k = (struct init_keys){.ca.name = USER_CA_KEY_NAME};
	for (size_t i = 0; i < n && e == OK; i++)
		e = import(k, paths[i]);
	if (e == OK)
		e = make_missing(k);
	if (e == OK)
		e = make(KEY_ED25519, &k->ca.key);
	return e;
}

void
init_keys_clear(struct init_keys *k)
{
	for (size_t i = 0; i < k->n_host; i++)
		privkey_free(k->host[i].key);
	privkey_free(k->ca.key);
	*k = (struct init_keys){0};
}
