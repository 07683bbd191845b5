/*
 * broker/director: any order of messages from two gates and two relays, processes that die and come back, and time;
 * afterwards the counters must be what a recount gives, and nothing may be left when all are gone.
 *
 * Input: steps of {what, connection, length, body}.  Connections are few, so that messages meet.
 */
#include "broker/director/director.h"
#include "broker/director/gates.h"
#include "broker/director/relays.h"
#include "common/ipc/ipc.h"
#include "common/log.h"
#include "common/ssh/wire.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#define N_ENDS 4 /* gates 0 and 1, relays 0 and 1 */
#define CONN_MASK 15

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct config *config;
static uint64_t now_ms;
static int listener;

struct world {
	struct event_base *base;
	struct director *director;
	struct state *state;
	struct ipc *ends[N_ENDS];
};

static uint64_t
fuzz_clock(void)
{
	return now_ms;
}

static uint32_t
fuzz_random(void *arg, uint32_t n)
{
	(void)arg;
	return n - 1;
}

/* A socket on loopback; what does not listen holds its port all the same. */
static int
bind_socket(bool listens, uint16_t *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert(fd >= 0 && bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	assert(!listens || listen(fd, 128) == 0);
	assert(getsockname(fd, (struct sockaddr *)&sin, &len) == 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char node[] = "{\"name\": \"n%d\", \"address\": \"127.0.0.1\", \"port\": %u, "
				   "\"users_max\": 3, \"host_keys\": [\"ssh-ed25519 "
				   "AAAAC3NzaC1lZDI1NTE5AAAAIJ8ivvkONT+fAgIt8JgnrIbDyHNRqHGiOadvYU"
				   "git3eR\"]}";
	char text[4096], nodes[2][512];
	uint16_t ports[2];
	struct buf errors = {0};

	(void)argc;
	(void)argv;
	log_init("fuzz", LOG_LEVEL_ERROR);
	/* n1 is up, n2 is down. */
	listener = bind_socket(true, &ports[0]);
	(void)bind_socket(false, &ports[1]);
	for (int i = 0; i < 2; i++)
		(void)snprintf(nodes[i], sizeof(nodes[i]), node, i + 1, ports[i]);
	(void)snprintf(text, sizeof(text),
		"{\"host_keys\": [\"k\"], \"user_ca_key\": \"c\", \"limits\": "
		"{\"connections_max\": "
		"9, \"unauthenticated_max\": 7, \"unauthenticated_per_source_max\": 5, "
		"\"node_dials_unauthenticated_max\": 2, \"node_tries_max\": 2}, "
		"\"pools\": [{\"name\": \"p\", \"nodes\": [%s, %s]}]}",
		nodes[0], nodes[1]);
	assert(config_parse(span_str(text), "/f", &config, &errors) == OK);
	buf_clear(&errors);
	return 0;
}

/* --- the ends --- */

static void
on_message(void *arg, struct ipc_message *m)
{
	(void)arg;
	(void)m;
}

static void
on_closed(void *arg, enum err why)
{
	(void)arg;
	(void)why;
}

static void
relink(struct world *w, unsigned end)
{
	struct role_peer peer = {.kind = end < 2 ? ROLE_GATE : ROLE_RELAY, .index = end % 2};
	int fds[2];

	assert(ipc_pair(fds) == OK);
	ipc_free(w->ends[end]);
	assert(ipc_new(w->base, fds[0], on_message, on_closed, NULL, &w->ends[end]) == OK);
	director_link(w->director, &peer, fds[1]);
}

static void
turn(struct world *w)
{
	int fd = 0;

	(void)event_base_loop(w->base, EVLOOP_NONBLOCK);
	while (fd >= 0) {
		fd = accept(listener, NULL, NULL);
		if (fd >= 0)
			close(fd);
	}
}

/* --- steps --- */

static void
send_message(struct world *w, unsigned end, uint8_t what, struct span step)
{
	static const uint16_t types[] = {MSG_ACCEPTED, MSG_PLACE, MSG_NODE_FAILED, MSG_NODE_METHODS,
		MSG_AUTHENTICATED, MSG_ENDED, MSG_CONNECTION, MSG_COUNTERS, MSG_CONNECTION_ENDED};
	uint8_t body[8 + 255] = {0};

	body[7] = step.ptr[0] & CONN_MASK;
	memcpy(body + 8, step.ptr + 1, step.len - 1);
	(void)ipc_send(w->ends[end], types[what % ARRAY_LEN(types)],
		span_of(body, 8 + step.len - 1), NULL, 0);
}

static void
do_step(struct world *w, uint8_t what, struct span step)
{
	unsigned end = what >> 6;

	switch (what & 0x3f) {
	case 0x3f:
		relink(w, end);
		break;
	case 0x3e:
		now_ms += (uint64_t)step.ptr[0] * 100;
		director_check_time(w->director);
		break;
	case 0x3d:
		turn(w);
		break;
	default:
		send_message(w, end, what & 0x3f, step);
		break;
	}
}

static void
do_steps(struct world *w, struct wire_reader *r)
{
	uint8_t what, len;
	struct span step;

	while (wire_get_u8(r, &what) == OK && wire_get_u8(r, &len) == OK &&
		wire_get_bytes(r, len, &step) == OK && len > 0)
		do_step(w, what, step);
	turn(w);
	turn(w);
}

/* --- what must hold --- */

struct recount {
	uint32_t n_dials, n_reservations, n_connections, n_users, n_users_reserved;
};

static void
recount_users(const struct state *s, const struct node *node, struct recount *n)
{
	const struct user *u = users_first(&s->users);

	for (; u != NULL; u = users_next(u)) {
		for (const struct presence *p = u->presences; p != NULL; p = p->next) {
			assert(p->n_connections > 0 || p->n_reservations > 0);
			n->n_users += p->node == node && p->n_connections > 0;
			n->n_users_reserved += p->node == node && p->n_connections == 0;
		}
	}
}

static void
check_node(const struct state *s, const struct node *node)
{
	struct recount n = {0};
	const struct connection *c = connections_first(&s->connections);

	for (struct table_entry *e = s->logins.by_id.first; e != NULL; e = e->next) {
		const struct login *login = TABLE_OWNER(e, struct login, entry);

		n.n_reservations += login->node == node;
		n.n_dials += login->node == node && login->counts_as_dial;
	}
	for (; c != NULL; c = connections_next(c))
		n.n_connections += c->node == node;
	recount_users(s, node, &n);
	assert(node->n_dials == n.n_dials && node->n_reservations == n.n_reservations);
	assert(node->n_connections == n.n_connections && node->n_users == n.n_users);
	assert(node->n_users_reserved == n.n_users_reserved);
	assert(node->n_dials <= s->config->limits.node_dials_unauthenticated_max);
}

static void
check(const struct state *s)
{
	size_t n_listed = 0;

	for (unsigned i = 0; i < LOGIN_STATES; i++)
		n_listed += s->logins.by_state[i].n;
	assert(n_listed == s->logins.by_id.n);
	assert(s->connections.by_id.n <= s->config->limits.connections_max);
	assert(logins_n_unauthenticated(&s->logins) <= s->config->limits.unauthenticated_max);
	for (const struct node *node = nodes_first(&s->nodes); node; node = nodes_next(node))
		check_node(s, node);
}

/* All processes die; after the grace of the relays nothing may be left. */
static void
end_all(struct world *w)
{
	for (unsigned i = 0; i < N_ENDS; i++) {
		ipc_free(w->ends[i]);
		w->ends[i] = NULL;
	}
	turn(w);
	turn(w);
	now_ms += RELAYS_GRACE_MS;
	director_check_time(w->director);
	assert(w->state->users.by_name.n == 0 && w->state->logins.by_id.n == 0);
	assert(w->state->connections.by_id.n == 0 && w->state->logins.sources.by_key.n == 0);
	check(w->state);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state_options options = {
		.clock = fuzz_clock, .random_below = fuzz_random, .is_settled = true};
	struct world w = {.base = event_base_new()};
	struct wire_reader r = wire_reader_of(span_of(data, size));

	now_ms = 1000000;
	assert(w.base != NULL);
	assert(director_new(w.base, config, -1, &options, &w.director) == OK);
	w.state = director_state(w.director);
	for (unsigned i = 0; i < N_ENDS; i++)
		relink(&w, i);
	do_steps(&w, &r);
	check(w.state);
	end_all(&w);
	director_free(w.director);
	event_base_free(w.base);
	return 0;
}
