/*
 * The director: its links, its clock, its process.
 */
#include "broker/director/director.h"

#include "broker/admin/admin.h"
#include "broker/director/gates.h"
#include "broker/director/placing.h"
#include "broker/director/relays.h"
#include "common/log.h"

#include <stdlib.h>
#include <unistd.h>

/* How often waits and graces are looked at. */
#define CHECK_INTERVAL_MS 200L

struct director {
	struct state state;
	struct event *timer;
	struct event *settled;
	struct admin *admin;
};

/* --- time --- */

void
director_check_time(struct director *d)
{
	state_tick(&d->state);
	relays_check_time(&d->state);
	placing_check_time(&d->state);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	director_check_time(arg);
}

static enum err
start_timers(struct director *d)
{
	struct timeval check = {.tv_usec = CHECK_INTERVAL_MS * 1000};
	/* One more millisecond: the clock that decides is not the loop's. */
	struct timeval settle = {.tv_usec = (STATE_SETTLE_MS + 1L) * 1000};

	d->timer = event_new(d->state.base, -1, EV_PERSIST, on_timer, d);
	d->settled = event_new(d->state.base, -1, 0, on_timer, d);
	if (d->timer == NULL || d->settled == NULL || event_add(d->timer, &check) != 0 ||
		event_add(d->settled, &settle) != 0)
		return ERR_NOMEM;
	return OK;
}

/* --- links --- */

void
director_link(struct director *d, const struct role_peer *peer, int fd)
{
	struct link_peer p = {
		.kind = role_kind_name(peer->kind), .index = peer->index, .pid = peer->pid};
	enum err e = OK;

	state_tick(&d->state);
	switch (peer->kind) {
	case ROLE_GATE:
		e = gates_link(&d->state, &p, fd);
		break;
	case ROLE_RELAY:
		e = relays_link(&d->state, &p, fd);
		break;
	default:
		log_warn("a link to %s/%u is not for the director", p.kind, p.index);
		close(fd);
		break;
	}
	if (e != OK)
		log_error("link to %s/%u: %s", p.kind, p.index, err_text(e));
	placing_run_queue(&d->state);
}

/* --- life --- */

enum err
director_new(struct event_base *base, const struct config *config, int admin_fd,
	const struct state_options *options, struct director **out)
{
	struct director *d = calloc(1, sizeof(*d));
	enum err e;

	if (d == NULL)
		return ERR_NOMEM;
	e = state_init(&d->state, base, config, options);
	if (e == OK)
		e = start_timers(d);
	if (e == OK && admin_fd >= 0)
		e = admin_new(&d->state, admin_fd, &d->admin);
	if (e != OK) {
		log_error("the director cannot start: %s", err_text(e));
		director_free(d);
		return e;
	}
	*out = d;
	return OK;
}

void
director_free(struct director *d)
{
	if (d == NULL)
		return;
	admin_free(d->admin);
	if (d->timer != NULL)
		event_free(d->timer);
	if (d->settled != NULL)
		event_free(d->settled);
	gates_clear(&d->state);
	relays_clear(&d->state);
	state_clear(&d->state);
	free(d);
}

struct state *
director_state(struct director *d)
{
	return &d->state;
}

/* --- the process --- */

static void
on_link(void *arg, const struct role_peer *peer, int fd)
{
	director_link(arg, peer, fd);
}

static int
admin_fd_of(const struct role *r)
{
	size_t n;
	const int *fds = role_fds(r, &n);

	if (n > 0)
		return fds[0];
	log_warn("no admin socket: sshbrokerctl cannot reach this broker");
	return -1;
}

int
director_main(struct role *r)
{
	static const struct role_callbacks callbacks = {.on_link = on_link};
	static const struct state_options options = {0};
	struct director *d = NULL;
	int code = 1;

	if (director_new(role_base(r), role_config(r), admin_fd_of(r), &options, &d) == OK &&
		role_drop_privileges(r) == OK)
		code = role_run(r, &callbacks, d);
	director_free(d);
	return code;
}
