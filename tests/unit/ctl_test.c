/*
 * broker/ctl: the program itself against a director with things to show, and against sockets that are none.
 */
#include "tests/lib/director_rig.h"
#include "tests/lib/scratch.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GUARD_S 20
#define ARGS_MAX 8

static struct scratch scratch;
static struct director_rig_end gate, relay;
static char socket_path[SCRATCH_PATH_SIZE + 256];
static char program[PATH_MAX];
static struct buf output; /* of the last run, stdout and stderr, with a NUL behind */

/* Unix addresses are short, paths need not be: bind through the folder's descriptor. */
static int
listen_at(const char *dir, const char *name)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cr_assert(dir_fd >= 0 && fd >= 0);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(fd, 16), 0);
	close(dir_fd);
	return fd;
}

static void
start_at(const char *dir)
{
	(void)snprintf(socket_path, sizeof(socket_path), "%s/admin.sock", dir);
	rig.admin_fd = listen_at(dir, "admin.sock");
	director_rig_start("++", "");
	director_rig_link(&gate, ROLE_GATE, 0);
	director_rig_link(&relay, ROLE_RELAY, 0);
	director_rig_run();
}

static void
build(void)
{
	ssize_t n;

	/* Next to the folder that this test is in. */
	n = readlink("/proc/self/exe", program, sizeof(program) - 32);
	cr_assert_gt(n, 0);
	program[n] = '\0';
	(void)strcpy(strrchr(program, '/'), "/../sshbrokerctl");
	scratch_init(&scratch);
}

static void
demolish(void)
{
	int fd = rig.admin_fd;

	if (rig.director != NULL) {
		director_rig_unlink(&gate);
		director_rig_unlink(&relay);
		director_rig_stop();
		close(fd);
	}
	buf_clear(&output);
	scratch_clear(&scratch);
}

/* --- running it --- */

static pid_t
spawn(char *const *argv, int out_fd)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		(void)dup2(out_fd, STDOUT_FILENO);
		(void)dup2(out_fd, STDERR_FILENO);
		(void)setenv("http_proxy", "http://127.0.0.1:1", 1);
		(void)setenv("TZ", "UTC", 1);
		(void)execv(program, argv);
		_exit(126);
	}
	return pid;
}

/* Let the director work, if there is one, until the program has closed its output. */
static void
collect(int fd)
{
	time_t give_up_at = time(NULL) + GUARD_S;
	char chunk[4096];
	ssize_t n = -1;

	buf_reset(&output);
	while (n != 0) {
		cr_assert_leq(time(NULL), give_up_at);
		if (rig.base != NULL)
			cr_assert_eq(event_base_loop(rig.base, EVLOOP_NONBLOCK), 0);
		n = read(fd, chunk, sizeof(chunk));
		cr_assert(n >= 0 || errno == EAGAIN);
		if (n > 0)
			cr_assert_eq(buf_append(&output, chunk, (size_t)n), OK);
		else
			usleep(1000);
	}
	cr_assert_eq(buf_append(&output, "", 1), OK);
}

static int
run_args(const char *const *args)
{
	char *argv[ARGS_MAX + 2] = {program};
	int fds[2], status;
	pid_t pid;

	for (size_t i = 0; i < ARGS_MAX && args[i] != NULL; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	cr_assert_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	pid = spawn(argv, fds[1]);
	close(fds[1]);
	collect(fds[0]);
	close(fds[0]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const char *
output_text(void)
{
	return (const char *)buf_span(&output).ptr;
}

static int
run(const char *verb)
{
	const char *args[] = {"--socket", socket_path, verb, NULL};

	return run_args(args);
}

static void
assert_says(const char *text)
{
	cr_assert_not_null(strstr(output_text(), text), "no '%s' in:\n%s", text, output_text());
}

static void
announce(uint64_t conn, const char *user, const char *node)
{
	struct msg_connection m = {.conn = conn,
		.started_at_ms = 1700000000000,
		.user = span_str(user),
		.node = span_str(node),
		.client = {.family = 4, .ip = {192, 0, 2, 1}, .port = 50000},
		.method = span_str("publickey"),
		.client_ident = span_str("SSH-2.0-OpenSSH_9.2"),
		.why = span_str("you have 1 connection there")};
	struct msg_counters counters = {.conn = conn,
		.bytes_from_client = 1536,
		.bytes_from_node = (uint64_t)20 << 20,
		.n_channels = 2,
		.idle_ms = 65000};

	director_rig_send(&relay, MSG_CONNECTION, msg_connection_fields, &m);
	director_rig_send(&relay, MSG_COUNTERS, msg_counters_fields, &counters);
	director_rig_run();
}

TestSuite(ctl, .init = build, .fini = demolish, .timeout = 60);

/* --- what it shows --- */

Test(ctl, an_empty_broker_says_so)
{
	start_at(scratch.dir);
	cr_assert_eq(run("users"), 0);
	cr_assert_str_eq(output_text(), "Nobody is connected.\n");
	cr_assert_eq(run("connections"), 0);
	cr_assert_str_eq(output_text(), "There are no connections.\n");
}

Test(ctl, status_shows_processes_counts_and_limits)
{
	start_at(scratch.dir);
	announce(1, "ann", "n1");
	cr_assert_eq(run("status"), 0);
	assert_says("sshbroker " SSHBROKER_VERSION ", up 0s since ");
	assert_says("processes    1 gate, 1 relay\n");
	assert_says("connections  1\n");
	assert_says("limits.connections_max                   1      20000        0\n");
	assert_says("gate.goodbyes_max                        -          -        0\n");
}

Test(ctl, nodes_are_a_table_with_a_total)
{
	struct node *n2;

	start_at(scratch.dir);
	announce(1, "ann", "n1");
	n2 = nodes_find(&rig.state->nodes, span_str("n2"));
	node_note_failure(n2, NODE_FAILURE_TIMEOUT, NODE_REPORTER_ALL, rig.state->now_ms);
	director_rig_pass_ms(65000);
	cr_assert_eq(run("nodes"), 0);
	assert_says("NODE  ADDRESS ");
	assert_says("\nn1    127.0.0.1:");
	assert_says("no answer in time, 1m05s ago\n");
	assert_says("\n2 nodes, 1 connection, 0 logins under way\n");
}

Test(ctl, users_and_connections_are_aligned)
{
	start_at(scratch.dir);
	announce(1, "ann", "n1");
	announce(2, "a-longer-name", "n2");
	announce(3, "ann", "n2");
	cr_assert_eq(run("users"), 0);
	cr_assert_str_eq(output_text(),
		"USER           CONNECTIONS  LOGINS  SINCE                NODES\n"
		"ann                      2       0  2023-11-14 22:13:20  n2 (1), n1 (1)\n"
		"a-longer-name            1       0  2023-11-14 22:13:20  n2 (1)\n"
		"2 users, 3 connections, 0 logins under way\n");
	cr_assert_eq(run("connections"), 0);
	assert_says("\n000000000001  ann            n1    192.0.2.1:50000  ");
	assert_says(
		"  1m05s         1.5K        20M         2  publickey  SSH-2.0-OpenSSH_9.2  you");
	assert_says("\n3 connections, 4.5K bytes from clients, 60M bytes from nodes\n");
}

Test(ctl, names_cannot_steer_the_terminal)
{
	start_at(scratch.dir);
	announce(1, "eve\033[2J\r\n\x07", "n1");
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(run(i == 0 ? "users" : "connections"), 0);
		cr_assert_null(strpbrk(output_text(), "\033\r\x07"), "%s", output_text());
		assert_says("eve\\x1b[2J");
	}
}

Test(ctl, json_is_the_answer_of_the_api)
{
	const char *args[] = {"users", "--json", "--socket", socket_path, NULL};
	cJSON *json;

	start_at(scratch.dir);
	announce(1, "ann", "n1");
	cr_assert_eq(run_args(args), 0);
	json = cJSON_Parse(output_text());
	cr_assert_not_null(json);
	cr_assert_eq(cJSON_GetObjectItem(json, "version")->valuedouble, 1);
	cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(json, "users")), 1);
	cJSON_Delete(json);
}

Test(ctl, a_socket_path_may_be_longer_than_a_unix_address)
{
	char dir[SCRATCH_PATH_SIZE + 152];

	(void)snprintf(dir, sizeof(dir), "%s/%0150d", scratch.dir, 0);
	cr_assert_eq(mkdir(dir, 0700), 0);
	start_at(dir);
	cr_assert_eq(run("users"), 0);
	cr_assert_str_eq(output_text(), "Nobody is connected.\n");
}

/* --- what it says when it cannot --- */

Test(ctl, without_a_broker_it_says_what_to_do)
{
	int fd;

	(void)snprintf(socket_path, sizeof(socket_path), "%s/admin.sock", scratch.dir);
	cr_assert_eq(run("status"), 3);
	assert_says(socket_path);
	assert_says("No such file or directory. Is sshbrokerd running?");
	fd = listen_at(scratch.dir, "admin.sock");
	close(fd);
	cr_assert_eq(run("status"), 3);
	assert_says("Connection refused. Nobody listens there");
	(void)snprintf(socket_path, sizeof(socket_path), "%s/%0150d/admin.sock", scratch.dir, 0);
	cr_assert_eq(run("status"), 3);
	assert_says("No such file or directory. Is sshbrokerd running?");
	(void)snprintf(socket_path, sizeof(socket_path), "%s/%0150d", scratch.dir, 0);
	cr_assert_eq(run("status"), 3);
	assert_says("The name of the socket within its folder is too long.\n");
}

/* A server that gives one answer, whatever is asked. */
static pid_t
serve_once(const char *answer)
{
	int listener = listen_at(scratch.dir, "admin.sock");
	pid_t pid = fork();

	if (pid == 0) {
		char request[1024];
		int fd;

		(void)fcntl(listener, F_SETFL, 0);
		fd = accept(listener, NULL, NULL);
		if (read(fd, request, sizeof(request)) < 0)
			_exit(1);
		if (write(fd, answer, strlen(answer)) < 0)
			_exit(1);
		_exit(0);
	}
	close(listener);
	(void)snprintf(socket_path, sizeof(socket_path), "%s/admin.sock", scratch.dir);
	return pid;
}

Test(ctl, what_the_broker_reports_is_shown)
{
	static const struct {
		const char *answer, *said;
	} cases[] = {
		{"HTTP/1.1 403 F\r\nConnection: close\r\n\r\n"
		 "{\"version\":1,\"error\":{\"code\":\"forbidden\",\"message\":\"not "
		 "\\u001byou\"}}",
			"sshbrokerctl: not \\x1byou\n"},
		{"HTTP/1.1 500 F\r\nConnection: close\r\n\r\n<html>",
			"sshbrokerctl: the broker answers with HTTP status 500\n"},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>",
			"sshbrokerctl: the broker's answer is no JSON"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
			"sshbrokerctl: the broker gave no whole answer"},
		{"garbage\r\n\r\n", "sshbrokerctl: the broker gave no whole answer"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char path[SCRATCH_PATH_SIZE];
		pid_t pid = serve_once(cases[i].answer);

		cr_assert_eq(run("users"), 1, "case %zu", i);
		assert_says(cases[i].said);
		cr_assert_eq(waitpid(pid, NULL, 0), pid);
		(void)unlink(scratch_path(&scratch, "admin.sock", path));
	}
}

Test(ctl, an_answer_of_another_version_is_shown_as_far_as_it_is_known)
{
	pid_t pid = serve_once("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
			       "{\"connections\":[{\"id\":7,\"user\":null,\"node\":\"n1\"},3,null,"
			       "{\"user\":\"a\\u001b[2Jb\"}]}");

	cr_assert_eq(run("connections"), 0);
	assert_says("\n-   -          n1    -");
	/* Whatever the broker lets through. */
	assert_says("a\\x1b[2Jb");
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

Test(ctl, wrong_usage_is_told_apart)
{
	static const struct {
		const char *args[4];
		int code;
		const char *said;
	} cases[] = {
		{{NULL}, 2, "say what to show"},
		{{"nonsense"}, 2, "no such verb: nonsense"},
		{{"--nonsense", "status"}, 2, "no such option: --nonsense"},
		{{"status", "users"}, 2, "one verb only"},
		{{"status", "--socket"}, 2, "an argument is missing after --socket"},
		{{"--help"}, 0, "usage: sshbrokerctl"},
		{{"--version"}, 0, "sshbrokerctl " SSHBROKER_VERSION "\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *args[5] = {NULL};

		memcpy(args, cases[i].args, sizeof(cases[i].args));
		cr_assert_eq(run_args(args), cases[i].code, "case %zu: %s", i, output_text());
		assert_says(cases[i].said);
	}
}
