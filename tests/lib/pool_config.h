/*
 * A configuration of a small pool, for tests of what works on one.
 */
#ifndef TESTS_LIB_POOL_CONFIG_H
#define TESTS_LIB_POOL_CONFIG_H

#include "common/config/config.h"

/* The public host key of every node. */
#define POOL_CONFIG_HOST_KEY                                                                       \
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8ivvkONT+fAgIt8JgnrIbDyHNRqHGiOadvYUgit3eR"

struct pool_config_node {
	const char *name;
	const char *address; /* NULL: 127.0.0.1 */
	uint16_t port; /* 0: 22 */
	uint32_t weight; /* 0: 100 */
	uint32_t users_max;
};

/*
 * A sound configuration with these nodes.  limits is the inside of the JSON object "limits", "" for the defaults.
 * Owned; a failure ends the test.
 */
struct config *pool_config_new(
	const struct pool_config_node *nodes, size_t n_nodes, const char *limits);

#endif
