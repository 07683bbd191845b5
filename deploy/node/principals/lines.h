/*
 * The lines of a file or pipe, one at a time, whatever its size.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_LINES_H
#define DEPLOY_NODE_PRINCIPALS_LINES_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* Longer lines are passed over, as if they were not there. */
#define LINES_LENGTH_MAX ((size_t)64 * 1024)
/* What is read in all, at most, in bytes. */
#define LINES_TOTAL_MAX ((size_t)256 << 20)

/* Embedded; begins zeroed but for fd and deadline_ms. */
struct lines {
	int fd; /* borrowed */
	int64_t deadline_ms; /* monotonic; 0: wait for ever */
	struct buf buf;
	size_t taken; /* at the front of buf: the line that was given last */
	size_t total;
	unsigned long number; /* of the line that was given last, from 1 */
	unsigned long n_passed; /* lines that were too long */
	bool at_end;
	bool passing; /* within a line that is too long */
};

/*
 * The next line, without its newline and cut at its first NUL (where sshd's own parser stops), borrowed until the next
 * call.  ERR_NOT_FOUND: there are no more.  ERR_LIMIT, ERR_TIMEOUT, ERR_NOMEM, ERR_IO with errno.
 */
MUST_CHECK enum err lines_next(struct lines *l, struct span *out);
void lines_clear(struct lines *l);

/* Monotonic milliseconds, as deadline_ms counts them. */
int64_t lines_now_ms(void);

#endif
