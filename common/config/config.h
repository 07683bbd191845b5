/*
 * The configuration of the broker: one JSON file with comments, read into one plain struct that nobody changes.
 *
 * The keys are one list (config_keys.h) that makes parser, defaults, ranges, JSON Schema and the checks of example and
 * manual.  A member here has its key's name: limits.login_grace_s is c->limits.login_grace_s.
 */
#ifndef COMMON_CONFIG_CONFIG_H
#define COMMON_CONFIG_CONFIG_H

#include "common/addr.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/span.h"

/* The largest file that is read, in bytes. */
#define CONFIG_SIZE_MAX ((size_t)1 << 20)
/* The errors that are reported at once; the rest is counted. */
#define CONFIG_ERRORS_MAX 50

#define CONFIG_LISTEN_MAX 16
#define CONFIG_HOST_KEYS_MAX 8
#define CONFIG_GATES_MAX 64
#define CONFIG_RELAYS_MAX 64
#define CONFIG_POOLS_MAX 1
#define CONFIG_NODES_MAX 1024
#define CONFIG_NODE_HOST_KEYS_MAX 16
#define CONFIG_NODE_NAME_MAX 64

/* Texts in the order of the file.  n is 0 where the key is absent and has no default. */
struct config_list {
	char **items;
	size_t n;
};

struct config_listen {
	struct addr *items; /* port 0: the system chooses */
	size_t n;
};

struct config_node {
	char *name; /* [A-Za-z0-9._-]{1,64}, unique in the pool */
	char *address; /* an IP address or a host name */
	uint32_t port;
	uint32_t weight;
	struct config_list host_keys; /* "ssh-ed25519 AAAA..." each; at least one */
	char *identity; /* what certificates are bound to, unique in the pool; the name by default */
	uint32_t users_max; /* 0: none */
};

struct config_node_list {
	struct config_node *items;
	size_t n;
};

struct config_pool {
	char *name;
	struct config_node_list nodes; /* at least one */
};

struct config_pool_list {
	struct config_pool *items; /* exactly one for now */
	size_t n;
};

enum config_system_users { CONFIG_SYSTEM_USERS_REFUSE = 0, CONFIG_SYSTEM_USERS_ALLOW };

/*
 * Plain data, never changed after config_parse.  Texts are NULL only where the comment says so.  Paths are absolute if
 * the file name that was parsed is; relative ones of the file stand below the file's own folder.
 */
struct config {
	char *file; /* the file name, as config_parse was given it; config_load makes it absolute */

	struct config_listen listen;
	struct config_list host_keys; /* paths of private keys */
	char *user_ca_key; /* path of the private key */
	char *run_dir;
	char *banner; /* path of a text file, or NULL */
	struct {
		char *socket;
		uint32_t mode; /* permission bits of the socket */
		char *group; /* name or decimal number, or NULL */
	} admin;
	struct {
		uint32_t gates; /* 0: one per core */
		uint32_t relays; /* 0: one per core */
		char *director_user; /* names or decimal uids */
		char *keyholder_user;
		char *gate_user;
		char *relay_user;
		uint32_t
			restart_delay_ms; /* before the first restart; doubled up to the next one */
		uint32_t restart_delay_max_ms;
		uint32_t stop_timeout_s;
	} roles;
	struct config_pool_list pools;
	struct {
		uint32_t login_grace_s;
		uint32_t unauthenticated_max;
		uint32_t unauthenticated_per_source_max;
		uint32_t node_dials_unauthenticated_max; /* per node */
		uint32_t auth_tries_max;
		uint32_t node_connect_timeout_ms;
		uint32_t node_login_timeout_ms;
		uint32_t node_tries_max; /* nodes per login */
		uint32_t connections_max;
		uint32_t placement_wait_s;
		uint32_t handover_timeout_s;
		uint64_t queue_bytes_max; /* per connection */
		uint64_t queue_bytes_total_max; /* per relay */
		uint32_t global_requests_max; /* outstanding, per direction */
		uint64_t relay_read_bytes;
		uint64_t relay_mark_bytes;
	} limits;
	struct {
		uint32_t client_interval_s; /* 0: off */
		uint32_t node_interval_s; /* 0: off */
		uint32_t misses_max;
	} keepalive;
	struct {
		uint64_t bytes_max; /* 0: by cipher */
		uint32_t timeout_s;
	} rekey;
	struct {
		struct config_list
			source_addresses; /* IP or CIDR each; none: the node leg's own address */
		uint32_t lifetime_s;
		uint32_t backdate_s;
	} certificate;
	struct {
		enum config_system_users system_users;
		struct config_list allowed_system_users;
	} auth;
	struct {
		struct config_list kex; /* none: the engine's own order, for all four */
		struct config_list ciphers;
		struct config_list macs;
		struct config_list host_keys;
		struct config_list compression;
	} algorithms;
	struct {
		enum log_level level;
	} log;
};

/*
 * Parse the text of a configuration; touches no file.  file_name stands in the errors and its folder is where relative
 * paths begin.  *out is owned.  Not OK: at least one line was appended to errors, each like
 * "FILE:14: pools[0].nodes[2].port: 70000 is not a port (1-65535)".  All errors are found, not only the first, save that
 * grammar comes before values and values before how numbers fit each other.
 * ERR_FORMAT: the text has errors.  ERR_LIMIT: it is larger than CONFIG_SIZE_MAX.  ERR_NOMEM.
 */
MUST_CHECK enum err config_parse(
	struct span text, const char *file_name, struct config **out, struct buf *errors);

/*
 * Read and parse the file at path (path stands in the errors as given).  As config_parse, and ERR_IO with errno.
 * If text is not NULL, the bytes read are appended to it: what other roles get, to parse with (*out)->file.
 */
MUST_CHECK enum err config_load(
	const char *path, struct config **out, struct buf *text, struct buf *errors);

/* NULL does nothing. */
void config_free(struct config *c);

/*
 * Are the files that c names there and usable: private keys readable, sound and readable by nobody else, all host keys
 * different ones and none the user CA key, the banner a short text?  Appends a line per finding as config_parse does.
 * ERR_FORMAT: findings.
 */
MUST_CHECK enum err config_check_files(const struct config *c, struct buf *errors);

/* What "-t" does: checks the file and what it names; prints errors or "PATH: configuration ok".  Returns 0 or 1. */
int config_test_main(const char *path);

#endif
