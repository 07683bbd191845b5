/*
 * What every operation of the keyholder works on.
 */
#ifndef BROKER_KEYHOLDER_CORE_H
#define BROKER_KEYHOLDER_CORE_H

#include "broker/keyholder/keys.h"
#include "broker/keyholder/sessions.h"
#include "common/config/config.h"

/* Seconds since 1970: what certificates are dated by. */
struct keyholder_clock {
	uint64_t (*now_s)(void *arg);
	void *arg;
};

/* Plain data, all borrowed. */
struct core {
	const struct config *config;
	const struct keys *keys;
	struct sessions *sessions;
	struct keyholder_clock clock;
	/* Is there a link to this process? */
	bool (*is_linked)(void *arg, const struct role_peer *peer);
	void *is_linked_arg;
};

#endif
