/*
 * The private keys that the keyholder exists for.
 */
#include "broker/keyholder/keys.h"

#include "common/ssh/keyfile.h"
#include "common/ssh/wire.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#define WORD_KEY_LABEL "sshbroker kexinit word v1"

struct keys {
	struct privkey *host[CONFIG_HOST_KEYS_MAX];
	size_t n;
	struct privkey *ca;
	uint8_t word_key[PRIVKEY_SECRET_SIZE];
	char algorithms[KEYS_ALGORITHMS_SIZE];
	struct buf blobs;
};

/* The first counts: a second one of its type is announced to clients and waits to take its place. */
static const struct privkey *
host_of_type(const struct keys *k, enum key_type type)
{
	for (size_t i = 0; type != KEY_NONE && i < k->n; i++) {
		if (pubkey_type(privkey_public(k->host[i])) == type)
			return k->host[i];
	}
	return NULL;
}

static enum err
check_different(const struct keys *k)
{
	for (size_t i = 0; i < k->n; i++) {
		if (keys_host_by_blob(k, pubkey_blob(privkey_public(k->host[i]))) != k->host[i])
			return ERR_EXISTS;
	}
	return OK;
}

/* Append a name that one of the keys signs with, once. */
static enum err
add_algorithm(struct keys *k, struct span name)
{
	size_t len = strlen(k->algorithms);

	if (host_of_type(k, sigalg_key_type(name)) == NULL ||
		wire_namelist_has(span_of(k->algorithms, len), name))
		return OK;
	if (len + 1 + name.len >= sizeof(k->algorithms))
		return ERR_LIMIT;
	if (len > 0)
		k->algorithms[len++] = ',';
	memcpy(k->algorithms + len, name.ptr, name.len);
	k->algorithms[len + name.len] = '\0';
	return OK;
}

static enum err
list_algorithms(struct keys *k, const struct config_list *preferred)
{
	struct span all = span_str(sigalg_names()), name;
	enum err e = OK;

	for (size_t i = 0; i < preferred->n && e == OK; i++)
		e = add_algorithm(k, span_str(preferred->items[i]));
	while (preferred->n == 0 && e == OK && wire_namelist_next(&all, &name))
		e = add_algorithm(k, name);
	return e == OK && k->algorithms[0] == '\0' ? ERR_NO_MATCH : e;
}

static enum err
list_blobs(struct keys *k)
{
	enum err e = OK;

	for (size_t i = 0; i < k->n && e == OK; i++)
		e = wire_put_string(&k->blobs, pubkey_blob(privkey_public(k->host[i])));
	return e;
}

static void
free_all(struct privkey *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		privkey_free(keys[i]);
}

enum err
keys_new(struct privkey *const *host, size_t n, struct privkey *ca,
	const struct config_list *preferred, struct keys **out)
{
	struct keys *k = n <= CONFIG_HOST_KEYS_MAX ? calloc(1, sizeof(*k)) : NULL;
	enum err e;

	if (k == NULL) {
		free_all(host, n);
		privkey_free(ca);
		return n <= CONFIG_HOST_KEYS_MAX ? ERR_NOMEM : ERR_LIMIT;
	}
	for (k->n = 0; k->n < n; k->n++)
		k->host[k->n] = host[k->n];
	k->ca = ca;
	e = check_different(k);
	if (e == OK)
		e = list_algorithms(k, preferred);
	if (e == OK)
		e = list_blobs(k);
	if (e == OK)
		e = privkey_derive(k->ca, WORD_KEY_LABEL, k->word_key);
	if (e == OK)
		*out = k;
	else
		keys_free(k);
	return e;
}

static enum err
load(const char *path, struct privkey **out)
{
	enum err e = keyfile_load(path, out);

	if (e != OK)
		log_error("key path=%s %s%s%s", path, err_text(e), e == ERR_IO ? ": " : "",
			e == ERR_IO ? strerror(errno) : "");
	return e;
}

enum err
keys_load(const struct config *c, struct keys **out)
{
	struct privkey *host[CONFIG_HOST_KEYS_MAX], *ca = NULL;
	size_t n = 0;
	enum err e = OK;

	while (n < c->host_keys.n && n < CONFIG_HOST_KEYS_MAX && e == OK) {
		e = load(c->host_keys.items[n], &host[n]);
		if (e == OK)
			n++;
	}
	if (e == OK)
		e = load(c->user_ca_key, &ca);
	if (e != OK) {
		free_all(host, n);
		return e;
	}
	e = keys_new(host, n, ca, &c->algorithms.host_keys, out);
	if (e != OK)
		log_error("keys %s: the host keys must be different ones, and one must fit "
			  "algorithms.host_keys",
			err_text(e));
	return e;
}

void
keys_free(struct keys *k)
{
	if (k == NULL)
		return;
	free_all(k->host, k->n);
	privkey_free(k->ca);
	buf_clear(&k->blobs);
	OPENSSL_cleanse(k->word_key, sizeof(k->word_key));
	free(k);
}

const struct privkey *
keys_host_for(const struct keys *k, struct span algorithm)
{
	if (!wire_namelist_has(span_str(k->algorithms), algorithm))
		return NULL;
	return host_of_type(k, sigalg_key_type(algorithm));
}

const struct privkey *
keys_host_by_blob(const struct keys *k, struct span blob)
{
	for (size_t i = 0; i < k->n; i++) {
		if (span_equal(pubkey_blob(privkey_public(k->host[i])), blob))
			return k->host[i];
	}
	return NULL;
}

const struct privkey *
keys_user_ca(const struct keys *k)
{
	return k->ca;
}

struct span
keys_word_key(const struct keys *k)
{
	return span_of(k->word_key, sizeof(k->word_key));
}

const char *
keys_algorithms(const struct keys *k)
{
	return k->algorithms;
}

struct span
keys_host_blobs(const struct keys *k)
{
	return buf_span(&k->blobs);
}
