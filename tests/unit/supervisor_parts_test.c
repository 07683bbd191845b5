/*
 * What the supervisor is made of: pauses, sockets, the run folder.
 */
#include "broker/supervisor/backoff.h"
#include "broker/supervisor/listeners.h"
#include "broker/supervisor/run_dir.h"
#include "tests/lib/scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Test(backoff, pauses_double_up_to_the_maximum)
{
	static const uint32_t expected[] = {100, 200, 400, 800, 1000, 1000};
	struct backoff b;

	backoff_init(&b, 100, 1000);
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		cr_expect_eq(backoff_next(&b, 5), expected[i]);
}

Test(backoff, a_long_life_makes_earlier_deaths_forgotten)
{
	struct backoff b;

	backoff_init(&b, 100, 1000);
	(void)backoff_next(&b, 0);
	cr_assert_eq(backoff_next(&b, BACKOFF_STABLE_MS - 1), 200);
	cr_assert_eq(backoff_next(&b, BACKOFF_STABLE_MS), 100);
	cr_assert_eq(backoff_next(&b, 0), 200);
}

Test(backoff, extremes_do_not_overflow)
{
	struct backoff b;

	backoff_init(&b, 3000000000u, UINT32_MAX);
	cr_assert_eq(backoff_next(&b, 0), 3000000000u);
	cr_assert_eq(backoff_next(&b, 0), UINT32_MAX);
	backoff_init(&b, 50, 10);
	cr_assert_eq(backoff_next(&b, 0), 50);
	cr_assert_eq(backoff_next(&b, 0), 50);
}

static char folder[64];
static int folder_fd;

static void
setup(void)
{
	scratch_make_folder(folder, sizeof(folder));
	folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(folder_fd, 0);
}

static void
teardown(void)
{
	char command[128];

	close(folder_fd);
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(listeners, .init = setup, .fini = teardown);
TestSuite(run_dir, .init = setup, .fini = teardown);

static mode_t
mode_of(const char *name)
{
	struct stat st;

	cr_assert_eq(fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

Test(listeners, a_tcp_socket_listens_on_the_port_that_the_system_chose)
{
	struct sockaddr_storage ss;
	struct addr a, bound;
	int fd, client;

	cr_assert_eq(addr_parse("127.0.0.1:0", true, &a), OK);
	cr_assert_eq(listeners_open_tcp(&a, &fd, &bound), OK);
	cr_assert_neq(bound.port, 0);
	cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(client, (struct sockaddr *)&ss, addr_to_sockaddr(&bound, &ss)), 0);
	close(client);
	close(fd);
}

Test(listeners, an_address_of_another_machine_is_refused_at_once)
{
	struct addr a, bound;
	int fd;

	cr_assert_eq(addr_parse("192.0.2.1:22", false, &a), OK);
	cr_assert_eq(listeners_open_tcp(&a, &fd, &bound), ERR_IO);
	cr_assert_eq(errno, EADDRNOTAVAIL);
}

Test(listeners, a_unix_socket_has_its_permissions_and_replaces_an_older_one)
{
	int fd, again, client;

	cr_assert_eq(listeners_bind_unix(folder_fd, "s", 0620, &fd), OK);
	cr_assert_eq(mode_of("s"), 0620);
	cr_assert_eq(listeners_connect_unix(folder_fd, "s", &client), ERR_IO);
	cr_assert_eq(errno, ECONNREFUSED);
	cr_assert_eq(listeners_bind_unix(folder_fd, "s", 0600, &again), OK);
	cr_assert_eq(listen(again, 1), 0);
	cr_assert_eq(listeners_connect_unix(folder_fd, "s", &client), OK);
	close(client);
	close(again);
	close(fd);
}

Test(listeners, something_else_of_that_name_stays)
{
	int fd = openat(folder_fd, "s", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	cr_assert_eq(listeners_bind_unix(folder_fd, "s", 0600, &fd), ERR_EXISTS);
	cr_assert_eq(symlinkat("nowhere", folder_fd, "l"), 0);
	cr_assert_eq(listeners_bind_unix(folder_fd, "l", 0600, &fd), ERR_EXISTS);
	cr_assert_eq(faccessat(folder_fd, "s", F_OK, 0), 0);
}

Test(listeners, an_admin_socket_may_be_deep_down)
{
	struct listeners_access access = {.mode = 0660, .gid = (gid_t)-1};
	char path[512];
	size_t len = (size_t)snprintf(path, sizeof(path), "%s", folder);
	int fd;

	for (unsigned i = 0; i < 10; i++) {
		len += (size_t)snprintf(path + len, sizeof(path) - len, "/a-folder-in-a-folder");
		cr_assert_eq(mkdir(path, 0700), 0);
	}
	(void)snprintf(path + len, sizeof(path) - len, "/admin.sock");
	cr_assert_eq(listeners_open_admin(path, &access, &fd), OK);
	cr_assert_eq(mode_of(path + strlen(folder) + 1), 0660);
	close(fd);
	(void)snprintf(path + len, sizeof(path) - len, "/none/admin.sock");
	cr_assert_eq(listeners_open_admin(path, &access, &fd), ERR_NOT_FOUND);
}

/* Who can change names there could have the permissions given to a file of their choice. */
Test(listeners, an_admin_socket_stands_where_nobody_else_can_replace_it)
{
	static const struct {
		mode_t mode;
		enum err expected;
	} cases[] = {{0777, ERR_DENIED}, {0770, ERR_DENIED}, {01777, OK}, {0755, OK}};
	struct listeners_access access = {.mode = 0660, .gid = (gid_t)-1};
	char path[80];
	int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/admin.sock", folder);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cr_assert_eq(chmod(folder, cases[i].mode), 0);
		cr_expect_eq(listeners_open_admin(path, &access, &fd), cases[i].expected, "%04o",
			(unsigned)cases[i].mode);
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
}

Test(listeners, groups_are_found_by_name_and_by_number)
{
	gid_t gid = 77;

	cr_assert_eq(listeners_find_group("no-such-group-here", &gid), ERR_NOT_FOUND);
	cr_assert_eq(listeners_find_group("", &gid), ERR_NOT_FOUND);
	cr_assert_eq(listeners_find_group("12x", &gid), ERR_NOT_FOUND);
	cr_assert_eq(listeners_find_group("4294967295", &gid), ERR_NOT_FOUND);
	cr_assert_eq(gid, 77);
	cr_assert_eq(listeners_find_group("root", &gid), OK);
	cr_assert_eq(gid, 0);
	cr_assert_eq(listeners_find_group("64078", &gid), OK);
	cr_assert_eq(gid, 64078);
}

/* What another process gets. */
static enum err
open_elsewhere(const char *path)
{
	struct run_dir d;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit((int)run_dir_open(path, &d));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	return (enum err)WEXITSTATUS(status);
}

Test(run_dir, it_is_made_and_locked)
{
	struct run_dir d;
	char path[80];

	(void)snprintf(path, sizeof(path), "%s/run", folder);
	(void)umask(077);
	cr_assert_eq(run_dir_open(path, &d), OK);
	cr_assert_eq(mode_of("run"), 0755);
	cr_assert_eq(open_elsewhere(path), ERR_EXISTS);
	run_dir_close(&d);
	run_dir_close(&d);
	cr_assert_eq(open_elsewhere(path), OK);
}

Test(run_dir, nobody_else_can_lock_it)
{
	struct run_dir d;
	int fd = openat(folder_fd, "sshbrokerd.lock", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	/* Of an older version. */
	cr_assert_eq(fchmod(fd, 0644), 0);
	close(fd);
	cr_assert_eq(run_dir_open(folder, &d), OK);
	cr_assert_eq(mode_of("sshbrokerd.lock"), 0600);
	run_dir_close(&d);
}

Test(run_dir, a_child_does_not_keep_the_lock)
{
	struct run_dir d;
	int hold[2];
	pid_t child;

	cr_assert_eq(pipe2(hold, O_CLOEXEC), 0);
	cr_assert_eq(run_dir_open(folder, &d), OK);
	child = fork();
	if (child == 0) {
		char c;

		close(hold[1]);
		_exit((int)read(hold[0], &c, 1));
	}
	close(d.lock);
	close(d.fd);
	cr_assert_eq(open_elsewhere(folder), OK);
	close(hold[1]);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	close(hold[0]);
}

Test(run_dir, a_folder_that_others_can_write_is_refused)
{
	struct run_dir d;

	cr_assert_eq(chmod(folder, 0777), 0);
	cr_assert_eq(run_dir_open(folder, &d), ERR_DENIED);
	cr_assert_eq(chmod(folder, 0770), 0);
	cr_assert_eq(run_dir_open(folder, &d), ERR_DENIED);
	cr_assert_eq(run_dir_open("/nowhere/run", &d), ERR_IO);
}

struct found {
	unsigned n;
	unsigned index;
	char name[RUN_DIR_SOCKET_NAME_SIZE];
};

static void
on_found(void *arg, unsigned index, const char *name, int fd)
{
	struct found *f = arg;

	f->n++;
	f->index = index;
	(void)strcpy(f->name, name);
	close(fd);
}

Test(run_dir, a_scan_finds_the_living_and_removes_the_dead)
{
	static const char *const strange[] = {"relay-1.sock", "relay-x-0123456789abcdef.sock",
		"relay-1-0123456789abcdef.sock.bak", "relay-01-0123456789abcdef.sock",
		"relay-1000-0123456789abcdef.sock", "relay--1-0123456789abcdef.sock",
		"relay-4294967297-0123456789abcdef.sock", "relay-1-123.sock", "admin.sock"};
	char living[RUN_DIR_SOCKET_NAME_SIZE], dead[RUN_DIR_SOCKET_NAME_SIZE];
	struct found f = {0};
	struct run_dir d;
	int fd, gone;

	cr_assert_eq(run_dir_open(folder, &d), OK);
	cr_assert_eq(run_dir_make_socket(&d, 12, living, &fd), OK);
	cr_assert_eq(listen(fd, 4), 0);
	cr_assert_eq(run_dir_make_socket(&d, 12, dead, &gone), OK);
	close(gone);
	for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
		cr_assert_eq(listeners_bind_unix(folder_fd, strange[i], 0600, &gone), OK);
		close(gone);
	}
	run_dir_scan(&d, on_found, &f);
	cr_assert_eq(f.n, 1);
	cr_assert_eq(f.index, 12);
	cr_assert_str_eq(f.name, living);
	cr_assert_neq(faccessat(folder_fd, dead, F_OK, 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(strange); i++)
		cr_expect_eq(faccessat(folder_fd, strange[i], F_OK, 0), 0, "%s", strange[i]);
	run_dir_remove(&d, living);
	cr_assert_neq(faccessat(folder_fd, living, F_OK, 0), 0);
	close(fd);
	run_dir_close(&d);
}
