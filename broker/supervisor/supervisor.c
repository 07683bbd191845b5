/*
 * The supervisor: everything that needs root at start, then a loop that waits for signals and for its children.
 */
#include "broker/supervisor/supervisor.h"

#include "broker/role/privileges.h"
#include "broker/role/role_config.h"
#include "broker/supervisor/fleet.h"
#include "broker/supervisor/listeners.h"
#include "broker/supervisor/run_dir.h"
#include "broker/supervisor/spawn.h"
#include "common/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define N_SIGNALS 4

struct supervisor {
	struct config *config;
	struct buf config_text;
	struct run_dir run_dir;
	int listeners[CONFIG_LISTEN_MAX];
	size_t n_listeners;
	int admin_listener;
	int program;
	struct event_base *base;
	struct event *signals[N_SIGNALS];
	struct fleet *fleet;
	bool is_stopping;
	int exit_code;
};

/* --- what is needed before the loop --- */

static enum err
load_config(struct supervisor *s, const char *path)
{
	struct buf errors = {0};
	enum err e = config_load(path, &s->config, &s->config_text, &errors);

	if (e == OK)
		log_init("supervisor", s->config->log.level);
	else
		role_config_log_errors(&errors);
	buf_clear(&errors);
	return e;
}

static enum err
check_user(const char *key, const char *user)
{
	uid_t uid;
	gid_t gid;
	enum err e = privileges_find(user, &uid, &gid);

	if (e == ERR_DENIED)
		log_error("roles.%s: %s is root: choose another user", key, user);
	else if (e != OK)
		log_error("roles.%s: there is no user %s: make one or choose another", key, user);
	return e;
}

static enum err
check_users(const struct config *c)
{
	enum err e;

	if (geteuid() != 0) {
		log_warn("started without root: all roles share one user, so that each of them can "
			 "read the private keys");
		return OK;
	}
	e = check_user("director_user", c->roles.director_user);
	if (e == OK)
		e = check_user("keyholder_user", c->roles.keyholder_user);
	if (e == OK)
		e = check_user("gate_user", c->roles.gate_user);
	if (e == OK)
		e = check_user("relay_user", c->roles.relay_user);
	return e;
}

static enum err
open_listeners(struct supervisor *s)
{
	const struct config_listen *listen = &s->config->listen;
	char text[ADDR_TEXT_SIZE];
	struct addr bound;

	for (; s->n_listeners < listen->n; s->n_listeners++) {
		const struct addr *a = &listen->items[s->n_listeners];
		enum err e = listeners_open_tcp(a, &s->listeners[s->n_listeners], &bound);

		if (e != OK) {
			log_error("cannot listen on %s: %s", addr_text(a, text), strerror(errno));
			return e;
		}
		log_info("listening on %s", addr_text(&bound, text));
	}
	return OK;
}

static const char *
admin_failure(enum err e)
{
	switch (e) {
	case ERR_IO:
		return strerror(errno);
	case ERR_NOT_FOUND:
		return "there is no such folder";
	case ERR_EXISTS:
		return "there is something else of that name";
	case ERR_DENIED:
		return "others can replace what is in its folder: make the folder yours, with mode "
		       "0755";
	default:
		return err_text(e);
	}
}

static enum err
open_admin(struct supervisor *s)
{
	const struct config *c = s->config;
	struct listeners_access access = {.mode = c->admin.mode, .gid = (gid_t)-1};
	enum err e = OK;

	if (c->admin.group != NULL)
		e = listeners_find_group(c->admin.group, &access.gid);
	if (e != OK) {
		log_error("admin.group: there is no group %s", c->admin.group);
		return e;
	}
	e = listeners_open_admin(c->admin.socket, &access, &s->admin_listener);
	if (e != OK)
		log_error("admin.socket %s: %s", c->admin.socket, admin_failure(e));
	return e;
}

/* Roles inherit the soft limit, and each raises it to the hard one itself; copies for starting roles need room here. */
static void
raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static enum err
open_all(struct supervisor *s)
{
	enum err e = check_users(s->config);

	raise_file_limit();
	if (e == OK)
		e = run_dir_open(s->config->run_dir, &s->run_dir);
	if (e == OK)
		e = open_listeners(s);
	if (e == OK)
		e = open_admin(s);
	if (e != OK)
		return e;
	e = spawn_open_program(&s->program);
	if (e != OK)
		log_error("cannot open the running program: %s", strerror(errno));
	return e;
}

/* --- the loop --- */

static void
stop(struct supervisor *s, int exit_code, bool with_adopted)
{
	s->is_stopping = true;
	s->exit_code = exit_code;
	fleet_stop(s->fleet, with_adopted);
}

static void
on_up(void *arg)
{
	(void)arg;
	log_info("the broker is up");
}

static void
on_failed(void *arg)
{
	stop(arg, 1, false);
}

static void
on_empty(void *arg)
{
	struct supervisor *s = arg;

	(void)event_base_loopexit(s->base, NULL);
}

static void
on_child(evutil_socket_t signum, short what, void *arg)
{
	struct supervisor *s = arg;

	(void)signum;
	(void)what;
	fleet_reap(s->fleet);
}

static void
on_stop(evutil_socket_t signum, short what, void *arg)
{
	struct supervisor *s = arg;

	(void)what;
	if (s->is_stopping) {
		log_warn("signal %d once more: killing what has not ended", (int)signum);
		fleet_kill(s->fleet);
		return;
	}
	log_info("signal %d: stopping", (int)signum);
	stop(s, 0, true);
}

static void
on_hangup(evutil_socket_t signum, short what, void *arg)
{
	(void)signum;
	(void)what;
	(void)arg;
	log_warn("SIGHUP is ignored: a changed configuration is used after a restart");
}

static enum err
add_signals(struct supervisor *s)
{
	static const struct {
		int signum;
		event_callback_fn callback;
	} wanted[N_SIGNALS] = {
		{SIGCHLD, on_child}, {SIGTERM, on_stop}, {SIGINT, on_stop}, {SIGHUP, on_hangup}};

	for (size_t i = 0; i < N_SIGNALS; i++) {
		s->signals[i] = evsignal_new(s->base, wanted[i].signum, wanted[i].callback, s);
		if (s->signals[i] == NULL || event_add(s->signals[i], NULL) != 0)
			return ERR_NOMEM;
	}
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? ERR_IO : OK;
}

static enum err
make_fleet(struct supervisor *s)
{
	static const struct fleet_callbacks callbacks = {on_up, on_failed, on_empty};
	struct fleet_setup setup = {
		.base = s->base,
		.config = s->config,
		.config_text = buf_span(&s->config_text),
		.run_dir = &s->run_dir,
		.program = s->program,
		.listeners = s->listeners,
		.n_listeners = s->n_listeners,
		.admin_listener = s->admin_listener,
	};

	return fleet_new(&setup, &callbacks, s, &s->fleet);
}

static enum err
run(struct supervisor *s)
{
	enum err e;

	s->base = event_base_new();
	if (s->base == NULL)
		return ERR_NOMEM;
	e = make_fleet(s);
	if (e == OK)
		e = add_signals(s);
	if (e != OK)
		return e;
	fleet_start(s->fleet);
	return event_base_dispatch(s->base) >= 0 ? OK : ERR_IO;
}

static void
close_all(struct supervisor *s)
{
	fleet_free(s->fleet);
	for (size_t i = 0; i < N_SIGNALS; i++) {
		if (s->signals[i] != NULL)
			event_free(s->signals[i]);
	}
	if (s->base != NULL)
		event_base_free(s->base);
	for (size_t i = 0; i < s->n_listeners; i++)
		close(s->listeners[i]);
	if (s->admin_listener >= 0) {
		close(s->admin_listener);
		(void)unlink(s->config->admin.socket);
	}
	if (s->program >= 0)
		close(s->program);
	run_dir_close(&s->run_dir);
	config_free(s->config);
	buf_clear(&s->config_text);
}

int
supervisor_main(const char *config_path)
{
	struct supervisor s = {
		.run_dir = {.fd = -1, .lock = -1}, .admin_listener = -1, .program = -1};
	enum err e;

	log_init("supervisor", LOG_LEVEL_INFO);
	buf_init(&s.config_text, CONFIG_SIZE_MAX);
	if (load_config(&s, config_path) != OK || open_all(&s) != OK) {
		s.exit_code = 1;
	} else {
		e = run(&s);
		if (e != OK) {
			log_error("the supervisor cannot run: %s", err_text(e));
			s.exit_code = 1;
		}
	}
	if (s.exit_code == 0)
		log_info("stopped");
	close_all(&s);
	return s.exit_code;
}
