/*
 * A TCP connection to a node in the making.
 *
 * All that ends a dial goes through its one event, so that the owner hears of it from the loop even when the answer was
 * there at once.  Each address gets an equal share of the time that is left: a dead first address must not eat it all.
 */
#include "broker/director/dial.h"

#include "broker/director/clock.h"

#include <errno.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct dialer {
	struct event_base *base;
	struct evdns_base *dns;
};

/* What the resolver holds on to.  It outlives a dial that gives up: the resolver answers a cancelled request too. */
struct lookup {
	struct dial *dial; /* NULL: nobody waits any more */
};

struct dial {
	struct dialer *dialer;
	dial_fn fn;
	void *arg;
	struct event *event; /* the socket's, or the time's, or the end's */
	uint64_t deadline_ms;
	uint16_t port;
	struct lookup *lookup;
	struct evdns_getaddrinfo_request *request;
	struct addr addresses[DIAL_ADDRESSES_MAX];
	size_t n_addresses, next_address;
	int fd;
	struct dial_result result;
};

/* --- the dialer --- */

enum err
dialer_new(struct event_base *base, struct dialer **out)
{
	struct dialer *d = calloc(1, sizeof(*d));
	int flags = EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE;

	if (d == NULL)
		return ERR_NOMEM;
	d->base = base;
	d->dns = evdns_base_new(base, flags);
	/* A machine without a name server: names in /etc/hosts still work. */
	if (d->dns == NULL) {
		d->dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
		if (d->dns == NULL) {
			free(d);
			return ERR_NOMEM;
		}
		(void)evdns_base_load_hosts(d->dns, "/etc/hosts");
	}
	*out = d;
	return OK;
}

void
dialer_free(struct dialer *d)
{
	if (d == NULL)
		return;
	evdns_base_free(d->dns, 1);
	free(d);
}

/* --- time --- */

static uint64_t
time_left(const struct dial *d)
{
	uint64_t now = clock_monotonic_ms();

	return now < d->deadline_ms ? d->deadline_ms - now : 0;
}

static struct timeval
timeval_of(uint64_t ms)
{
	return (struct timeval){
		.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

/* --- the end --- */

static void try_next(struct dial *d);
static void on_event(evutil_socket_t fd, short what, void *arg);

static void
close_socket(struct dial *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

void
dial_free(struct dial *d)
{
	if (d == NULL)
		return;
	if (d->lookup != NULL) {
		d->lookup->dial = NULL;
		if (d->request != NULL)
			evdns_getaddrinfo_cancel(d->request);
	}
	if (d->event != NULL)
		event_free(d->event);
	close_socket(d);
	free(d);
}

static void
finish(struct dial *d)
{
	struct dial_result result = d->result;
	dial_fn fn = d->fn;
	void *arg = d->arg;

	if (result.err == OK) {
		result.fd = d->fd;
		d->fd = -1;
	}
	dial_free(d);
	fn(arg, &result);
}

static void
fail(struct dial *d, enum err e, const char *text)
{
	d->result.err = e;
	(void)snprintf(d->result.text, sizeof(d->result.text), "%s", text);
}

/* --- connecting --- */

/* Wait for the socket (fd -1: for time alone), at most ms.  ERR_NOMEM. */
static enum err
wait_for(struct dial *d, int fd, uint64_t ms)
{
	struct timeval tv = timeval_of(ms);

	(void)event_del(d->event);
	if (event_assign(d->event, d->dialer->base, fd, fd >= 0 ? EV_WRITE : 0, on_event, d) != 0 ||
		event_add(d->event, &tv) != 0)
		return ERR_NOMEM;
	return OK;
}

static bool
open_socket(struct dial *d, const struct addr *a)
{
	int one = 1, family = a->family == 6 ? AF_INET6 : AF_INET;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, &ss);

	d->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0)
		return false;
	(void)setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return connect(d->fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS;
}

/* What this process or machine has too little of, and no node is to blame for. */
static bool
is_our_own(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
		error == EADDRNOTAVAIL;
}

/* Begin with one address.  False: it failed at once. */
static bool
try_address(struct dial *d, const struct addr *a)
{
	uint64_t share = time_left(d) / (d->n_addresses - d->next_address + 1);

	d->result.address = *a;
	if (!open_socket(d, a)) {
		fail(d, is_our_own(errno) ? ERR_LIMIT : ERR_IO, strerror(errno));
		return false;
	}
	if (wait_for(d, d->fd, share) != OK) {
		fail(d, ERR_NOMEM, err_text(ERR_NOMEM));
		return false;
	}
	return true;
}

/* The next address, or the end with what the last one failed of. */
static void
try_next(struct dial *d)
{
	close_socket(d);
	while (d->next_address < d->n_addresses) {
		if (try_address(d, &d->addresses[d->next_address++]))
			return;
		close_socket(d);
	}
	finish(d);
}

static void
on_connected(struct dial *d)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0) {
		fail(d, ERR_IO, strerror(error));
		try_next(d);
		return;
	}
	d->result.err = OK;
	finish(d);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	if (fd >= 0 && (what & EV_WRITE) != 0) {
		on_connected(d);
		return;
	}
	/* Time is over for this address, or for the name; or the addresses are there. */
	if (fd >= 0)
		fail(d, ERR_TIMEOUT, "no answer in time");
	try_next(d);
}

/* --- names --- */

static void
take_addresses(struct dial *d, const struct evutil_addrinfo *list)
{
	const struct evutil_addrinfo *ai = list;

	for (; ai != NULL && d->n_addresses < DIAL_ADDRESSES_MAX; ai = ai->ai_next) {
		struct addr *a = &d->addresses[d->n_addresses];

		if (addr_from_sockaddr(ai->ai_addr, (socklen_t)ai->ai_addrlen, a) != OK)
			continue;
		a->port = d->port;
		d->n_addresses++;
	}
}

static void
on_lookup(int error, struct evutil_addrinfo *list, void *arg)
{
	struct lookup *lookup = arg;
	struct dial *d = lookup->dial;

	free(lookup);
	if (d != NULL) {
		d->lookup = NULL;
		d->request = NULL;
		if (error == 0)
			take_addresses(d, list);
		if (d->n_addresses == 0)
			fail(d, ERR_NOT_FOUND,
				error != 0 ? evutil_gai_strerror(error)
					   : "the name has no address");
		/* This may be within dial_new(): go on from the loop. */
		event_active(d->event, EV_TIMEOUT, 0);
	}
	if (list != NULL)
		evutil_freeaddrinfo(list);
}

static enum err
look_up(struct dial *d, const char *host)
{
	struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_protocol = IPPROTO_TCP,
		.ai_flags = EVUTIL_AI_ADDRCONFIG};
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	struct evdns_getaddrinfo_request *request;

	if (lookup == NULL)
		return ERR_NOMEM;
	lookup->dial = d;
	d->lookup = lookup;
	request = evdns_getaddrinfo(d->dialer->dns, host, NULL, &hints, on_lookup, lookup);
	/* With an answer at once there is no request, and the lookup is gone already. */
	if (d->lookup != NULL)
		d->request = request;
	return OK;
}

static enum err
begin(struct dial *d, const char *host, uint32_t timeout_ms)
{
	struct addr *a = &d->addresses[0];
	enum err e = wait_for(d, -1, timeout_ms);

	if (e != OK)
		return e;
	if (addr_parse_ip(host, a) != OK)
		return look_up(d, host);
	a->port = d->port;
	d->n_addresses = 1;
	event_active(d->event, EV_TIMEOUT, 0);
	return OK;
}

enum err
dial_new(struct dialer *dialer, const char *host, uint16_t port, uint32_t timeout_ms, dial_fn fn,
	void *arg, struct dial **out)
{
	struct dial *d = calloc(1, sizeof(*d));
	enum err e;

	if (d == NULL)
		return ERR_NOMEM;
	*d = (struct dial){
		.dialer = dialer, .fn = fn, .arg = arg, .port = port, .fd = -1, .result.fd = -1};
	fail(d, ERR_TIMEOUT, "the name was not resolved in time");
	d->deadline_ms = clock_monotonic_ms() + timeout_ms;
	d->event = event_new(dialer->base, -1, 0, on_event, d);
	e = d->event != NULL ? begin(d, host, timeout_ms) : ERR_NOMEM;
	if (e != OK)
		dial_free(d);
	else
		*out = d;
	return e;
}
