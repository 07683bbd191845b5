/*
 * Vectors in hexadecimal: from strings, and from files of tests/unit/vectors with one "name digits" a line.
 */
#ifndef TESTS_LIB_HEX_VECTOR_H
#define TESTS_LIB_HEX_VECTOR_H

#include "common/buf.h"

/* Replace the content of *out.  Aborts the test when digits are none. */
void hex_read(const char *digits, struct buf *out);

/* The value called name in a file that vector_read() read into *file.  Aborts the test when there is none. */
void hex_vector(const struct buf *file, const char *name, struct buf *out);

#endif
