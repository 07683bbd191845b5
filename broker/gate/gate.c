/*
 * The gate role: listeners, the table of logins, and who gets which message.
 */
#include "broker/gate/gate.h"

#include "broker/gate/gate_links.h"
#include "broker/gate/login.h"
#include "broker/gate/version.h"
#include "common/conn_id.h"
#include "common/id_table.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Clients accepted in one turn of the loop, so that those who are logging in go on in between. */
#define ACCEPTS_PER_TURN 16
/* How long no client is accepted after descriptors or memory ran out. */
#define ACCEPT_PAUSE_MS 500
/* Logins that a gate takes beyond limits.unauthenticated_max, to tell them why they cannot be served. */
#define REFUSALS_MAX 64
#define BANNER_MAX ((size_t)16 * 1024)
#define KEX_NAMES_MAX 512

struct gate {
	struct role *role;
	struct event_base *base;
	const struct config *config;
	struct gate_links *links;
	struct transport_config client_transport;
	char host_key_algs[MSG_METHODS_MAX + 1]; /* empty before the keyholder's word */
	char known_methods[MSG_METHODS_MAX + 1];
	char kex[KEX_NAMES_MAX];
	char ciphers[KEX_NAMES_MAX];
	char *banner;
	struct login_env env;
	struct id_table *logins;
	struct login *over; /* to be freed in the reaper */
	struct event *reaper;
	struct event *resume; /* ends a pause of accepting */
	struct event **listeners;
	size_t n_listeners;
};

static size_t
logins_max(const struct gate *g)
{
	return g->config->limits.unauthenticated_max + REFUSALS_MAX;
}

static void
set_accepting(struct gate *g, bool on)
{
	for (size_t i = 0; i < g->n_listeners; i++) {
		if (on ? event_add(g->listeners[i], NULL) != 0 : event_del(g->listeners[i]) != 0)
			log_error("a listener cannot be switched %s", on ? "on" : "off");
	}
}

static void
pause_accepting(struct gate *g, const char *why)
{
	struct timeval tv = {0, ACCEPT_PAUSE_MS * 1000};

	log_warn("no clients are accepted for %d ms: %s", ACCEPT_PAUSE_MS, why);
	set_accepting(g, false);
	if (event_add(g->resume, &tv) != 0)
		set_accepting(g, true);
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct gate *g = arg;

	(void)fd;
	(void)what;
	if (g->host_key_algs[0] != '\0')
		set_accepting(g, true);
}

static void
announce(struct gate *g, struct login *l, const struct addr *client)
{
	struct msg_accepted m = {.conn = login_id(l), .client = *client};

	/* A director that is away hears of it when it is back. */
	if (gate_links_to_director(g->links, MSG_ACCEPTED, msg_accepted_fields, &m) != OK)
		log_debug("a client was not announced: the director is away");
}

static void
start_login(struct gate *g, int fd, const struct addr *client)
{
	bool full = id_table_count(g->logins) >= g->config->limits.unauthenticated_max;
	struct login *l;
	uint64_t id;

	if (id_table_count(g->logins) >= logins_max(g)) {
		close(fd);
		return;
	}
	if (conn_id_new(&id) != OK) {
		log_error("no randomness for a connection id");
		close(fd);
		return;
	}
	if (login_new(&g->env, fd, id, client, &l) != OK) {
		pause_accepting(g, "out of memory");
		return;
	}
	if (id_table_add(g->logins, id, l) != OK) {
		login_free(l);
		return;
	}
	announce(g, l, client);
	if (full)
		login_refuse(l, SSH_DISCONNECT_TOO_MANY_CONNECTIONS,
			"too many people are logging in at once (limits.unauthenticated_max), "
			"please try again in a moment");
}

static void
on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct sockaddr_storage ss;
	struct gate *g = arg;
	struct addr client;
	socklen_t len;
	int client_fd;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		len = sizeof(ss);
		client_fd = accept4(fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client_fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (client_fd < 0) {
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				pause_accepting(g, strerror(errno));
			return;
		}
		if (addr_from_sockaddr((struct sockaddr *)&ss, len, &client) != OK)
			close(client_fd);
		else
			start_login(g, client_fd, &client);
	}
}

/* Logins end inside their own callbacks; they are freed here, from the loop. */
static void
on_reap(evutil_socket_t fd, short what, void *arg)
{
	struct gate *g = arg;

	(void)fd;
	(void)what;
	while (g->over != NULL)
		login_free(login_pop(&g->over));
}

static void
on_over(void *arg, struct login *l)
{
	struct gate *g = arg;

	if (id_table_remove(g->logins, login_id(l)) != NULL)
		login_push(&g->over, l);
	event_active(g->reaper, 0, 0);
}

static bool
decode(const struct message_field *fields, const struct ipc_message *m, void *out)
{
	if (message_decode(fields, m->body, out) == OK)
		return true;
	log_error("a message of type %u is malformed and ignored", m->type);
	return false;
}

static void
on_placed(struct gate *g, struct ipc_message *m)
{
	struct msg_placed placed;
	struct login *l;
	int fd;

	if (!decode(msg_placed_fields, m, &placed) || m->n_fds != 1)
		return;
	l = id_table_get(g->logins, placed.conn);
	if (l == NULL)
		return;
	fd = m->fds[0];
	m->fds[0] = -1;
	login_on_placed(l, &placed, fd);
}

static void
on_not_placed(struct gate *g, struct ipc_message *m)
{
	struct msg_not_placed answer;
	struct login *l;

	if (!decode(msg_not_placed_fields, m, &answer))
		return;
	l = id_table_get(g->logins, answer.conn);
	if (l != NULL)
		login_on_not_placed(l, &answer);
}

static void
on_refuse(struct gate *g, struct ipc_message *m)
{
	struct msg_refuse refuse;
	char text[MSG_TEXT_MAX + 1];
	struct login *l;

	if (!decode(msg_refuse_fields, m, &refuse))
		return;
	l = id_table_get(g->logins, refuse.conn);
	if (l == NULL)
		return;
	log_printable(refuse.text, text, sizeof(text));
	login_refuse(l, SSH_DISCONNECT_TOO_MANY_CONNECTIONS, text);
}

static void
on_known_methods(struct gate *g, struct ipc_message *m)
{
	struct msg_known_methods known;

	if (!decode(msg_known_methods_fields, m, &known))
		return;
	snprintf(g->known_methods, sizeof(g->known_methods), "%.*s", (int)known.methods.len,
		(const char *)known.methods.ptr);
}

/* Only what our own host keys can sign may be offered, in the configured order where there is one. */
static void
choose_host_key_algs(struct gate *g, struct span have)
{
	const struct config_list *wanted = &g->config->algorithms.host_keys;
	size_t len = 0;

	if (wanted->n == 0) {
		snprintf(g->host_key_algs, sizeof(g->host_key_algs), "%.*s", (int)have.len,
			(const char *)have.ptr);
		return;
	}
	for (size_t i = 0; i < wanted->n && len < sizeof(g->host_key_algs); i++) {
		if (wire_namelist_has(have, span_str(wanted->items[i])))
			len += (size_t)snprintf(g->host_key_algs + len,
				sizeof(g->host_key_algs) - len, "%s%s", len > 0 ? "," : "",
				wanted->items[i]);
	}
}

static void
on_host_keys(struct gate *g, struct ipc_message *m)
{
	bool first = g->host_key_algs[0] == '\0';
	struct msg_host_keys keys;

	/* Logins under way hold on to the list, and a keyholder that is started again has the same keys. */
	if (!decode(msg_host_keys_fields, m, &keys) || !first)
		return;
	choose_host_key_algs(g, keys.algorithms);
	if (g->host_key_algs[0] != '\0')
		set_accepting(g, true);
	else
		log_error(
			"no host key can sign with any of algorithms.host_keys; nobody can log in");
}

static void
on_kex_signed(struct gate *g, struct ipc_message *m)
{
	struct msg_kex_signed answer;
	struct login *l;

	if (!decode(msg_kex_signed_fields, m, &answer))
		return;
	l = id_table_get(g->logins, answer.conn);
	if (l != NULL)
		login_on_kex_signed(l, &answer);
}

static void
on_offered(struct gate *g, struct ipc_message *m)
{
	struct msg_offered answer;
	struct login *l;

	if (!decode(msg_offered_fields, m, &answer))
		return;
	l = id_table_get(g->logins, answer.conn);
	if (l != NULL)
		login_on_offered(l, &answer);
}

static void
on_proved(struct gate *g, struct ipc_message *m)
{
	struct msg_proved answer;
	struct login *l;

	if (!decode(msg_proved_fields, m, &answer))
		return;
	l = id_table_get(g->logins, answer.conn);
	if (l != NULL)
		login_on_proved(l, &answer);
}

static void
on_handed_over(struct gate *g, struct ipc_message *m)
{
	struct msg_handed_over answer;
	struct login *l;

	if (!decode(msg_handed_over_fields, m, &answer))
		return;
	l = id_table_get(g->logins, answer.conn);
	if (l != NULL)
		login_on_handed_over(l, &answer);
}

static const struct handler {
	uint16_t type;
	enum role_kind from;
	void (*handle)(struct gate *g, struct ipc_message *m);
} handlers[] = {
	{MSG_PLACED, ROLE_DIRECTOR, on_placed},
	{MSG_NOT_PLACED, ROLE_DIRECTOR, on_not_placed},
	{MSG_REFUSE, ROLE_DIRECTOR, on_refuse},
	{MSG_KNOWN_METHODS, ROLE_DIRECTOR, on_known_methods},
	{MSG_HOST_KEYS, ROLE_KEYHOLDER, on_host_keys},
	{MSG_KEX_SIGNED, ROLE_KEYHOLDER, on_kex_signed},
	{MSG_OFFERED, ROLE_KEYHOLDER, on_offered},
	{MSG_PROVED, ROLE_KEYHOLDER, on_proved},
	{MSG_HANDED_OVER, ROLE_RELAY, on_handed_over},
};

static void
on_message(void *arg, const struct role_peer *peer, struct ipc_message *m)
{
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		if (handlers[i].type == m->type && handlers[i].from == peer->kind) {
			handlers[i].handle(arg, m);
			return;
		}
	}
	log_error("a message of type %u from %s/%u is unexpected and ignored", m->type,
		role_kind_name(peer->kind), peer->index);
}

static void
on_up(void *arg, const struct role_peer *peer)
{
	struct gate *g = arg;
	struct login *l;
	size_t at = 0;

	while ((l = id_table_next(g->logins, &at)) != NULL)
		login_on_link_up(l, peer);
}

static void
on_down(void *arg, const struct role_peer *peer)
{
	struct gate *g = arg;
	struct login *l;
	size_t at = 0;

	while ((l = id_table_next(g->logins, &at)) != NULL)
		login_on_link_down(l, peer);
}

static const struct gate_links_events links_events = {
	.on_up = on_up, .on_down = on_down, .on_message = on_message};

static void
on_link(void *arg, const struct role_peer *peer, int fd)
{
	struct gate *g = arg;

	gate_links_set(g->links, peer, fd);
}

/* A text that cannot be read is no reason to lock everybody out. */
static char *
read_banner(const char *path)
{
	char *text = NULL;
	ssize_t n = -1;
	int fd;

	if (path == NULL)
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	text = calloc(1, BANNER_MAX + 1);
	if (fd >= 0 && text != NULL)
		n = read(fd, text, BANNER_MAX);
	if (n <= 0) {
		log_warn("banner %s cannot be read: %s; none is shown", path, strerror(errno));
		free(text);
		text = NULL;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

static const char *
join_names(const struct config_list *list, char out[KEX_NAMES_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < list->n && len < KEX_NAMES_MAX; i++)
		len += (size_t)snprintf(
			out + len, KEX_NAMES_MAX - len, "%s%s", i > 0 ? "," : "", list->items[i]);
	return list->n > 0 ? out : NULL;
}

static enum err
make_listeners(struct gate *g)
{
	const int *fds = role_fds(g->role, &g->n_listeners);

	g->listeners = calloc(g->n_listeners + 1, sizeof(struct event *));
	if (g->listeners == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < g->n_listeners; i++) {
		g->listeners[i] = event_new(
			g->base, fds[i], EV_READ | EV_PERSIST, on_acceptable, g);
		if (g->listeners[i] == NULL)
			return ERR_NOMEM;
	}
	return OK;
}

static enum err
gate_init(struct gate *g, struct role *r)
{
	enum err e;

	g->role = r;
	g->base = role_base(r);
	g->config = role_config(r);
	g->banner = read_banner(g->config->banner);
	g->client_transport = (struct transport_config){
		.role = TRANSPORT_SERVER,
		.ident = version_for_client(),
		.kex = join_names(&g->config->algorithms.kex, g->kex),
		.host_keys = g->host_key_algs,
		.ciphers = join_names(&g->config->algorithms.ciphers, g->ciphers),
	};
	e = gate_links_new(g->base, &links_events, g, &g->links);
	if (e == OK)
		e = id_table_new(logins_max(g), &g->logins);
	if (e != OK)
		return e;
	g->env = (struct login_env){
		.base = g->base,
		.config = g->config,
		.links = g->links,
		.client_transport = &g->client_transport,
		.banner = g->banner,
		.known_methods = g->known_methods,
		.on_over = on_over,
		.arg = g,
	};
	g->reaper = event_new(g->base, -1, 0, on_reap, g);
	g->resume = evtimer_new(g->base, on_resume, g);
	if (g->reaper == NULL || g->resume == NULL)
		return ERR_NOMEM;
	return make_listeners(g);
}

static void
free_event(struct event *ev)
{
	if (ev != NULL)
		event_free(ev);
}

static void
gate_clear(struct gate *g)
{
	struct login *l;
	size_t at = 0;

	while (g->logins != NULL && (l = id_table_next(g->logins, &at)) != NULL)
		login_free(l);
	on_reap(-1, 0, g);
	for (size_t i = 0; g->listeners != NULL && i < g->n_listeners; i++)
		free_event(g->listeners[i]);
	free_event(g->reaper);
	free_event(g->resume);
	free(g->listeners);
	id_table_free(g->logins);
	gate_links_free(g->links);
	free(g->banner);
}

static const struct role_callbacks callbacks = {.on_link = on_link};

int
gate_main(struct role *r)
{
	struct gate g = {0};
	int code = 1;
	enum err e = gate_init(&g, r);

	if (e != OK)
		log_error("gate cannot start: %s", err_text(e));
	else if (role_drop_privileges(r) == OK)
		code = role_run(r, &callbacks, &g);
	gate_clear(&g);
	return code;
}
