/*
 * deploy/node/principals/command: what is run, with which environment, and when it ends.
 */
#include "deploy/node/principals/command.h"

#include "deploy/node/principals/lines.h"
#include "deploy/node/principals/why.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHELL(script) ((char *[]){"/usr/bin/env", "sh", "-c", (script), NULL})

static struct command
start(char *const *argv)
{
	struct user user = {.name = "alice", .home = "/home/alice", .uid = 5000};
	char why[WHY_SIZE];
	struct command c;

	cr_assert_eq(command_start(argv, &user, &c, why), OK, "%s", why);
	return c;
}

/* All that the command prints, lines joined by '|'. */
static const char *
output(const struct command *c)
{
	static char text[4096];
	struct lines l = {.fd = c->fd, .deadline_ms = c->deadline_ms};
	struct span line;
	size_t used = 0;

	text[0] = '\0';
	while (lines_next(&l, &line) == OK)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%.*s|", (int)line.len,
			(const char *)line.ptr);
	lines_clear(&l);
	return text;
}

Test(command, it_gets_the_users_environment_and_no_more)
{
	struct command c = start((char *[]){"/usr/bin/env", NULL});

	cr_assert_str_eq(output(&c),
		"PATH=/usr/bin:/bin:/usr/sbin:/sbin|USER=alice|LOGNAME=alice|"
		"HOME=/home/alice|");
	cr_assert_eq(command_finish(&c), OK);
}

Test(command, its_words_are_no_shells)
{
	struct command c = start((char *[]){"/usr/bin/printf", "%s\n", "$HOME; echo `id`", NULL});

	cr_assert_str_eq(output(&c), "$HOME; echo `id`|");
	cr_assert_eq(command_finish(&c), OK);
}

Test(command, its_input_is_empty)
{
	struct command c = start((char *[]){"/usr/bin/cat", NULL});

	cr_assert_str_eq(output(&c), "");
	cr_assert_eq(command_finish(&c), OK);
}

Test(command, a_bad_end_is_told)
{
	struct command c = start((char *[]){"/usr/bin/false", NULL});

	cr_assert_eq(command_finish(&c), ERR_DENIED);
	c = start(SHELL("kill -9 $$"));
	cr_assert_eq(command_finish(&c), ERR_DENIED);
}

Test(command, signals_are_as_in_a_fresh_process)
{
	struct command c;

	signal(SIGTERM, SIG_IGN);
	c = start(SHELL("kill -TERM $$; echo ignored"));
	cr_assert_str_eq(output(&c), "");
	cr_assert_eq(command_finish(&c), ERR_DENIED);
}

/* It closes its output and stays: killed, with what it started. */
Test(command, one_that_stays_is_killed_at_its_deadline, .timeout = 60)
{
	struct command c = start(SHELL("exec >&-; sleep 1000 & sleep 1000"));
	pid_t group = c.pid;

	cr_assert_str_eq(output(&c), "");
	c.deadline_ms = lines_now_ms() + 30;
	cr_assert_eq(command_finish(&c), ERR_TIMEOUT);
	while (kill(-group, 0) == 0)
		usleep(1000);
	cr_assert_eq(errno, ESRCH);
}

Test(command, a_program_that_others_can_write_is_not_run)
{
	struct user user = {.name = "alice", .home = "/", .uid = 5000};
	char path[] = "/tmp/command-test-XXXXXX", why[WHY_SIZE];
	int fd = mkstemp(path);
	struct command c;

	cr_assert_geq(fd, 0);
	cr_assert_eq(fchmod(fd, 0755), 0);
	cr_assert_eq(command_start((char *[]){path, NULL}, &user, &c, why), ERR_DENIED);
	cr_assert_not_null(strstr(why, "folder /tmp"), "%s", why);
	cr_assert_eq(command_start((char *[]){"env", NULL}, &user, &c, why), ERR_DENIED);
	close(fd);
	unlink(path);
}
