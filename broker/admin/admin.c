/*
 * The admin API on libevent's HTTP server.
 *
 * That server neither counts its connections nor tells when one that never asked anything is gone.  Each connection's
 * bufferevent is therefore referenced here as well: when the server has let go of it, its callbacks are gone, and the
 * slot is free again.  While all slots are taken nothing is accepted; a connection that lives too long is shut down.
 */
#include "broker/admin/admin.h"

#include "broker/admin/routes.h"
#include "broker/director/state.h"
#include "common/log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <unistd.h>

#define BODY_MAX ((ev_ssize_t)64 * 1024)
#define HEADERS_MAX ((ev_ssize_t)16 * 1024)
#define CONNECTIONS_MAX 32
/* Without a byte. */
#define IDLE_MAX_S 10
/* In all. */
#define LIFE_MAX_MS 60000
#define SWEEP_INTERVAL_S 1

struct slot {
	struct bufferevent *bev; /* NULL: free */
	uint64_t opened_at_ms;
};

struct admin {
	struct state *state;
	struct evhttp *http;
	struct evconnlistener *listener; /* the server's */
	struct event *sweep;
	struct slot slots[CONNECTIONS_MAX];
	size_t n_open;
};

/* --- connections --- */

static bool
is_let_go(struct bufferevent *bev)
{
	bufferevent_event_cb event_cb = NULL;

	bufferevent_getcb(bev, NULL, NULL, &event_cb, NULL);
	return event_cb == NULL;
}

static void
free_slot(struct admin *a, struct slot *slot)
{
	(void)bufferevent_decref(slot->bev);
	slot->bev = NULL;
	a->n_open--;
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct admin *a = arg;

	(void)fd;
	(void)what;
	state_tick(a->state);
	for (struct slot *slot = a->slots; slot < a->slots + CONNECTIONS_MAX; slot++) {
		if (slot->bev == NULL)
			continue;
		if (is_let_go(slot->bev))
			free_slot(a, slot);
		else if (a->state->now_ms - slot->opened_at_ms > LIFE_MAX_MS)
			(void)shutdown(bufferevent_getfd(slot->bev), SHUT_RDWR);
	}
	if (a->n_open < CONNECTIONS_MAX)
		(void)evconnlistener_enable(a->listener);
}

/* The server is about to accept; NULL makes it go on with a bufferevent of its own, which is not counted. */
static struct bufferevent *
on_accept(struct event_base *base, void *arg)
{
	struct admin *a = arg;
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	struct slot *slot = a->slots;

	if (bev == NULL)
		return NULL;
	while (slot < a->slots + CONNECTIONS_MAX && slot->bev != NULL)
		slot++;
	if (slot == a->slots + CONNECTIONS_MAX)
		return bev;
	bufferevent_incref(bev);
	state_tick(a->state);
	*slot = (struct slot){.bev = bev, .opened_at_ms = a->state->now_ms};
	a->n_open++;
	if (a->n_open == CONNECTIONS_MAX)
		(void)evconnlistener_disable(a->listener);
	return bev;
}

/*
 * The connection still waits, and would be reported again and again: nobody is accepted until the next sweep.  arg is
 * the server's.
 */
static void
on_accept_failed(struct evconnlistener *listener, void *arg)
{
	(void)arg;
	log_warn("the admin socket accepts nobody for %d s: %s", SWEEP_INTERVAL_S, strerror(errno));
	(void)evconnlistener_disable(listener);
}

/* An answer is on its way: its connection may be over soon. */
static void
on_complete(struct evhttp_request *request, void *arg)
{
	struct admin *a = arg;

	(void)request;
	event_active(a->sweep, EV_TIMEOUT, 0);
}

/* --- who asks --- */

/* Root and the broker's own user may do everything; who else can open the socket (see admin.mode) may look. */
static enum admin_role
role_of_peer(struct evhttp_request *request)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return ADMIN_ROLE_NONE;
	return peer.uid == 0 || peer.uid == geteuid() ? ADMIN_ROLE_ADMIN : ADMIN_ROLE_VIEWER;
}

/* --- answers --- */

static void
send_text(struct admin *a, struct evhttp_request *request, int status, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	evhttp_request_set_on_complete_cb(request, on_complete, a);
	if (body == NULL || evbuffer_add(body, text, strlen(text)) != 0)
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	else
		evhttp_send_reply(request, status, NULL, body);
	if (body != NULL)
		evbuffer_free(body);
}

static void
send_json(struct admin *a, struct evhttp_request *request, int status, const cJSON *json)
{
	char *text = cJSON_PrintUnformatted(json);

	if (text != NULL)
		send_text(a, request, status, text);
	else
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	cJSON_free(text);
}

static cJSON *
new_reply(void)
{
	cJSON *reply = cJSON_CreateObject();

	if (reply != NULL && cJSON_AddNumberToObject(reply, "version", ROUTES_VERSION) != NULL)
		return reply;
	cJSON_Delete(reply);
	return NULL;
}

static void
send_error(struct admin *a, struct evhttp_request *request, int status, const char *code,
	const char *message)
{
	cJSON *reply = new_reply();
	cJSON *error = reply != NULL ? cJSON_AddObjectToObject(reply, "error") : NULL;

	if (error != NULL && cJSON_AddStringToObject(error, "code", code) != NULL &&
		cJSON_AddStringToObject(error, "message", message) != NULL)
		send_json(a, request, status, reply);
	else
		evhttp_send_error(request, status, NULL);
	cJSON_Delete(reply);
}

/* --- requests --- */

static const char *
method_name(enum evhttp_cmd_type method)
{
	switch (method) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	default:
		return NULL;
	}
}

static void
refuse(struct admin *a, struct evhttp_request *request, enum route_match match,
	const struct route *route)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

	if (match == ROUTE_OTHER_METHOD) {
		(void)evhttp_add_header(headers, "Allow", route->method);
		send_error(a, request, HTTP_BADMETHOD, "method_not_allowed",
			"this path has another method; GET /v1/routes lists them");
		return;
	}
	send_error(a, request, HTTP_NOTFOUND, "not_found",
		"there is no such path; GET /v1/routes lists them");
}

static void
answer(struct admin *a, struct evhttp_request *request, const struct route *route)
{
	cJSON *reply = new_reply();

	state_tick(a->state);
	if (reply != NULL && route->handle(a->state, reply) == OK)
		send_json(a, request, HTTP_OK, reply);
	else
		send_error(a, request, HTTP_INTERNAL, "no_memory",
			"the broker has not enough memory for this answer");
	cJSON_Delete(reply);
}

static void
on_request(struct evhttp_request *request, void *arg)
{
	struct admin *a = arg;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	const char *method = method_name(evhttp_request_get_command(request));
	const struct route *route = NULL;
	enum route_match match = routes_find(method, path != NULL ? path : "", &route);

	(void)evhttp_add_header(
		evhttp_request_get_output_headers(request), "Content-Type", "application/json");
	if (match != ROUTE_FOUND)
		refuse(a, request, match, route);
	else if (role_of_peer(request) < route->role)
		send_error(a, request, 403, "forbidden",
			"your user may not do this; the broker's administrator may");
	else
		answer(a, request, route);
}

/* --- life --- */

static void
configure(struct admin *a)
{
	evhttp_set_gencb(a->http, on_request, a);
	evhttp_set_bevcb(a->http, on_accept, a);
	evhttp_set_max_body_size(a->http, BODY_MAX);
	evhttp_set_max_headers_size(a->http, HEADERS_MAX);
	evhttp_set_timeout(a->http, IDLE_MAX_S);
	evhttp_set_allowed_methods(a->http,
		EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
			EVHTTP_REQ_HEAD | EVHTTP_REQ_PATCH);
}

static enum err
listen_on(struct admin *a, int fd)
{
	struct evhttp_bound_socket *bound;

	(void)evutil_make_socket_nonblocking(fd);
	/* Without LEV_OPT_CLOSE_ON_FREE: the socket is not ours. */
	a->listener = evconnlistener_new(a->state->base, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (a->listener == NULL)
		return ERR_NOMEM;
	bound = evhttp_bind_listener(a->http, a->listener);
	if (bound != NULL) {
		evconnlistener_set_error_cb(a->listener, on_accept_failed);
		return OK;
	}
	evconnlistener_free(a->listener);
	return ERR_NOMEM;
}

enum err
admin_new(struct state *s, int listen_fd, struct admin **out)
{
	struct admin *a = calloc(1, sizeof(*a));
	struct timeval interval = {.tv_sec = SWEEP_INTERVAL_S};
	enum err e = ERR_NOMEM;

	if (a == NULL)
		return ERR_NOMEM;
	a->state = s;
	a->http = evhttp_new(s->base);
	a->sweep = event_new(s->base, -1, EV_PERSIST, on_sweep, a);
	if (a->http != NULL && a->sweep != NULL && event_add(a->sweep, &interval) == 0) {
		configure(a);
		e = listen_on(a, listen_fd);
	}
	if (e != OK)
		admin_free(a);
	else
		*out = a;
	return e;
}

void
admin_free(struct admin *a)
{
	if (a == NULL)
		return;
	if (a->http != NULL)
		evhttp_free(a->http);
	if (a->sweep != NULL)
		event_free(a->sweep);
	for (struct slot *slot = a->slots; slot < a->slots + CONNECTIONS_MAX; slot++) {
		if (slot->bev != NULL)
			free_slot(a, slot);
	}
	free(a);
}
