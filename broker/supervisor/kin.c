/*
 * Killing a relay that is no child.
 */
#include "broker/supervisor/kin.h"

#include "common/buf.h"
#include "common/file.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define COMMAND_SIZE 256
#define PATH_SIZE 64

/* Ends its arguments in "--role" and the name? */
static bool
was_started_as(pid_t pid, const char *name)
{
	char path[PATH_SIZE], wanted[PATH_SIZE];
	struct buf command;
	struct span end;
	int len;
	bool is_it = false;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	/* Each argument with its NUL. */
	len = snprintf(wanted, sizeof(wanted), "%c--role%c%s", '\0', '\0', name) + 1;
	buf_init(&command, COMMAND_SIZE);
	if (file_read(path, &command) == OK && command.len >= (size_t)len) {
		end = buf_span(&command);
		is_it = memcmp(end.ptr + end.len - (size_t)len, wanted, (size_t)len) == 0;
	}
	buf_clear(&command);
	return is_it;
}

int
kin_kill(pid_t pid, const char *name)
{
	/* It stands for the process that has the pid now; if that ends, and another gets the pid, nobody is killed. */
	int fd = pidfd_open(pid, 0), rc = -1, why;

	if (fd < 0)
		return -1;
	if (was_started_as(pid, name))
		rc = pidfd_send_signal(fd, SIGKILL, NULL, 0);
	else
		errno = ESRCH;
	why = errno;
	close(fd);
	errno = why;
	return rc;
}
