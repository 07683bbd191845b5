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
	uint64_t
		steady_offset_s; /* of the machine's clock to the time since its start, when we began */
};

static uint64_t
read_clock_s(clockid_t id)
{
	struct timespec now = {0};

	clock_gettime(id, &now);
	return now.tv_sec > 0 ? (uint64_t)now.tv_sec : 0;
}

static uint64_t
wall_clock_s(void *arg)
{
	(void)arg;
	return read_clock_s(CLOCK_REALTIME);
}

static uint64_t
steady_clock_s(void *arg)
{
	const struct keyholder *k = arg;

	return k->steady_offset_s + read_clock_s(CLOCK_BOOTTIME);
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

/* A gate may have twice as many as are served: the end of some is still on its way. */
static struct sessions_limits
sessions_limits_of(const struct config *c)
{
	return (struct sessions_limits){
		.per_gate_max = 2 * (size_t)c->limits.unauthenticated_max,
		.relayed_max = c->limits.connections_max,
	};
}

static void
on_link(void *arg, const struct role_peer *peer, int fd)
{
	struct keyholder *k = arg;

	askers_add(k->askers, peer, fd);
}

static enum err
start(struct keyholder *k, struct role *r, struct keys *keys)
{
	struct sessions_limits limits = sessions_limits_of(role_config(r));
	enum err e;

	k->core.config = role_config(r);
	k->core.keys = keys;
	k->steady_offset_s = read_clock_s(CLOCK_REALTIME) - read_clock_s(CLOCK_BOOTTIME);
	k->core.clock = (struct keyholder_clock){wall_clock_s, steady_clock_s, k};
	e = sessions_new(&limits, &k->core.sessions);
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
	static const struct role_callbacks callbacks = {.on_link = on_link};
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
