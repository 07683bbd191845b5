/*
 * Private key files from any bytes.  Base64 would keep the fuzzer from what is inside, so that an
 * input which begins as an openssh-key-v1 file's bytes do is put into its armor first.
 */
#include "common/base64.h"
#include "common/ssh/keyfile.h"

#include <assert.h>

#define MAGIC "openssh-key-v1"
#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define END "\n-----END OPENSSH PRIVATE KEY-----\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * What parses is written, and parses again as the same key.  (Not asked of PEM: OpenSSL signs with
 * an RSA key whose factors are wrong, by another way, while our own form insists on them.)
 */
static void
on_key(struct privkey *k, bool is_openssh)
{
	struct privkey *back = NULL;
	struct buf text = {0};
	enum err e;

	e = keyfile_write(k, "comment", &text);
	if (is_openssh) {
		assert(e == OK && keyfile_parse(buf_span(&text), &back) == OK);
		assert(pubkey_equal(privkey_public(k), privkey_public(back)));
	}
	privkey_free(back);
	buf_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_openssh = size > sizeof(MAGIC) && memcmp(data, MAGIC, sizeof(MAGIC)) == 0;
	struct span input = span_of(data, size);
	struct privkey *k = NULL;
	struct buf text = {0};

	if (is_openssh && buf_append_span(&text, span_str(BEGIN)) == OK &&
		base64_encode(input, &text) == OK && buf_append_span(&text, span_str(END)) == OK)
		input = buf_span(&text);
	if (keyfile_parse(input, &k) == OK)
		on_key(k, is_openssh);
	privkey_free(k);
	buf_clear(&text);
	return 0;
}
