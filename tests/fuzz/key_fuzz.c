/*
 * Public keys from any bytes, as a blob and as a line, and a signature for one.  The first byte
 * says which: 0 a blob, 1 a line, 2 "string key, string signature, data".
 */
#include "common/ssh/key.h"
#include "common/ssh/wire.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What parses has one blob and comes back from its line. */
static void
on_key(struct span blob, struct pubkey *k)
{
	struct buf line = {0};
	struct pubkey *back;

	assert(blob.ptr == NULL || span_equal(pubkey_blob(k), blob));
	assert(pubkey_write_line(k, &line) == OK);
	assert(pubkey_parse_line(buf_span(&line), &back) == OK);
	assert(pubkey_equal(k, back));
	pubkey_free(back);
	buf_clear(&line);
}

static void
on_signature(struct span input)
{
	struct wire_reader r = wire_reader_of(input), inner;
	struct span blob, signature, sigalg;
	struct pubkey *k;

	if (wire_get_string(&r, &blob) != OK || wire_get_string(&r, &signature) != OK ||
		pubkey_parse(blob, &k) != OK)
		return;
	inner = wire_reader_of(signature);
	if (wire_get_string(&inner, &sigalg) == OK) {
		enum err e = pubkey_verify(k, sigalg, span_of(r.at, wire_left(&r)), signature);

		(void)e;
	}
	pubkey_free(k);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char fingerprint[KEY_FINGERPRINT_SIZE];
	struct pubkey *k = NULL;
	struct span rest;

	if (size == 0)
		return 0;
	rest = span_of(data + 1, size - 1);
	if (data[0] == 2)
		on_signature(rest);
	else if (data[0] == 1 && pubkey_parse_line(rest, &k) == OK)
		on_key(span_of(NULL, 0), k);
	else if (data[0] == 0 && pubkey_parse(rest, &k) == OK)
		on_key(rest, k);
	pubkey_free(k);
	key_fingerprint(rest, fingerprint);
	return 0;
}
