/*
 * Every cipher, and with each MAC that goes with it, for tests that go through them all.
 */
#ifndef TESTS_LIB_SUITES_H
#define TESTS_LIB_SUITES_H

#include "common/ssh/cipher.h"

struct suite {
	const char *cipher;
	const char *mac; /* NULL: the cipher needs none */
};

#define SUITES 15
extern const struct suite suites[SUITES];

struct cipher_suite suite_kinds(const struct suite *s);
/* A cipher whose keys follow from the suite alone, or fail the test.  *out is owned. */
void suite_cipher(struct cipher_suite kinds, enum cipher_direction direction, struct cipher **out);

#endif
