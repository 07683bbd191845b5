/*
 * broker/role/rejoin: who may be the next supervisor, and what happens when there is no room for it.
 */
#include "broker/role/rejoin.h"

#include "tests/lib/scratch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUARD_TURNS 10000

static struct scratch scratch;
static struct event_base *base;
static struct rejoin *rejoin;
static struct sockaddr_un address;
static int listener;
static unsigned n_supervisors;

static void
on_supervisor(void *arg, int fd)
{
	(void)arg;
	n_supervisors++;
	close(fd);
}

static void
start(uid_t supervisor)
{
	char path[SCRATCH_PATH_SIZE];

	scratch_init(&scratch);
	cr_assert_eq(chmod(scratch.dir, 0755), 0);
	address.sun_family = AF_UNIX;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s",
		scratch_path(&scratch, "s", path));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(chmod(address.sun_path, 0666), 0);
	base = event_base_new();
	cr_assert_eq(rejoin_new(base, listener, supervisor, on_supervisor, NULL, &rejoin), OK);
	cr_assert_eq(rejoin_wait(rejoin), OK);
}

static void
stop(void)
{
	rejoin_free(rejoin);
	event_base_free(base);
	scratch_clear(&scratch);
}

static int
connect_to_it(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Connect as that user, and leave. */
static void
connect_as(uid_t uid)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		_exit(setresuid(uid, uid, uid) != 0 ||
			connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0);
	}
	(void)waitpid(pid, NULL, 0);
	for (unsigned i = 0; i < 10; i++)
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

TestSuite(rejoin, .timeout = 30);

/* All relays have one user: one of them that was captured must not get the connections of the others. */
Test(rejoin, another_relay_is_no_supervisor)
{
	unsigned n_of_own_user;

	if (geteuid() != 0)
		return;
	start(0);
	cr_assert_eq(seteuid(64004), 0);
	connect_as(64004);
	n_of_own_user = n_supervisors;
	/* Nothing is said before: as that user, the test could not report it. */
	cr_assert_eq(seteuid(0), 0);
	cr_assert_eq(n_of_own_user, 0);
	connect_as(64001);
	cr_assert_eq(n_supervisors, 0);
	connect_as(0);
	cr_assert_eq(n_supervisors, 1);
	stop();
}

static int
on_event(const struct event_base *of, const struct event *ev, void *arg)
{
	bool *is_waiting = arg;

	(void)of;
	if (event_get_fd(ev) == listener && event_pending(ev, EV_READ, NULL) != 0)
		*is_waiting = true;
	return 0;
}

Test(rejoin, without_descriptors_it_rests_and_takes_the_supervisor_later)
{
	bool is_waiting = false;
	struct rlimit all, none;
	int fd, next;

	start(geteuid());
	fd = connect_to_it();
	next = dup(STDERR_FILENO);
	close(next);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
	none = (struct rlimit){(rlim_t)next, all.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	cr_assert_geq(event_base_loop(base, EVLOOP_NONBLOCK), 0);
	cr_assert_eq(event_base_foreach_event(base, on_event, &is_waiting), 0);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
	cr_assert_not(is_waiting, "it would be woken again at once");
	for (unsigned i = 0; i < GUARD_TURNS && n_supervisors == 0; i++)
		cr_assert_geq(event_base_loop(base, EVLOOP_ONCE), 0);
	cr_assert_eq(n_supervisors, 1);
	close(fd);
	stop();
}
