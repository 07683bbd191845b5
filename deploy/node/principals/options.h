/*
 * The options of an authorized_keys line: what the helper decides itself, and what it passes on to sshd.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_OPTIONS_H
#define DEPLOY_NODE_PRINCIPALS_OPTIONS_H

#include "common/addr.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* The variable that tells a session its real client. */
#define OPTIONS_CLIENT_VARIABLE "SSHBROKER_CLIENT"

/* What stands in front of a command that has to be written in hexadecimal; the program itself is before it. */
#define OPTIONS_RUN_FLAG "--run"

/* Embedded; zeroed is empty. */
struct options {
	struct buf kept; /* as they stood, comma-separated, for sshd; without the ones below */
	char *from; /* owned; NULL: from anywhere */
	char *command; /* owned; NULL: none is forced */
	uint64_t expires_at; /* the earliest expiry-time, seconds since 1970; 0: never */
	char *principals; /* owned; NULL: not given */
	bool is_cert_authority;
	bool no_touch_required;
	bool verify_required;
};

/*
 * Parse options as sshd does, who passes over a line with an option that it does not know: ERR_FORMAT, and *why (static)
 * says what is wrong.  ERR_NOMEM.  *out is cleared by options_clear() after OK only.
 */
MUST_CHECK enum err options_parse(struct span text, struct options *out, const char **why);
void options_clear(struct options *o);

/*
 * Append what sshd shall apply to a session of client, comma-separated and without a blank outside of quotes.  program
 * is our own path.  ERR_UNSUPPORTED: an option holds '#', which begins a comment in what sshd reads from us.  (A command
 * may hold one: sshd gets "program --run HEX" then.)  Errors of buf_append.
 */
MUST_CHECK enum err options_write(
	const struct options *o, const struct addr *client, const char *program, struct buf *out);

#endif
