/*
 * A bench for tests of the supervisor.
 */
#include "tests/lib/bench.h"

#include "tests/lib/pool_config.h"
#include "tests/lib/role_process.h"
#include "tests/lib/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 30000
#define LIFE_MAX_S 300

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
	if (f == NULL)
		abort();
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

void
bench_clear(struct bench *b)
{
	while (kill_children())
		(void)waitpid(-1, NULL, 0);
	remove_dir(b->dir);
	close(b->reports);
	close(b->log[0]);
	close(b->log[1]);
}

/* Say what was seen, leave nothing behind, and end the test. */
static _Noreturn void __attribute__((format(printf, 2, 3)))
fail(struct bench *b, const char *format, ...)
{
	va_list args;

	for (size_t i = 0; i < b->n_seen; i++)
		(void)fprintf(stderr, "%s %s %d %s %d\n", b->seen[i].what, b->seen[i].self,
			b->seen[i].pid, b->seen[i].peer, b->seen[i].number);
	(void)fprintf(stderr, "%s", b->text);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	bench_clear(b);
	abort();
}

#define check(b, condition)                                                                        \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail((b), "%s:%d: not so: %s", __FILE__, __LINE__, #condition);            \
	} while (0)

void
bench_write_file(struct bench *b, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", b->dir, name);
	f = fopen(path, "w");
	check(b, f != NULL);
	check(b, fputs(text, f) >= 0);
	check(b, fclose(f) == 0);
}

void
bench_write_config(struct bench *b, const char *listen, unsigned grace)
{
	static const char format[] =
		"{ \"listen\": [\"%s\", \"127.0.0.2:0\"], \"host_keys\": [\"host_key\"],\n"
		"\"user_ca_key\": \"ca_key\", \"run_dir\": \"run\",\n"
		"\"roles\": { \"gates\": 2, \"relays\": 2, \"restart_delay_ms\": 10,\n"
		"\"restart_delay_max_ms\": 20, \"stop_timeout_s\": 1, %s},\n"
		"\"limits\": { \"login_grace_s\": %u }, \"log\": { \"level\": \"debug\" },\n"
		"\"pools\": [{ \"name\": \"p\", \"nodes\": [{ \"name\": \"n\", \"address\": "
		"\"192.0.2.1\",\n"
		"\"host_keys\": [\"" POOL_CONFIG_HOST_KEY "\"]\n"
		"}] }] }\n";
	static const char users[] = "\"director_user\": \"64001\", \"keyholder_user\": \"64002\",\n"
				    "\"gate_user\": \"64003\", \"relay_user\": \"64004\"";
	char text[2048];

	(void)snprintf(text, sizeof(text), format, listen, users, grace);
	bench_write_file(b, "config.json", text);
}

static void
open_reports(struct bench *b)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/reports", b->dir);
	b->reports = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	check(b, bind(b->reports, (struct sockaddr *)&at, sizeof(at)) == 0);
	check(b, chmod(at.sun_path, 0777) == 0);
	check(b, setenv(ROLE_PROCESS_REPORTS, at.sun_path, 1) == 0);
}

void
bench_init(struct bench *b)
{
	*b = (struct bench){.reports = -1};
	scratch_make_folder(b->dir, sizeof(b->dir));
	check(b, chmod(b->dir, 0755) == 0);
	check(b, pipe2(b->log, O_CLOEXEC | O_NONBLOCK) == 0);
	check(b, prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	open_reports(b);
}

static void
read_reports(struct bench *b)
{
	struct bench_event *s = &b->seen[b->n_seen];
	char text[128];
	ssize_t n;

	for (n = recv(b->reports, text, sizeof(text) - 1, 0); n > 0;
		n = recv(b->reports, text, sizeof(text) - 1, 0)) {
		check(b, b->n_seen < BENCH_EVENTS_MAX);
		s = &b->seen[b->n_seen++];
		text[n] = '\0';
		check(b,
			sscanf(text, "%31s %31s %d %31s %d", s->what, s->self, &s->pid, s->peer,
				&s->number) == 5);
	}
}

static void
read_log(struct bench *b)
{
	ssize_t n;

	do {
		size_t left = sizeof(b->text) - 1 - b->text_len;

		check(b, left > 0);
		n = read(b->log[0], b->text + b->text_len, left);
		b->text_len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	b->text[b->text_len] = '\0';
}

/* Wait until something new is there. */
static void
wait_for_news(struct bench *b, const char *for_what)
{
	struct pollfd p[] = {{b->reports, POLLIN, 0}, {b->log[0], POLLIN, 0}};

	if (poll(p, 2, WAIT_MS) > 0) {
		read_reports(b);
		read_log(b);
		return;
	}
	fail(b, "waited in vain for %s", for_what);
}

/* The first such event since the mark; peer NULL: whichever. */
const struct bench_event *
bench_find_event(const struct bench *b, const char *what, const char *self, const char *peer)
{
	for (size_t i = b->mark; i < b->n_seen; i++) {
		const struct bench_event *s = &b->seen[i];

		if (strcmp(s->what, what) == 0 && strcmp(s->self, self) == 0 &&
			(peer == NULL || strcmp(s->peer, peer) == 0))
			return s;
	}
	return NULL;
}

const struct bench_event *
bench_wait_event(struct bench *b, const char *what, const char *self, const char *peer)
{
	const struct bench_event *s = bench_find_event(b, what, self, peer);
	char text[128];

	(void)snprintf(text, sizeof(text), "%s %s %s", what, self, peer != NULL ? peer : "");
	for (; s == NULL; s = bench_find_event(b, what, self, peer))
		wait_for_news(b, text);
	return s;
}

void
bench_wait_log(struct bench *b, const char *text)
{
	while (strstr(b->text, text) == NULL)
		wait_for_news(b, text);
}

size_t
bench_count_events(const struct bench *b, const char *what)
{
	size_t n = 0;

	for (size_t i = b->mark; i < b->n_seen; i++)
		n += strcmp(b->seen[i].what, what) == 0;
	return n;
}

/* From here on, only what happens later counts. */
void
bench_forget_events(struct bench *b)
{
	read_reports(b);
	b->mark = b->n_seen;
}

pid_t
bench_start_program(struct bench *b, const char *program)
{
	char config[128], *argv[] = {"sshbrokerd", "--supervisor", config, NULL};
	pid_t pid = fork();

	check(b, pid >= 0);
	if (pid > 0)
		return pid;
	(void)snprintf(config, sizeof(config), "%s/config.json", b->dir);
	(void)dup2(b->log[1], STDERR_FILENO);
	/* Something that whoever starts it left open: no role may have it. */
	if (dup(STDIN_FILENO) < 0)
		abort();
	/* Criterion would take the process for one of its own. */
	(void)unsetenv("BXFI_MAP");
	(void)alarm(LIFE_MAX_S);
	(void)execv(program, argv);
	abort();
}

pid_t
bench_start(struct bench *b)
{
	return bench_start_program(b, "/proc/self/exe");
}

int
bench_wait_exit(struct bench *b, pid_t pid)
{
	siginfo_t info = {0};

	/* What it and its children say must not fill the pipe. */
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		info.si_pid == 0) {
		struct pollfd p[] = {{b->reports, POLLIN, 0}, {b->log[0], POLLIN, 0}};

		(void)poll(p, 2, 10);
		read_reports(b);
		read_log(b);
	}
	check(b, waitid(P_PID, (id_t)pid, &info, WEXITED) == 0);
	read_reports(b);
	read_log(b);
	return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}

void
bench_stop(struct bench *b, pid_t supervisor)
{
	check(b, kill(supervisor, SIGTERM) == 0);
	check(b, bench_wait_exit(b, supervisor) == 0);
}

/* Of the process that came up last under that name. */
pid_t
bench_last_pid(struct bench *b, const char *self)
{
	for (size_t i = b->n_seen; i-- > 0;) {
		if (strcmp(b->seen[i].what, "up") == 0 && strcmp(b->seen[i].self, self) == 0)
			return b->seen[i].pid;
	}
	fail(b, "%s was never up", self);
	return -1;
}

/* Every process has ended, also those that became our children when their parent was killed. */
void
bench_wait_no_children(struct bench *b)
{
	for (unsigned ms = 0; ms < WAIT_MS; ms += 10) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0 && errno == ECHILD)
			return;
		if (pid == 0)
			(void)poll(NULL, 0, 10);
	}
	fail(b, "processes are left");
}
