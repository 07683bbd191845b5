/*
 * deploy/node/principals/lines: lines of files and pipes, long ones and broken ones.
 */
#include "deploy/node/principals/lines.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct lines
lines_of(const void *bytes, size_t len)
{
	struct lines l = {.fd = memfd_create("test", 0)};

	cr_assert_geq(l.fd, 0);
	cr_assert_eq(write(l.fd, bytes, len), (ssize_t)len);
	cr_assert_eq(lseek(l.fd, 0, SEEK_SET), 0);
	return l;
}

static void
end(struct lines *l)
{
	lines_clear(l);
	close(l->fd);
}

static void
assert_line(struct lines *l, const char *text, unsigned long number)
{
	struct span line;

	cr_assert_eq(lines_next(l, &line), OK);
	cr_assert(span_is(line, text), "%.*s", (int)line.len, (const char *)line.ptr);
	cr_assert_eq(l->number, number);
}

static void
assert_end(struct lines *l)
{
	struct span line;

	cr_assert_eq(lines_next(l, &line), ERR_NOT_FOUND);
	cr_assert_eq(lines_next(l, &line), ERR_NOT_FOUND);
}

Test(lines, each_line_comes_once_without_its_end)
{
	static const char text[] = "one\n\ntwo\r\nth\0ree\nlast";
	struct lines l = lines_of(text, sizeof(text) - 1);

	assert_line(&l, "one", 1);
	assert_line(&l, "", 2);
	assert_line(&l, "two\r", 3);
	assert_line(&l, "th", 4);
	assert_line(&l, "last", 5);
	assert_end(&l);
	end(&l);
}

Test(lines, an_empty_file_has_none)
{
	struct lines l = lines_of("", 0);

	assert_end(&l);
	end(&l);
}

Test(lines, a_line_past_the_maximum_is_passed_over_and_counted)
{
	static char text[3 * LINES_LENGTH_MAX + 16];
	struct lines l;
	struct span line;
	size_t len = 0;

	memset(text, 'x', sizeof(text));
	text[1] = '\n';
	text[2 * LINES_LENGTH_MAX] = '\n';
	text[2 * LINES_LENGTH_MAX + 3] = '\n';
	len = 2 * LINES_LENGTH_MAX + 4 + LINES_LENGTH_MAX;
	l = lines_of(text, len);
	assert_line(&l, "x", 1);
	assert_line(&l, "xx", 3);
	cr_assert_eq(l.n_passed, 1);
	/* Exactly the maximum is good. */
	cr_assert_eq(lines_next(&l, &line), OK);
	cr_assert_eq(line.len, LINES_LENGTH_MAX);
	assert_end(&l);
	end(&l);
}

Test(lines, a_deadline_ends_the_wait_for_a_silent_pipe)
{
	struct span line;
	struct lines l = {.deadline_ms = lines_now_ms() + 20};
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	l.fd = fds[0];
	cr_assert_eq(write(fds[1], "half", 4), 4);
	cr_assert_eq(lines_next(&l, &line), ERR_TIMEOUT);
	lines_clear(&l);
	close(fds[0]);
	close(fds[1]);
}

Test(lines, what_cannot_be_read_is_an_error)
{
	struct span line;
	struct lines l = {.fd = open("/", O_RDONLY | O_DIRECTORY)};

	cr_assert_eq(lines_next(&l, &line), ERR_IO);
	end(&l);
}
