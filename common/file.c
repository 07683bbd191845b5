/*
 * Whole files.
 */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SIZE 4096

static void
close_keeping_errno(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
}

enum err
file_read_fd(int fd, struct buf *out)
{
	for (;;) {
		uint8_t *room;
		ssize_t n;
		enum err e = buf_reserve(out, 1, &room);

		/* A full buffer is too small only if there is more to come. */
		if (e == ERR_LIMIT) {
			uint8_t byte;

			n = read(fd, &byte, 1);
			return n == 0 ? OK : n > 0 ? ERR_LIMIT : ERR_IO;
		}
		if (e != OK)
			return e;
		n = read(fd, room, out->cap - out->head - out->len);
		if (n == 0)
			return OK;
		if (n < 0 && errno != EINTR)
			return ERR_IO;
		if (n > 0)
			buf_commit(out, (size_t)n);
	}
}

enum err
file_read(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum err e;

	if (fd < 0)
		return ERR_IO;
	e = file_read_fd(fd, out);
	close_keeping_errno(fd);
	return e;
}

static enum err
write_fd(int fd, struct span content)
{
	while (content.len > 0) {
		ssize_t n = write(fd, content.ptr, content.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		content = span_of(content.ptr + n, content.len - (size_t)n);
	}
	return fsync(fd) == 0 ? OK : ERR_IO;
}

/* Give the file temporary the name path, unless that is taken: what rename() would not refuse. */
static enum err
publish(const char *temporary, const char *path)
{
	if (link(temporary, path) == 0)
		return OK;
	return errno == EEXIST ? ERR_EXISTS : ERR_IO;
}

enum err
file_create(const char *path, mode_t mode, struct span content)
{
	char *temporary;
	enum err e = ERR_IO;
	int fd, error;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return ERR_NOMEM;
	/* mkostemp() makes it 0600: nobody else reads a key while it is written. */
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		goto out;
	e = write_fd(fd, content);
	if (e == OK && fchmod(fd, mode) != 0)
		e = ERR_IO;
	if (e == OK)
		e = publish(temporary, path);
	error = errno;
	unlink(temporary);
	close(fd);
	errno = error;
out:
	free(temporary);
	return e;
}
