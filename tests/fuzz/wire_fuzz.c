/*
 * common/ssh/wire: a reader that takes values as the input says.  The first byte is how many bytes of instructions follow;
 * the rest is read.  What was taken is put again and gives the same bytes.
 */
#include "common/ssh/wire.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Take a value and put it to b, if it is one whose encoding is unique. */
static enum err
take(struct wire_reader *r, uint8_t what, struct buf *b)
{
	struct span s;
	uint32_t u32;
	uint64_t u64;
	uint16_t u16;
	char text[20];
	uint8_t u8;

	switch (what % 8) {
	case 0:
		return wire_get_u8(r, &u8) == OK ? wire_put_u8(b, u8) : ERR_FORMAT;
	case 1:
		return wire_get_u16(r, &u16) == OK ? wire_put_u16(b, u16) : ERR_FORMAT;
	case 2:
		return wire_get_u32(r, &u32) == OK ? wire_put_u32(b, u32) : ERR_FORMAT;
	case 3:
		return wire_get_u64(r, &u64) == OK ? wire_put_u64(b, u64) : ERR_FORMAT;
	case 4:
		return wire_get_string(r, &s) == OK ? wire_put_string(b, s) : ERR_FORMAT;
	case 5:
		return wire_get_cstring(r, text, sizeof(text)) == OK ? wire_put_cstring(b, text)
								     : ERR_FORMAT;
	case 6:
		return wire_get_mpint(r, &s) == OK ? wire_put_mpint(b, s) : ERR_FORMAT;
	default:
		return wire_get_bytes(r, what / 8, &s) == OK ? wire_put_bytes(b, s) : ERR_FORMAT;
	}
}

static void
walk_list(struct span list)
{
	struct span rest = list, name;
	size_t total = 0;

	while (wire_namelist_next(&rest, &name)) {
		assert(name.len == 0 || memchr(name.ptr, ',', name.len) == NULL);
		assert(wire_namelist_has(list, name));
		total += name.len + 1;
	}
	assert(total <= list.len + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_reader r;
	struct buf b = {0};
	size_t n;

	if (size == 0 || data[0] + (size_t)1 > size)
		return 0;
	n = data[0];
	r = wire_reader_of(span_of(data + 1 + n, size - 1 - n));
	walk_list(span_of(data + 1 + n, size - 1 - n));
	for (size_t i = 0; i < n; i++) {
		const uint8_t *before = r.at;
		size_t had = b.len;

		if (take(&r, data[1 + i], &b) != OK) {
			assert(r.at == before && b.len == had);
			break;
		}
		assert((size_t)(r.at - before) == b.len - had);
		assert(b.len == had || memcmp(before, buf_span(&b).ptr + had, b.len - had) == 0);
	}
	assert(r.at <= r.end);
	buf_clear(&b);
	return 0;
}
