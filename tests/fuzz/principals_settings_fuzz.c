/*
 * deploy/node/principals/settings: no text breaks the parser, and what is accepted names a node and a CA.
 */
#include "deploy/node/principals/settings.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[WHY_SIZE] = "";
	struct settings s;

	if (settings_parse(span_of(data, size), &s, why) == OK) {
		assert(s.node != NULL && s.node[0] != '\0' && s.n_ca_keys > 0);
		assert(settings_trusts(&s, pubkey_blob(s.ca_keys[0])));
		settings_clear(&s);
	} else {
		assert(why[0] != '\0');
	}
	return 0;
}
