/*
 * What no single key of the configuration shows.
 */
#include "common/config/config_rules.h"

#include "common/config/config_table.h"

#include <stdio.h>
#include <stdlib.h>

#define ADMIN_SOCKET_NAME "admin.sock"

static enum err
derive_pool(struct config_pool *pool)
{
	for (size_t i = 0; i < pool->nodes.n; i++) {
		struct config_node *node = &pool->nodes.items[i];

		if (node->identity != NULL || node->name == NULL)
			continue;
		node->identity = strdup(node->name);
		if (node->identity == NULL)
			return ERR_NOMEM;
	}
	return OK;
}

enum err
config_derive(struct config *c)
{
	enum err e = OK;

	if (c->admin.socket == NULL && c->run_dir != NULL &&
		asprintf(&c->admin.socket, "%s/" ADMIN_SOCKET_NAME, c->run_dir) < 0) {
		c->admin.socket = NULL;
		return ERR_NOMEM;
	}
	for (size_t i = 0; i < c->pools.n && e == OK; i++)
		e = derive_pool(&c->pools.items[i]);
	return e;
}

static bool
same_text(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* Two nodes of one identity would accept each other's certificates.  n_pool is the pool's place. */
static void
check_node_pair(const struct config *c, size_t n_pool, size_t i, size_t j, struct config_report *r)
{
	const struct config_node *nodes = c->pools.items[n_pool].nodes.items;
	const struct config_node *a = &nodes[i], *b = &nodes[j];
	char path[CONFIG_PATH_SIZE];

	if (same_text(a->name, b->name)) {
		snprintf(path, sizeof(path), "pools[%zu].nodes[%zu].name", n_pool, j);
		config_report_add(r, path, "\"%s\" is the name of nodes[%zu] already", b->name, i);
	} else if (same_text(a->identity, b->identity)) {
		snprintf(path, sizeof(path), "pools[%zu].nodes[%zu].identity", n_pool, j);
		config_report_add(
			r, path, "\"%s\" is the identity of nodes[%zu] already", b->identity, i);
	}
}

static void
check_nodes(const struct config *c, size_t n_pool, struct config_report *r)
{
	for (size_t j = 1; j < c->pools.items[n_pool].nodes.n; j++) {
		for (size_t i = 0; i < j; i++)
			check_node_pair(c, n_pool, i, j, r);
	}
}

/* 0.0.0.0 or [::] */
static bool
is_every_address(const struct addr *a)
{
	static const uint8_t none[sizeof(a->ip)];

	return memcmp(a->ip, none, a->family == 4 ? 4 : sizeof(none)) == 0;
}

/* The system would say of the second of them that it is in use, and the cause would be looked for elsewhere. */
static void
check_listen_pair(const struct config_listen *listen, size_t i, size_t j, struct config_report *r)
{
	const struct addr *a = &listen->items[i], *b = &listen->items[j];
	char path[CONFIG_PATH_SIZE], text[ADDR_TEXT_SIZE];

	if (b->port == 0 || a->port != b->port || a->family != b->family)
		return;
	(void)snprintf(path, sizeof(path), "listen[%zu]", j);
	(void)addr_text(b, text);
	if (addr_same_ip(a, b))
		config_report_add(r, path, "%s is listen[%zu] already", text, i);
	else if (is_every_address(a))
		config_report_add(r, path, "%s is one of the addresses of listen[%zu]", text, i);
	else if (is_every_address(b))
		config_report_add(r, path, "%s has listen[%zu] among its addresses", text, i);
}

static void
check_listen(const struct config_listen *listen, struct config_report *r)
{
	for (size_t j = 1; j < listen->n; j++) {
		for (size_t i = 0; i < j; i++)
			check_listen_pair(listen, i, j, r);
	}
}

/* With a user in common, one role that was taken over can stop the other, and read what it may read. */
static void
check_users(const struct config *c, struct config_report *r)
{
	const struct {
		const char *path, *user;
	} roles[] = {
		{"roles.director_user", c->roles.director_user},
		{"roles.keyholder_user", c->roles.keyholder_user},
		{"roles.gate_user", c->roles.gate_user},
		{"roles.relay_user", c->roles.relay_user},
	};

	for (size_t j = 1; j < ARRAY_LEN(roles); j++) {
		for (size_t i = 0; i < j; i++) {
			if (same_text(roles[i].user, roles[j].user))
				config_report_add(r, roles[j].path,
					"\"%s\" is %s already: each role needs a user of its own",
					roles[j].user, roles[i].path);
		}
	}
}

void
config_check_names(const struct config *c, struct config_report *r)
{
	check_listen(&c->listen, r);
	check_users(c, r);
	for (size_t i = 0; i < c->pools.n; i++)
		check_nodes(c, i, r);
}

static void
check_at_most(const char *path, uint64_t value, const char *other_path, uint64_t other,
	struct config_report *r)
{
	if (value > other)
		config_report_add(r, path, "%llu is more than %s (%llu)", (unsigned long long)value,
			other_path, (unsigned long long)other);
}

void
config_check_limits(const struct config *c, struct config_report *r)
{
	check_at_most("roles.restart_delay_ms", c->roles.restart_delay_ms,
		"roles.restart_delay_max_ms", c->roles.restart_delay_max_ms, r);
	check_at_most("limits.queue_bytes_max", c->limits.queue_bytes_max,
		"limits.queue_bytes_total_max", c->limits.queue_bytes_total_max, r);
	check_at_most("limits.relay_mark_bytes", c->limits.relay_mark_bytes,
		"limits.queue_bytes_max", c->limits.queue_bytes_max, r);
}
