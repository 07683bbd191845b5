/*
 * A borrowed run of bytes: who holds a span owns nothing.
 */
#ifndef COMMON_SPAN_H
#define COMMON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *ptr; /* may be NULL when len is 0 */
	size_t len;
};

static inline struct span
span_of(const void *ptr, size_t len)
{
	return (struct span){.ptr = ptr, .len = len};
}

/* The bytes of a C string, without its NUL.  NULL gives the empty span. */
static inline struct span
span_str(const char *s)
{
	return (struct span){.ptr = (const uint8_t *)s, .len = s != NULL ? strlen(s) : 0};
}

static inline bool
span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool
span_is(struct span a, const char *s)
{
	return span_equal(a, span_str(s));
}

#endif
