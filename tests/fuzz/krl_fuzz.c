/*
 * A key revocation list from any bytes, asked about a key and about a certificate.
 */
#include "deploy/node/principals/krl.h"

#include <assert.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cert *cert;

/* Its serial number and key id are those in the corpus. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct cert_template t = {.serial = 42, .kind = CERT_USER, .key_id = "key of ed25519"};
	struct buf blob = {0};
	struct privkey *key;

	(void)argc;
	(void)argv;
	assert(privkey_generate(KEY_ED25519, 0, &key) == OK);
	t.key = privkey_public(key);
	assert(cert_mint(&t, key, &blob) == OK);
	assert(cert_parse(buf_span(&blob), &cert) == OK);
	privkey_free(key);
	buf_clear(&blob);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum err plain = krl_check(span_of(data, size), span_str("a key"), NULL);
	enum err certified = krl_check(span_of(data, size), span_str("a key"), cert);

	/* A list says of a certificate what it says of its key, and maybe more. */
	assert(certified == plain || (plain == OK && certified == ERR_DENIED));
	return 0;
}
