/*
 * The gate role: listeners, host keys and links.
 */
#include "broker/gate/gate.h"

#include "broker/gate/gate_links.h"
#include "broker/gate/login_table.h"
#include "broker/gate/version.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Clients accepted in one turn of the loop, so that those who are logging in go on in between. */
#define ACCEPTS_PER_TURN 16
/* How long no client is accepted after descriptors or memory ran out. */
#define ACCEPT_PAUSE_MS 500
#define BANNER_MAX ((size_t)16 * 1024)
#define KEX_NAMES_MAX 512
/* Descriptors of a login: two sockets, and their copies on the way to a relay; and what a gate has besides logins. */
#define FDS_PER_LOGIN 4
#define FDS_BESIDES 64
/*
 * A gate that lost its link to the director or the keyholder, and got no new one, for so long ends, and its successor is
 * linked anew: the other side may live, and only the link be broken.
 */
#define LINK_WAIT_S 60

struct gate {
	struct role *role;
	struct event_base *base;
	const struct config *config;
	struct gate_links *links;
	struct transport_config client_transport;
	uint8_t kex_word[KEXINIT_COOKIE_START_SIZE]; /* comes before the host keys do */
	char host_key_algs[MSG_METHODS_MAX + 1]; /* empty before the keyholder's word */
	char kex[KEX_NAMES_MAX];
	char ciphers[KEX_NAMES_MAX];
	char compression[KEX_NAMES_MAX];
	char macs[KEX_NAMES_MAX];
	char *banner;
	struct login_table *logins;
	bool has_director, has_keyholder;
	struct event *unlinked; /* ends the wait for a link */
	struct event *resume; /* ends a pause of accepting */
	struct event *report; /* of limits that were reached */
	struct event **listeners;
	size_t n_listeners;
};

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
on_report(evutil_socket_t fd, short what, void *arg)
{
	struct gate *g = arg;

	(void)fd;
	(void)what;
	login_table_report(g->logins);
}

/* What is wrong with this one client, and says nothing of the next. */
static bool
is_of_one_client(int e)
{
	static const int errors[] = {EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENETUNREACH,
		ENONET, EHOSTDOWN, EHOSTUNREACH, ENOPROTOOPT, EOPNOTSUPP};

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		if (e == errors[i])
			return true;
	}
	return false;
}

static void
on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct sockaddr_storage ss;
	struct gate *g = arg;
	struct addr client;
	socklen_t len;
	int client_fd;
	enum err e;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		len = sizeof(ss);
		client_fd = accept4(fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client_fd < 0 && is_of_one_client(errno))
			continue;
		if (client_fd < 0) {
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				pause_accepting(g, strerror(errno));
			return;
		}
		if (addr_from_sockaddr((struct sockaddr *)&ss, len, &client) != OK) {
			close(client_fd);
			continue;
		}
		e = login_table_add(g->logins, client_fd, &client);
		if (e != OK) {
			pause_accepting(g, err_text(e));
			return;
		}
	}
}

/* Only what our own host keys can sign may be offered, in the configured order where there is one. */
static void
choose_host_key_algs(struct gate *g, struct span have)
{
	const struct config_list *wanted = &g->config->algorithms.host_keys;
	size_t len = 0;

	g->host_key_algs[0] = '\0';
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
	struct msg_host_keys keys;

	if (message_decode(msg_host_keys_fields, m->body, &keys) != OK) {
		log_error("a message of type %u is malformed and ignored", m->type);
		return;
	}
	/* A keyholder that was started again may have read other keys.  Logins under way have made their offers. */
	choose_host_key_algs(g, keys.algorithms);
	set_accepting(g, g->host_key_algs[0] != '\0');
	if (g->host_key_algs[0] == '\0')
		log_error(
			"no host key can sign with any of algorithms.host_keys; nobody can log in");
}

static void
on_kex_word(struct gate *g, struct ipc_message *m)
{
	struct msg_kex_word word;

	if (message_decode(msg_kex_word_fields, m->body, &word) != OK ||
		word.word.len != sizeof(g->kex_word)) {
		log_error("a message of type %u is malformed and ignored", m->type);
		return;
	}
	memcpy(g->kex_word, word.word.ptr, sizeof(g->kex_word));
}

static void
on_message(void *arg, const struct role_peer *peer, struct ipc_message *m)
{
	struct gate *g = arg;

	if (m->type == MSG_HOST_KEYS && peer->kind == ROLE_KEYHOLDER)
		on_host_keys(g, m);
	else if (m->type == MSG_KEX_WORD && peer->kind == ROLE_KEYHOLDER)
		on_kex_word(g, m);
	else if (!login_table_on_message(g->logins, peer, m))
		log_error("a message of type %u from %s/%u is unexpected and ignored", m->type,
			role_kind_name(peer->kind), peer->index);
}

static void
on_unlinked(evutil_socket_t fd, short what, void *arg)
{
	struct gate *g = arg;

	(void)fd;
	(void)what;
	log_error("no link to the %s for %d s; this gate ends, and the next one gets new links",
		g->has_director ? "keyholder" : "director", LINK_WAIT_S);
	role_exit(g->role, 1);
}

static void
note_link(struct gate *g, const struct role_peer *peer, bool is_up)
{
	struct timeval wait = {LINK_WAIT_S, 0};

	if (peer->kind == ROLE_DIRECTOR)
		g->has_director = is_up;
	else if (peer->kind == ROLE_KEYHOLDER)
		g->has_keyholder = is_up;
	else
		return;
	if (g->has_director && g->has_keyholder)
		(void)event_del(g->unlinked);
	else if (!is_up && !event_pending(g->unlinked, EV_TIMEOUT, NULL) &&
		event_add(g->unlinked, &wait) != 0)
		log_warn("a timer cannot be set");
}

static void
on_up(void *arg, const struct role_peer *peer)
{
	struct gate *g = arg;

	note_link(g, peer, true);
	login_table_on_link_up(g->logins, peer);
}

static void
on_down(void *arg, const struct role_peer *peer)
{
	struct gate *g = arg;

	note_link(g, peer, false);
	login_table_on_link_down(g->logins, peer);
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

/* Out of descriptors, a gate could not even take the sockets that the director has dialled. */
static size_t
logins_max(const struct config *c)
{
	size_t wanted = (size_t)c->limits.unauthenticated_max + LOGIN_TABLE_REFUSALS_MAX;
	struct rlimit files;
	size_t n;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 ||
		files.rlim_cur >= FDS_BESIDES + wanted * FDS_PER_LOGIN)
		return wanted;
	n = files.rlim_cur > FDS_BESIDES ? (files.rlim_cur - FDS_BESIDES) / FDS_PER_LOGIN : 0;
	n = n > 0 ? n : 1;
	log_warn("this gate takes %zu logins at once: for limits.unauthenticated_max it would need "
		 "%zu open files, and may have %zu",
		n, FDS_BESIDES + wanted * FDS_PER_LOGIN, (size_t)files.rlim_cur);
	return n;
}

static enum err
make_timers(struct gate *g)
{
	struct timeval often = {LIMIT_REPORT_INTERVAL_MS / 1000,
		LIMIT_REPORT_INTERVAL_MS % 1000 * (suseconds_t)1000};

	g->resume = evtimer_new(g->base, on_resume, g);
	g->unlinked = evtimer_new(g->base, on_unlinked, g);
	g->report = event_new(g->base, -1, EV_PERSIST, on_report, g);
	if (g->resume == NULL || g->unlinked == NULL || g->report == NULL ||
		event_add(g->report, &often) != 0)
		return ERR_NOMEM;
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
		.cookie_start = g->kex_word,
		.ciphers = join_names(&g->config->algorithms.ciphers, g->ciphers),
		.compression = join_names(&g->config->algorithms.compression, g->compression),
		.macs = join_names(&g->config->algorithms.macs, g->macs),
	};
	if (g->client_transport.compression == NULL)
		g->client_transport.compression = compression_names();
	e = gate_links_new(g->base, &links_events, g, &g->links);
	if (e == OK)
		e = login_table_new(&(struct login_table_params){.base = g->base,
					    .config = g->config,
					    .links = g->links,
					    .client_transport = &g->client_transport,
					    .banner = g->banner,
					    .logins_max = logins_max(g->config)},
			&g->logins);
	if (e == OK)
		e = make_timers(g);
	return e == OK ? make_listeners(g) : e;
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
	login_table_free(g->logins);
	for (size_t i = 0; g->listeners != NULL && i < g->n_listeners; i++)
		free_event(g->listeners[i]);
	free_event(g->resume);
	free_event(g->unlinked);
	free_event(g->report);
	free(g->listeners);
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
