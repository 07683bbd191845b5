/*
 * What the supervisor and a role process say to each other: start, links to other roles, stop, adoption.
 *
 *	supervisor            role
 *	    START ------------->     once, the first message
 *	          <------------- READY
 *	    LINK -------------->     any number
 *	    DRAIN, STOP ------->
 *
 * A relay that outlived its supervisor says HELLO to the next one, on the connection that the new supervisor made to
 * its rejoin socket, and is told ADOPT instead of START.
 */
#ifndef BROKER_MESSAGES_CONTROL_H
#define BROKER_MESSAGES_CONTROL_H

#include "broker/messages/role_kind.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/span.h"

#include <sys/types.h>

/* Message types 1-31 of common/ipc. */
enum control_type {
	CONTROL_START = 1,
	CONTROL_READY = 2, /* empty: the role serves now */
	CONTROL_LINK = 3,
	CONTROL_STOP = 4, /* empty: end, soon */
	CONTROL_DRAIN = 5, /* empty: take no new connections, end when the last one has ended */
	CONTROL_HELLO = 6,
	CONTROL_ADOPT = 7,
};

#define CONTROL_VERSION 1
#define CONTROL_CONFIG_MAX ((size_t)1 << 20)
#define CONTROL_FILE_MAX 4096
#define CONTROL_LISTENERS_MAX 16
/* For buf_init() of what is written here. */
#define CONTROL_BODY_MAX (CONTROL_CONFIG_MAX + CONTROL_FILE_MAX + 64)

/* The configuration, as text, since no memory is shared.  Spans borrow. */
struct control_config {
	struct span file; /* its name, for messages and for relative paths in it */
	struct span text;
	enum log_level log_level;
};

/* Descriptors with it, in this order: n_listeners, then the admin listener, then the rejoin socket. */
struct control_start {
	enum role_kind kind;
	unsigned index;
	struct control_config config;
	unsigned n_listeners; /* for a gate */
	bool has_admin; /* for the director */
	bool has_rejoin; /* for a relay: bound, the relay listens */
};

/* One descriptor with it: an end of a link to that process. */
struct control_link {
	enum role_kind kind;
	unsigned index;
	pid_t pid;
};

struct control_hello {
	enum role_kind kind;
	unsigned index;
};

/*
 * Append the message's body.  Errors of buf_append; ERR_LIMIT too when a text is longer than its maximum.
 */
MUST_CHECK enum err control_write_start(const struct control_start *m, struct buf *out);
MUST_CHECK enum err control_write_link(const struct control_link *m, struct buf *out);
MUST_CHECK enum err control_write_hello(const struct control_hello *m, struct buf *out);
MUST_CHECK enum err control_write_adopt(const struct control_config *m, struct buf *out);

/*
 * Read a body that came with n_fds descriptors; spans in *out borrow from it.  ERR_UNSUPPORTED: the sender is of
 * another version.  ERR_FORMAT: malformed, trailing bytes, a value out of range.  ERR_PROTO: not the descriptors that
 * the message says.
 */
MUST_CHECK enum err control_parse_start(struct span body, size_t n_fds, struct control_start *out);
MUST_CHECK enum err control_parse_link(struct span body, size_t n_fds, struct control_link *out);
MUST_CHECK enum err control_parse_hello(struct span body, size_t n_fds, struct control_hello *out);
MUST_CHECK enum err control_parse_adopt(struct span body, size_t n_fds, struct control_config *out);
/* READY, STOP, DRAIN. */
MUST_CHECK enum err control_parse_empty(struct span body, size_t n_fds);

#endif
