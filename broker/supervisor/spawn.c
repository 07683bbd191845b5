/*
 * Starting a role process.
 *
 * fork() alone would leave the child with the supervisor's memory: its address layout, and whatever is held there.
 */
#include "broker/supervisor/spawn.h"

#include "broker/role/role.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM_NAME "sshbrokerd"
/* Above every descriptor that the child sets up. */
#define HIGH_FD 10

enum err
spawn_open_program(int *out)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	if (fd < 0)
		return ERR_IO;
	*out = fd;
	return OK;
}

static void
reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: everything but 0-2, control and the program is marked to be closed. */
static bool
arrange_descriptors(int *program, int control)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high_program = fcntl(*program, F_DUPFD_CLOEXEC, HIGH_FD);
	int high_control = fcntl(control, F_DUPFD_CLOEXEC, HIGH_FD);

	if (null < 0 || high_program < 0 || high_control < 0)
		return false;
	*program = high_program;
	if (dup2(null, STDIN_FILENO) < 0 || dup2(high_control, ROLE_CONTROL_FD) < 0)
		return false;
	return close_range(ROLE_CONTROL_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
}

static _Noreturn void
become_role(int program, const char *name, int control)
{
	char text[64];
	char *argv[] = {PROGRAM_NAME, "--role", text, NULL};

	(void)strncpy(text, name, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	reset_signals();
	(void)setsid();
	if (arrange_descriptors(&program, control))
		(void)fexecve(program, argv, environ);
	log_error("%s: cannot execute the program: %s", name, strerror(errno));
	_exit(127);
}

enum err
spawn_role(int program, const char *name, int control, pid_t *out)
{
	sigset_t all, old;
	pid_t pid;

	/* A signal that reached the child before it is itself would be reported to our event loop. */
	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &old) != 0)
		return ERR_IO;
	pid = fork();
	if (pid == 0)
		become_role(program, name, control);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return ERR_IO;
	*out = pid;
	return OK;
}
