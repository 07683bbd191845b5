/*
 * A real director on a loop of the test's own.
 */
#include "tests/lib/director_rig.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* What does not come within this time does not come. */
#define GUARD_S 20
/* The loop is idle when this many turns brought nothing. */
#define IDLE_TURNS 20

struct director_rig rig;

static uint64_t director_rig_now_ms;
static struct director_rig_message taken; /* spans of the last director_rig_take() borrow from it */

static uint64_t
director_rig_clock(void)
{
	return director_rig_now_ms;
}

/* --- nodes --- */

static int
listen_on_loopback(bool is_up, uint16_t *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* A node that is down holds its port, so that nobody else gets it, and does not listen. */
	assert(fd >= 0 && bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	assert(getsockname(fd, (struct sockaddr *)&sin, &len) == 0);
	assert(!is_up || listen(fd, 128) == 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

/* --- the director --- */

static void
start_director(void)
{
	struct state_options options = {.clock = director_rig_clock, .is_settled = !rig.settles};

	assert(director_new(rig.base, rig.config, rig.admin_fd, &options, &rig.director) == OK);
	rig.state = director_state(rig.director);
}

void
director_rig_start_nodes(struct pool_config_node *nodes, const char *up, const char *limits)
{
	size_t n = strlen(up);

	director_rig_now_ms = 1000000;
	assert(n <= RIG_NODES_MAX);
	for (size_t i = 0; i < RIG_NODES_MAX; i++)
		rig.node_fds[i] = -1;
	for (size_t i = 0; i < n; i++)
		rig.node_fds[i] = listen_on_loopback(up[i] == '+', &nodes[i].port);
	rig.base = event_base_new();
	assert(rig.base != NULL);
	rig.config = pool_config_new(nodes, n, limits);
	if (rig.admin_fd == 0)
		rig.admin_fd = -1;
	start_director();
}

void
director_rig_start(const char *nodes, const char *limits)
{
	struct pool_config_node list[RIG_NODES_MAX] = {
		{.name = "n1"}, {.name = "n2"}, {.name = "n3"}, {.name = "n4"}};

	director_rig_start_nodes(list, nodes, limits);
}

void
director_rig_stop(void)
{
	director_free(rig.director);
	config_free(rig.config);
	event_base_free(rig.base);
	for (size_t i = 0; i < RIG_NODES_MAX; i++) {
		if (rig.node_fds[i] >= 0)
			close(rig.node_fds[i]);
	}
	buf_clear(&taken.body);
	rig = (struct director_rig){0};
}

void
director_rig_restart_director(void)
{
	director_free(rig.director);
	start_director();
}

/* --- links --- */

static void
on_message(void *arg, struct ipc_message *m)
{
	struct director_rig_end *end = arg;
	struct director_rig_message *seen = &end->seen[end->n_seen++];

	assert(end->n_seen < RIG_SEEN_MAX && m->n_fds <= 1);
	*seen = (struct director_rig_message){.type = m->type, .fd = -1};
	assert(buf_append_span(&seen->body, m->body) == OK);
	if (m->n_fds == 1) {
		seen->fd = m->fds[0];
		m->fds[0] = -1;
	}
}

static void
on_closed(void *arg, enum err why)
{
	struct director_rig_end *end = arg;

	(void)why;
	end->is_closed = true;
}

void
director_rig_link(struct director_rig_end *end, enum role_kind kind, unsigned index)
{
	struct role_peer peer = {.kind = kind, .index = index, .pid = 1000 + (int32_t)index};
	int fds[2];

	assert(ipc_pair(fds) == OK);
	*end = (struct director_rig_end){0};
	assert(ipc_new(rig.base, fds[0], on_message, on_closed, end, &end->link) == OK);
	director_link(rig.director, &peer, fds[1]);
}

void
director_rig_unlink(struct director_rig_end *end)
{
	for (size_t i = 0; i < end->n_seen; i++) {
		buf_clear(&end->seen[i].body);
		if (end->seen[i].fd >= 0)
			close(end->seen[i].fd);
	}
	ipc_free(end->link);
	*end = (struct director_rig_end){0};
}

void
director_rig_send_raw(struct director_rig_end *end, uint16_t type, struct span body)
{
	assert(ipc_send(end->link, type, body, NULL, 0) == OK);
}

void
director_rig_send(struct director_rig_end *end, uint16_t type, const struct message_field *fields,
	const void *message)
{
	struct buf body = {0};

	assert(message_encode(fields, message, &body) == OK);
	director_rig_send_raw(end, type, buf_span(&body));
	buf_clear(&body);
}

/* --- running --- */

static void
pause_briefly(void)
{
	struct timespec pause = {.tv_nsec = 1000000};

	(void)nanosleep(&pause, NULL);
}

void
director_rig_run(void)
{
	for (unsigned i = 0; i < IDLE_TURNS; i++) {
		assert(event_base_loop(rig.base, EVLOOP_NONBLOCK) == 0);
		/* The kernel connects loopback sockets at once, but not within this very call. */
		if (i % 4 == 3)
			pause_briefly();
	}
}

void
director_rig_pass_ms(uint64_t ms)
{
	director_rig_now_ms += ms;
	director_check_time(rig.director);
	director_rig_run();
}

bool
director_rig_has(const struct director_rig_end *end, uint16_t type)
{
	for (size_t i = 0; i < end->n_seen; i++) {
		if (end->seen[i].type == type)
			return true;
	}
	return false;
}

static struct director_rig_message
remove_seen(struct director_rig_end *end, uint16_t type)
{
	struct director_rig_message m;
	size_t i = 0;

	while (end->seen[i].type != type)
		i++;
	m = end->seen[i];
	end->n_seen--;
	memmove(&end->seen[i], &end->seen[i + 1], (end->n_seen - i) * sizeof(m));
	return m;
}

int
director_rig_take(struct director_rig_end *end, uint16_t type, const struct message_field *fields,
	void *message)
{
	time_t give_up_at = time(NULL) + GUARD_S;

	while (!director_rig_has(end, type)) {
		if (time(NULL) > give_up_at)
			(void)fprintf(stderr, "message %u did not come\n", type);
		assert(time(NULL) <= give_up_at);
		assert(event_base_loop(rig.base, EVLOOP_ONCE) == 0);
	}
	buf_clear(&taken.body);
	taken = remove_seen(end, type);
	assert(message_decode(fields, buf_span(&taken.body), message) == OK);
	return taken.fd;
}
