/*
 * The files in tests/unit/vectors, read for a test.
 */
#ifndef TESTS_LIB_VECTOR_H
#define TESTS_LIB_VECTOR_H

#include "common/buf.h"

/* The whole file called name, owned by the caller's *out.  Aborts the test when there is none. */
void vector_read(const char *name, struct buf *out);

/*
 * The blob in a file of the form "TYPE BASE64 comment", as .pub files have it, or between the BEGIN
 * and END lines of an armored file.
 */
void vector_read_blob(const char *name, struct buf *out);

#endif
