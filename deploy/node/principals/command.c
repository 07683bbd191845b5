/*
 * A command whose output decides.
 */
#include "deploy/node/principals/command.h"

#include "deploy/node/principals/lines.h"
#include "deploy/node/principals/strict_modes.h"
#include "deploy/node/principals/why.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VARIABLE_SIZE (PATH_MAX + 16)
#define N_VARIABLES 4

/* What sshd gives such a command. */
struct environment {
	char text[N_VARIABLES][VARIABLE_SIZE];
	char *all[N_VARIABLES + 1];
};

static void
fill_environment(const struct user *user, struct environment *e)
{
	(void)snprintf(e->text[0], VARIABLE_SIZE, "PATH=/usr/bin:/bin:/usr/sbin:/sbin");
	(void)snprintf(e->text[1], VARIABLE_SIZE, "USER=%s", user->name);
	(void)snprintf(e->text[2], VARIABLE_SIZE, "LOGNAME=%s", user->name);
	(void)snprintf(e->text[3], VARIABLE_SIZE, "HOME=%s", user->home);
	for (size_t i = 0; i < N_VARIABLES; i++)
		e->all[i] = e->text[i];
	e->all[N_VARIABLES] = NULL;
}

/* The errors of posix_spawn's helpers are all shortage of memory. */
static int
add_actions(posix_spawn_file_actions_t *a, int stdout_fd)
{
	int r = posix_spawn_file_actions_addopen(a, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (r == 0)
		r = posix_spawn_file_actions_adddup2(a, stdout_fd, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(a, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	return r;
}

static int
add_attributes(posix_spawnattr_t *a)
{
	sigset_t all, none;
	int r;

	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	r = posix_spawnattr_setsigdefault(a, &all);
	if (r == 0)
		r = posix_spawnattr_setsigmask(a, &none);
	if (r == 0)
		r = posix_spawnattr_setpgroup(a, 0);
	if (r == 0)
		r = posix_spawnattr_setflags(
			a, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	return r;
}

/* As posix_spawn: an error number. */
static int
spawn(char *const *argv, const struct user *user, int stdout_fd, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	struct environment environment;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		fill_environment(user, &environment);
		r = add_actions(&actions, stdout_fd);
		if (r == 0)
			r = add_attributes(&attributes);
		if (r == 0)
			r = posix_spawn(pid, argv[0], &actions, &attributes, argv, environment.all);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* Its end is waited for with a deadline, and so must not be missed. */
static void
block_sigchld(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

enum err
command_start(char *const *argv, const struct user *user, struct command *out, char why[WHY_SIZE])
{
	int pipe_fds[2], r;
	enum err e;

	if (argv[0][0] != '/') {
		why_set(why, "%s is not an absolute path", argv[0]);
		return ERR_DENIED;
	}
	e = strict_modes_check_program(argv[0], 0, why);
	if (e != OK)
		return e;
	if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
		why_set(why, "%s cannot be run: %s", argv[0], strerror(errno));
		return ERR_IO;
	}
	block_sigchld();
	out->deadline_ms = lines_now_ms() + COMMAND_TIME_MAX_MS;
	r = spawn(argv, user, pipe_fds[1], &out->pid);
	close(pipe_fds[1]);
	if (r != 0) {
		why_set(why, "%s cannot be run: %s", argv[0], strerror(r));
		close(pipe_fds[0]);
		errno = r;
		return ERR_IO;
	}
	out->fd = pipe_fds[0];
	return OK;
}

void
command_kill(struct command *c)
{
	int status;

	(void)kill(-c->pid, SIGKILL);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(c->fd);
}

/* Sleep until some child has ended; false at the deadline. */
static bool
wait_for_child(int64_t deadline_ms)
{
	int64_t left = deadline_ms - lines_now_ms();
	struct timespec t = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
	sigset_t set;

	if (left <= 0)
		return false;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	return sigtimedwait(&set, NULL, &t) >= 0 || errno == EINTR;
}

enum err
command_finish(struct command *c)
{
	for (;;) {
		int status;
		pid_t r = waitpid(c->pid, &status, WNOHANG);

		if (r == c->pid) {
			close(c->fd);
			return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? OK : ERR_DENIED;
		}
		if (r < 0 && errno != EINTR) {
			close(c->fd);
			return ERR_IO;
		}
		if (!wait_for_child(c->deadline_ms)) {
			command_kill(c);
			return ERR_TIMEOUT;
		}
	}
}
