/*
 * What can go wrong, as one enum that every fallible function returns.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include "common/attr.h"

enum err {
	OK = 0,
	ERR_AGAIN, /* not enough input yet, or the answer comes later; nothing has changed */
	ERR_NOMEM, /* memory ran out */
	ERR_LIMIT, /* a named maximum was reached */
	ERR_FORMAT, /* bytes do not parse: a length, a terminator, an encoding */
	ERR_PROTO, /* bytes parse, but must not stand here: wrong message, wrong state, wrong value */
	ERR_MAC, /* an authentication tag or MAC did not match */
	ERR_CRYPTO, /* the cryptographic library refused an operation on sound input */
	ERR_SIGNATURE, /* a signature does not verify */
	ERR_KEY, /* a key is unsound, too small, or of the wrong type */
	ERR_UNSUPPORTED, /* sound, but an algorithm, type or version that we do not have */
	ERR_NO_MATCH, /* the two sides have no algorithm in common */
	ERR_DENIED, /* a rule of ours forbids it */
	ERR_NOT_FOUND, /* what was asked for does not exist */
	ERR_EXISTS, /* what should be made exists already */
	ERR_IO, /* a system call failed; errno tells */
	ERR_CLOSED, /* the other end is gone */
	ERR_TIMEOUT, /* a named time ran out */
	ERR_BAD_STATE, /* the object cannot do this now */
	ERR_COUNT
};

/* A short lower-case phrase for a log line, e.g. "authentication tag mismatch".  Static. */
const char *err_text(enum err e);

#endif
