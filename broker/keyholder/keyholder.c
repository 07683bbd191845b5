/*
 * The keyholder: its start, and its place in the loop.
 *
 *	gate, relay --links--> requests --> kex_sign, offer, prove, hostkeys --> sessions, keys
 */
#include "broker/keyholder/keyholder.h"

#include "broker/keyholder/askers.h"
#include "common/log.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

struct keyholder {
	struct core core;
	struct askers *askers;
};

static uint64_t
wall_clock_s(void *arg)
{
	struct timespec now;

	(void)arg;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec > 0 ? (uint64_t)now.tv_sec : 0;
}

/*
 * Keys must not reach a disk through swap.  What is allocated later is locked too only where the limit is off: with a
 * limit, memory would run out when it is reached.
 */
static void
lock_memory(void)
{
	struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
	bool is_unlimited = setrlimit(RLIMIT_MEMLOCK, &none) == 0;

	if (mlockall(MCL_CURRENT | (is_unlimited ? MCL_FUTURE | MCL_ONFAULT : 0)) != 0)
		log_warn("memory is not locked (%s): keys could reach swap space", strerror(errno));
	else if (!is_unlimited)
		log_info(
			"memory is locked in part: the limit of locked memory could not be raised");
}

/* A connection is in the table from its first key exchange until it ends. */
static size_t
connections_max(const struct config *c)
{
	return (size_t)c->limits.connections_max + c->limits.unauthenticated_max;
}

static void
on_link(void *arg, const struct role_peer *peer, int fd)
{
	struct keyholder *k = arg;

	askers_add(k->askers, peer, fd);
}

/* Keys stay as they were read: the files are out of reach now. */
static void
on_config(void *arg, const struct config *c)
{
	struct keyholder *k = arg;

	k->core.config = c;
	sessions_set_max(k->core.sessions, connections_max(c));
}

static enum err
start(struct keyholder *k, struct role *r, struct keys *keys)
{
	enum err e;

	k->core.config = role_config(r);
	k->core.keys = keys;
	k->core.clock.now_s = wall_clock_s;
	e = sessions_new(connections_max(role_config(r)), &k->core.sessions);
	if (e == OK)
		e = askers_new(role_base(r), &k->core, &k->askers);
	if (e == OK)
		e = role_drop_privileges(r);
	else
		log_error("start failed: %s", err_text(e));
	return e;
}

int
keyholder_main(struct role *r)
{
	static const struct role_callbacks callbacks = {.on_link = on_link, .on_config = on_config};
	struct keyholder k = {0};
	struct keys *keys = NULL;
	int code = 1;

	lock_memory();
	if (keys_load(role_config(r), &keys) == OK && start(&k, r, keys) == OK)
		code = role_run(r, &callbacks, &k);
	askers_free(k.askers);
	sessions_free(k.core.sessions);
	keys_free(keys);
	return code;
}
