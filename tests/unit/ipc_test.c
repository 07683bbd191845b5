/*
 * common/ipc: frames and descriptors between two ends, and what a broken peer can do (lose its link, nothing else).
 */
#include "common/ipc/ipc.h"

#include "common/ipc/frame.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEEN_MAX 256
#define GUARD_SECONDS 20

/* One end of a link and what it has seen. */
struct end {
	struct event_base *base;
	struct ipc *link;
	uint16_t types[SEEN_MAX];
	size_t lens[SEEN_MAX];
	unsigned n_messages;
	struct buf bodies;
	int fds[SEEN_MAX];
	size_t n_fds;
	unsigned n_closed;
	enum err why;
	bool take_fds;
	bool free_in_message;
	bool free_in_closed;
	struct end *pump_other;
	bool answer;
};

static unsigned
count_open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	cr_assert_not_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
on_message(void *arg, struct ipc_message *m)
{
	struct end *e = arg;

	cr_assert_lt(e->n_messages, SEEN_MAX);
	if (e->pump_other != NULL)
		ipc_pump(e->pump_other->link);
	e->types[e->n_messages] = m->type;
	e->lens[e->n_messages++] = m->body.len;
	cr_assert_eq(buf_append_span(&e->bodies, m->body), OK);
	for (size_t i = 0; i < m->n_fds && e->take_fds; i++) {
		cr_assert(fcntl(m->fds[i], F_GETFD) & FD_CLOEXEC);
		e->fds[e->n_fds++] = m->fds[i];
		m->fds[i] = -1;
	}
	if (e->answer)
		cr_assert_eq(ipc_send(e->link, m->type, m->body, NULL, 0), OK);
	if (e->free_in_message) {
		ipc_free(e->link);
		e->link = NULL;
	}
}

static void
on_closed(void *arg, enum err why)
{
	struct end *e = arg;

	e->n_closed++;
	e->why = why;
	if (e->free_in_closed) {
		ipc_free(e->link);
		e->link = NULL;
	}
}

static void
end_init(struct end *e, struct event_base *base, int fd)
{
	*e = (struct end){.base = base, .take_fds = true};
	buf_init(&e->bodies, 2 * IPC_QUEUE_MAX);
	cr_assert_eq(ipc_new(base, fd, on_message, on_closed, e, &e->link), OK);
}

static void
end_clear(struct end *e)
{
	ipc_free(e->link);
	buf_clear(&e->bodies);
	for (size_t i = 0; i < e->n_fds; i++)
		close(e->fds[i]);
}

static void
on_guard(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	cr_assert_fail("waited in vain");
}

/* Turn the loop until *n reaches at_least. */
static void
run_until(struct event_base *base, const unsigned *n, unsigned at_least)
{
	struct timeval limit = {GUARD_SECONDS, 0};
	struct event *guard = evtimer_new(base, on_guard, NULL);

	evtimer_add(guard, &limit);
	while (*n < at_least)
		cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	event_free(guard);
}

/* Turn the loop while anything is to be done at once. */
static void
run_idle(struct event_base *base)
{
	for (unsigned i = 0; i < 20; i++)
		cr_assert_geq(event_base_loop(base, EVLOOP_NONBLOCK), 0);
}

struct pair {
	struct event_base *base;
	struct end a, b;
};

static void
pair_init(struct pair *p)
{
	int ends[2];

	p->base = event_base_new();
	cr_assert_eq(ipc_pair(ends), OK);
	end_init(&p->a, p->base, ends[0]);
	end_init(&p->b, p->base, ends[1]);
}

static void
pair_clear(struct pair *p)
{
	end_clear(&p->a);
	end_clear(&p->b);
	event_base_free(p->base);
}

/* The read end of a pipe that holds one byte. */
static int
marked_fd(char mark)
{
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(write(ends[1], &mark, 1), 1);
	close(ends[1]);
	return ends[0];
}

static void
assert_mark(int fd, char mark)
{
	char c = 0;

	cr_assert_eq(read(fd, &c, 1), 1);
	cr_assert_eq(c, mark);
}

/* Bytes and descriptors as a peer of any kind may send them. */
static void
send_raw(int to, struct span bytes, const int *fds, size_t n_fds)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(200 * sizeof(int))] = {0};
	struct iovec iov = {(void *)(uintptr_t)bytes.ptr, bytes.len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > 0) {
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	cr_assert_eq(sendmsg(to, &m, MSG_NOSIGNAL), (ssize_t)bytes.len);
}

Test(ipc, messages_and_descriptors_arrive_in_order_both_ways)
{
	struct pair p;
	uint8_t body[3000];

	pair_init(&p);
	for (unsigned i = 0; i < 100; i++) {
		int fds[3] = {marked_fd((char)i), marked_fd((char)(i + 1)), marked_fd(0)};

		memset(body, (int)i, sizeof(body));
		cr_assert_eq(
			ipc_send(p.a.link, (uint16_t)i, span_of(body, i * 30), fds, i % 3), OK);
		for (size_t j = i % 3; j < 3; j++)
			close(fds[j]);
		cr_assert_eq(ipc_send(p.b.link, (uint16_t)(1000 + i), span_str("x"), NULL, 0), OK);
	}
	run_until(p.base, &p.b.n_messages, 100);
	run_until(p.base, &p.a.n_messages, 100);
	for (unsigned i = 0; i < 100; i++) {
		cr_assert_eq(p.b.types[i], i);
		cr_assert_eq(p.b.lens[i], i * 30);
		cr_assert_eq(p.a.types[i], 1000 + i);
	}
	cr_assert_eq(p.b.n_fds, 33 + 2 * 33);
	for (unsigned i = 0, at = 0; i < 100; i++) {
		for (unsigned j = 0; j < i % 3; j++)
			assert_mark(p.b.fds[at++], (char)(i + j));
	}
	cr_assert_eq(ipc_queued(p.a.link), 0);
	pair_clear(&p);
}

Test(ipc, the_largest_frame_with_the_most_descriptors_arrives)
{
	struct pair p;
	uint8_t *body = malloc(IPC_BODY_MAX);
	int fds[IPC_FDS_MAX];

	pair_init(&p);
	for (size_t i = 0; i < IPC_BODY_MAX; i++)
		body[i] = (uint8_t)(i * 7 >> 3);
	for (unsigned i = 0; i < IPC_FDS_MAX; i++)
		fds[i] = marked_fd((char)i);
	cr_assert_eq(ipc_send(p.a.link, 7, span_of(body, IPC_BODY_MAX), fds, IPC_FDS_MAX), OK);
	cr_assert_eq(ipc_send(p.a.link, 8, span_of(NULL, 0), NULL, 0), OK);
	run_until(p.base, &p.b.n_messages, 2);
	cr_assert(span_equal(buf_span(&p.b.bodies), span_of(body, IPC_BODY_MAX)));
	cr_assert_eq(p.b.n_fds, IPC_FDS_MAX);
	assert_mark(p.b.fds[31], 31);
	cr_assert_eq(p.b.types[1], 8);
	free(body);
	pair_clear(&p);
}

Test(ipc, callbacks_never_come_from_within_a_send)
{
	struct pair p;
	static uint8_t body[1000];
	unsigned n = 0;

	pair_init(&p);
	while (ipc_send(p.a.link, 1, span_of(body, sizeof(body)), NULL, 0) == OK)
		n++;
	cr_assert_eq(p.a.n_closed + p.b.n_messages, 0);
	cr_assert_eq(n, IPC_QUEUE_MAX / (sizeof(body) + FRAME_HEADER_SIZE));
	run_until(p.base, &p.a.n_closed, 1);
	cr_assert_eq(p.a.why, ERR_LIMIT);
	pair_clear(&p);
}

Test(ipc, a_send_that_fails_closes_its_descriptors)
{
	struct pair p;
	unsigned before;
	int fds[IPC_FDS_MAX + 1];

	pair_init(&p);
	before = count_open_fds();
	for (unsigned i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = marked_fd('x');
	cr_assert_eq(ipc_send(p.a.link, 1, span_of(NULL, 0), fds, ARRAY_LEN(fds)), ERR_LIMIT);
	cr_assert_eq(count_open_fds(), before);
	fds[0] = marked_fd('x');
	cr_assert_eq(ipc_send(p.a.link, 1, span_of(NULL, 0), fds, 1), ERR_CLOSED);
	cr_assert_eq(count_open_fds(), before);
	fds[0] = marked_fd('x');
	cr_assert_eq(ipc_send(p.b.link, 1, span_of("", IPC_BODY_MAX + 1), fds, 1), ERR_LIMIT);
	cr_assert_eq(count_open_fds(), before);
	run_until(p.base, &p.a.n_closed, 1);
	run_until(p.base, &p.b.n_closed, 1);
	cr_assert_eq(p.b.why, ERR_LIMIT);
	pair_clear(&p);
}

Test(ipc, freeing_a_link_closes_what_waits)
{
	struct pair p;
	unsigned before;
	int fd;

	pair_init(&p);
	before = count_open_fds();
	fd = marked_fd('x');
	cr_assert_eq(ipc_send(p.a.link, 1, span_str("secret"), &fd, 1), OK);
	ipc_free(p.a.link);
	p.a.link = NULL;
	cr_assert_eq(count_open_fds(), before - 1);
	run_until(p.base, &p.b.n_closed, 1);
	cr_assert_eq(p.b.why, ERR_CLOSED);
	cr_assert_eq(p.b.n_messages, 0);
	pair_clear(&p);
}

/* A peer that does not read must not have more of our descriptors and memory than there is a number for. */
Test(ipc, what_waits_for_a_peer_is_bounded_in_number_as_well)
{
	struct pair p;
	struct rlimit files;
	unsigned before, n;
	int fd;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);

	pair_init(&p);
	for (n = 0; ipc_send(p.a.link, 1, span_of(NULL, 0), NULL, 0) == OK; n++)
		;
	cr_assert_eq(n, IPC_QUEUE_FRAMES_MAX);
	run_until(p.base, &p.a.n_closed, 1);
	cr_assert_eq(p.a.why, ERR_LIMIT);
	pair_clear(&p);
	if (files.rlim_max < 2 * IPC_QUEUE_FDS_MAX)
		return;
	pair_init(&p);
	before = count_open_fds();
	for (n = 0, fd = marked_fd('x'); ipc_send(p.a.link, 1, span_of(NULL, 0), &fd, 1) == OK; n++)
		fd = marked_fd('x');
	cr_assert_eq(n, IPC_QUEUE_FDS_MAX);
	cr_assert_eq(count_open_fds(), before);
	run_until(p.base, &p.a.n_closed, 1);
	cr_assert_eq(p.a.why, ERR_LIMIT);
	pair_clear(&p);
}

/* Closing such a socket would wait for its unsent data, as long as the peer likes: O_NONBLOCK does not help there. */
Test(ipc, a_received_socket_does_not_linger)
{
	struct linger on = {1, 30}, got;
	socklen_t len = sizeof(got);
	struct pair p;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	pair_init(&p);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on)), 0);
	cr_assert_eq(ipc_send(p.a.link, 1, span_of(NULL, 0), &fd, 1), OK);
	run_until(p.base, &p.b.n_messages, 1);
	cr_assert_eq(p.b.n_fds, 1);
	cr_assert_eq(getsockopt(p.b.fds[0], SOL_SOCKET, SO_LINGER, &got, &len), 0);
	cr_assert_eq(got.l_onoff, 0);
	pair_clear(&p);
}

/* What one frame of 2 descriptors and the beginning of another look like on the socket. */
static size_t
write_two_frames(uint8_t *out)
{
	frame_write_header(out, 5, 6, 2);
	memcpy(out + FRAME_HEADER_SIZE, "abcdef", 6);
	frame_write_header(out + FRAME_HEADER_SIZE + 6, 6, 3, 0);
	memcpy(out + 2 * FRAME_HEADER_SIZE + 6, "ghi", 3);
	return 2 * FRAME_HEADER_SIZE + 9;
}

Test(ipc, frames_cut_at_any_byte_arrive_whole)
{
	uint8_t bytes[64];
	size_t len = write_two_frames(bytes);

	for (size_t cut = 1; cut < len; cut++) {
		int ends[2], fds[2] = {marked_fd('1'), marked_fd('2')};
		struct event_base *base = event_base_new();
		struct end e;

		cr_assert_eq(ipc_pair(ends), OK);
		end_init(&e, base, ends[0]);
		send_raw(ends[1], span_of(bytes, cut), fds, 2);
		run_idle(base);
		cr_assert_eq(e.n_messages, cut >= FRAME_HEADER_SIZE + 6 ? 1 : 0);
		send_raw(ends[1], span_of(bytes + cut, len - cut), NULL, 0);
		run_until(base, &e.n_messages, 2);
		cr_assert(span_is(buf_span(&e.bodies), "abcdefghi"));
		cr_assert_eq(e.n_fds, 2);
		assert_mark(e.fds[1], '2');
		close(ends[1]);
		run_until(base, &e.n_closed, 1);
		cr_assert_eq(e.why, ERR_CLOSED);
		close(fds[0]);
		close(fds[1]);
		end_clear(&e);
		event_base_free(base);
	}
}

Test(ipc, a_peer_that_breaks_the_framing_loses_its_link_and_leaks_nothing)
{
	static const struct {
		const char *what;
		uint8_t bytes[24];
		size_t len;
		size_t n_fds;
		unsigned n_messages;
		enum err why;
	} cases[] = {
		{"body too long", {0, 0x40, 0, 1, 0, 1, 1, 0}, 8, 0, 0, ERR_FORMAT},
		{"length near the top", {0xff, 0xff, 0xff, 0xff, 0, 1, 1, 0}, 8, 0, 0, ERR_FORMAT},
		{"wrong version", {0, 0, 0, 0, 0, 1, 2, 0}, 8, 0, 0, ERR_FORMAT},
		{"too many declared", {0, 0, 0, 0, 0, 1, 1, 33}, 8, 33, 0, ERR_FORMAT},
		{"fewer than declared", {0, 0, 0, 0, 0, 1, 1, 2}, 8, 1, 0, ERR_FORMAT},
		{"more than declared", {0, 0, 0, 0, 0, 1, 1, 1}, 8, 2, 1, ERR_FORMAT},
		{"none declared", {0, 0, 0, 0, 0, 1, 1, 0}, 8, 1, 1, ERR_FORMAT},
		{"more than a partial frame declares", {0, 0, 0, 9, 0, 1, 1, 1, 'a'}, 9, 2, 0,
			ERR_FORMAT},
		{"fewer than a partial frame declares", {0, 0, 0, 9, 0, 1, 1, 1, 'a'}, 9, 0, 0,
			ERR_FORMAT},
		{"more than any frame may have", {0, 0}, 2, 33, 0, ERR_FORMAT},
		{"more than may wait", {0, 0}, 2, 100, 0, ERR_LIMIT},
		{"a sound frame before a broken one",
			{0, 0, 0, 1, 0, 1, 1, 0, 'x', 0, 0, 0, 0, 0, 1, 0, 0}, 17, 0, 1,
			ERR_FORMAT},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct event_base *base = event_base_new();
		int ends[2], fds[128];
		unsigned before = count_open_fds();
		struct end e;

		cr_assert_eq(ipc_pair(ends), OK);
		end_init(&e, base, ends[0]);
		for (size_t j = 0; j < cases[i].n_fds; j++)
			fds[j] = STDIN_FILENO;
		send_raw(ends[1], span_of(cases[i].bytes, cases[i].len), fds, cases[i].n_fds);
		run_until(base, &e.n_closed, 1);
		cr_expect_eq(e.why, cases[i].why, "%s: %s", cases[i].what, err_text(e.why));
		cr_expect_eq(e.n_messages, cases[i].n_messages, "%s", cases[i].what);
		run_idle(base);
		cr_expect_eq(e.n_closed, 1);
		close(ends[1]);
		end_clear(&e);
		cr_expect_eq(count_open_fds(), before, "%s", cases[i].what);
		event_base_free(base);
	}
}

Test(ipc, descriptors_that_nobody_takes_are_closed)
{
	struct pair p;
	unsigned before;
	int fds[2];

	pair_init(&p);
	p.b.take_fds = false;
	before = count_open_fds();
	fds[0] = marked_fd('1');
	fds[1] = marked_fd('2');
	cr_assert_eq(ipc_send(p.a.link, 1, span_of(NULL, 0), fds, 2), OK);
	run_until(p.base, &p.b.n_messages, 1);
	cr_assert_eq(count_open_fds(), before);
	pair_clear(&p);
}

Test(ipc, a_link_may_be_freed_within_its_own_callbacks)
{
	struct pair p;
	unsigned before = 0;
	int fd;

	pair_init(&p);
	before = count_open_fds();
	p.b.free_in_message = true;
	p.b.take_fds = false;
	p.a.free_in_closed = true;
	fd = marked_fd('1');
	cr_assert_eq(ipc_send(p.a.link, 1, span_str("one"), &fd, 1), OK);
	cr_assert_eq(ipc_send(p.a.link, 2, span_str("two"), NULL, 0), OK);
	run_until(p.base, &p.a.n_closed, 1);
	cr_assert_eq(p.b.n_messages, 1);
	cr_assert_null(p.a.link);
	cr_assert_null(p.b.link);
	cr_assert_eq(count_open_fds(), before - 2);
	pair_clear(&p);
}

Test(ipc, what_a_peer_sent_before_it_went_is_delivered)
{
	struct pair p;

	pair_init(&p);
	p.a.answer = true; /* its answers fail: the peer is gone */
	cr_assert_eq(ipc_send(p.b.link, 1, span_str("one"), NULL, 0), OK);
	cr_assert_eq(ipc_send(p.b.link, 2, span_str("two"), NULL, 0), OK);
	cr_assert_eq(ipc_send(p.a.link, 9, span_str("never read"), NULL, 0), OK);
	cr_assert_eq(ipc_flush(p.a.link, 0), OK);
	cr_assert_eq(ipc_flush(p.b.link, 0), OK);
	ipc_free(p.b.link);
	p.b.link = NULL;
	run_until(p.base, &p.a.n_closed, 1);
	cr_assert_eq(p.a.why, ERR_CLOSED);
	cr_assert(span_is(buf_span(&p.a.bodies), "onetwo"));
	pair_clear(&p);
}

Test(ipc, a_peer_that_refuses_to_read_is_heard_to_its_end)
{
	static const uint8_t frame[] = {0, 0, 0, 1, 0, 1, 1, 0, 'x'};
	struct event_base *base = event_base_new();
	struct end e;
	int ends[2];

	cr_assert_eq(ipc_pair(ends), OK);
	end_init(&e, base, ends[0]);
	cr_assert_eq(shutdown(ends[1], SHUT_RD), 0);
	send_raw(ends[1], span_of(frame, sizeof(frame)), NULL, 0);
	cr_assert_eq(ipc_send(e.link, 1, span_str("y"), NULL, 0), OK);
	run_until(base, &e.n_closed, 1);
	cr_assert_eq(e.n_messages, 1);
	cr_assert_eq(e.why, ERR_CLOSED);
	cr_assert_eq(ipc_send(e.link, 1, span_str("y"), NULL, 0), ERR_CLOSED);
	close(ends[1]);
	end_clear(&e);
	event_base_free(base);
}

/* Small frames may each cost their receiver much: a signature, for one. */
Test(ipc, a_peer_that_sends_much_at_once_leaves_turns_to_others)
{
	enum { FRAMES = 200 };
	struct pair p;

	pair_init(&p);
	for (unsigned i = 0; i < FRAMES; i++)
		cr_assert_eq(ipc_send(p.a.link, 7, span_str("x"), NULL, 0), OK);
	cr_assert_eq(ipc_flush(p.a.link, 1000), OK);
	cr_assert_eq(event_base_loop(p.base, EVLOOP_ONCE), 0);
	cr_assert_gt(p.b.n_messages, 0);
	cr_assert_leq(p.b.n_messages, IPC_FRAMES_PER_TURN);
	/* Nothing more comes to wake it up. */
	run_until(p.base, &p.b.n_messages, FRAMES);
	pair_clear(&p);
}

Test(ipc, pump_and_the_end_come_after_what_earlier_turns_left)
{
	enum { FRAMES = 3 * IPC_FRAMES_PER_TURN };
	struct pair p;

	pair_init(&p);
	for (unsigned i = 0; i < FRAMES; i++)
		cr_assert_eq(ipc_send(p.a.link, 7, span_str("x"), NULL, 0), OK);
	cr_assert_eq(ipc_flush(p.a.link, 1000), OK);
	cr_assert_eq(event_base_loop(p.base, EVLOOP_ONCE), 0);
	cr_assert_lt(p.b.n_messages, FRAMES);
	ipc_pump(p.b.link);
	cr_assert_eq(p.b.n_messages, FRAMES);
	for (unsigned i = 0; i < FRAMES; i++)
		cr_assert_eq(ipc_send(p.a.link, 7, span_str("x"), NULL, 0), OK);
	cr_assert_eq(ipc_flush(p.a.link, 1000), OK);
	ipc_free(p.a.link);
	p.a.link = NULL;
	run_until(p.base, &p.b.n_closed, 1);
	cr_assert_eq(p.b.n_messages, 2 * FRAMES);
	pair_clear(&p);
}

/* What waits for it would be held open here for ever. */
Test(ipc, a_peer_that_does_not_read_costs_a_bounded_number_of_descriptors)
{
	unsigned before, most = 0, now;
	enum err e = OK;
	struct pair p;

	pair_init(&p);
	before = count_open_fds();
	for (unsigned i = 0; i < 4 * IPC_QUEUE_FDS_MAX && e == OK; i++) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		cr_assert_geq(fd, 0);
		e = ipc_send(p.a.link, 7, span_str("x"), &fd, 1);
		now = count_open_fds();
		most = now > most ? now : most;
	}
	cr_assert_eq(e, ERR_LIMIT);
	cr_assert_leq(most, before + IPC_QUEUE_FDS_MAX + 1);
	cr_assert_eq(count_open_fds(), before);
	run_until(p.base, &p.a.n_closed, 1);
	cr_assert_eq(p.a.why, ERR_LIMIT);
	pair_clear(&p);
}

Test(ipc, pump_delivers_what_is_there_without_the_loop)
{
	struct pair p;

	pair_init(&p);
	ipc_pump(p.b.link);
	cr_assert_eq(p.b.n_messages, 0);
	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(ipc_send(p.a.link, (uint16_t)i, span_str("x"), NULL, 0), OK);
	cr_assert_eq(ipc_flush(p.a.link, 0), OK);
	p.b.pump_other = &p.b; /* its own: nothing happens */
	ipc_pump(p.b.link);
	cr_assert_eq(p.b.n_messages, 5);
	ipc_free(p.a.link);
	p.a.link = NULL;
	ipc_pump(p.b.link);
	cr_assert_eq(p.b.n_closed, 0);
	run_until(p.base, &p.b.n_closed, 1);
	pair_clear(&p);
}

Test(ipc, pump_in_a_callback_brings_another_links_message_first)
{
	struct pair p, q;

	pair_init(&p);
	pair_init(&q);
	p.b.pump_other = &q.b;
	cr_assert_eq(ipc_send(q.a.link, 1, span_str("x"), NULL, 0), OK);
	cr_assert_eq(ipc_send(p.a.link, 1, span_str("x"), NULL, 0), OK);
	cr_assert_eq(ipc_flush(q.a.link, 0), OK);
	run_until(p.base, &p.b.n_messages, 1);
	cr_assert_eq(q.b.n_messages, 1);
	q.b.free_in_message = true;
	cr_assert_eq(ipc_send(q.a.link, 1, span_str("x"), NULL, 0), OK);
	cr_assert_eq(ipc_flush(q.a.link, 0), OK);
	ipc_pump(q.b.link);
	cr_assert_null(q.b.link);
	pair_clear(&p);
	pair_clear(&q);
}

Test(ipc, flush_waits_no_longer_than_it_may)
{
	struct pair p;
	uint8_t *body = calloc(1, IPC_BODY_MAX);

	pair_init(&p);
	cr_assert_eq(ipc_send(p.a.link, 1, span_of(body, IPC_BODY_MAX), NULL, 0), OK);
	cr_assert_eq(ipc_flush(p.a.link, 1), ERR_TIMEOUT);
	cr_assert_gt(ipc_queued(p.a.link), 0);
	run_until(p.base, &p.b.n_messages, 1);
	cr_assert_eq(p.b.lens[0], IPC_BODY_MAX);
	ipc_free(p.b.link);
	p.b.link = NULL;
	cr_assert_eq(ipc_send(p.a.link, 1, span_str("x"), NULL, 0), OK);
	cr_assert_eq(ipc_flush(p.a.link, 1), ERR_CLOSED);
	cr_assert_eq(ipc_send(p.a.link, 1, span_str("x"), NULL, 0), ERR_CLOSED);
	run_until(p.base, &p.a.n_closed, 1);
	free(body);
	pair_clear(&p);
}

Test(ipc, large_messages_flow_both_ways_at_once)
{
	struct pair p;
	uint8_t *body = calloc(1, IPC_BODY_MAX);

	pair_init(&p);
	p.b.answer = true;
	cr_assert_eq(ipc_send(p.a.link, 1, span_of(body, IPC_BODY_MAX), NULL, 0), OK);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(ipc_send(p.a.link, 1, span_of(body, 1000), NULL, 0), OK);
	run_until(p.base, &p.a.n_messages, 4);
	cr_assert_eq(p.a.bodies.len, IPC_BODY_MAX + 3000);
	free(body);
	pair_clear(&p);
}
