/*
 * One question to the broker's admin API.
 */
#ifndef BROKER_CTL_CLIENT_H
#define BROKER_CTL_CLIENT_H

#include "common/buf.h"
#include "common/err.h"

/* The longest answer, in bytes. */
#define CLIENT_ANSWER_MAX ((size_t)256 << 20)
#define CLIENT_TEXT_SIZE 512

struct client_answer {
	long status; /* of HTTP */
	struct buf body;
};

/*
 * GET path from the broker at the unix socket; a socket path may be of any length.  out->body is to be cleared, whatever
 * the result.  Not OK: why (CLIENT_TEXT_SIZE bytes) says what is wrong and what to do.  ERR_CLOSED: it cannot be reached.
 * ERR_LIMIT, ERR_NOMEM, ERR_IO: it was reached, but gave no whole answer.
 */
MUST_CHECK enum err client_get(
	const char *socket_path, const char *path, struct client_answer *out, char *why);

#endif
