/*
 * Facts from any bytes; what parses must be written back as it came.
 */
#include "common/facts.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf back = {0};
	struct facts f;

	if (facts_parse(span_of(data, size), &f) == OK) {
		assert(facts_write(&f, &back) == OK);
		assert(span_equal(buf_span(&back), span_of(data, size)));
	}
	buf_clear(&back);
	return 0;
}
