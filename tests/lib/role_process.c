/*
 * A role process that reports what happens to it.
 */
#include "tests/lib/role_process.h"

#include "broker/role/role.h"
#include "common/ipc/ipc.h"
#include "common/log.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LIFE_MAX_S 300
#define NAME_SIZE 32
#define PEERS_MAX 16
#define MESSAGE_NAME 100

struct test_role;

struct test_peer {
	struct test_role *owner;
	struct role_peer who;
	struct ipc *link;
};

struct test_role {
	struct role *role;
	char name[ROLE_NAME_SIZE];
	struct test_peer peers[PEERS_MAX];
	size_t n_peers;
};

/* One datagram for each event: what, who, which process, about whom, which process. */
static void
report(const char *what, const char *self, const char *peer, int peer_pid)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char text[128];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int n = snprintf(
		text, sizeof(text), "%s %s %d %s %d", what, self, (int)getpid(), peer, peer_pid);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", getenv(ROLE_PROCESS_REPORTS));
	if (sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&to, sizeof(to)) != n)
		abort();
	close(fd);
}

static void
report_number(const char *what, const char *self, int number)
{
	report(what, self, "-", number);
}

static void
on_peer_message(void *arg, struct ipc_message *m)
{
	struct test_peer *p = arg;
	char name[NAME_SIZE] = "";
	int pid = 0;

	if (m->type != MESSAGE_NAME ||
		sscanf((const char *)m->body.ptr, "%31s %d", name, &pid) != 2 || pid != p->who.pid)
		abort();
	report("heard", p->owner->name, name, pid);
}

static void
on_peer_closed(void *arg, enum err why)
{
	struct test_peer *p = arg;

	(void)why;
	ipc_free(p->link);
	p->link = NULL;
}

static struct test_peer *
find_peer(struct test_role *t, const struct role_peer *who)
{
	for (size_t i = 0; i < t->n_peers; i++) {
		if (t->peers[i].who.kind == who->kind && t->peers[i].who.index == who->index)
			return &t->peers[i];
	}
	if (t->n_peers == PEERS_MAX)
		abort();
	return &t->peers[t->n_peers++];
}

static void
on_link(void *arg, const struct role_peer *who, int fd)
{
	struct test_role *t = arg;
	struct test_peer *p = find_peer(t, who);
	char text[2 * NAME_SIZE];
	int n = snprintf(text, sizeof(text), "%s %d", t->name, (int)getpid());

	ipc_free(p->link);
	*p = (struct test_peer){.owner = t, .who = *who};
	if (ipc_new(role_base(t->role), fd, on_peer_message, on_peer_closed, p, &p->link) != OK ||
		ipc_send(p->link, MESSAGE_NAME, span_of(text, (size_t)n + 1), NULL, 0) != OK)
		abort();
}

static void
on_stop(void *arg)
{
	struct test_role *t = arg;
	const char *stubborn = getenv(ROLE_PROCESS_STUBBORN);

	report("stop", t->name, "-", 0);
	if (stubborn == NULL || strcmp(stubborn, t->name) != 0)
		role_exit(t->role, 0);
}

static void
on_drain(void *arg)
{
	struct test_role *t = arg;

	report("drain", t->name, "-", 0);
}

static void
on_orphaned(void *arg)
{
	struct test_role *t = arg;

	report("orphaned", t->name, "-", 0);
}

static void
on_config(void *arg, const struct config *c)
{
	struct test_role *t = arg;

	if (role_config(t->role) != c)
		abort();
	report_number("config", t->name, (int)c->limits.login_grace_s);
}

/* What was inherited that should not have been? */
static int
count_strange_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (d == NULL)
		abort();
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		n += atoi(e->d_name) > ROLE_CONTROL_FD && atoi(e->d_name) != dirfd(d);
	closedir(d);
	return n;
}

int
role_process_main(const char *name)
{
	static const struct role_callbacks relay = {
		on_link, on_stop, on_drain, on_orphaned, on_config};
	static const struct role_callbacks other = {on_link, on_stop, on_drain, NULL, NULL};
	struct test_role t = {0};
	const char *fail = getenv(ROLE_PROCESS_FAIL);
	size_t n_fds;
	int code;

	/* Whatever happens to the test, nothing stays for ever. */
	(void)alarm(LIFE_MAX_S);
	report_number("inherited", name, count_strange_fds());
	if (role_open(name, &t.role) != OK)
		return 1;
	(void)role_name(role_kind(t.role), role_index(t.role), t.name);
	if (fail != NULL && strcmp(fail, t.name) == 0) {
		log_error("this role cannot start");
		role_close(t.role);
		return 1;
	}
	if (role_drop_privileges(t.role) != OK)
		return 1;
	(void)role_fds(t.role, &n_fds);
	report_number("fds", t.name, (int)n_fds);
	report("up", t.name, "-", 0);
	code = role_run(t.role, role_kind(t.role) == ROLE_RELAY ? &relay : &other, &t);
	for (size_t i = 0; i < t.n_peers; i++)
		ipc_free(t.peers[i].link);
	role_close(t.role);
	return code;
}
