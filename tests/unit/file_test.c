/*
 * common/file: limits, permission bits, nothing overwritten.
 */
#include "common/file.h"
#include "tests/lib/scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[96];

static void
make_folder(void)
{
	scratch_make_folder(folder, sizeof(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
}

static void
remove_folder(void)
{
	unlink(path);
	/* Fails, and so does the test, if a temporary file was left. */
	cr_assert_eq(rmdir(folder), 0);
}

TestSuite(file, .init = make_folder, .fini = remove_folder);

Test(file, a_new_file_has_its_content_and_its_mode)
{
	struct buf read = {0};
	struct stat st;

	umask(077);
	cr_assert_eq(file_create(path, 0644, span_str("hello\n")), OK);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0644);
	cr_assert_eq(file_read(path, &read), OK);
	cr_assert(span_is(buf_span(&read), "hello\n"));
	buf_clear(&read);
}

Test(file, what_exists_is_not_overwritten)
{
	struct buf read = {0};

	cr_assert_eq(file_create(path, 0600, span_str("first")), OK);
	cr_assert_eq(file_create(path, 0600, span_str("second")), ERR_EXISTS);
	cr_assert_eq(file_read(path, &read), OK);
	cr_assert(span_is(buf_span(&read), "first"));
	buf_clear(&read);
}

Test(file, a_file_may_be_as_large_as_the_buffer_and_no_larger)
{
	char content[10001];
	struct buf exact, small;

	memset(content, 'x', sizeof(content));
	buf_init(&exact, sizeof(content));
	buf_init(&small, sizeof(content) - 1);
	cr_assert_eq(file_create(path, 0600, span_of(content, sizeof(content))), OK);
	cr_assert_eq(file_read(path, &exact), OK);
	cr_assert_eq(exact.len, sizeof(content));
	cr_assert_eq(file_read(path, &small), ERR_LIMIT);
	buf_clear(&exact);
	buf_clear(&small);
}

Test(file, errno_tells_why_a_file_cannot_be_read_or_made)
{
	struct buf read = {0};

	cr_assert_eq(file_read(path, &read), ERR_IO);
	cr_assert_eq(errno, ENOENT);
	cr_assert_eq(file_create("/nonexistent/file", 0600, span_str("")), ERR_IO);
	cr_assert_eq(errno, ENOENT);
}
