/*
 * broker/supervisor and broker/role with real processes: this program is its own sshbrokerd, with roles that report
 * what happens to them.
 */
#include "broker/messages/control.h"
#include "broker/role/role.h"
#include "broker/supervisor/supervisor.h"
#include "common/ipc/ipc.h"
#include "common/log.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_ENV "SUPERVISOR_TEST_REPORTS"
#define FAIL_ENV "SUPERVISOR_TEST_FAIL" /* the role that cannot start */
#define STUBBORN_ENV "SUPERVISOR_TEST_STUBBORN" /* the role that ignores STOP */
#define EVENTS_MAX 1024
#define LOG_MAX (256 * 1024)
#define WAIT_MS 30000
#define TEXT 32

/* --- the roles --- */

#define PEERS_MAX 16
#define MESSAGE_NAME 100

struct test_role;

struct test_peer {
	struct test_role *owner;
	struct role_peer who;
	struct ipc *link;
};

struct test_role {
	struct role *role;
	char name[ROLE_NAME_SIZE];
	struct test_peer peers[PEERS_MAX];
	size_t n_peers;
};

/* One datagram for each event: what, who, which process, about whom, which process. */
static void
report(const char *what, const char *self, const char *peer, int peer_pid)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char text[128];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int n = snprintf(
		text, sizeof(text), "%s %s %d %s %d", what, self, (int)getpid(), peer, peer_pid);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", getenv(REPORT_ENV));
	if (sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&to, sizeof(to)) != n)
		abort();
	close(fd);
}

static void
report_number(const char *what, const char *self, int number)
{
	report(what, self, "-", number);
}

static void
on_peer_message(void *arg, struct ipc_message *m)
{
	struct test_peer *p = arg;
	char name[TEXT] = "";
	int pid = 0;

	if (m->type != MESSAGE_NAME ||
		sscanf((const char *)m->body.ptr, "%31s %d", name, &pid) != 2 || pid != p->who.pid)
		abort();
	report("heard", p->owner->name, name, pid);
}

static void
on_peer_closed(void *arg, enum err why)
{
	struct test_peer *p = arg;

	(void)why;
	ipc_free(p->link);
	p->link = NULL;
}

static struct test_peer *
find_peer(struct test_role *t, const struct role_peer *who)
{
	for (size_t i = 0; i < t->n_peers; i++) {
		if (t->peers[i].who.kind == who->kind && t->peers[i].who.index == who->index)
			return &t->peers[i];
	}
	if (t->n_peers == PEERS_MAX)
		abort();
	return &t->peers[t->n_peers++];
}

static void
on_link(void *arg, const struct role_peer *who, int fd)
{
	struct test_role *t = arg;
	struct test_peer *p = find_peer(t, who);
	char text[TEXT * 2];
	int n = snprintf(text, sizeof(text), "%s %d", t->name, (int)getpid());

	ipc_free(p->link);
	*p = (struct test_peer){.owner = t, .who = *who};
	if (ipc_new(role_base(t->role), fd, on_peer_message, on_peer_closed, p, &p->link) != OK ||
		ipc_send(p->link, MESSAGE_NAME, span_of(text, (size_t)n + 1), NULL, 0) != OK)
		abort();
}

static void
on_stop(void *arg)
{
	struct test_role *t = arg;
	const char *stubborn = getenv(STUBBORN_ENV);

	report("stop", t->name, "-", 0);
	if (stubborn == NULL || strcmp(stubborn, t->name) != 0)
		role_exit(t->role, 0);
}

static void
on_drain(void *arg)
{
	struct test_role *t = arg;

	report("drain", t->name, "-", 0);
}

static void
on_orphaned(void *arg)
{
	struct test_role *t = arg;

	report("orphaned", t->name, "-", 0);
}

static void
on_config(void *arg, const struct config *c)
{
	struct test_role *t = arg;

	if (role_config(t->role) != c)
		abort();
	report_number("config", t->name, (int)c->limits.login_grace_s);
}

/* What was inherited that should not have been? */
static int
count_strange_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (d == NULL)
		abort();
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		n += atoi(e->d_name) > ROLE_CONTROL_FD && atoi(e->d_name) != dirfd(d);
	closedir(d);
	return n;
}

static int
run_test_role(const char *name)
{
	static const struct role_callbacks relay = {
		on_link, on_stop, on_drain, on_orphaned, on_config};
	static const struct role_callbacks other = {on_link, on_stop, on_drain, NULL, NULL};
	struct test_role t = {0};
	const char *fail = getenv(FAIL_ENV);
	size_t n_fds;
	int code;

	report_number("inherited", name, count_strange_fds());
	if (role_open(name, &t.role) != OK)
		return 1;
	(void)role_name(role_kind(t.role), role_index(t.role), t.name);
	if (fail != NULL && strcmp(fail, t.name) == 0) {
		log_error("this role cannot start");
		role_close(t.role);
		return 1;
	}
	if (role_drop_privileges(t.role) != OK)
		return 1;
	(void)role_fds(t.role, &n_fds);
	report_number("fds", t.name, (int)n_fds);
	report("up", t.name, "-", 0);
	code = role_run(t.role, role_kind(t.role) == ROLE_RELAY ? &relay : &other, &t);
	for (size_t i = 0; i < t.n_peers; i++)
		ipc_free(t.peers[i].link);
	role_close(t.role);
	return code;
}

/* --- what a test sees --- */

struct seen {
	char what[TEXT], self[TEXT], peer[TEXT];
	int pid, number;
};

struct bench {
	char dir[64];
	int reports;
	int log[2];
	struct seen seen[EVENTS_MAX];
	size_t n_seen;
	size_t mark; /* events before it belong to an earlier part of the test */
	char text[LOG_MAX];
	size_t text_len;
};

static struct bench *bench;

static void
write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", bench->dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	cr_assert_geq(fputs(text, f), 0);
	cr_assert_eq(fclose(f), 0);
}

static void
write_config(const char *listen, unsigned grace)
{
	static const char format[] =
		"{ \"listen\": [\"%s\", \"127.0.0.2:0\"], \"host_keys\": [\"host_key\"],\n"
		"\"user_ca_key\": \"ca_key\", \"run_dir\": \"run\",\n"
		"\"roles\": { \"gates\": 2, \"relays\": 2, \"restart_delay_ms\": 10,\n"
		"\"restart_delay_max_ms\": 20, \"stop_timeout_s\": 1, %s},\n"
		"\"limits\": { \"login_grace_s\": %u }, \"log\": { \"level\": \"debug\" },\n"
		"\"pools\": [{ \"name\": \"p\", \"nodes\": [{ \"name\": \"n\", \"address\": "
		"\"192.0.2.1\",\n"
		"\"host_keys\": [\"ssh-ed25519 "
		"AAAAC3NzaC1lZDI1NTE5AAAAIAi8VEK+wPy3F1eeA/h9BHTkXjD/3rFLfEioWhy74J+Q\"]\n"
		"}] }] }\n";
	static const char users[] = "\"director_user\": \"64001\", \"keyholder_user\": \"64002\",\n"
				    "\"gate_user\": \"64003\", \"relay_user\": \"64004\"";
	char text[2048];

	(void)snprintf(text, sizeof(text), format, listen, users, grace);
	write_file("config.json", text);
}

static void
open_reports(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/reports", bench->dir);
	bench->reports = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(bench->reports, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(chmod(at.sun_path, 0777), 0);
	cr_assert_eq(setenv(REPORT_ENV, at.sun_path, 1), 0);
}

static void
setup(void)
{
	bench = calloc(1, sizeof(*bench));
	cr_assert_not_null(bench);
	(void)strcpy(bench->dir, "/tmp/supervisor_test.XXXXXX");
	cr_assert_not_null(mkdtemp(bench->dir));
	cr_assert_eq(chmod(bench->dir, 0755), 0);
	cr_assert_eq(pipe2(bench->log, O_CLOEXEC | O_NONBLOCK), 0);
	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	open_reports();
	write_config("127.0.0.1:0", 100);
}

/* Every process that a test has started is a child of the test, or becomes one. */
static bool
kill_children(void)
{
	char path[64], text[4096] = "";
	bool any = false;
	char *at = text, *end;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "r");
	cr_assert_not_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	(void)fclose(f);
	for (long pid = strtol(at, &end, 10); pid > 0; pid = strtol(at, &end, 10)) {
		(void)kill((pid_t)pid, SIGKILL);
		any = true;
		at = end;
	}
	return any;
}

static void
remove_dir(const char *path)
{
	char name[512];
	DIR *d = opendir(path);

	if (d == NULL)
		return;
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (unlink(name) != 0)
			remove_dir(name);
	}
	closedir(d);
	(void)rmdir(path);
}

static void
teardown(void)
{
	while (kill_children())
		(void)waitpid(-1, NULL, 0);
	remove_dir(bench->dir);
	close(bench->reports);
	close(bench->log[0]);
	close(bench->log[1]);
	free(bench);
}

static void
read_reports(void)
{
	struct seen *s = &bench->seen[bench->n_seen];
	char text[128];
	ssize_t n;

	for (n = recv(bench->reports, text, sizeof(text) - 1, 0); n > 0;
		n = recv(bench->reports, text, sizeof(text) - 1, 0)) {
		cr_assert_lt(bench->n_seen, EVENTS_MAX);
		s = &bench->seen[bench->n_seen++];
		text[n] = '\0';
		cr_assert_eq(sscanf(text, "%31s %31s %d %31s %d", s->what, s->self, &s->pid,
				     s->peer, &s->number),
			5);
	}
}

static void
read_log(void)
{
	ssize_t n;

	do {
		size_t left = sizeof(bench->text) - 1 - bench->text_len;

		cr_assert_gt(left, 0);
		n = read(bench->log[0], bench->text + bench->text_len, left);
		bench->text_len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	bench->text[bench->text_len] = '\0';
}

/* Wait until something new is there. */
static void
wait_for_news(const char *for_what)
{
	struct pollfd p[] = {{bench->reports, POLLIN, 0}, {bench->log[0], POLLIN, 0}};

	if (poll(p, 2, WAIT_MS) > 0) {
		read_reports();
		read_log();
		return;
	}
	for (size_t i = 0; i < bench->n_seen; i++)
		(void)fprintf(stderr, "%s %s %d %s %d\n", bench->seen[i].what, bench->seen[i].self,
			bench->seen[i].pid, bench->seen[i].peer, bench->seen[i].number);
	(void)fprintf(stderr, "%s", bench->text);
	cr_assert_fail("waited in vain for %s", for_what);
}

/* The first such event since the mark; peer NULL: whichever. */
static const struct seen *
find_event(const char *what, const char *self, const char *peer)
{
	for (size_t i = bench->mark; i < bench->n_seen; i++) {
		const struct seen *s = &bench->seen[i];

		if (strcmp(s->what, what) == 0 && strcmp(s->self, self) == 0 &&
			(peer == NULL || strcmp(s->peer, peer) == 0))
			return s;
	}
	return NULL;
}

static const struct seen *
wait_event(const char *what, const char *self, const char *peer)
{
	const struct seen *s = find_event(what, self, peer);
	char text[128];

	(void)snprintf(text, sizeof(text), "%s %s %s", what, self, peer != NULL ? peer : "");
	for (; s == NULL; s = find_event(what, self, peer))
		wait_for_news(text);
	return s;
}

static void
wait_log(const char *text)
{
	while (strstr(bench->text, text) == NULL)
		wait_for_news(text);
}

static size_t
count_events(const char *what)
{
	size_t n = 0;

	for (size_t i = bench->mark; i < bench->n_seen; i++)
		n += strcmp(bench->seen[i].what, what) == 0;
	return n;
}

/* From here on, only what happens later counts. */
static void
forget_events(void)
{
	read_reports();
	bench->mark = bench->n_seen;
}

static pid_t
start_program(const char *program)
{
	char config[128], *argv[] = {"sshbrokerd", "--supervisor", config, NULL};
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid > 0)
		return pid;
	(void)snprintf(config, sizeof(config), "%s/config.json", bench->dir);
	(void)dup2(bench->log[1], STDERR_FILENO);
	/* Something that whoever starts it left open: no role may have it. */
	if (dup(STDIN_FILENO) < 0)
		abort();
	(void)unsetenv("BXFI_MAP");
	(void)execv(program, argv);
	abort();
}

static pid_t
start(void)
{
	return start_program("/proc/self/exe");
}

static int
wait_exit(pid_t pid)
{
	siginfo_t info = {0};

	/* What it and its children say must not fill the pipe. */
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		info.si_pid == 0) {
		struct pollfd p[] = {{bench->reports, POLLIN, 0}, {bench->log[0], POLLIN, 0}};

		(void)poll(p, 2, 10);
		read_reports();
		read_log();
	}
	cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
	read_reports();
	read_log();
	return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}

static void
stop(pid_t supervisor)
{
	cr_assert_eq(kill(supervisor, SIGTERM), 0);
	cr_assert_eq(wait_exit(supervisor), 0);
}

/* Of the process that came up last under that name. */
static pid_t
last_pid(const char *self)
{
	for (size_t i = bench->n_seen; i-- > 0;) {
		if (strcmp(bench->seen[i].what, "up") == 0 &&
			strcmp(bench->seen[i].self, self) == 0)
			return bench->seen[i].pid;
	}
	cr_assert_fail("%s was never up", self);
	return -1;
}

/* Every process has ended, also those that became our children when their parent was killed. */
static void
wait_no_children(void)
{
	for (unsigned ms = 0; ms < WAIT_MS; ms += 10) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0 && errno == ECHILD)
			return;
		if (pid == 0)
			(void)poll(NULL, 0, 10);
	}
	cr_assert_fail("processes are left");
}

static const char *const all_roles[] = {
	"director/0", "keyholder/0", "gate/0", "gate/1", "relay/0", "relay/1"};

static void
wait_linked(const char *a, const char *b)
{
	wait_event("heard", a, b);
	wait_event("heard", b, a);
}

/* Gates and relays talk to all kinds but their own; director and keyholder to them alone. */
static bool
are_peers(size_t a, size_t b)
{
	static const unsigned groups[] = {0, 0, 1, 1, 2, 2};

	return groups[a] != groups[b];
}

/* Director, keyholder, two gates and two relays: 12 pairs. */
static void
wait_all_linked(void)
{
	for (size_t i = 0; i < ARRAY_LEN(all_roles); i++) {
		for (size_t j = 0; j < i; j++) {
			if (are_peers(i, j))
				wait_linked(all_roles[i], all_roles[j]);
		}
	}
}

static size_t
count_files(const char *folder, const char *prefix)
{
	char path[128];
	size_t n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/%s", bench->dir, folder);
	d = opendir(path);
	cr_assert_not_null(d);
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	closedir(d);
	return n;
}

static void
read_proc(int pid, const char *name, char *out, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY);
	cr_assert_geq(fd, 0);
	n = read(fd, out, size - 1);
	cr_assert_geq(n, 0);
	out[n] = '\0';
	close(fd);
}

/* --- the tests --- */

TestSuite(supervisor, .init = setup, .fini = teardown, .timeout = 120);

Test(supervisor, every_role_comes_up_and_is_linked_to_its_peers)
{
	pid_t s = start();

	wait_all_linked();
	wait_log("the broker is up");
	cr_assert_eq(count_events("heard"), 24);
	cr_assert_eq(count_files("run", "relay-"), 2);
	cr_assert_eq(count_files("run", "admin.sock"), 1);
	stop(s);
	cr_assert_eq(count_events("stop"), 6);
	cr_assert_eq(count_files("run", "relay-"), 0);
	cr_assert_eq(count_files("run", "admin.sock"), 0);
	wait_no_children();
}

Test(supervisor, roles_inherit_nothing_but_what_they_start_with)
{
	static const int n_fds[] = {1, 0, 2, 2, 0, 0};
	pid_t s = start();

	for (size_t i = 0; i < ARRAY_LEN(all_roles); i++) {
		cr_expect_eq(wait_event("inherited", all_roles[i], NULL)->number, 0);
		cr_expect_eq(wait_event("fds", all_roles[i], NULL)->number, n_fds[i]);
	}
	stop(s);
}

/* A line of /proc/PID/status: real, effective, saved and file system id. */
static void
write_ids(char out[64], const char *word, int id)
{
	(void)snprintf(out, 64, "%s:\t%d\t%d\t%d\t%d\n", word, id, id, id, id);
}

Test(supervisor, a_role_is_seen_by_its_name_and_has_a_user_of_its_own)
{
	static const int users[] = {64001, 64002, 64003, 64003, 64004, 64004};
	pid_t s = start();

	for (size_t i = 0; i < ARRAY_LEN(all_roles); i++) {
		char text[4096], ids[64];
		int pid = wait_event("up", all_roles[i], NULL)->pid;

		read_proc(pid, "cmdline", text, sizeof(text));
		cr_expect_str_eq(text, "sshbrokerd");
		cr_expect_str_eq(text + strlen(text) + 1, "--role");
		cr_expect_str_eq(text + strlen(text) + 8, all_roles[i]);
		read_proc(pid, "comm", text, sizeof(text));
		cr_expect_eq(strncmp(text, all_roles[i], strlen(all_roles[i])), 0);
		read_proc(pid, "status", text, sizeof(text));
		write_ids(ids, "Uid", users[i]);
		cr_expect(geteuid() != 0 || strstr(text, ids) != NULL);
		write_ids(ids, "Gid", users[i]);
		cr_expect(geteuid() != 0 || strstr(text, ids) != NULL);
		cr_expect_not_null(strstr(text, "CapEff:\t0000000000000000\n"));
		cr_expect_not_null(strstr(text, "NoNewPrivs:\t1\n"));
	}
	stop(s);
	cr_expect_eq(strstr(bench->text, "started without root") == NULL, geteuid() == 0);
}

Test(supervisor, each_role_that_dies_is_restarted_and_linked_again)
{
	pid_t s = start();

	wait_all_linked();
	for (size_t i = 0; i < ARRAY_LEN(all_roles); i++) {
		pid_t old = last_pid(all_roles[i]), now;

		forget_events();
		cr_assert_eq(kill(old, SIGKILL), 0);
		now = wait_event("up", all_roles[i], NULL)->pid;
		cr_assert_neq(now, old);
		for (size_t j = 0; j < ARRAY_LEN(all_roles); j++) {
			if (!are_peers(i, j))
				continue;
			cr_assert_eq(wait_event("heard", all_roles[j], all_roles[i])->number, now);
			cr_assert_eq(wait_event("heard", all_roles[i], all_roles[j])->pid, now);
		}
	}
	wait_log("died: signal 9 (KILL)");
	cr_assert_eq(count_files("run", "relay-"), 2);
	stop(s);
	wait_no_children();
}

Test(supervisor, a_role_that_does_not_stop_is_killed)
{
	pid_t s;

	cr_assert_eq(setenv(STUBBORN_ENV, "relay/1", 1), 0);
	s = start();
	wait_all_linked();
	stop(s);
	cr_assert_not_null(strstr(bench->text, "takes too long and is killed"));
	wait_no_children();
}

Test(supervisor, a_second_signal_kills_at_once)
{
	pid_t s;

	cr_assert_eq(setenv(STUBBORN_ENV, "gate/0", 1), 0);
	s = start();
	wait_all_linked();
	cr_assert_eq(kill(s, SIGINT), 0);
	wait_event("stop", "gate/0", NULL);
	cr_assert_eq(kill(s, SIGTERM), 0);
	cr_assert_eq(wait_exit(s), 0);
	wait_no_children();
}

Test(supervisor, a_role_that_cannot_start_ends_the_start)
{
	cr_assert_eq(setenv(FAIL_ENV, "keyholder/0", 1), 0);
	cr_assert_eq(wait_exit(start()), 1);
	cr_assert_not_null(strstr(bench->text, "keyholder/0 this role cannot start"));
	cr_assert_not_null(strstr(bench->text, "keyholder/0 could not be started in 3 tries"));
	wait_no_children();
	cr_assert_eq(count_files("run", "relay-"), 0);
}

Test(supervisor, a_second_one_is_refused)
{
	char pid[64];
	pid_t s = start();

	wait_log("the broker is up");
	cr_assert_eq(wait_exit(start()), 1);
	(void)snprintf(pid, sizeof(pid), "another sshbrokerd has it (pid %d)", (int)s);
	cr_assert_not_null(strstr(bench->text, pid));
	stop(s);
}

Test(supervisor, an_address_in_use_is_named)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char address[64], message[128];

	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(a.sin_port));
	write_config(address, 100);
	cr_assert_eq(wait_exit(start()), 1);
	(void)snprintf(
		message, sizeof(message), "cannot listen on %s: Address already in use", address);
	cr_assert_not_null(strstr(bench->text, message));
	close(fd);
}

Test(supervisor, a_configuration_with_errors_is_refused)
{
	write_file("config.json", "{ \"listen\": 1 }");
	cr_assert_eq(wait_exit(start()), 1);
	cr_assert_not_null(strstr(bench->text, "config.json:1: "));
}

Test(supervisor, a_newer_program_on_disk_does_not_mix_with_the_running_one)
{
	char copy[128], command[512], self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	pid_t s;

	cr_assert_gt(n, 0);
	self[n] = '\0';
	(void)snprintf(copy, sizeof(copy), "%s/sshbrokerd", bench->dir);
	(void)snprintf(command, sizeof(command), "cp %s %s", self, copy);
	cr_assert_eq(system(command), 0);
	s = start_program(copy);
	wait_all_linked();
	cr_assert_eq(unlink(copy), 0);
	write_file("sshbrokerd", "#!/bin/false\n");
	cr_assert_eq(chmod(copy, 0755), 0);
	forget_events();
	cr_assert_eq(kill(last_pid("gate/0"), SIGKILL), 0);
	wait_event("up", "gate/0", NULL);
	stop(s);
}

/* It gets no chance to tell anybody. */
static void
kill_supervisor(pid_t s)
{
	forget_events();
	cr_assert_eq(kill(s, SIGKILL), 0);
	cr_assert_eq(wait_exit(s), -SIGKILL);
}

Test(supervisor, only_relays_outlive_it)
{
	pid_t s = start();

	wait_all_linked();
	kill_supervisor(s);
	wait_event("orphaned", "relay/0", NULL);
	wait_event("orphaned", "relay/1", NULL);
	for (size_t i = 0; i < 4; i++) {
		cr_assert_eq(wait_exit(last_pid(all_roles[i])), 0);
		cr_assert_null(find_event("stop", all_roles[i], NULL));
	}
	cr_assert_eq(kill(last_pid("relay/0"), 0), 0);
	cr_assert_eq(kill(last_pid("relay/1"), 0), 0);
}

Test(supervisor, a_relay_is_adopted_by_the_next_one_without_gates)
{
	pid_t s = start(), relay;

	wait_all_linked();
	relay = last_pid("relay/0");
	kill_supervisor(s);
	write_config("127.0.0.1:0", 200);
	s = start();
	cr_assert_eq(wait_event("config", "relay/0", NULL)->number, 200);
	cr_assert_eq(wait_event("drain", "relay/0", NULL)->pid, relay);
	cr_assert_eq(wait_event("heard", "relay/0", "director/0")->pid, relay);
	cr_assert_eq(wait_event("heard", "relay/0", "keyholder/0")->pid, relay);
	cr_assert_eq(wait_event("heard", "director/0", "relay/0")->number, relay);
	wait_linked("gate/0", "relay/2");
	wait_linked("gate/1", "relay/3");
	wait_linked("gate/0", "keyholder/0");
	cr_assert_null(find_event("heard", "relay/0", "gate/0"));
	cr_assert_null(find_event("heard", "relay/0", "gate/1"));
	cr_assert_null(find_event("up", "relay/0", NULL));
	stop(s);
	wait_no_children();
	cr_assert_eq(count_files("run", "relay-"), 0);
}

Test(supervisor, an_adopted_relay_that_ends_is_not_restarted)
{
	pid_t s = start(), relay;
	char text[64];

	wait_all_linked();
	relay = last_pid("relay/0");
	kill_supervisor(s);
	s = start();
	wait_log("the broker is up");
	wait_event("drain", "relay/0", NULL);
	wait_event("drain", "relay/1", NULL);
	cr_assert_eq(count_files("run", "relay-"), 4);
	cr_assert_eq(kill(relay, SIGKILL), 0);
	(void)snprintf(text, sizeof(text), "relay/0 (pid %d) has ended", (int)relay);
	wait_log(text);
	stop(s);
	cr_assert_null(strstr(bench->text, "relay/0 is started again"));
	wait_no_children();
}

Test(supervisor, a_relay_outlives_several)
{
	char fresh[2][TEXT];
	pid_t s = start(), relay;

	wait_all_linked();
	relay = last_pid("relay/1");
	for (unsigned i = 0; i < 3; i++) {
		kill_supervisor(s);
		s = start();
		cr_assert_eq(wait_event("drain", "relay/1", NULL)->pid, relay);
		wait_linked("relay/1", "director/0");
		/* The new ones have other names; both, so that the next round finds them. */
		(void)snprintf(fresh[0], TEXT, "relay/%u", 2 + 2 * i);
		(void)snprintf(fresh[1], TEXT, "relay/%u", 3 + 2 * i);
		wait_linked(fresh[0], "gate/0");
		wait_linked(fresh[1], "gate/0");
	}
	stop(s);
	wait_no_children();
}

Test(supervisor, a_relay_that_cannot_be_adopted_yet_waits_for_the_next_one)
{
	pid_t s = start(), relay;

	wait_all_linked();
	relay = last_pid("relay/0");
	kill_supervisor(s);
	wait_event("orphaned", "relay/0", NULL);
	cr_assert_eq(setenv(FAIL_ENV, "keyholder/0", 1), 0);
	cr_assert_eq(wait_exit(start()), 1);
	cr_assert_eq(unsetenv(FAIL_ENV), 0);
	forget_events();
	s = start();
	cr_assert_eq(wait_event("drain", "relay/0", NULL)->pid, relay);
	stop(s);
	wait_no_children();
}

Test(supervisor, sockets_of_dead_relays_are_removed_at_start)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char run[128];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t s;

	(void)snprintf(run, sizeof(run), "%s/run", bench->dir);
	cr_assert_eq(mkdir(run, 0755), 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/run/relay-0-0123456789abcdef.sock",
		bench->dir);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
	write_file("run/relay-notes.txt", "");
	s = start();
	wait_log("the broker is up");
	cr_assert_neq(access(at.sun_path, F_OK), 0);
	cr_assert_eq(count_files("run", "relay-"), 3);
	stop(s);
}

/* As another user, connect to the only relay's socket: is the connection closed without a word? */
static bool
stranger_is_refused(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char c;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char path[128];
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/run", bench->dir);
	d = opendir(path);
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (strncmp(e->d_name, "relay-0", 7) == 0)
			(void)snprintf(
				at.sun_path, sizeof(at.sun_path), "%.40s/%.60s", path, e->d_name);
	}
	closedir(d);
	if (chmod(at.sun_path, 0666) != 0 || setresuid(64099, 64099, 64099) != 0)
		return false;
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		return false;
	return recv(fd, &c, 1, 0) == 0;
}

Test(supervisor, a_stranger_cannot_adopt_a_relay)
{
	pid_t s, child;

	if (geteuid() != 0)
		cr_skip_test("needs root to be a stranger");
	s = start();
	wait_all_linked();
	kill_supervisor(s);
	wait_event("orphaned", "relay/0", NULL);
	child = fork();
	if (child == 0)
		_exit(stranger_is_refused() ? 0 : 1);
	cr_assert_eq(wait_exit(child), 0);
	wait_log("is not the supervisor");
	s = start();
	wait_event("drain", "relay/0", NULL);
	stop(s);
}

int
main(int argc, char *argv[])
{
	struct criterion_test_set *tests;
	int failed = 0;

	if (argc == 3 && strcmp(argv[1], "--role") == 0)
		return run_test_role(argv[2]);
	if (argc == 3 && strcmp(argv[1], "--supervisor") == 0)
		return supervisor_main(argv[2]);
	tests = criterion_initialize();
	if (criterion_handle_args(argc, argv, true))
		failed = !criterion_run_all_tests(tests);
	criterion_finalize(tests);
	return failed;
}
