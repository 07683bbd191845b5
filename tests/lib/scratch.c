/*
 * A folder of a test's own, and commands that are run to ask another implementation.
 */
#include "tests/lib/scratch.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void
give_up(const char *what)
{
	perror(what);
	abort();
}

void
scratch_make_folder(char *path, size_t size)
{
	const char *tmp = getenv("TMPDIR");
	int n = snprintf(path, size, "%s/sshbroker-test-XXXXXX", tmp != NULL ? tmp : "/tmp");

	if (n < 0 || (size_t)n >= size || mkdtemp(path) == NULL)
		give_up("mkdtemp");
}

void
scratch_init(struct scratch *s)
{
	scratch_make_folder(s->dir, sizeof(s->dir));
}

static int
on_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

void
scratch_clear(struct scratch *s)
{
	if (nftw(s->dir, on_entry, 8, FTW_DEPTH | FTW_PHYS) != 0)
		give_up(s->dir);
}

const char *
scratch_path(const struct scratch *s, const char *name, char out[SCRATCH_PATH_SIZE])
{
	if (snprintf(out, SCRATCH_PATH_SIZE, "%s/%s", s->dir, name) >= SCRATCH_PATH_SIZE)
		abort();
	return out;
}

void
scratch_write(const struct scratch *s, const char *name, struct span content, mode_t mode)
{
	char path[SCRATCH_PATH_SIZE];
	int fd = open(scratch_path(s, name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, content.ptr, content.len) != (ssize_t)content.len ||
		fchmod(fd, mode) != 0 || close(fd) != 0)
		give_up(path);
}

int
scratch_run(const struct scratch *s, const char *command, struct buf *out)
{
	char line[1024], bytes[4096];
	size_t len;
	int status;
	FILE *f;

	if (snprintf(line, sizeof(line), "cd '%s' && { %s; } 2>&1 </dev/null", s->dir, command) >=
		(int)sizeof(line))
		abort();
	buf_reset(out);
	f = popen(line, "re");
	if (f == NULL)
		give_up("popen");
	do {
		len = fread(bytes, 1, sizeof(bytes), f);
		if (buf_append(out, bytes, len) != OK)
			abort();
	} while (len > 0);
	status = pclose(f);
	if (buf_append(out, "", 1) != OK || status == -1)
		abort();
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
