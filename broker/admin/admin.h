/*
 * The admin API: what the director knows, as JSON over HTTP on a unix socket.
 */
#ifndef BROKER_ADMIN_ADMIN_H
#define BROKER_ADMIN_ADMIN_H

#include "common/err.h"

struct admin;
struct state;

/* Serve on a listening socket.  Borrows both for its life.  *out is owned.  ERR_NOMEM. */
MUST_CHECK enum err admin_new(struct state *s, int listen_fd, struct admin **out);
/* NULL does nothing. */
void admin_free(struct admin *a);

#endif
