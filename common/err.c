/*
 * The words for each enum err.
 */
#include "common/err.h"

#include <stddef.h>

static const char *const texts[ERR_COUNT] = {
	[OK] = "ok",
	[ERR_AGAIN] = "not complete yet",
	[ERR_NOMEM] = "out of memory",
	[ERR_LIMIT] = "limit reached",
	[ERR_FORMAT] = "malformed data",
	[ERR_PROTO] = "protocol error",
	[ERR_MAC] = "authentication tag mismatch",
	[ERR_CRYPTO] = "cryptographic operation failed",
	[ERR_SIGNATURE] = "wrong signature",
	[ERR_KEY] = "unsuitable key",
	[ERR_UNSUPPORTED] = "not supported",
	[ERR_NO_MATCH] = "no common algorithm",
	[ERR_DENIED] = "not allowed",
	[ERR_NOT_FOUND] = "not found",
	[ERR_EXISTS] = "exists already",
	[ERR_IO] = "input/output error",
	[ERR_CLOSED] = "closed by the other end",
	[ERR_TIMEOUT] = "timed out",
	[ERR_BAD_STATE] = "not possible in this state",
};

const char *
err_text(enum err e)
{
	if ((unsigned)e >= ERR_COUNT || texts[e] == NULL)
		return "unknown error";
	return texts[e];
}
