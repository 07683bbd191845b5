/*
 * What a role is told.
 */
#include "broker/supervisor/orders.h"

#include "common/log.h"

#include <fcntl.h>
#include <unistd.h>

enum err
orders_send_empty(struct slot *s, enum control_type type)
{
	return ipc_send(s->control, (uint16_t)type, span_of(NULL, 0), NULL, 0);
}

static struct control_config
config_message(const struct fleet_setup *setup)
{
	return (struct control_config){
		.file = span_str(setup->config->file),
		.text = setup->config_text,
		.log_level = setup->config->log.level,
	};
}

enum err
orders_send_adopt(struct slot *s, const struct fleet_setup *setup)
{
	struct control_config config = config_message(setup);
	struct buf b;
	enum err e;

	buf_init(&b, CONTROL_BODY_MAX);
	e = control_write_adopt(&config, &b);
	if (e == OK)
		e = ipc_send(s->control, CONTROL_ADOPT, buf_span(&b), NULL, 0);
	buf_clear(&b);
	return e == OK ? orders_send_empty(s, CONTROL_DRAIN) : e;
}

/* Copies of the descriptors that a role starts with; what could not be copied is missing in *n. */
static enum err
copy_descriptors(const struct slot *s, const struct fleet_setup *setup, int *fds, size_t *n)
{
	const int *from = s->kind == ROLE_GATE ? setup->listeners : &setup->admin_listener;
	size_t count = s->kind == ROLE_GATE ? setup->n_listeners : s->kind == ROLE_DIRECTOR ? 1 : 0;

	for (*n = 0; *n < count; (*n)++) {
		fds[*n] = fcntl(from[*n], F_DUPFD_CLOEXEC, 0);
		if (fds[*n] < 0)
			return ERR_IO;
	}
	return OK;
}

/* The socket on which the relay waits for a next supervisor, if this one goes. */
static enum err
add_rejoin_socket(struct slot *s, const struct run_dir *run_dir, int *fds, size_t *n)
{
	enum err e;

	if (s->kind != ROLE_RELAY)
		return OK;
	e = run_dir_make_socket(run_dir, s->index, s->socket_name, &fds[*n]);
	if (e == OK)
		(*n)++;
	return e;
}

/* Takes the descriptors. */
static enum err
send_start_with(struct slot *s, const struct fleet_setup *setup, const int *fds, size_t n_fds)
{
	struct control_start start = {
		.kind = s->kind,
		.index = s->index,
		.config = config_message(setup),
		.n_listeners = s->kind == ROLE_GATE ? (unsigned)n_fds : 0,
		.has_admin = s->kind == ROLE_DIRECTOR,
		.has_rejoin = s->kind == ROLE_RELAY,
	};
	struct buf b;
	enum err e;

	buf_init(&b, CONTROL_BODY_MAX);
	e = control_write_start(&start, &b);
	if (e == OK) {
		e = ipc_send(s->control, CONTROL_START, buf_span(&b), fds, n_fds);
		n_fds = 0;
	}
	buf_clear(&b);
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	return e;
}

enum err
orders_send_start(struct slot *s, const struct fleet_setup *setup)
{
	int fds[CONTROL_LISTENERS_MAX + 2];
	size_t n_fds = 0;
	enum err e = copy_descriptors(s, setup, fds, &n_fds);

	if (e == OK)
		e = add_rejoin_socket(s, setup->run_dir, fds, &n_fds);
	if (e == OK)
		return send_start_with(s, setup, fds, n_fds);
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	return e;
}

/* Takes fd. */
enum err
orders_send_link(struct slot *to, const struct slot *peer, int fd)
{
	struct control_link link = {.kind = peer->kind, .index = peer->index, .pid = peer->pid};
	struct buf b = {0};
	enum err e = control_write_link(&link, &b);

	if (e == OK)
		e = ipc_send(to->control, CONTROL_LINK, buf_span(&b), &fd, 1);
	else
		close(fd);
	buf_clear(&b);
	return e;
}
