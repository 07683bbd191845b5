/*
 * broker/keyholder/keys: the keyholder's own keys.
 */
#include "broker/keyholder/keys.h"

#include "common/ssh/keyfile.h"
#include "tests/lib/scratch.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>

static struct privkey *
generate(enum key_type type)
{
	struct privkey *key;

	cr_assert_eq(privkey_generate(type, 0, &key), OK);
	return key;
}

static struct privkey *
read_key(const char *name)
{
	struct buf text = {0};
	struct privkey *key;

	vector_read(name, &text);
	cr_assert_eq(keyfile_parse(buf_span(&text), &key), OK);
	buf_clear(&text);
	return key;
}

static struct keys *
keys_of(struct config_list preferred)
{
	struct privkey *host[] = {generate(KEY_ED25519), generate(KEY_ECDSA_P256)};
	struct keys *k;

	cr_assert_eq(keys_new(host, 2, generate(KEY_ED25519), &preferred, &k), OK);
	return k;
}

Test(keys, algorithms_come_in_the_built_in_order_or_the_preferred_one)
{
	static char ecdsa[] = "ecdsa-sha2-nistp256", rsa[] = "rsa-sha2-512",
		    ed25519[] = "ssh-ed25519";
	static char *all[] = {ecdsa, rsa, ed25519, ecdsa};
	struct keys *k = keys_of((struct config_list){NULL, 0});

	cr_assert_str_eq(keys_algorithms(k), "ssh-ed25519,ecdsa-sha2-nistp256");
	keys_free(k);
	k = keys_of((struct config_list){all, 4});
	cr_assert_str_eq(keys_algorithms(k), "ecdsa-sha2-nistp256,ssh-ed25519");
	keys_free(k);
	k = keys_of((struct config_list){all, 1});
	cr_assert_str_eq(keys_algorithms(k), "ecdsa-sha2-nistp256");
	/* The key is there, but is not to be used. */
	cr_assert_null(keys_host_for(k, span_str("ssh-ed25519")));
	cr_assert_not_null(keys_host_for(k, span_str("ecdsa-sha2-nistp256")));
	keys_free(k);
}

Test(keys, the_first_of_a_type_signs_and_the_next_is_shown)
{
	struct privkey *host[] = {generate(KEY_ED25519), generate(KEY_ED25519)};
	struct config_list none = {NULL, 0};
	struct keys *k;

	cr_assert_eq(keys_new(host, 2, generate(KEY_ED25519), &none, &k), OK);
	cr_assert_eq(keys_host_for(k, span_str("ssh-ed25519")), host[0]);
	cr_assert_str_eq(keys_algorithms(k), "ssh-ed25519");
	for (int i = 0; i < 2; i++)
		cr_assert_eq(keys_host_by_blob(k, pubkey_blob(privkey_public(host[i]))), host[i]);
	cr_assert_eq(keys_host_blobs(k).len, 2 * (4 + pubkey_blob(privkey_public(host[0])).len));
	keys_free(k);
}

Test(keys, sets_that_cannot_serve_are_refused)
{
	static char rsa[] = "rsa-sha2-512";
	static char *items[] = {rsa};
	struct config_list none = {NULL, 0}, rsa_only = {items, 1};
	struct privkey *twice[] = {read_key("ed25519"), read_key("ed25519")};
	struct privkey *one[] = {generate(KEY_ED25519)};
	struct keys *k = NULL;

	cr_assert_eq(keys_new(twice, 2, generate(KEY_ED25519), &none, &k), ERR_EXISTS);
	cr_assert_eq(keys_new(one, 1, generate(KEY_ED25519), &rsa_only, &k), ERR_NO_MATCH);
	cr_assert_eq(keys_new(NULL, 0, generate(KEY_ED25519), &none, &k), ERR_NO_MATCH);
	cr_assert_null(k);
}

Test(keys, they_are_read_from_the_files_of_the_configuration)
{
	struct scratch dir;
	char host[SCRATCH_PATH_SIZE], ca[SCRATCH_PATH_SIZE], *paths[] = {host};
	struct config c = {.host_keys = {paths, 1}, .user_ca_key = ca};
	struct buf text = {0}, blob = {0};
	struct keys *k;

	scratch_init(&dir);
	vector_read("ed25519", &text);
	vector_read_blob("ed25519.pub", &blob);
	scratch_path(&dir, "host", host);
	scratch_path(&dir, "ca", ca);
	scratch_write(&dir, "host", buf_span(&text), 0600);
	cr_assert_eq(keys_load(&c, &k), ERR_IO);
	scratch_write(&dir, "ca", buf_span(&text), 0644);
	cr_assert_eq(keys_load(&c, &k), ERR_DENIED);
	scratch_run(&dir, "chmod 600 ca", &blob);
	vector_read_blob("ed25519.pub", &blob);
	cr_assert_eq(keys_load(&c, &k), OK);
	cr_assert_not_null(keys_host_by_blob(k, buf_span(&blob)));
	cr_assert_null(keys_host_by_blob(k, span_str("another")));
	keys_free(k);
	buf_clear(&text);
	buf_clear(&blob);
	scratch_clear(&dir);
}
