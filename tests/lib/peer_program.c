/*
 * Programs of other implementations as peers.
 */
#include "tests/lib/peer_program.h"

#include "common/ssh/keyfile.h"
#include "tests/lib/scratch.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SSHD "/usr/sbin/sshd"
#define WAIT_MS 60000

static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "peer program: %s: %s\n", what, strerror(errno));
	abort();
}

void
peer_folder_make(struct peer_folder *f)
{
	scratch_make_folder(f->path, sizeof(f->path));
	must(chmod(f->path, 0755) == 0, "chmod");
}

static void
path_of(const struct peer_folder *f, const char *name, char out[512])
{
	(void)snprintf(out, 512, "%s/%s", f->path, name);
}

void
peer_folder_remove(struct peer_folder *f)
{
	DIR *d = opendir(f->path);
	struct dirent *entry;
	char path[512];

	must(d != NULL, "opendir");
	for (entry = readdir(d); entry != NULL; entry = readdir(d)) {
		path_of(f, entry->d_name, path);
		if (entry->d_name[0] != '.')
			must(unlink(path) == 0, path);
	}
	(void)closedir(d);
	must(rmdir(f->path) == 0, "rmdir");
}

void
peer_folder_write(
	const struct peer_folder *f, const char *name, struct span content, bool is_private)
{
	char path[512];
	int fd;

	path_of(f, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, is_private ? 0600 : 0644);
	must(fd >= 0, path);
	must(write(fd, content.ptr, content.len) == (ssize_t)content.len, path);
	(void)close(fd);
}

void
peer_folder_write_key(const struct peer_folder *f, const char *name, const struct privkey *key)
{
	struct buf b = {0};

	must(keyfile_write(key, "test", &b) == OK, "keyfile_write");
	peer_folder_write(f, name, buf_span(&b), true);
	buf_clear(&b);
}

void
peer_folder_read(const struct peer_folder *f, const char *name, char *out, size_t size)
{
	char path[512];
	ssize_t n = -1;
	int fd;

	path_of(f, name, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		(void)close(fd);
}

const char *
peer_user(void)
{
	const struct passwd *entry = getpwuid(getuid());

	must(entry != NULL, "getpwuid");
	return entry->pw_name;
}

/* sshd as root wants /run/sshd, which is there only where sshd is a service: give this process a /run of its own. */
static void
make_run_sshd(void)
{
	if (getuid() != 0 || access("/run/sshd", F_OK) == 0)
		return;
	must(unshare(CLONE_NEWNS) == 0, "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private mounts");
	must(mount("tmpfs", "/run", "tmpfs", 0, "mode=755") == 0, "mounting /run");
	must(mkdir("/run/sshd", 0755) == 0, "mkdir /run/sshd");
}

static int
open_in(const struct peer_folder *f, const char *name, int flags)
{
	char path[512];
	int fd;

	if (name == NULL)
		return open("/dev/null", O_RDWR);
	path_of(f, name, path);
	fd = open(path, flags, 0644);
	must(fd >= 0, path);
	return fd;
}

/* In the child: these become standard input, output and error, and it does not outlive the test. */
static void
become(int in, int out, int log, char *const argv[])
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(log, 2) == 2, "dup2");
	(void)close_range(3, ~0u, 0);
	(void)execv(argv[0], argv);
	must(false, argv[0]);
}

int
peer_start_sshd(const struct peer_folder *f, pid_t *pid)
{
	char config[512], log[512];
	char *const argv[] = {SSHD, "-i", "-E", log, "-f", config, NULL};
	int pair[2];

	path_of(f, "sshd_config", config);
	path_of(f, "log", log);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	*pid = fork();
	must(*pid >= 0, "fork");
	if (*pid == 0) {
		make_run_sshd();
		become(pair[1], pair[1], open_in(f, "log", O_WRONLY | O_CREAT | O_APPEND), argv);
	}
	(void)close(pair[1]);
	return pair[0];
}

pid_t
peer_start(const struct peer_folder *f, char *const argv[], const char *in, const char *out)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid == 0)
		become(open_in(f, in, O_RDONLY), open_in(f, out, O_WRONLY | O_CREAT | O_TRUNC),
			open_in(f, "log", O_WRONLY | O_CREAT | O_APPEND), argv);
	return pid;
}

int
peer_wait(pid_t pid)
{
	int status = -1;
	pid_t done = 0;

	for (int ms = 0; ms < WAIT_MS && done == 0; ms += 10) {
		done = waitpid(pid, &status, WNOHANG);
		if (done == 0)
			(void)poll(NULL, 0, 10);
	}
	if (done == 0) {
		(void)kill(pid, SIGKILL);
		done = waitpid(pid, &status, 0);
	}
	must(done == pid, "waitpid");
	return status;
}

int
peer_listen(unsigned *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0,
		"listening");
	must(getsockname(fd, (struct sockaddr *)&a, &len) == 0, "getsockname");
	*port = ntohs(a.sin_port);
	return fd;
}

int
peer_accept(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};
	int fd;

	must(poll(&p, 1, WAIT_MS) == 1, "waiting for a client");
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	must(fd >= 0, "accept");
	return fd;
}
