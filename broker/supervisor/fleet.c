/*
 * The role processes.
 *
 * Each has a slot; what happens to a process (it says something, its link closes, it is reaped, its timer rings) moves
 * its slot along the arrows of slot.h, and who comes up is linked to all peers that are up.
 */
#include "broker/supervisor/fleet.h"

#include "broker/supervisor/links.h"
#include "broker/supervisor/orders.h"
#include "broker/supervisor/slot.h"
#include "broker/supervisor/spawn.h"
#include "common/ipc/ipc.h"
#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLOTS_MAX (2 + CONFIG_GATES_MAX + CONFIG_RELAYS_MAX + FLEET_ADOPTED_MAX)

/* A role that has not said READY after this time is killed: reading keys and configuration takes far less. */
#define START_MAX_MS (60u * 1000)
/* A relay that has not said HELLO after this time is left to itself. */
#define HELLO_MAX_MS (10u * 1000)
/* A role without its control link may take this long to end by itself. */
#define LEAVE_MAX_MS 2000u

struct fleet {
	struct fleet_setup setup;
	const struct fleet_callbacks *callbacks;
	void *arg;
	struct slot slots[SLOTS_MAX];
	size_t n_slots;
	bool came_up;
	bool has_failed;
	bool is_stopping;
	bool is_over; /* on_empty was called */
};

static void on_timer(evutil_socket_t fd, short what, void *arg);

static int64_t
monotonic_ms(void)
{
	struct timespec t = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the slots --- */

/* NULL: no memory, or no room. */
static struct slot *
add_slot(struct fleet *f, enum role_kind kind, unsigned index)
{
	const struct config *c = f->setup.config;
	struct slot *s;

	if (f->n_slots == SLOTS_MAX)
		return NULL;
	s = &f->slots[f->n_slots];
	*s = (struct slot){.fleet = f, .kind = kind, .index = index};
	(void)role_name(kind, index, s->name);
	backoff_init(&s->backoff, c->roles.restart_delay_ms, c->roles.restart_delay_max_ms);
	if (slot_init(s, f->setup.base, on_timer) != OK)
		return NULL;
	f->n_slots++;
	return s;
}

static bool
has_index(const struct fleet *f, enum role_kind kind, unsigned index)
{
	for (size_t i = 0; i < f->n_slots; i++) {
		if (f->slots[i].kind == kind && f->slots[i].index == index)
			return true;
	}
	return false;
}

static bool
is_empty(const struct fleet *f)
{
	for (size_t i = 0; i < f->n_slots; i++) {
		if (f->slots[i].state != SLOT_EMPTY)
			return false;
	}
	return true;
}

static void
report_empty(struct fleet *f)
{
	if (!f->is_stopping || f->is_over || !is_empty(f))
		return;
	f->is_over = true;
	f->callbacks->on_empty(f->arg);
}

static bool
is_all_up(const struct fleet *f)
{
	for (size_t i = 0; i < f->n_slots; i++) {
		if (!f->slots[i].was_up && !f->slots[i].is_adopted)
			return false;
	}
	return true;
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
static void
ended(struct slot *s)
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
	report_empty(f);
}

/* An adopted relay is no child: while its link lives, so does it, and its pid is its own. */
static void
kill_process(struct slot *s)
{
	slot_change(s, SLOT_KILLED, 0);
	if (kill(s->pid, SIGKILL) != 0)
		log_error(
			"%s (pid %d) cannot be killed: %s", s->name, (int)s->pid, strerror(errno));
}

/* Its link is gone or of no use: without it the process is as good as dead, and ends soon. */
static void
drop_link(struct slot *s)
{
	ipc_free(s->control);
	s->control = NULL;
	if (s->is_adopted)
		ended(s);
	else if (s->state == SLOT_STARTING || s->state == SLOT_UP)
		slot_change(s, SLOT_STOPPING, LEAVE_MAX_MS);
}

static void
come_up(struct slot *s)
{
	struct fleet *f = s->fleet;

	slot_change(s, SLOT_UP, 0);
	s->was_up = true;
	links_connect(s, f->slots, f->n_slots);
	if (f->came_up || f->is_stopping || !is_all_up(f))
		return;
	f->came_up = true;
	f->callbacks->on_up(f->arg);
}

/* --- what the roles say --- */

static void
stop_slot(struct slot *s)
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
		stop_slot(s);
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
	drop_link(s);
}

static void
on_closed(void *arg, enum err why)
{
	struct slot *s = arg;

	if (why != ERR_CLOSED)
		log_error("%s: control link: %s", s->name, err_text(why));
	else if (s->is_adopted)
		log_info("%s (pid %d) has ended", s->name, (int)s->pid);
	drop_link(s);
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

static void
start_slot(struct slot *s)
{
	enum err e = spawn_with_link(s);

	s->started_at_ms = monotonic_ms();
	if (e != OK) {
		log_error("%s cannot be started: %s: %s", s->name, err_text(e), strerror(errno));
		ended(s);
		return;
	}
	slot_change(s, SLOT_STARTING, START_MAX_MS);
	e = orders_send_start(s, &s->fleet->setup);
	if (e != OK) {
		log_error("%s cannot be told to start: %s", s->name, err_text(e));
		drop_link(s);
	}
}

static void
take_too_long(struct slot *s)
{
	if (s->state == SLOT_ADOPTING && !s->fleet->is_stopping) {
		log_warn("%s (pid %d) does not answer and is left to itself", s->name, (int)s->pid);
		drop_link(s);
		return;
	}
	log_warn("%s (pid %d) takes too long and is killed", s->name, (int)s->pid);
	kill_process(s);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct slot *s = arg;

	(void)fd;
	(void)what;
	switch (s->state) {
	case SLOT_WAITING:
		start_slot(s);
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

static unsigned
count_or_cores(uint32_t configured, unsigned max)
{
	cpu_set_t set;
	int n = 1;

	if (configured > 0)
		return configured;
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return (unsigned)n < max ? (unsigned)n : max;
}

static void
add_and_start(struct fleet *f, enum role_kind kind, unsigned count)
{
	for (unsigned i = 0, index = 0; i < count; i++, index++) {
		struct slot *s;

		while (has_index(f, kind, index))
			index++;
		s = add_slot(f, kind, index);
		/* Room is there for all that a configuration may ask for. */
		if (s == NULL) {
			log_error("no place for %s/%u", role_kind_name(kind), index);
			continue;
		}
		start_slot(s);
	}
}

/* The peer of the connection is who listens: the relay itself. */
static pid_t
peer_pid(int fd)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.pid : 0;
}

static void
adopt(void *arg, unsigned index, const char *name, int fd)
{
	struct fleet *f = arg;
	struct slot *s = NULL;
	pid_t pid = peer_pid(fd);

	if (pid > 0 && f->n_slots < FLEET_ADOPTED_MAX && !has_index(f, ROLE_RELAY, index))
		s = add_slot(f, ROLE_RELAY, index);
	if (s == NULL) {
		log_warn("relay/%u (pid %d) cannot be adopted and is left to itself", index,
			(int)pid);
		close(fd);
		return;
	}
	s->is_adopted = true;
	s->pid = pid;
	(void)strncpy(s->socket_name, name, sizeof(s->socket_name) - 1);
	slot_change(s, SLOT_ADOPTING, HELLO_MAX_MS);
	if (ipc_new(f->setup.base, fd, on_message, on_closed, s, &s->control) != OK)
		drop_link(s);
}

void
fleet_start(struct fleet *f)
{
	const struct config *c = f->setup.config;

	/* First, so that the new relays get other indexes. */
	run_dir_scan(f->setup.run_dir, adopt, f);
	add_and_start(f, ROLE_DIRECTOR, 1);
	add_and_start(f, ROLE_KEYHOLDER, 1);
	add_and_start(f, ROLE_GATE, count_or_cores(c->roles.gates, CONFIG_GATES_MAX));
	add_and_start(f, ROLE_RELAY, count_or_cores(c->roles.relays, CONFIG_RELAYS_MAX));
}

/* --- reaping --- */

static struct slot *
find_child(struct fleet *f, pid_t pid)
{
	for (size_t i = 0; i < f->n_slots; i++) {
		struct slot *s = &f->slots[i];

		if (slot_is_alive(s) && !s->is_adopted && s->pid == pid)
			return s;
	}
	return NULL;
}

static void
log_death(const struct slot *s, int status)
{
	bool is_wanted = s->fleet->is_stopping && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	enum log_level level = is_wanted ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
	const char *signal_name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

	if (WIFSIGNALED(status))
		log_line(level, "%s (pid %d) died: signal %d (%s)", s->name, (int)s->pid,
			WTERMSIG(status), signal_name != NULL ? signal_name : "?");
	else
		log_line(level, "%s (pid %d) has ended: exit code %d", s->name, (int)s->pid,
			WEXITSTATUS(status));
}

void
fleet_reap(struct fleet *f)
{
	int status;
	pid_t pid;

	for (pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
		struct slot *s = find_child(f, pid);

		if (s == NULL)
			continue;
		log_death(s, status);
		ended(s);
	}
}

/* --- stopping --- */

static void
stop_one(struct slot *s, bool with_adopted)
{
	if (s->is_adopted && !with_adopted && s->state != SLOT_EMPTY) {
		s->socket_name[0] = '\0';
		drop_link(s);
		return;
	}
	switch (s->state) {
	case SLOT_WAITING:
		slot_change(s, SLOT_EMPTY, 0);
		break;
	case SLOT_STARTING:
	case SLOT_UP:
		stop_slot(s);
		break;
	default:
		break;
	}
}

void
fleet_stop(struct fleet *f, bool with_adopted)
{
	if (f->is_stopping)
		return;
	f->is_stopping = true;
	for (size_t i = 0; i < f->n_slots; i++)
		stop_one(&f->slots[i], with_adopted);
	report_empty(f);
}

void
fleet_kill(struct fleet *f)
{
	for (size_t i = 0; i < f->n_slots; i++) {
		struct slot *s = &f->slots[i];

		if (slot_is_alive(s) && s->state != SLOT_KILLED)
			kill_process(s);
	}
}

enum err
fleet_new(const struct fleet_setup *setup, const struct fleet_callbacks *callbacks, void *arg,
	struct fleet **out)
{
	struct fleet *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return ERR_NOMEM;
	f->setup = *setup;
	f->callbacks = callbacks;
	f->arg = arg;
	*out = f;
	return OK;
}

void
fleet_free(struct fleet *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n_slots; i++)
		slot_clear(&f->slots[i]);
	free(f);
}
