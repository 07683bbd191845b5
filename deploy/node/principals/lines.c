/*
 * The lines of a file or pipe.
 */
#include "deploy/node/principals/lines.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_SIZE ((size_t)16 * 1024)

int64_t
lines_now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static enum err
wait_for_bytes(const struct lines *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};

	while (l->deadline_ms != 0) {
		int64_t left = l->deadline_ms - lines_now_ms();
		int n = left > 0 ? poll(&p, 1, left < INT_MAX ? (int)left : INT_MAX) : 0;

		if (n == 0)
			return ERR_TIMEOUT;
		if (n > 0)
			return OK;
		if (errno != EINTR)
			return ERR_IO;
	}
	return OK;
}

static enum err
read_block(struct lines *l)
{
	uint8_t *room;
	ssize_t n;
	enum err e = wait_for_bytes(l);

	if (e == OK)
		e = buf_reserve(&l->buf, BLOCK_SIZE, &room);
	if (e != OK)
		return e;
	n = read(l->fd, room, BLOCK_SIZE);
	if (n < 0)
		return errno == EINTR ? OK : ERR_IO;
	l->at_end = n == 0;
	l->total += (size_t)n;
	if (l->total > LINES_TOTAL_MAX)
		return ERR_LIMIT;
	buf_commit(&l->buf, (size_t)n);
	return OK;
}

/* The length of the line at the front with its newline; 0 while its end is not there. */
static size_t
whole_line(const struct lines *l)
{
	struct span s = buf_span(&l->buf);
	const uint8_t *end = s.len > 0 ? memchr(s.ptr, '\n', s.len) : NULL;

	if (end != NULL)
		return (size_t)(end - s.ptr) + 1;
	return l->at_end ? s.len : 0;
}

/* Take the line at the front off; false when it is too long. */
static bool
take_line(struct lines *l, size_t len, struct span *out)
{
	struct span s = span_of(buf_span(&l->buf).ptr, len);
	bool good = !l->passing && len <= LINES_LENGTH_MAX;
	const uint8_t *nul;

	l->passing = false;
	l->number++;
	l->taken = len;
	if (!good) {
		l->n_passed++;
		return false;
	}
	if (s.ptr[s.len - 1] == '\n')
		s.len--;
	nul = s.len > 0 ? memchr(s.ptr, '\0', s.len) : NULL;
	*out = span_of(s.ptr, nul != NULL ? (size_t)(nul - s.ptr) : s.len);
	return true;
}

enum err
lines_next(struct lines *l, struct span *out)
{
	for (;;) {
		size_t len;
		enum err e;

		buf_consume(&l->buf, l->taken);
		l->taken = 0;
		len = whole_line(l);
		if (len > 0 && take_line(l, len, out))
			return OK;
		if (len > 0)
			continue;
		if (l->at_end)
			return ERR_NOT_FOUND;
		if (l->buf.len > LINES_LENGTH_MAX) {
			buf_consume(&l->buf, l->buf.len);
			l->passing = true;
		}
		e = read_block(l);
		if (e != OK)
			return e;
	}
}

void
lines_clear(struct lines *l)
{
	buf_clear(&l->buf);
}
