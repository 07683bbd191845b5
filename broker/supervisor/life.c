/*
 * One role process, from its start to its end.
 *
 * What happens to it (it says something, its link closes, its timer rings) moves its slot along the arrows of slot.h,
 * and who comes up is linked to all peers that are up.
 */
#include "broker/supervisor/life.h"

#include "broker/supervisor/fleet_impl.h"
#include "broker/supervisor/kin.h"
#include "broker/supervisor/links.h"
#include "broker/supervisor/orders.h"
#include "broker/supervisor/spawn.h"
#include "common/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A role that has not said READY after this time is killed: reading keys and configuration takes far less. */
#define START_MAX_MS (60u * 1000)
/* A relay that has not said HELLO after this time is left to itself. */
#define HELLO_MAX_MS (10u * 1000)
/* A role without its control link may take this long to end by itself. */
#define LEAVE_MAX_MS 2000u

static int64_t
monotonic_ms(void)
{
	struct timespec t = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the end of a process --- */

static void
forget_socket(struct slot *s)
{
	if (s->socket_name[0] != '\0')
		run_dir_remove(s->fleet->setup.run_dir, s->socket_name);
	s->socket_name[0] = '\0';
}

static void
give_up(struct fleet *f, const struct slot *s)
{
	if (f->has_failed)
		return;
	f->has_failed = true;
	log_error("%s could not be started in %u tries: see what it said above", s->name,
		s->n_failures);
	f->callbacks->on_failed(f->arg);
}

static void
restart_later(struct slot *s)
{
	uint32_t pause_ms = backoff_next(&s->backoff, monotonic_ms() - s->started_at_ms);

	slot_change(s, SLOT_WAITING, pause_ms);
	log_info("%s is started again in %u ms", s->name, pause_ms);
	if (s->was_up || s->fleet->came_up)
		return;
	if (++s->n_failures == FLEET_START_FAILURES_MAX)
		give_up(s->fleet, s);
}

/* Its process is no more. */
void
life_ended(struct slot *s)
{
	struct fleet *f = s->fleet;

	ipc_free(s->control);
	s->control = NULL;
	s->pid = 0;
	/* Who was not adopted may live on, and waits there for a next supervisor. */
	if (s->state == SLOT_ADOPTING)
		s->socket_name[0] = '\0';
	forget_socket(s);
	if (!f->is_stopping && !s->is_adopted) {
		restart_later(s);
		return;
	}
	slot_change(s, SLOT_EMPTY, 0);
	fleet_report_empty(f);
}

void
life_kill(struct slot *s)
{
	/* A child is waited for as long as it takes; from an adopted relay no SIGCHLD comes. */
	slot_change(s, SLOT_KILLED, s->is_adopted ? LEAVE_MAX_MS : 0);
	if ((s->is_adopted ? kin_kill(s->pid, s->name) : kill(s->pid, SIGKILL)) != 0)
		log_error(
			"%s (pid %d) cannot be killed: %s", s->name, (int)s->pid, strerror(errno));
}

/* It may live on, and wait by its socket for a next supervisor. */
static void
let_go(struct slot *s)
{
	log_warn("%s (pid %d) is left to itself", s->name, (int)s->pid);
	s->socket_name[0] = '\0';
	life_drop_link(s);
}

/* Its link is gone or of no use: without it the process is as good as dead, and ends soon. */
void
life_drop_link(struct slot *s)
{
	ipc_free(s->control);
	s->control = NULL;
	if (s->is_adopted)
		life_ended(s);
	else if (s->state == SLOT_STARTING || s->state == SLOT_UP)
		slot_change(s, SLOT_STOPPING, LEAVE_MAX_MS);
}

/* The link is of no use, but nothing says that the process has ended. */
static void
drop_broken(struct slot *s)
{
	if (s->is_adopted)
		let_go(s);
	else
		life_drop_link(s);
}

static void
come_up(struct slot *s)
{
	struct fleet *f = s->fleet;

	slot_change(s, SLOT_UP, 0);
	s->was_up = true;
	/* A child that is started again is linked anew.  An adopted relay has connections: better some links than none. */
	if (links_connect(s, f->slots, f->n_slots) != OK && !s->is_adopted) {
		life_drop_link(s);
		return;
	}
	if (f->came_up || f->is_stopping || !fleet_is_all_up(f))
		return;
	f->came_up = true;
	f->callbacks->on_up(f->arg);
}

/* --- what the roles say --- */

void
life_stop(struct slot *s)
{
	uint32_t timeout_ms = s->fleet->setup.config->roles.stop_timeout_s * 1000;

	slot_change(s, SLOT_STOPPING, timeout_ms);
	if (orders_send_empty(s, CONTROL_STOP) != OK)
		log_warn("%s cannot be told to stop", s->name);
}

static enum err
handle_ready(struct slot *s, struct ipc_message *m)
{
	enum err e = control_parse_empty(m->body, m->n_fds);

	if (e != OK)
		return e;
	if (s->state == SLOT_STOPPING || s->state == SLOT_KILLED)
		return OK;
	if (s->state != SLOT_STARTING)
		return ERR_BAD_STATE;
	log_info("%s (pid %d) is up", s->name, (int)s->pid);
	come_up(s);
	return OK;
}

static enum err
handle_hello(struct slot *s, struct ipc_message *m)
{
	struct control_hello hello;
	enum err e = control_parse_hello(m->body, m->n_fds, &hello);

	if (e != OK)
		return e;
	if (s->state != SLOT_ADOPTING)
		return ERR_BAD_STATE;
	if (hello.kind != s->kind || hello.index != s->index)
		return ERR_PROTO;
	e = orders_send_adopt(s, &s->fleet->setup);
	if (e != OK)
		return e;
	log_info("%s (pid %d) outlived its supervisor: adopted until its last connection ends",
		s->name, (int)s->pid);
	come_up(s);
	if (s->fleet->is_stopping)
		life_stop(s);
	return OK;
}

static void
on_message(void *arg, struct ipc_message *m)
{
	struct slot *s = arg;
	enum err e = ERR_PROTO;

	if (m->type == CONTROL_READY)
		e = handle_ready(s, m);
	else if (m->type == CONTROL_HELLO)
		e = handle_hello(s, m);
	if (e == OK)
		return;
	log_error("%s: message %u: %s", s->name, m->type, err_text(e));
	drop_broken(s);
}

static void
on_closed(void *arg, enum err why)
{
	struct slot *s = arg;

	if (why != ERR_CLOSED) {
		log_error("%s: control link: %s", s->name, err_text(why));
		drop_broken(s);
		return;
	}
	if (s->is_adopted)
		log_info("%s (pid %d) has ended", s->name, (int)s->pid);
	life_drop_link(s);
}

/* --- starting --- */

/* A process with a control link; *out is its pid. */
static enum err
spawn_with_link(struct slot *s)
{
	int ends[2];
	enum err e = ipc_pair(ends);

	if (e != OK)
		return e;
	e = ipc_new(s->fleet->setup.base, ends[0], on_message, on_closed, s, &s->control);
	if (e == OK)
		e = spawn_role(s->fleet->setup.program, s->name, ends[1], &s->pid);
	close(ends[1]);
	return e;
}

void
life_start(struct slot *s)
{
	enum err e = spawn_with_link(s);

	s->started_at_ms = monotonic_ms();
	if (e != OK) {
		log_error("%s cannot be started: %s: %s", s->name, err_text(e), strerror(errno));
		life_ended(s);
		return;
	}
	slot_change(s, SLOT_STARTING, START_MAX_MS);
	e = orders_send_start(s, &s->fleet->setup);
	if (e != OK) {
		log_error("%s cannot be told to start: %s", s->name, err_text(e));
		life_drop_link(s);
	}
}

void
life_adopt(struct slot *s, pid_t pid, const char *name, int fd)
{
	s->is_adopted = true;
	s->pid = pid;
	(void)strncpy(s->socket_name, name, sizeof(s->socket_name) - 1);
	slot_change(s, SLOT_ADOPTING, HELLO_MAX_MS);
	if (ipc_new(s->fleet->setup.base, fd, on_message, on_closed, s, &s->control) != OK)
		life_drop_link(s);
}

static void
take_too_long(struct slot *s)
{
	if (s->state == SLOT_ADOPTING && !s->fleet->is_stopping) {
		log_warn("%s (pid %d) does not answer", s->name, (int)s->pid);
		let_go(s);
		return;
	}
	log_warn("%s (pid %d) takes too long and is killed", s->name, (int)s->pid);
	life_kill(s);
}

void
life_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct slot *s = arg;

	(void)fd;
	(void)what;
	switch (s->state) {
	case SLOT_WAITING:
		life_start(s);
		break;
	case SLOT_KILLED:
		let_go(s);
		break;
	case SLOT_ADOPTING:
	case SLOT_STARTING:
	case SLOT_STOPPING:
		take_too_long(s);
		break;
	default:
		break;
	}
}
