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
/* How long nobody is accepted after descriptors ran out.  A supervisor waits longer for an answer. */
#define ACCEPT_PAUSE_S 1

struct rejoin {
	int fd;
	uid_t supervisor;
	struct event *event;
	struct event *resume; /* ends a pause of accepting */
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
	/* Not our own user: all relays have that one, and the next captured one would be our supervisor. */
	if (peer.uid == 0 || peer.uid == j->supervisor)
		return true;
	log_warn("rejoin: process %d of user %u is not the supervisor", (int)peer.pid, peer.uid);
	return false;
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct rejoin *j = arg;

	(void)fd;
	(void)what;
	if (rejoin_wait(j) != OK)
		log_error("no next supervisor can be waited for: %s", err_text(ERR_NOMEM));
}

/* Who connected still waits, and would wake us again and again. */
static void
rest(struct rejoin *j)
{
	struct timeval pause = {.tv_sec = ACCEPT_PAUSE_S};

	log_warn("a supervisor cannot be accepted for %d s: %s", ACCEPT_PAUSE_S, strerror(errno));
	if (event_add(j->resume, &pause) == 0)
		event_del(j->event);
}

static void
on_connection(evutil_socket_t listener, short what, void *arg)
{
	struct rejoin *j = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			rest(j);
		return;
	}
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
	j->resume = evtimer_new(base, on_resume, j);
	return j->event != NULL && j->resume != NULL ? OK : ERR_NOMEM;
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
	if (j->resume != NULL)
		event_free(j->resume);
	close(j->fd);
	free(j);
}

enum err
rejoin_wait(struct rejoin *j)
{
	return event_add(j->event, NULL) == 0 ? OK : ERR_NOMEM;
}
