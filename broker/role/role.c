/*
 * The scaffold of a role process.
 */
#include "broker/role/role.h"

#include "broker/messages/control.h"
#include "broker/role/harden.h"
#include "broker/role/privileges.h"
#include "broker/role/rejoin.h"
#include "broker/role/role_config.h"
#include "common/ipc/ipc.h"
#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/*
 *	WAITING --> OPEN --> RUNNING <--> ORPHANED     (a relay with a rejoin socket)
 *	   |         |          |            |
 *	   +---------+----------+------------+--> LEAVING
 */
enum role_state { ROLE_WAITING = 0, ROLE_OPEN, ROLE_RUNNING, ROLE_ORPHANED, ROLE_LEAVING };

struct role {
	enum role_kind kind;
	unsigned index;
	char name[ROLE_NAME_SIZE];
	enum role_state state;
	struct event_base *base;
	struct ipc *control;
	struct config *config;
	int fds[CONTROL_LISTENERS_MAX + 1]; /* listeners, then the admin socket */
	size_t n_fds;
	struct rejoin *rejoin;
	uid_t supervisor_uid;
	bool is_stopping;
	int exit_code;
	const struct role_callbacks *callbacks;
	void *arg;
};

static void on_supervisor(void *arg, int fd);

/* A running role gets another configuration; one that cannot be read changes nothing. */
static void
change_config(struct role *r, const struct control_config *m)
{
	struct config *old = r->config, *c;

	if (role_config_parse(m, &c) != OK) {
		log_error("the new configuration is not used");
		return;
	}
	log_init(r->name, m->log_level);
	if (r->callbacks->on_config == NULL) {
		config_free(c);
		return;
	}
	r->config = c;
	r->callbacks->on_config(r->arg, c);
	config_free(old);
}

/* --- what the supervisor says --- */

/* Returns the rejoin socket, or -1. */
static int
take_descriptors(struct role *r, const struct control_start *m, int *fds)
{
	int rejoin;

	r->n_fds = (size_t)m->n_listeners + m->has_admin;
	for (size_t i = 0; i < r->n_fds; i++) {
		r->fds[i] = fds[i];
		fds[i] = -1;
	}
	if (!m->has_rejoin)
		return -1;
	rejoin = fds[r->n_fds];
	fds[r->n_fds] = -1;
	return rejoin;
}

static enum err
handle_start(struct role *r, struct ipc_message *m)
{
	struct control_start start;
	int rejoin;
	enum err e = control_parse_start(m->body, m->n_fds, &start);

	if (e != OK)
		return e;
	if (start.kind != r->kind || start.index != r->index)
		return ERR_PROTO;
	log_init(r->name, start.config.log_level);
	rejoin = take_descriptors(r, &start, m->fds);
	if (rejoin >= 0) {
		e = rejoin_new(r->base, rejoin, r->supervisor_uid, on_supervisor, r, &r->rejoin);
		if (e != OK)
			return e;
	}
	e = role_config_parse(&start.config, &r->config);
	if (e == OK)
		r->state = ROLE_OPEN;
	return e;
}

static enum err
handle_link(struct role *r, struct ipc_message *m)
{
	struct control_link link;
	struct role_peer peer;
	enum err e = control_parse_link(m->body, m->n_fds, &link);
	int fd;

	if (e != OK || r->callbacks->on_link == NULL)
		return e;
	peer = (struct role_peer){.kind = link.kind, .index = link.index, .pid = link.pid};
	fd = m->fds[0];
	m->fds[0] = -1;
	r->callbacks->on_link(r->arg, &peer, fd);
	return OK;
}

static enum err
handle_stop(struct role *r, struct ipc_message *m)
{
	enum err e = control_parse_empty(m->body, m->n_fds);

	if (e != OK || r->is_stopping)
		return e;
	r->is_stopping = true;
	/* Before role_run() there is nobody to tell yet. */
	if (r->state != ROLE_RUNNING)
		return OK;
	if (r->callbacks->on_stop != NULL)
		r->callbacks->on_stop(r->arg);
	else
		role_exit(r, 0);
	return OK;
}

static enum err
handle_drain(struct role *r, struct ipc_message *m)
{
	enum err e = control_parse_empty(m->body, m->n_fds);

	if (e == OK && r->callbacks->on_drain != NULL)
		r->callbacks->on_drain(r->arg);
	return e;
}

static enum err
handle_adopt(struct role *r, struct ipc_message *m)
{
	struct control_config config;
	enum err e = control_parse_adopt(m->body, m->n_fds, &config);

	if (e != OK)
		return e;
	log_info("adopted by a new supervisor");
	r->state = ROLE_RUNNING;
	change_config(r, &config);
	return OK;
}

#define IN(state) (1u << (state))

/* What may come in which state. */
static const struct {
	enum err (*handle)(struct role *r, struct ipc_message *m);
	unsigned states;
} handlers[] = {
	[CONTROL_START] = {handle_start, IN(ROLE_WAITING)},
	[CONTROL_LINK] = {handle_link, IN(ROLE_RUNNING)},
	[CONTROL_STOP] = {handle_stop, IN(ROLE_OPEN) | IN(ROLE_RUNNING)},
	[CONTROL_DRAIN] = {handle_drain, IN(ROLE_RUNNING)},
	[CONTROL_ADOPT] = {handle_adopt, IN(ROLE_ORPHANED)},
};

static enum err
handle(struct role *r, struct ipc_message *m)
{
	if (m->type >= ARRAY_LEN(handlers) || handlers[m->type].handle == NULL)
		return ERR_PROTO;
	if ((handlers[m->type].states & IN(r->state)) == 0)
		return ERR_BAD_STATE;
	return handlers[m->type].handle(r, m);
}

/* --- the control link and its end --- */

static void
wait_for_supervisor(struct role *r)
{
	if (rejoin_wait(r->rejoin) == OK)
		return;
	log_error("no next supervisor can be waited for: %s", err_text(ERR_NOMEM));
}

static void
lose_supervisor(struct role *r)
{
	enum role_state was = r->state;

	ipc_free(r->control);
	r->control = NULL;
	/* Before role_run() there is nobody to tell: it sees that there is no link. */
	if (was == ROLE_WAITING || was == ROLE_OPEN || was == ROLE_LEAVING)
		return;
	if (r->rejoin == NULL || r->is_stopping || r->callbacks->on_orphaned == NULL) {
		log_warn("the supervisor is gone");
		role_exit(r, 0);
		return;
	}
	r->state = ROLE_ORPHANED;
	wait_for_supervisor(r);
	if (was == ROLE_RUNNING) {
		log_warn("the supervisor is gone; connections go on");
		r->callbacks->on_orphaned(r->arg);
	}
}

static void
on_message(void *arg, struct ipc_message *m)
{
	struct role *r = arg;
	enum err e;

	if (r->state == ROLE_LEAVING)
		return;
	e = handle(r, m);
	if (e == OK)
		return;
	log_error("message %u of the supervisor: %s", m->type, err_text(e));
	lose_supervisor(r);
}

static void
on_closed(void *arg, enum err why)
{
	(void)why;
	lose_supervisor(arg);
}

static enum err
send_message(struct role *r, enum control_type type, struct span body)
{
	return ipc_send(r->control, (uint16_t)type, body, NULL, 0);
}

static enum err
send_hello(struct role *r)
{
	struct control_hello hello = {.kind = r->kind, .index = r->index};
	struct buf b = {0};
	enum err e = control_write_hello(&hello, &b);

	if (e == OK)
		e = send_message(r, CONTROL_HELLO, buf_span(&b));
	buf_clear(&b);
	return e;
}

/* Somebody who may be the next supervisor connected: it is when it says ADOPT. */
static void
on_supervisor(void *arg, int fd)
{
	struct role *r = arg;
	enum err e = ipc_new(r->base, fd, on_message, on_closed, r, &r->control);

	if (e != OK) {
		log_error("link to the supervisor: %s", err_text(e));
		wait_for_supervisor(r);
		return;
	}
	e = send_hello(r);
	if (e != OK)
		log_error("hello to the supervisor: %s", err_text(e));
}

/* --- opening and running --- */

static enum err
prepare(struct role *r)
{
	enum err e = harden_process();

	if (e != OK)
		return e;
	(void)prctl(PR_SET_NAME, r->name, 0, 0, 0);
	r->supervisor_uid = getuid();
	r->base = event_base_new();
	if (r->base == NULL)
		return ERR_NOMEM;
	return ipc_new(r->base, ROLE_CONTROL_FD, on_message, on_closed, r, &r->control);
}

static enum err
wait_for_start(struct role *r)
{
	while (r->state == ROLE_WAITING && r->control != NULL) {
		if (event_base_loop(r->base, EVLOOP_ONCE) != 0)
			return ERR_IO;
	}
	return r->state == ROLE_WAITING ? ERR_CLOSED : OK;
}

enum err
role_open(const char *name, struct role **out)
{
	struct role *r = calloc(1, sizeof(*r));
	enum err e;

	if (r == NULL)
		return ERR_NOMEM;
	e = role_name_parse(name, &r->kind, &r->index);
	if (e == OK) {
		(void)role_name(r->kind, r->index, r->name);
		log_init(r->name, LOG_LEVEL_INFO);
		e = prepare(r);
	}
	if (e == OK)
		e = wait_for_start(r);
	if (e != OK) {
		log_error("no start by a supervisor: %s", err_text(e));
		role_close(r);
		return e;
	}
	*out = r;
	return OK;
}

void
role_close(struct role *r)
{
	if (r == NULL)
		return;
	ipc_free(r->control);
	rejoin_free(r->rejoin);
	for (size_t i = 0; i < r->n_fds; i++)
		close(r->fds[i]);
	config_free(r->config);
	if (r->base != NULL)
		event_base_free(r->base);
	free(r);
}

static const char *
configured_user(const struct role *r)
{
	switch (r->kind) {
	case ROLE_DIRECTOR:
		return r->config->roles.director_user;
	case ROLE_KEYHOLDER:
		return r->config->roles.keyholder_user;
	case ROLE_GATE:
		return r->config->roles.gate_user;
	case ROLE_RELAY:
		return r->config->roles.relay_user;
	default:
		return NULL;
	}
}

static enum err
become_user(const char *user)
{
	uid_t uid;
	gid_t gid;
	enum err e = privileges_find(user, &uid, &gid);

	return e != OK ? e : privileges_drop(uid, gid);
}

enum err
role_drop_privileges(struct role *r)
{
	const char *user = configured_user(r);
	enum err e;

	assert(user != NULL);
	if (geteuid() == 0)
		e = become_user(user);
	else
		e = privileges_drop_capabilities();
	/* Changing the user may have made the process dumpable again. */
	if (e == OK)
		e = harden_against_debuggers();
	if (e != OK)
		log_error("roles.%s_user: cannot become %s: %s%s%s", role_kind_name(r->kind), user,
			err_text(e), e == ERR_IO ? ": " : "", e == ERR_IO ? strerror(errno) : "");
	return e;
}

int
role_run(struct role *r, const struct role_callbacks *callbacks, void *arg)
{
	enum err e;

	assert(r->state == ROLE_OPEN);
	r->callbacks = callbacks;
	r->arg = arg;
	if (r->is_stopping || r->control == NULL)
		return 0;
	r->state = ROLE_RUNNING;
	e = send_message(r, CONTROL_READY, span_of(NULL, 0));
	if (e != OK)
		log_error("ready: %s", err_text(e));
	if (event_base_dispatch(r->base) < 0) {
		log_error("the event loop failed");
		return 1;
	}
	return r->exit_code;
}

void
role_exit(struct role *r, int code)
{
	if (r->state == ROLE_LEAVING)
		return;
	r->state = ROLE_LEAVING;
	r->exit_code = code;
	(void)event_base_loopexit(r->base, NULL);
}

/* --- what others may know --- */

enum role_kind
role_kind(const struct role *r)
{
	return r->kind;
}

struct event_base *
role_base(const struct role *r)
{
	return r->base;
}

const struct config *
role_config(const struct role *r)
{
	return r->config;
}

unsigned
role_index(const struct role *r)
{
	return r->index;
}

const int *
role_fds(const struct role *r, size_t *n)
{
	*n = r->n_fds;
	return r->fds;
}
