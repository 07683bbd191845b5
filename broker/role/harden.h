/*
 * What every role process does before it holds a secret.
 */
#ifndef BROKER_ROLE_HARDEN_H
#define BROKER_ROLE_HARDEN_H

#include "common/err.h"

/*
 * No core dump, no debugger, no SIGPIPE, as many descriptors as the hard limit allows.  Sanitizer builds stay open to
 * a debugger: their leak checker is one.  ERR_IO with errno.
 */
MUST_CHECK enum err harden_process(void);

/* The debugger part again: a change of user may undo it.  ERR_IO with errno. */
MUST_CHECK enum err harden_against_debuggers(void);

#endif
