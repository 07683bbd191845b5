/*
 * The relay role: ties a relay process to the scaffold that it runs in.
 */
#include "broker/relay/relay.h"

#include "broker/relay/process.h"
#include "broker/role/role.h"
#include "common/log.h"

struct relay {
	struct role *role;
	struct process *process;
	bool is_told_to_drain;
};

static void
on_link(void *arg, const struct role_peer *peer, int fd)
{
	struct relay *relay = arg;

	/* Only a supervisor sends links: there is a new one. */
	relay->process->is_draining = relay->is_told_to_drain;
	links_add(&relay->process->links, peer, fd);
}

static void
on_stop(void *arg)
{
	struct relay *relay = arg;

	process_stop(relay->process);
}

static void
on_drain(void *arg)
{
	struct relay *relay = arg;

	relay->is_told_to_drain = true;
	process_drain(relay->process);
}

/* The connections go on until the next supervisor brings new links.  When the last one ends before, nobody is missed. */
static void
on_orphaned(void *arg)
{
	struct relay *relay = arg;

	process_drain(relay->process);
}

static void
on_config(void *arg, const struct config *c)
{
	struct relay *relay = arg;

	if (process_configure(relay->process, c) != OK)
		log_error("the new configuration is not used: %s", err_text(ERR_NOMEM));
}

static void
on_empty(void *arg)
{
	struct relay *relay = arg;

	role_exit(relay->role, 0);
}

static const struct role_callbacks callbacks = {
	.on_link = on_link,
	.on_stop = on_stop,
	.on_drain = on_drain,
	.on_orphaned = on_orphaned,
	.on_config = on_config,
};

int
relay_main(struct role *r)
{
	struct relay relay = {.role = r};
	int code = 1;
	enum err e;

	e = process_new(role_base(r), role_config(r), NULL, &relay.process);
	if (e != OK) {
		log_error("the relay cannot start: %s", err_text(e));
		return 1;
	}
	relay.process->on_empty = on_empty;
	relay.process->arg = &relay;
	if (role_drop_privileges(r) == OK)
		code = role_run(r, &callbacks, &relay);
	process_free(relay.process);
	return code;
}
