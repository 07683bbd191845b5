/*
 * Waiting for the next supervisor.
 */
#include "broker/role/rejoin.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* One supervisor at a time connects; a second one waits here until the first is gone. */
#define REJOIN_BACKLOG 4

struct rejoin {
	int fd;
	uid_t supervisor;
	struct event *event;
	rejoin_fn on_supervisor;
	void *arg;
};

static bool
is_welcome(const struct rejoin *j, int fd)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid() || peer.uid == j->supervisor)
		return true;
	log_warn("rejoin: process %d of user %u is not the supervisor", (int)peer.pid, peer.uid);
	return false;
}

static void
on_connection(evutil_socket_t listener, short what, void *arg)
{
	struct rejoin *j = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd < 0)
		return;
	if (!is_welcome(j, fd)) {
		close(fd);
		return;
	}
	event_del(j->event);
	j->on_supervisor(j->arg, fd);
}

static enum err
start(struct rejoin *j, struct event_base *base)
{
	int flags = fcntl(j->fd, F_GETFL);

	if (flags < 0 || fcntl(j->fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return ERR_IO;
	if (listen(j->fd, REJOIN_BACKLOG) != 0)
		return ERR_IO;
	j->event = event_new(base, j->fd, EV_READ | EV_PERSIST, on_connection, j);
	return j->event != NULL ? OK : ERR_NOMEM;
}

enum err
rejoin_new(struct event_base *base, int fd, uid_t supervisor, rejoin_fn on_supervisor, void *arg,
	struct rejoin **out)
{
	struct rejoin *j = calloc(1, sizeof(*j));
	enum err e;

	if (j == NULL) {
		close(fd);
		return ERR_NOMEM;
	}
	*j = (struct rejoin){
		.fd = fd, .supervisor = supervisor, .on_supervisor = on_supervisor, .arg = arg};
	e = start(j, base);
	if (e != OK) {
		rejoin_free(j);
		return e;
	}
	*out = j;
	return OK;
}

void
rejoin_free(struct rejoin *j)
{
	if (j == NULL)
		return;
	if (j->event != NULL)
		event_free(j->event);
	close(j->fd);
	free(j);
}

enum err
rejoin_wait(struct rejoin *j)
{
	return event_add(j->event, NULL) == 0 ? OK : ERR_NOMEM;
}
