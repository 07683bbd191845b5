/*
 * What can be asked of the admin API: one table of routes.
 */
#ifndef BROKER_ADMIN_ROUTES_H
#define BROKER_ADMIN_ROUTES_H

#include "common/err.h"

#include <cjson/cJSON.h>

struct state;

/* Each may do what those before it may. */
enum admin_role { ADMIN_ROLE_NONE = 0, ADMIN_ROLE_VIEWER, ADMIN_ROLE_OPERATOR, ADMIN_ROLE_ADMIN };

/* Fill reply, an object.  ERR_NOMEM. */
typedef enum err (*route_handler_fn)(const struct state *s, cJSON *reply);

struct route {
	const char *method;
	const char *path;
	enum admin_role role; /* the least that may call it */
	route_handler_fn handle;
	const char *help;
};

/* The version that stands in each reply.  Fields are only ever added to it. */
#define ROUTES_VERSION 1

enum route_match {
	ROUTE_NOT_FOUND = 0, /* no such path */
	ROUTE_OTHER_METHOD, /* the path exists, *out is one of its routes */
	ROUTE_FOUND,
};

/* Find the route; method may be NULL (one that no route has).  *out is static. */
enum route_match routes_find(const char *method, const char *path, const struct route **out);
/* "viewer", "operator", "admin".  Static. */
const char *admin_role_name(enum admin_role role);

#endif
