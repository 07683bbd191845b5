/*
 * broker/supervisor and broker/role with real processes: this program is its own sshbrokerd, with roles that report
 * what happens to them.
 */
#include "broker/supervisor/supervisor.h"

#include "broker/messages/control.h"
#include "broker/role/role.h"
#include "common/attr.h"
#include "common/file.h"
#include "common/ipc/ipc.h"
#include "tests/lib/bench.h"
#include "tests/lib/role_process.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the supervisor has open when all are up, and two pairs of links. */
#define FEW_DESCRIPTORS 28

static struct bench *bench;

static const char *const all_roles[] = {
	"director/0", "keyholder/0", "gate/0", "gate/1", "relay/0", "relay/1"};

static void
wait_linked(const char *a, const char *b)
{
	bench_wait_event(bench, "heard", a, b);
	bench_wait_event(bench, "heard", b, a);
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

static void
no_message(void *arg, struct ipc_message *m)
{
	(void)arg;
	(void)m;
}

static bool
is_listening(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on != 0;
}

static void
no_closed(void *arg, enum err why)
{
	(void)arg;
	(void)why;
}

/* --- the tests --- */

static void
setup(void)
{
	bench = calloc(1, sizeof(*bench));
	cr_assert_not_null(bench);
	bench_init(bench);
	bench_write_config(bench, "127.0.0.1:0", 100);
}

static void
teardown(void)
{
	bench_clear(bench);
	free(bench);
}

TestSuite(supervisor, .init = setup, .fini = teardown, .timeout = 120);

Test(supervisor, every_role_comes_up_and_is_linked_to_its_peers)
{
	pid_t s = bench_start(bench);

	wait_all_linked();
	bench_wait_log(bench, "the broker is up");
	cr_assert_eq(bench_count_events(bench, "heard"), 24);
	cr_assert_eq(count_files("run", "relay-"), 2);
	cr_assert_eq(count_files("run", "admin.sock"), 1);
	bench_stop(bench, s);
	cr_assert_eq(bench_count_events(bench, "stop"), 6);
	cr_assert_eq(count_files("run", "relay-"), 0);
	cr_assert_eq(count_files("run", "admin.sock"), 0);
	bench_wait_no_children(bench);
}

Test(supervisor, roles_inherit_nothing_but_what_they_start_with)
{
	static const int n_fds[] = {1, 0, 2, 2, 0, 0};
	pid_t s = bench_start(bench);

	for (size_t i = 0; i < ARRAY_LEN(all_roles); i++) {
		cr_expect_eq(bench_wait_event(bench, "inherited", all_roles[i], NULL)->number, 0);
		cr_expect_eq(bench_wait_event(bench, "fds", all_roles[i], NULL)->number, n_fds[i]);
	}
	bench_stop(bench, s);
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
	pid_t s = bench_start(bench);

	for (size_t i = 0; i < ARRAY_LEN(all_roles); i++) {
		char text[4096], ids[64];
		int pid = bench_wait_event(bench, "up", all_roles[i], NULL)->pid;

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
	bench_stop(bench, s);
	cr_expect_eq(strstr(bench->text, "started without root") == NULL, geteuid() == 0);
}

Test(supervisor, each_role_that_dies_is_restarted_and_linked_again)
{
	pid_t s = bench_start(bench);

	wait_all_linked();
	for (size_t i = 0; i < ARRAY_LEN(all_roles); i++) {
		pid_t old = bench_last_pid(bench, all_roles[i]), now;

		bench_forget_events(bench);
		cr_assert_eq(kill(old, SIGKILL), 0);
		now = bench_wait_event(bench, "up", all_roles[i], NULL)->pid;
		cr_assert_neq(now, old);
		for (size_t j = 0; j < ARRAY_LEN(all_roles); j++) {
			if (!are_peers(i, j))
				continue;
			cr_assert_eq(bench_wait_event(bench, "heard", all_roles[j], all_roles[i])
					     ->number,
				now);
			cr_assert_eq(
				bench_wait_event(bench, "heard", all_roles[i], all_roles[j])->pid,
				now);
		}
	}
	bench_wait_log(bench, "died: signal 9 (KILL)");
	cr_assert_eq(count_files("run", "relay-"), 2);
	bench_stop(bench, s);
	bench_wait_no_children(bench);
}

Test(supervisor, a_role_that_does_not_stop_is_killed)
{
	pid_t s;

	cr_assert_eq(setenv(ROLE_PROCESS_STUBBORN, "relay/1", 1), 0);
	s = bench_start(bench);
	wait_all_linked();
	bench_stop(bench, s);
	cr_assert_not_null(strstr(bench->text, "takes too long and is killed"));
	bench_wait_no_children(bench);
}

Test(supervisor, a_second_signal_kills_at_once)
{
	pid_t s;

	cr_assert_eq(setenv(ROLE_PROCESS_STUBBORN, "gate/0", 1), 0);
	s = bench_start(bench);
	wait_all_linked();
	cr_assert_eq(kill(s, SIGINT), 0);
	bench_wait_event(bench, "stop", "gate/0", NULL);
	cr_assert_eq(kill(s, SIGTERM), 0);
	cr_assert_eq(bench_wait_exit(bench, s), 0);
	bench_wait_no_children(bench);
}

Test(supervisor, a_role_that_cannot_start_ends_the_start)
{
	cr_assert_eq(setenv(ROLE_PROCESS_FAIL, "keyholder/0", 1), 0);
	cr_assert_eq(bench_wait_exit(bench, bench_start(bench)), 1);
	cr_assert_not_null(strstr(bench->text, "keyholder/0 this role cannot start"));
	cr_assert_not_null(strstr(bench->text, "keyholder/0 could not be started in 3 tries"));
	bench_wait_no_children(bench);
	cr_assert_eq(count_files("run", "relay-"), 0);
}

Test(supervisor, a_second_one_is_refused)
{
	char pid[64];
	pid_t s = bench_start(bench);

	bench_wait_log(bench, "the broker is up");
	cr_assert_eq(bench_wait_exit(bench, bench_start(bench)), 1);
	(void)snprintf(pid, sizeof(pid), "another sshbrokerd has it (pid %d)", (int)s);
	cr_assert_not_null(strstr(bench->text, pid));
	bench_stop(bench, s);
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
	bench_write_config(bench, address, 100);
	cr_assert_eq(bench_wait_exit(bench, bench_start(bench)), 1);
	(void)snprintf(
		message, sizeof(message), "cannot listen on %s: Address already in use", address);
	cr_assert_not_null(strstr(bench->text, message));
	close(fd);
}

Test(supervisor, a_configuration_with_errors_is_refused)
{
	bench_write_file(bench, "config.json", "{ \"listen\": 1 }");
	cr_assert_eq(bench_wait_exit(bench, bench_start(bench)), 1);
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
	s = bench_start_program(bench, copy);
	wait_all_linked();
	cr_assert_eq(unlink(copy), 0);
	bench_write_file(bench, "sshbrokerd", "#!/bin/false\n");
	cr_assert_eq(chmod(copy, 0755), 0);
	bench_forget_events(bench);
	cr_assert_eq(kill(bench_last_pid(bench, "gate/0"), SIGKILL), 0);
	bench_wait_event(bench, "up", "gate/0", NULL);
	bench_stop(bench, s);
}

/* It gets no chance to tell anybody. */
static void
kill_supervisor(pid_t s)
{
	bench_forget_events(bench);
	cr_assert_eq(kill(s, SIGKILL), 0);
	cr_assert_eq(bench_wait_exit(bench, s), -SIGKILL);
}

Test(supervisor, only_relays_outlive_it)
{
	pid_t s = bench_start(bench);

	wait_all_linked();
	kill_supervisor(s);
	bench_wait_event(bench, "orphaned", "relay/0", NULL);
	bench_wait_event(bench, "orphaned", "relay/1", NULL);
	for (size_t i = 0; i < 4; i++) {
		cr_assert_eq(bench_wait_exit(bench, bench_last_pid(bench, all_roles[i])), 0);
		cr_assert_null(bench_find_event(bench, "stop", all_roles[i], NULL));
	}
	cr_assert_eq(kill(bench_last_pid(bench, "relay/0"), 0), 0);
	cr_assert_eq(kill(bench_last_pid(bench, "relay/1"), 0), 0);
}

Test(supervisor, a_relay_is_adopted_by_the_next_one_without_gates)
{
	pid_t s = bench_start(bench), relay;

	wait_all_linked();
	relay = bench_last_pid(bench, "relay/0");
	kill_supervisor(s);
	bench_write_config(bench, "127.0.0.1:0", 200);
	s = bench_start(bench);
	cr_assert_eq(bench_wait_event(bench, "config", "relay/0", NULL)->number, 200);
	cr_assert_eq(bench_wait_event(bench, "drain", "relay/0", NULL)->pid, relay);
	cr_assert_eq(bench_wait_event(bench, "heard", "relay/0", "director/0")->pid, relay);
	cr_assert_eq(bench_wait_event(bench, "heard", "relay/0", "keyholder/0")->pid, relay);
	cr_assert_eq(bench_wait_event(bench, "heard", "director/0", "relay/0")->number, relay);
	wait_linked("gate/0", "relay/2");
	wait_linked("gate/1", "relay/3");
	wait_linked("gate/0", "keyholder/0");
	cr_assert_null(bench_find_event(bench, "heard", "relay/0", "gate/0"));
	cr_assert_null(bench_find_event(bench, "heard", "relay/0", "gate/1"));
	cr_assert_null(bench_find_event(bench, "up", "relay/0", NULL));
	bench_stop(bench, s);
	bench_wait_no_children(bench);
	cr_assert_eq(count_files("run", "relay-"), 0);
}

Test(supervisor, an_adopted_relay_that_ends_is_not_restarted)
{
	pid_t s = bench_start(bench), relay;
	char text[64];

	wait_all_linked();
	relay = bench_last_pid(bench, "relay/0");
	kill_supervisor(s);
	s = bench_start(bench);
	bench_wait_log(bench, "the broker is up");
	bench_wait_event(bench, "drain", "relay/0", NULL);
	bench_wait_event(bench, "drain", "relay/1", NULL);
	cr_assert_eq(count_files("run", "relay-"), 4);
	cr_assert_eq(kill(relay, SIGKILL), 0);
	(void)snprintf(text, sizeof(text), "relay/0 (pid %d) has ended", (int)relay);
	bench_wait_log(bench, text);
	bench_stop(bench, s);
	cr_assert_null(strstr(bench->text, "relay/0 is started again"));
	bench_wait_no_children(bench);
}

Test(supervisor, a_relay_outlives_several)
{
	char fresh[2][BENCH_TEXT_SIZE];
	pid_t s = bench_start(bench), relay;

	wait_all_linked();
	relay = bench_last_pid(bench, "relay/1");
	for (unsigned i = 0; i < 3; i++) {
		kill_supervisor(s);
		s = bench_start(bench);
		cr_assert_eq(bench_wait_event(bench, "drain", "relay/1", NULL)->pid, relay);
		wait_linked("relay/1", "director/0");
		/* The new ones have other names; both, so that the next round finds them. */
		(void)snprintf(fresh[0], BENCH_TEXT_SIZE, "relay/%u", 2 + 2 * i);
		(void)snprintf(fresh[1], BENCH_TEXT_SIZE, "relay/%u", 3 + 2 * i);
		wait_linked(fresh[0], "gate/0");
		wait_linked(fresh[1], "gate/0");
	}
	bench_stop(bench, s);
	bench_wait_no_children(bench);
}

Test(supervisor, a_relay_that_cannot_be_adopted_yet_waits_for_the_next_one)
{
	pid_t s = bench_start(bench), relay;

	wait_all_linked();
	relay = bench_last_pid(bench, "relay/0");
	kill_supervisor(s);
	bench_wait_event(bench, "orphaned", "relay/0", NULL);
	cr_assert_eq(setenv(ROLE_PROCESS_FAIL, "keyholder/0", 1), 0);
	cr_assert_eq(bench_wait_exit(bench, bench_start(bench)), 1);
	cr_assert_eq(unsetenv(ROLE_PROCESS_FAIL), 0);
	bench_forget_events(bench);
	s = bench_start(bench);
	cr_assert_eq(bench_wait_event(bench, "drain", "relay/0", NULL)->pid, relay);
	bench_stop(bench, s);
	bench_wait_no_children(bench);
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
	bench_write_file(bench, "run/relay-notes.txt", "");
	s = bench_start(bench);
	bench_wait_log(bench, "the broker is up");
	cr_assert_neq(access(at.sun_path, F_OK), 0);
	cr_assert_eq(count_files("run", "relay-"), 3);
	bench_stop(bench, s);
}

/* The START of a role, as a supervisor sends it, to be read from the other end of link. */
static void
send_start(int link, enum role_kind kind)
{
	struct control_start start = {.kind = kind, .has_rejoin = kind == ROLE_RELAY};
	struct event_base *base = event_base_new();
	sa_family_t unnamed = AF_UNIX;
	struct buf config = {0}, body;
	struct ipc *ipc;
	char path[128];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&unnamed, sizeof(unnamed)), 0);
	(void)snprintf(path, sizeof(path), "%s/config.json", bench->dir);
	cr_assert_eq(file_read(path, &config), OK);
	start.config = (struct control_config){
		.file = span_str(path), .text = buf_span(&config), .log_level = LOG_LEVEL_DEBUG};
	buf_init(&body, CONTROL_BODY_MAX);
	cr_assert_eq(control_write_start(&start, &body), OK);
	cr_assert_eq(ipc_new(base, link, no_message, no_closed, NULL, &ipc), OK);
	cr_assert_eq(ipc_send(ipc, CONTROL_START, buf_span(&body), &fd, start.has_rejoin), OK);
	cr_assert_eq(ipc_flush(ipc, 1000), OK);
	ipc_free(ipc);
	if (!start.has_rejoin)
		close(fd);
	buf_clear(&body);
	buf_clear(&config);
	event_base_free(base);
}

/* A role that finds START and the end of its supervisor at once.  Returns its pid. */
static pid_t
start_orphan(enum role_kind kind)
{
	char name[ROLE_NAME_SIZE], *argv[] = {"sshbrokerd", "--role", name, NULL};
	int ends[2];
	pid_t pid;

	(void)role_name(kind, 0, name);
	cr_assert_eq(ipc_pair(ends), OK);
	send_start(ends[0], kind);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		(void)dup2(bench->log[1], STDERR_FILENO);
		(void)unsetenv("BXFI_MAP");
		(void)dup2(ends[1], ROLE_CONTROL_FD);
		(void)fcntl(ROLE_CONTROL_FD, F_SETFD, 0);
		(void)execv("/proc/self/exe", argv);
		_exit(127);
	}
	close(ends[1]);
	return pid;
}

Test(supervisor, a_role_whose_supervisor_died_before_it_began_ends_in_order)
{
	static const enum role_kind kinds[] = {
		ROLE_DIRECTOR, ROLE_KEYHOLDER, ROLE_GATE, ROLE_RELAY};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		cr_expect_eq(bench_wait_exit(bench, start_orphan(kinds[i])), 0, "%s",
			role_kind_name(kinds[i]));
}

/*
 * What a captured relay may leave: a socket in the run folder, listened on by the process victim and served by this one.
 */
struct impostor {
	int listener;
	pid_t victim;
	struct event_base *base;
	struct ipc *link;
};

static void
impostor_init(struct impostor *im)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char run[128];

	(void)snprintf(run, sizeof(run), "%s/run", bench->dir);
	cr_assert_eq(mkdir(run, 0755), 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/run/relay-7-0123456789abcdef.sock",
		bench->dir);
	im->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(im->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	im->victim = fork();
	if (im->victim == 0) {
		(void)alarm(300);
		_exit(listen(im->listener, 4) == 0 ? pause() : 1);
	}
	while (!is_listening(im->listener))
		usleep(1000);
	im->base = event_base_new();
}

static void
impostor_send(struct impostor *im, uint16_t type, struct span body)
{
	cr_assert_eq(ipc_send(im->link, type, body, NULL, 0), OK);
	cr_assert_eq(ipc_flush(im->link, 1000), OK);
}

/* Let the supervisor that was just started adopt it. */
static void
impostor_join(struct impostor *im)
{
	struct control_hello hello = {.kind = ROLE_RELAY, .index = 7};
	struct buf b = {0};

	cr_assert_eq(ipc_new(im->base, accept(im->listener, NULL, NULL), no_message, no_closed,
			     NULL, &im->link),
		OK);
	cr_assert_eq(control_write_hello(&hello, &b), OK);
	impostor_send(im, CONTROL_HELLO, buf_span(&b));
	buf_clear(&b);
	bench_wait_log(bench, "relay/7 (pid ");
	bench_wait_log(bench, "outlived its supervisor");
	bench_wait_log(bench, "the broker is up");
}

static void
impostor_clear(struct impostor *im)
{
	cr_assert_eq(kill(im->victim, SIGKILL), 0);
	cr_assert_eq(waitpid(im->victim, NULL, 0), im->victim);
	ipc_free(im->link);
	close(im->listener);
	event_base_free(im->base);
}

Test(supervisor, only_a_relay_is_killed_as_one)
{
	struct impostor im;
	pid_t s;

	impostor_init(&im);
	s = bench_start(bench);
	impostor_join(&im);
	bench_stop(bench, s);
	cr_assert_eq(waitpid(im.victim, NULL, WNOHANG), 0, "the victim lives");
	impostor_clear(&im);
}

Test(supervisor, a_relay_that_is_let_go_keeps_its_socket_for_the_next_one)
{
	struct impostor im;
	pid_t s;

	impostor_init(&im);
	s = bench_start(bench);
	impostor_join(&im);
	impostor_send(&im, 99, span_of(NULL, 0));
	bench_wait_log(bench, "relay/7: message 99");
	bench_stop(bench, s);
	cr_assert_eq(count_files("run", "relay-"), 1);
	impostor_clear(&im);
}

Test(supervisor, few_descriptors_are_enough_to_link_all)
{
	struct rlimit few = {FEW_DESCRIPTORS, FEW_DESCRIPTORS};
	pid_t s;

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	s = bench_start(bench);
	wait_all_linked();
	bench_stop(bench, s);
	cr_assert_null(strstr(bench->text, "cannot be linked"));
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
				at.sun_path, sizeof(at.sun_path), "%.70s/%.36s", path, e->d_name);
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

	/* Only root can be a stranger; cr_skip_test() would leave the folder behind. */
	if (geteuid() != 0)
		return;
	s = bench_start(bench);
	wait_all_linked();
	kill_supervisor(s);
	bench_wait_event(bench, "orphaned", "relay/0", NULL);
	child = fork();
	if (child == 0)
		_exit(stranger_is_refused() ? 0 : 1);
	cr_assert_eq(bench_wait_exit(bench, child), 0);
	bench_wait_log(bench, "is not the supervisor");
	s = bench_start(bench);
	bench_wait_event(bench, "drain", "relay/0", NULL);
	bench_stop(bench, s);
}

int
main(int argc, char *argv[])
{
	struct criterion_test_set *tests;
	int failed = 0;

	if (argc == 3 && strcmp(argv[1], "--role") == 0)
		return role_process_main(argv[2]);
	if (argc == 3 && strcmp(argv[1], "--supervisor") == 0)
		return supervisor_main(argv[2]);
	tests = criterion_initialize();
	if (criterion_handle_args(argc, argv, true))
		failed = !criterion_run_all_tests(tests);
	criterion_finalize(tests);
	return failed;
}
