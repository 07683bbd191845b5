/*
 * A stage for logins.
 */
#include "tests/lib/login_stage_impl.h"

#include "broker/gate/login_impl.h"
#include "broker/gate/version.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUIET_TURNS 8
#define TURNS_MAX 100000

static int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	stage_must(dir != NULL, "counting descriptors");
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n;
}

void
stage_socket_pair(int fds[2])
{
	stage_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0,
		"making a socket pair");
}

/* --- the gate's side --- */

static void
on_up(void *arg, const struct role_peer *peer)
{
	struct stage *s = arg;

	login_table_on_link_up(s->table, peer);
}

static void
on_down(void *arg, const struct role_peer *peer)
{
	struct stage *s = arg;

	login_table_on_link_down(s->table, peer);
}

static void
on_gate_message(void *arg, const struct role_peer *peer, struct ipc_message *m)
{
	struct stage *s = arg;

	s->moved = true;
	(void)login_table_on_message(s->table, peer, m);
}

static const struct gate_links_events links_events = {
	.on_up = on_up, .on_down = on_down, .on_message = on_gate_message};

static struct config *
make_config(const char *limits)
{
	struct buf text = {0}, errors = {0};
	struct config *c = NULL;
	char line[512];

	(void)snprintf(line, sizeof(line),
		"{\"host_keys\": [\"k\"], \"user_ca_key\": \"c\", \"limits\": {%s}, "
		"\"certificate\": {\"source_addresses\": [\"127.0.0.1\"]}, "
		"\"pools\": [{\"name\": \"p\", \"nodes\": [",
		limits);
	stage_must(buf_append(&text, line, strlen(line)) == OK, "writing a configuration");
	for (unsigned i = 1; i <= STAGE_NODES_MAX; i++) {
		(void)snprintf(line, sizeof(line),
			"%s{\"name\": \"n%u\", \"address\": \"127.0.0.1\", \"host_keys\": "
			"[\"ssh-ed25519 "
			"AAAAC3NzaC1lZDI1NTE5AAAAIJ8ivvkONT+fAgIt8JgnrIbDyHNRqHGiOadvYUgit3eR\"]}",
			i > 1 ? ", " : "", i);
		stage_must(buf_append(&text, line, strlen(line)) == OK, "writing a configuration");
	}
	stage_must(buf_append(&text, "]}]}", 4) == OK, "writing a configuration");
	if (config_parse(buf_span(&text), "/stage.json", &c, &errors) != OK)
		(void)fprintf(
			stderr, "%.*s\n", (int)errors.len, (const char *)buf_span(&errors).ptr);
	stage_must(c != NULL, "reading the configuration");
	buf_clear(&text);
	buf_clear(&errors);
	return c;
}

static void
end_init(struct stage *s, struct stage_end *end, enum role_kind kind, unsigned index)
{
	*end = (struct stage_end){
		.stage = s, .self = {.kind = kind, .index = index, .pid = 1000 + (int)index}};
}

static void
make_gate(struct stage *s, const char *banner)
{
	s->ours = (struct transport_config){.role = TRANSPORT_SERVER,
		.ident = version_for_client(),
		.host_keys = keys_algorithms(s->keys),
		.cookie_start = s->kex_word};
	s->base = event_base_new();
	stage_must(s->base != NULL, "making a loop");
	stage_must(gate_links_new(s->base, &links_events, s, &s->links) == OK, "making links");
	stage_must(login_table_new(&(struct login_table_params){.base = s->base,
					   .config = s->config,
					   .links = s->links,
					   .client_transport = &s->ours,
					   .banner = banner,
					   .logins_max = s->config->limits.unauthenticated_max +
						   LOGIN_TABLE_REFUSALS_MAX},
			   &s->table) == OK,
		"making a table");
}

struct stage *
stage_new(const char *limits, const char *banner)
{
	struct stage *s = calloc(1, sizeof(*s));

	stage_must(s != NULL, "allocating");
	s->n_fds_before = count_fds();
	s->client.fd = s->taken[0].fd = s->taken[1].fd = -1;
	for (size_t i = 0; i < STAGE_NODES_MAX; i++)
		s->nodes[i].peer.fd = -1;
	buf_init(&s->requests, STAGE_KEEP_MAX);
	s->gate = (struct role_peer){ROLE_GATE, 0, 77};
	s->config = make_config(limits);
	stage_make_keyholder(s);
	make_gate(s, banner);
	end_init(s, &s->director, ROLE_DIRECTOR, 0);
	end_init(s, &s->keyholder, ROLE_KEYHOLDER, 0);
	stage_link(s, &s->director);
	stage_link(s, &s->keyholder);
	for (unsigned i = 0; i < STAGE_RELAYS; i++)
		end_init(s, &s->relays[i], ROLE_RELAY, i);
	stage_link(s, &s->relays[0]);
	return s;
}

void
stage_free(struct stage *s)
{
	int n_before = s->n_fds_before;

	login_table_free(s->table);
	gate_links_free(s->links);
	ipc_free(s->director.ipc);
	ipc_free(s->keyholder.ipc);
	for (size_t i = 0; i < STAGE_RELAYS; i++)
		ipc_free(s->relays[i].ipc);
	stage_peer_clear(&s->client);
	stage_peer_clear(&s->taken[0]);
	stage_peer_clear(&s->taken[1]);
	for (size_t i = 0; i < STAGE_NODES_MAX; i++)
		stage_peer_clear(&s->nodes[i].peer);
	for (size_t i = 0; i < s->n_seen; i++)
		buf_clear(&s->seen[i].body);
	buf_clear(&s->requests);
	buf_clear(&s->connection);
	event_base_free(s->base);
	sessions_free(s->core.sessions);
	keys_free(s->keys);
	config_free(s->config);
	free(s);
	stage_must(count_fds() == n_before, "closing all descriptors");
}

static bool
turn(struct stage *s)
{
	bool moved;

	s->moved = false;
	stage_must(event_base_loop(s->base, EVLOOP_NONBLOCK) >= 0, "running the loop");
	moved = stage_peer_turn(&s->client, NULL);
	for (size_t i = 0; i < s->n_nodes; i++) {
		struct stage_node *n = &s->nodes[i];

		moved = stage_peer_turn(&n->peer, n) || moved;
	}
	for (size_t i = 0; i < 2; i++)
		moved = stage_peer_turn(&s->taken[i], NULL) || moved;
	return moved || s->moved;
}

void
stage_run(struct stage *s)
{
	unsigned quiet = 0;

	for (unsigned i = 0; i < TURNS_MAX; i++) {
		quiet = turn(s) ? 0 : quiet + 1;
		if (quiet == QUIET_TURNS)
			return;
	}
	stage_must(false, "coming to rest");
}

struct login *
stage_login(struct stage *s)
{
	return login_table_find(s->table, s->id);
}

/* --- what people do --- */

void
stage_accept(struct stage *s)
{
	static const struct addr from = {.family = 4, .ip = {203, 0, 113, 7}, .port = 51234};
	int fds[2];

	stage_peer_clear(&s->client);
	stage_socket_pair(fds);
	stage_peer_init(&s->client, fds[1]);
	stage_must(transport_new(stage_peer_config(TRANSPORT_CLIENT), &s->client.t) == OK,
		"making a client");
	stage_must(login_table_add(s->table, fds[0], &from) == OK, "accepting a client");
}

void
stage_connect(struct stage *s)
{
	struct buf b = {0};
	struct span answer;

	stage_accept(s);
	stage_run(s);
	stage_must(s->client.n_keys == 1, "the client's key exchange");
	stage_must(auth_service_write(
			   SSH_MSG_SERVICE_REQUEST, span_str(AUTH_SERVICE_USERAUTH), &b) == OK,
		"writing SERVICE_REQUEST");
	stage_say(s, &s->client, buf_span(&b));
	stage_must(stage_next(&s->client, &answer) && answer.ptr[0] == SSH_MSG_SERVICE_ACCEPT,
		"being served");
	transport_set_phase(s->client.t, TRANSPORT_PHASE_AUTH);
	buf_clear(&b);
}

void
stage_say(struct stage *s, struct stage_peer *from, struct span payload)
{
	stage_peer_send(from, payload);
	stage_run(s);
}

void
stage_say_type(struct stage *s, struct stage_peer *from, uint8_t type)
{
	stage_say(s, from, span_of(&type, 1));
}

void
stage_close(struct stage *s, struct stage_peer *p)
{
	close(p->fd);
	p->fd = -1;
	stage_run(s);
}

void
stage_rekey(struct stage *s, struct stage_peer *p)
{
	stage_must(transport_rekey(p->t) == OK, "beginning a key exchange");
	stage_run(s);
}

void
stage_leave(struct stage *s)
{
	stage_peer_clear(&s->client);
	stage_run(s);
}

/* --- timers --- */

static void
fire(struct stage *s, struct event *timer)
{
	stage_must(event_pending(timer, EV_TIMEOUT, NULL) != 0, "finding a timer running");
	event_active(timer, EV_TIMEOUT, 0);
	stage_run(s);
}

void
stage_fire_grace(struct stage *s)
{
	stage_must(stage_login(s) != NULL, "finding the login");
	fire(s, stage_login(s)->grace);
}

void
stage_fire_step(struct stage *s)
{
	stage_must(stage_login(s) != NULL, "finding the login");
	fire(s, stage_login(s)->step_timer);
}

struct search {
	const void *arg;
	struct event *found;
};

static int
find_timer(const struct event_base *base, const struct event *ev, void *arg)
{
	struct search *search = arg;

	(void)base;
	if (event_get_callback_arg(ev) == search->arg && event_pending(ev, EV_TIMEOUT, NULL) != 0)
		search->found = (struct event *)(uintptr_t)ev;
	return 0;
}

static struct event *
goodbye_timer(struct stage *s)
{
	struct search search = {0};

	if (stage_login(s) == NULL)
		return NULL;
	search.arg = stage_login(s)->client;
	(void)event_base_foreach_event(s->base, find_timer, &search);
	return search.found;
}

bool
stage_says_goodbye(struct stage *s)
{
	return goodbye_timer(s) != NULL;
}

void
stage_fire_goodbye(struct stage *s)
{
	stage_must(stage_says_goodbye(s), "finding a goodbye's timer");
	fire(s, goodbye_timer(s));
}

unsigned
stage_step_s(struct stage *s)
{
	struct timeval now, at;
	struct login *l = stage_login(s);

	if (l == NULL || event_pending(l->step_timer, EV_TIMEOUT, &at) == 0)
		return 0;
	(void)evutil_gettimeofday(&now, NULL);
	evutil_timersub(&at, &now, &at);
	return (unsigned)at.tv_sec + (at.tv_usec > 500000 ? 1 : 0);
}
