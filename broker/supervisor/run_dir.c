/*
 * The supervisor's folder.
 */
#include "broker/supervisor/run_dir.h"

#include "broker/messages/role_kind.h"
#include "broker/supervisor/listeners.h"
#include "common/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "sshbrokerd.lock"
#define FOLDER_MODE 0755
/* Who can read the file can lock it, too, and keep every supervisor out. */
#define LOCK_MODE 0600

/* --- the folder and its lock --- */

static enum err
check_folder(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		log_error("run_dir %s: %s", path, strerror(errno));
		return ERR_IO;
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 || (st.st_uid != 0 && st.st_uid != geteuid())) {
		log_error(
			"run_dir %s: others can write there; make it yours, with mode 0755", path);
		return ERR_DENIED;
	}
	return OK;
}

static enum err
open_folder(const char *path, int *out)
{
	bool is_new = mkdir(path, FOLDER_MODE) == 0;
	int fd = -1;
	enum err e;

	if (is_new || errno == EEXIST)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* The umask has taken something away. */
	if (fd < 0 || (is_new && fchmod(fd, FOLDER_MODE) != 0)) {
		log_error("run_dir %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	e = check_folder(fd, path);
	if (e != OK)
		close(fd);
	else
		*out = fd;
	return e;
}

/*
 * A record lock, since flock() is inherited: a role that is just being started when the supervisor is killed would keep
 * the next one out.
 */
static enum err
lock_file(int fd, const char *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_SETLK, &lock) == 0)
		return OK;
	if (errno != EACCES && errno != EAGAIN) {
		log_error("run_dir %s: %s: %s", path, LOCK_NAME, strerror(errno));
		return ERR_IO;
	}
	if (fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
		lock.l_pid = 0;
	log_error("run_dir %s: another sshbrokerd has it (pid %d)", path, (int)lock.l_pid);
	return ERR_EXISTS;
}

static enum err
take_lock(int dir, const char *path, int *out)
{
	int fd = openat(dir, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LOCK_MODE);
	enum err e = fd >= 0 ? lock_file(fd, path) : ERR_IO;

	if (fd < 0 || fchmod(fd, LOCK_MODE) != 0) {
		log_error("run_dir %s: %s: %s", path, LOCK_NAME, strerror(errno));
		e = ERR_IO;
	}
	/* The number is for people: a full disk is no reason not to start. */
	if (e == OK && (ftruncate(fd, 0) != 0 || dprintf(fd, "%d\n", getpid()) < 0))
		log_warn("run_dir %s: %s: the process id is not in it: %s", path, LOCK_NAME,
			strerror(errno));
	if (e == OK)
		*out = fd;
	else if (fd >= 0)
		close(fd);
	return e;
}

enum err
run_dir_open(const char *path, struct run_dir *out)
{
	struct run_dir d;
	enum err e = open_folder(path, &d.fd);

	if (e != OK)
		return e;
	e = take_lock(d.fd, path, &d.lock);
	if (e != OK)
		close(d.fd);
	else
		*out = d;
	return e;
}

void
run_dir_close(struct run_dir *d)
{
	if (d->lock >= 0)
		close(d->lock);
	if (d->fd >= 0)
		close(d->fd);
	*d = (struct run_dir){.fd = -1, .lock = -1};
}

/* --- the relays' sockets --- */

enum err
run_dir_make_socket(
	const struct run_dir *d, unsigned index, char name[RUN_DIR_SOCKET_NAME_SIZE], int *out)
{
	uint64_t unique;

	if (getrandom(&unique, sizeof(unique), 0) != sizeof(unique))
		return ERR_CRYPTO;
	(void)snprintf(
		name, RUN_DIR_SOCKET_NAME_SIZE, "relay-%u-%016" PRIx64 ".sock", index, unique);
	return listeners_bind_unix(d->fd, name, 0600, out);
}

void
run_dir_remove(const struct run_dir *d, const char *name)
{
	if (unlinkat(d->fd, name, 0) != 0 && errno != ENOENT)
		log_warn("%s in run_dir: %s", name, strerror(errno));
}

/* Is this the name of a relay's socket, and of which index? */
static bool
is_relay_socket(const char *name, unsigned *index)
{
	char again[RUN_DIR_SOCKET_NAME_SIZE];
	uint64_t unique;

	if (sscanf(name, "relay-%u-%" SCNx64 ".sock", index, &unique) != 2)
		return false;
	(void)snprintf(again, sizeof(again), "relay-%u-%016" PRIx64 ".sock", *index, unique);
	return *index < ROLE_INDEX_MAX && strcmp(name, again) == 0;
}

static void
try_relay(const struct run_dir *d, const char *name, run_dir_relay_fn found, void *arg)
{
	unsigned index;
	int fd;

	if (!is_relay_socket(name, &index))
		return;
	if (listeners_connect_unix(d->fd, name, &fd) == OK)
		found(arg, index, name, fd);
	else if (errno == ECONNREFUSED)
		run_dir_remove(d, name);
	else
		log_warn("%s in run_dir: %s", name, strerror(errno));
}

void
run_dir_scan(const struct run_dir *d, run_dir_relay_fn found, void *arg)
{
	int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;

	if (list == NULL) {
		log_warn("run_dir cannot be listed: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list))
		try_relay(d, entry->d_name, found, arg);
	closedir(list);
}
