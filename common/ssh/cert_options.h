/*
 * What a user's certificate demands and permits, as sshd reads it.  (OpenSSH PROTOCOL.certkeys)
 */
#ifndef COMMON_SSH_CERT_OPTIONS_H
#define COMMON_SSH_CERT_OPTIONS_H

#include "common/ssh/cert.h"

/* The extensions that permit something, in the order of their names. */
enum cert_permit {
	CERT_PERMIT_X11 = 0,
	CERT_PERMIT_AGENT,
	CERT_PERMIT_PORT,
	CERT_PERMIT_PTY,
	CERT_PERMIT_USER_RC,
	CERT_PERMIT_COUNT
};

/* "permit-X11-forwarding" and so on.  Static. */
const char *cert_permit_name(enum cert_permit permit);

/* Plain data; the spans borrow from the certificate.  Zeroed demands and permits nothing. */
struct cert_options {
	bool has_command;
	struct span command; /* force-command */
	bool has_sources;
	struct span sources; /* source-address: addresses and networks, not looked at here */
	bool verify_required; /* security keys: PIN or finger */
	bool no_touch_required; /* security keys */
	bool permits[CERT_PERMIT_COUNT];
};

/*
 * Read the options of a user certificate; extensions that are not known mean nothing.  ERR_UNSUPPORTED: a critical option
 * that is not known, with which sshd takes no certificate either.  ERR_FORMAT: no user's certificate, or an option with
 * other data than it has.
 */
MUST_CHECK enum err cert_options_read(const struct cert_fields *f, struct cert_options *out);

#endif
