/*
 * A key revocation list from any bytes.
 */
#include "deploy/node/principals/krl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)!krl_check(span_of(data, size), span_str("a key"), NULL);
	return 0;
}
