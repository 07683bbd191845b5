/*
 * What a relay takes from the configuration, in the units that it works with.
 */
#ifndef BROKER_RELAY_SETTINGS_H
#define BROKER_RELAY_SETTINGS_H

#include "broker/relay/side.h"
#include "common/config/config.h"
#include "common/ssh/transport.h"

struct settings {
	size_t read_bytes; /* at once, from one socket */
	size_t mark_bytes; /* while more waits for one side, the other is not read */
	size_t queue_bytes_max; /* of one connection */
	size_t queue_bytes_total_max; /* of all */
	uint32_t connections_max; /* no more than there are descriptors for */
	uint32_t global_requests_max;
	uint64_t keepalive_ms[SIDES]; /* 0: off */
	uint32_t misses_max;
	uint64_t rekey_bytes; /* 0: as the cipher says */
	uint64_t rekey_timeout_ms;
	uint64_t stop_ms; /* how long the goodbyes at the end of the process may take */
};

void settings_take(struct settings *s, const struct config *c);

/* What may wait for a side while what it sends itself is still taken. */
size_t settings_unread_max(const struct settings *s);

/* What may wait inside one transport for the end of a key exchange. */
size_t settings_waiting_max(const struct settings *s);

/*
 * The configurations that the legs borrow.  In later key exchanges a node leg asks for the cipher, the MAC and the host key
 * that it has, so one configuration does for all nodes, and packets go on fitting where they stand.
 */
struct leg_configs {
	struct transport_config client;
	struct transport_config node;
	char *kex, *ciphers, *macs, *host_keys, *offered_host_keys, *compression;
};

/* Fill *out, zeroed or filled before; a leg that borrows it goes on with the new values.  ERR_NOMEM: unchanged. */
MUST_CHECK enum err leg_configs_take(
	struct leg_configs *out, const struct settings *s, const struct config *c);
/* The host key algorithms that the keyholder has keys for; those of the configuration stay in their order. */
MUST_CHECK enum err leg_configs_set_host_keys(struct leg_configs *out, struct span algorithms);
void leg_configs_clear(struct leg_configs *c);

#endif
