/*
 * broker/director/dial: connections to real sockets on loopback, refusals, names, time, and giving up.
 */
#include "broker/director/dial.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#define GUARD_SECONDS 20

static struct event_base *base;
static struct dialer *dialer;
static struct dial_result seen;
static unsigned n_seen;

static void
build(void)
{
	base = event_base_new();
	cr_assert_not_null(base);
	cr_assert_eq(dialer_new(base, &dialer), OK);
}

static void
demolish(void)
{
	dialer_free(dialer);
	event_base_free(base);
}

/* A socket on loopback; with a backlog of 0 and never accepting, it takes one connection and then no more. */
static int
bind_socket(bool listens, int backlog, uint16_t *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	cr_assert(!listens || listen(fd, backlog) == 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

static void
on_result(void *arg, const struct dial_result *result)
{
	cr_assert_eq(arg, &seen);
	seen = *result;
	n_seen++;
	event_base_loopbreak(base);
}

static struct dial *
begin(const char *host, uint16_t port, uint32_t timeout_ms)
{
	struct dial *d = NULL;

	cr_assert_eq(dial_new(dialer, host, port, timeout_ms, on_result, &seen, &d), OK);
	cr_assert_eq(n_seen, 0, "the answer came from within the call");
	return d;
}

static void
run(void)
{
	struct timeval guard = {.tv_sec = GUARD_SECONDS};

	event_base_loopexit(base, &guard);
	event_base_dispatch(base);
	cr_assert_eq(n_seen, 1);
}

static void
assert_connected(uint16_t port)
{
	int value = 0;
	socklen_t len = sizeof(value);

	cr_assert_eq(seen.err, OK, "%s", seen.text);
	cr_assert_eq(seen.address.port, port);
	cr_assert(fcntl(seen.fd, F_GETFL) & O_NONBLOCK);
	cr_assert(fcntl(seen.fd, F_GETFD) & FD_CLOEXEC);
	cr_assert_eq(getsockopt(seen.fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
	cr_assert(value);
	close(seen.fd);
}

TestSuite(dial, .init = build, .fini = demolish);

Test(dial, an_address_is_connected_to)
{
	uint16_t port;
	int fd = bind_socket(true, 5, &port);

	begin("127.0.0.1", port, 5000);
	run();
	assert_connected(port);
	close(fd);
}

Test(dial, a_name_is_resolved_and_its_next_address_tried)
{
	uint16_t port;
	int fd = bind_socket(true, 5, &port);

	/* In /etc/hosts, most often with ::1 as well, where nobody listens. */
	begin("localhost", port, 5000);
	run();
	assert_connected(port);
	close(fd);
}

Test(dial, a_refusal_is_told)
{
	uint16_t port;
	int fd = bind_socket(false, 0, &port);

	begin("127.0.0.1", port, 5000);
	run();
	cr_assert_eq(seen.err, ERR_IO);
	cr_assert_eq(seen.fd, -1);
	cr_assert_str_eq(seen.text, "Connection refused");
	cr_assert_eq(seen.address.port, port);
	close(fd);
}

Test(dial, silence_ends_with_the_time)
{
	uint16_t port;
	int fd = bind_socket(true, 0, &port), fillers[4];

	/* A full backlog drops what comes after: nobody answers. */
	for (size_t i = 0; i < ARRAY_LEN(fillers); i++) {
		struct sockaddr_in sin = {.sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
			.sin_port = htons(port)};

		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fillers[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	begin("127.0.0.1", port, 100);
	run();
	cr_assert_eq(seen.err, ERR_TIMEOUT);
	cr_assert_eq(seen.fd, -1);
	for (size_t i = 0; i < ARRAY_LEN(fillers); i++)
		close(fillers[i]);
	close(fd);
}

/* That is no fault of the node's. */
Test(dial, what_runs_out_here_is_told_apart)
{
	struct rlimit none = {3, 3}, before;
	uint16_t port;
	int fd = bind_socket(true, 1, &port);

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none.rlim_max = before.rlim_max;
	(void)begin("127.0.0.1", port, 5000);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	run();
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	cr_assert_eq(seen.err, ERR_LIMIT, "%s", seen.text);
	close(fd);
}

Test(dial, who_gives_up_hears_nothing)
{
	struct timeval soon = {.tv_usec = 50000};
	uint16_t port;
	int fd = bind_socket(true, 5, &port);

	dial_free(begin("127.0.0.1", port, 5000));
	dial_free(begin("localhost", port, 5000));
	dial_free(NULL);
	event_base_loopexit(base, &soon);
	event_base_dispatch(base);
	cr_assert_eq(n_seen, 0);
	close(fd);
}

Test(dial, what_is_no_name_is_told)
{
	char name[80] = {0};

	/* A label of DNS has 63 characters at most: no server is asked. */
	memset(name, 'x', sizeof(name) - 1);
	begin(name, 22, 2000);
	run();
	cr_assert_neq(seen.err, OK);
	cr_assert_eq(seen.fd, -1);
	cr_assert_gt(strlen(seen.text), 0);
}
