/*
 * A TCP connection to a node in the making, without ever waiting: names by DNS, several addresses one after the other.
 */
#ifndef BROKER_DIRECTOR_DIAL_H
#define BROKER_DIRECTOR_DIAL_H

#include "common/addr.h"
#include "common/err.h"

#include <event2/event.h>

/* Addresses of one name that are tried. */
#define DIAL_ADDRESSES_MAX 8
#define DIAL_TEXT_SIZE 128

struct dialer; /* what dials share: the loop and its resolver */
struct dial;

struct dial_result {
	enum err
		err; /* OK; ERR_TIMEOUT; ERR_NOT_FOUND: the name has no address; ERR_LIMIT: we ran out; ERR_IO */
	int fd; /* yours, connected, non-blocking, close-on-exec, without Nagle's delay; -1 unless OK */
	struct addr address; /* that was connected to, or the last one tried */
	char text[DIAL_TEXT_SIZE]; /* for people: what failed */
};

/* Called once, from the loop only.  The dial is gone by then. */
typedef void (*dial_fn)(void *arg, const struct dial_result *result);

/* *out is owned.  Reads /etc/resolv.conf and /etc/hosts.  ERR_NOMEM. */
MUST_CHECK enum err dialer_new(struct event_base *base, struct dialer **out);
/* No dial is left.  NULL does nothing. */
void dialer_free(struct dialer *d);

/*
 * Begin to connect to host (an IP address or a name), for at most timeout_ms in all.  *out is owned until fn is called.
 * ERR_NOMEM.
 */
MUST_CHECK enum err dial_new(struct dialer *d, const char *host, uint16_t port, uint32_t timeout_ms,
	dial_fn fn, void *arg, struct dial **out);
/* Give up: fn is not called.  NULL does nothing. */
void dial_free(struct dial *d);

#endif
