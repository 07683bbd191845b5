/*
 * The role processes: which there are, and what is done to all of them.
 */
#include "broker/supervisor/fleet.h"

#include "broker/supervisor/fleet_impl.h"
#include "broker/supervisor/life.h"
#include "common/log.h"

#include <assert.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The lowest free index is taken, so that new relays stay below the sum. */
static_assert(CONFIG_RELAYS_MAX + FLEET_ADOPTED_MAX <= ROLE_RELAYS_MAX, "gates link all relays");

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
	if (slot_init(s, f->setup.base, life_on_timer) != OK)
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

void
fleet_report_empty(struct fleet *f)
{
	if (!f->is_stopping || f->is_over || !is_empty(f))
		return;
	f->is_over = true;
	f->callbacks->on_empty(f->arg);
}

bool
fleet_is_all_up(const struct fleet *f)
{
	for (size_t i = 0; i < f->n_slots; i++) {
		if (!f->slots[i].was_up && !f->slots[i].is_adopted)
			return false;
	}
	return true;
}

/* --- starting --- */

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
		life_start(s);
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
	life_adopt(s, pid, name, fd);
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
		life_ended(s);
	}
}

/* --- stopping --- */

static void
stop_one(struct slot *s, bool with_adopted)
{
	if (s->is_adopted && !with_adopted && s->state != SLOT_EMPTY) {
		s->socket_name[0] = '\0';
		life_drop_link(s);
		return;
	}
	switch (s->state) {
	case SLOT_WAITING:
		slot_change(s, SLOT_EMPTY, 0);
		break;
	case SLOT_STARTING:
	case SLOT_UP:
		life_stop(s);
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
	fleet_report_empty(f);
}

void
fleet_kill(struct fleet *f)
{
	for (size_t i = 0; i < f->n_slots; i++) {
		struct slot *s = &f->slots[i];

		if (slot_is_alive(s) && s->state != SLOT_KILLED)
			life_kill(s);
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
