/*
 * What can be asked of the admin API.
 */
#include "broker/admin/routes.h"

#include "broker/admin/views.h"

#include <string.h>

static enum err list_routes(const struct state *s, cJSON *reply);

static const struct route routes[] = {
	{"GET", "/v1/status", ADMIN_ROLE_VIEWER, view_status,
		"The broker as a whole: since when, which processes, how many of what, limits."},
	{"GET", "/v1/nodes", ADMIN_ROLE_VIEWER, view_nodes,
		"The nodes: what is on them and what failed lately."},
	{"GET", "/v1/users", ADMIN_ROLE_VIEWER, view_users,
		"The users with connections or logins, and on which nodes."},
	{"GET", "/v1/connections", ADMIN_ROLE_VIEWER, view_connections,
		"The connections of logged-in users."},
	{"GET", "/v1/routes", ADMIN_ROLE_VIEWER, list_routes, "This list."},
};

static enum err
describe(const struct route *r, cJSON *list)
{
	cJSON *o = cJSON_CreateObject();

	if (!cJSON_AddItemToArray(list, o)) {
		cJSON_Delete(o);
		return ERR_NOMEM;
	}
	if (cJSON_AddStringToObject(o, "method", r->method) == NULL ||
		cJSON_AddStringToObject(o, "path", r->path) == NULL ||
		cJSON_AddStringToObject(o, "role", admin_role_name(r->role)) == NULL ||
		cJSON_AddStringToObject(o, "help", r->help) == NULL)
		return ERR_NOMEM;
	return OK;
}

static enum err
list_routes(const struct state *s, cJSON *reply)
{
	cJSON *list = cJSON_AddArrayToObject(reply, "routes");
	enum err e = list != NULL ? OK : ERR_NOMEM;

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(routes) && e == OK; i++)
		e = describe(&routes[i], list);
	return e;
}

enum route_match
routes_find(const char *method, const char *path, const struct route **out)
{
	enum route_match match = ROUTE_NOT_FOUND;

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		*out = &routes[i];
		if (method != NULL && strcmp(routes[i].method, method) == 0)
			return ROUTE_FOUND;
		match = ROUTE_OTHER_METHOD;
	}
	return match;
}

const char *
admin_role_name(enum admin_role role)
{
	static const char *const names[] = {
		[ADMIN_ROLE_NONE] = "none",
		[ADMIN_ROLE_VIEWER] = "viewer",
		[ADMIN_ROLE_OPERATOR] = "operator",
		[ADMIN_ROLE_ADMIN] = "admin",
	};

	return names[role];
}
