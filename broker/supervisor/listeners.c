/*
 * Binding sockets.
 */
#include "broker/supervisor/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TCP_BACKLOG 1024
#define ADMIN_BACKLOG 64
/* An address in use is tried again this often, with this pause. */
#define BIND_TRIES_MAX 60
#define BIND_PAUSE_MS 50

/* --- TCP --- */

static enum err
set_options(int fd, uint8_t family)
{
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		return ERR_IO;
	if (family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
		return ERR_IO;
	return OK;
}

static enum err
bind_tcp(int fd, const struct addr *a)
{
	struct timespec pause = {0, BIND_PAUSE_MS * 1000000L};
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, &ss);

	for (unsigned i = 0; i < BIND_TRIES_MAX; i++) {
		if (bind(fd, (struct sockaddr *)&ss, len) == 0 && listen(fd, TCP_BACKLOG) == 0)
			return OK;
		if (errno != EADDRINUSE)
			return ERR_IO;
		(void)nanosleep(&pause, NULL);
	}
	errno = EADDRINUSE;
	return ERR_IO;
}

static enum err
get_bound(int fd, struct addr *bound)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		return ERR_IO;
	return addr_from_sockaddr((struct sockaddr *)&ss, len, bound);
}

/* Close fd and keep errno, which tells why e. */
static enum err
close_failed(int fd, enum err e)
{
	int why = errno;

	close(fd);
	errno = why;
	return e;
}

enum err
listeners_open_tcp(const struct addr *a, int *out, struct addr *bound)
{
	int domain = a->family == 6 ? AF_INET6 : AF_INET;
	int fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	enum err e;

	if (fd < 0)
		return ERR_IO;
	e = set_options(fd, a->family);
	if (e == OK)
		e = bind_tcp(fd, a);
	if (e == OK)
		e = get_bound(fd, bound);
	if (e != OK)
		return close_failed(fd, e);
	*out = fd;
	return OK;
}

/* --- unix --- */

/* A path through /proc, since the whole one may be longer than the 107 bytes that a socket's address holds. */
static enum err
unix_address(int dir, const char *name, struct sockaddr_un *out)
{
	int n;

	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/%s", dir, name);
	return n > 0 && (size_t)n < sizeof(out->sun_path) ? OK : ERR_LIMIT;
}

static enum err
remove_old_socket(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? OK : ERR_IO;
	if (!S_ISSOCK(st.st_mode))
		return ERR_EXISTS;
	return unlinkat(dir, name, 0) == 0 || errno == ENOENT ? OK : ERR_IO;
}

/* No moment with more permissions than asked for: the socket is made with none for others. */
static enum err
bind_and_chmod(int fd, int dir, const char *name, mode_t mode)
{
	struct sockaddr_un sun;
	enum err e = unix_address(dir, name, &sun);
	mode_t old;
	int rc;

	if (e != OK)
		return e;
	old = umask(0177);
	rc = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	(void)umask(old);
	if (rc != 0 || fchmodat(dir, name, mode, 0) != 0)
		return ERR_IO;
	return OK;
}

static enum err
unix_socket(int *out)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return ERR_IO;
	*out = fd;
	return OK;
}

enum err
listeners_bind_unix(int dir, const char *name, mode_t mode, int *out)
{
	enum err e = remove_old_socket(dir, name);
	int fd;

	if (e == OK)
		e = unix_socket(&fd);
	if (e != OK)
		return e;
	e = bind_and_chmod(fd, dir, name, mode);
	if (e != OK)
		return close_failed(fd, e);
	*out = fd;
	return OK;
}

enum err
listeners_connect_unix(int dir, const char *name, int *out)
{
	struct sockaddr_un sun;
	enum err e = unix_address(dir, name, &sun);
	int fd;

	if (e == OK)
		e = unix_socket(&fd);
	if (e != OK)
		return e;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0)
		return close_failed(fd, ERR_IO);
	*out = fd;
	return OK;
}

/* --- the admin socket --- */

static enum err
open_folder(const char *path, int *out)
{
	char *copy = strdup(path);
	int fd;

	if (copy == NULL)
		return ERR_NOMEM;
	fd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	*out = fd;
	return OK;
}

static const char *
last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static enum err
open_in_folder(int dir, const char *name, const struct listeners_access *access, int *out)
{
	enum err e = listeners_bind_unix(dir, name, 0600, out);

	if (e != OK)
		return e;
	if ((access->gid != (gid_t)-1 && fchownat(dir, name, (uid_t)-1, access->gid, 0) != 0) ||
		fchmodat(dir, name, access->mode, 0) != 0 || listen(*out, ADMIN_BACKLOG) != 0)
		return close_failed(*out, ERR_IO);
	return OK;
}

/* Can nobody but root and us replace the socket between its making and the change of its permissions? */
static enum err
check_folder(int dir)
{
	struct stat st;

	if (fstat(dir, &st) != 0)
		return ERR_IO;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return ERR_DENIED;
	return (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (st.st_mode & S_ISVTX) != 0 ? OK
										      : ERR_DENIED;
}

enum err
listeners_open_admin(const char *path, const struct listeners_access *access, int *out)
{
	int dir, fd;
	enum err e = open_folder(path, &dir);

	if (e != OK)
		return e;
	e = check_folder(dir);
	if (e == OK)
		e = open_in_folder(dir, last_part(path), access, &fd);
	(void)close_failed(dir, e);
	if (e == OK)
		*out = fd;
	return e;
}

enum err
listeners_find_group(const char *group, gid_t *out)
{
	struct group *g = getgrnam(group);
	unsigned long v;
	char *end;

	if (g != NULL) {
		*out = g->gr_gid;
		return OK;
	}
	errno = 0;
	v = strtoul(group, &end, 10);
	if (errno != 0 || *group < '0' || *group > '9' || *end != '\0' || v > 0xfffffffeul)
		return ERR_NOT_FOUND;
	*out = (gid_t)v;
	return OK;
}
