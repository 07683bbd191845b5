/*
 * Every key of the configuration, once: what parser, defaults, ranges, JSON Schema, and the checks of the example and
 * the manual are made from.
 *
 * X(member, type, shape, default, min, max, help).  member is the key's path and the struct member alike.  type is one
 * of config_types.h.  The default is JSON text, CONFIG_REQUIRED or CONFIG_ABSENT.  min and max bound the number, the
 * characters of a text, or the entries of a LIST.
 */
#ifndef COMMON_CONFIG_CONFIG_KEYS_H
#define COMMON_CONFIG_CONFIG_KEYS_H

/* A table. */
/* clang-format off */

#define CONFIG_ROOT_KEYS(X) \
	X(listen, LISTEN, LIST, "[\"0.0.0.0:22\", \"[::]:22\"]", 1, CONFIG_LISTEN_MAX, \
		"Addresses and ports that clients connect to.") \
	X(host_keys, PATH, LIST, CONFIG_REQUIRED, 1, CONFIG_HOST_KEYS_MAX, \
		"Private host keys that clients see. The first of each type is used; all are announced, so that clients learn the next one before it is. Relative paths begin at the folder of this file.") \
	X(user_ca_key, PATH, ONE, CONFIG_REQUIRED, 1, 1024, \
		"Private key that signs the certificates for the nodes. Each node trusts its public half.") \
	X(run_dir, PATH, ONE, "\"/run/sshbroker\"", 1, 1024, \
		"Folder for sockets and the process id. It is made at start.") \
	X(banner, PATH, ONE, CONFIG_ABSENT, 1, 1024, \
		"Text file that clients are shown before they log in. None if absent.") \
	X(admin.socket, PATH, ONE, CONFIG_ABSENT, 1, 1024, \
		"Unix socket of sshbrokerctl. It is admin.sock in run_dir if absent.") \
	X(admin.mode, MODE, ONE, "\"0660\"", 3, 4, \
		"Permission bits of the admin socket, octal.") \
	X(admin.group, GROUP, ONE, CONFIG_ABSENT, 1, 64, \
		"Group of the admin socket, by name or number. The group of the process if absent.") \
	X(roles.gates, COUNT, ONE, "0", 0, CONFIG_GATES_MAX, \
		"Processes that log clients in. 0 is one per core.") \
	X(roles.relays, COUNT, ONE, "0", 0, CONFIG_RELAYS_MAX, \
		"Processes that relay the connections of logged-in users. 0 is one per core.") \
	X(roles.director_user, USER, ONE, "\"sshbroker-director\"", 1, 64, \
		"User that the director runs as, by name or number, when started by root.") \
	X(roles.keyholder_user, USER, ONE, "\"sshbroker-keyholder\"", 1, 64, \
		"User that the keyholder runs as. The private keys are handed to no other process.") \
	X(roles.gate_user, USER, ONE, "\"sshbroker-gate\"", 1, 64, \
		"User that the gates run as.") \
	X(roles.relay_user, USER, ONE, "\"sshbroker-relay\"", 1, 64, \
		"User that the relays run as.") \
	X(roles.restart_delay_ms, MILLISECONDS, ONE, "500", 10, 600000, \
		"Pause before a process that died is started again. It doubles with each death in a row.") \
	X(roles.restart_delay_max_ms, MILLISECONDS, ONE, "30000", 10, 3600000, \
		"Where the doubling of the pause ends.") \
	X(roles.stop_timeout_s, SECONDS, ONE, "10", 1, 3600, \
		"How long a process may take to stop before it is killed.") \
	X(pools, POOL, LIST, CONFIG_REQUIRED, 1, CONFIG_POOLS_MAX, \
		"The pools of nodes. Exactly one for now.") \
	X(limits.login_grace_s, SECONDS, ONE, "120", 1, 3600, \
		"A client that has not logged in after this time is disconnected.") \
	X(limits.unauthenticated_max, COUNT, ONE, "500", 1, 100000, \
		"Clients that may be logging in at the same time.") \
	X(limits.unauthenticated_per_source_max, COUNT, ONE, "50", 1, 100000, \
		"The same, from one source address.") \
	X(limits.node_dials_unauthenticated_max, COUNT, ONE, "8", 1, 10000, \
		"Connections to one node on which nobody has logged in yet. Keep it below the node's MaxStartups.") \
	X(limits.auth_tries_max, COUNT, ONE, "20", 1, 1000, \
		"Authentication requests of one connection that may fail. Four times as many may be made.") \
	X(limits.node_connect_timeout_ms, MILLISECONDS, ONE, "5000", 10, 600000, \
		"How long connecting to a node may take before the next node is tried.") \
	X(limits.node_login_timeout_ms, MILLISECONDS, ONE, "20000", 10, 600000, \
		"How long the key exchange with a node may take before the next node is tried.") \
	X(limits.node_tries_max, COUNT, ONE, "5", 1, 100, \
		"Nodes that are tried for one login.") \
	X(limits.connections_max, COUNT, ONE, "20000", 1, 1000000, \
		"Client connections in total.") \
	X(limits.placement_wait_s, SECONDS, ONE, "10", 1, 600, \
		"How long a login waits where other logins have taken all places, and for a director or " \
		"keyholder that is being restarted.") \
	X(limits.handover_timeout_s, SECONDS, ONE, "10", 1, 600, \
		"How long handing a connection from its gate to a relay may take.") \
	X(limits.queue_bytes_max, BYTES, ONE, "1048576", 65536, 1073741824, \
		"Data of one connection that waits for a slow receiver, in memory.") \
	X(limits.queue_bytes_total_max, BYTES, ONE, "268435456", 1048576, 1099511627776, \
		"The same for all connections of one relay.") \
	X(limits.global_requests_max, COUNT, ONE, "128", 1, 65536, \
		"Global requests of one connection that may wait for their reply, per direction.") \
	X(limits.relay_read_bytes, BYTES, ONE, "262144", 4096, 16777216, \
		"How much a relay reads from a connection at once.") \
	X(limits.relay_mark_bytes, BYTES, ONE, "262144", 1024, 67108864, \
		"When more than this waits for one side of a connection, the other side is not read.") \
	X(keepalive.client_interval_s, SECONDS, ONE, "60", 0, 86400, \
		"A client that was silent for this long is asked for a sign of life. 0 is never.") \
	X(keepalive.node_interval_s, SECONDS, ONE, "60", 0, 86400, \
		"The same for the node's side of a connection.") \
	X(keepalive.misses_max, COUNT, ONE, "3", 1, 100, \
		"Unanswered requests after which the connection is ended.") \
	X(rekey.bytes_max, BYTES_OR_0, ONE, "0", 65536, 1099511627776, \
		"Bytes after which new keys are agreed on. 0 is what suits the cipher.") \
	X(rekey.timeout_s, SECONDS, ONE, "120", 1, 3600, \
		"How long agreeing on new keys may take before the connection is ended.") \
	X(certificate.source_addresses, NETWORK, LIST, "[]", 0, 64, \
		"Addresses or networks from which the nodes see the broker. None is the address that the broker connects from.") \
	X(certificate.lifetime_s, SECONDS, ONE, "120", 1, 86400, \
		"How far into the future a certificate for a node is valid.") \
	X(certificate.backdate_s, SECONDS, ONE, "300", 0, 86400, \
		"How far into the past it is valid, for nodes whose clock is slow.") \
	X(auth.system_users, SYSTEM_USERS, ONE, "\"refuse\"", 1, 16, \
		"Whether root and system users may log in with a key.") \
	X(auth.allowed_system_users, USER, LIST, "[]", 0, 64, \
		"System users that may log in with a key all the same, for example root.") \
	X(algorithms.kex, KEX, LIST, "[]", 0, 16, \
		"Key exchange methods, best first. None is the built-in list.") \
	X(algorithms.ciphers, CIPHER, LIST, "[]", 0, 16, \
		"Ciphers, best first. None is the built-in list.") \
	X(algorithms.macs, MAC, LIST, "[]", 0, 16, \
		"MACs for ciphers that need one (aes*-ctr), best first. None is the built-in list.") \
	X(algorithms.host_keys, SIGNATURE, LIST, "[]", 0, 16, \
		"Host key algorithms, best first. None is the built-in list.") \
	X(algorithms.compression, COMPRESSION, LIST, "[]", 0, 4, \
		"Compression methods for the leg of the client, best first. None is the built-in list.") \
	X(log.level, LOG_LEVEL, ONE, "\"info\"", 1, 16, \
		"The least important lines that are logged.")

#define CONFIG_POOL_KEYS(X) \
	X(name, NAME, ONE, CONFIG_REQUIRED, 1, CONFIG_NODE_NAME_MAX, \
		"Name of the pool in logs and the admin view.") \
	X(nodes, NODE, LIST, CONFIG_REQUIRED, 1, CONFIG_NODES_MAX, \
		"The machines that users are placed on.")

#define CONFIG_NODE_KEYS(X) \
	X(name, NAME, ONE, CONFIG_REQUIRED, 1, CONFIG_NODE_NAME_MAX, \
		"Name of the node, unique in its pool.") \
	X(address, HOST, ONE, CONFIG_REQUIRED, 1, 253, \
		"Where its sshd is, an IP address or a host name.") \
	X(port, PORT, ONE, "22", 1, 65535, \
		"Port of its sshd.") \
	X(weight, COUNT, ONE, "100", 1, 10000, \
		"Its share of the users, relative to the other nodes.") \
	X(host_keys, PUBLIC_KEY, LIST, CONFIG_REQUIRED, 1, CONFIG_NODE_HOST_KEYS_MAX, \
		"Public host keys of its sshd, as in its .pub files. A node that shows another key is not used.") \
	X(identity, NAME, ONE, CONFIG_ABSENT, 1, CONFIG_NODE_NAME_MAX, \
		"What certificates for this node are bound to, as set up on the node. Its name if absent.") \
	X(users_max, COUNT, ONE, "0", 0, 1000000, \
		"Users that are placed there at the same time. 0 is no limit.")

/* clang-format on */

#endif
