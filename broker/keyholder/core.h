/*
 * What every operation of the keyholder works on.
 */
#ifndef BROKER_KEYHOLDER_CORE_H
#define BROKER_KEYHOLDER_CORE_H

#include "broker/keyholder/keys.h"
#include "broker/keyholder/sessions.h"
#include "common/config/config.h"

/* Seconds since 1970. */
struct keyholder_clock {
	uint64_t (*now_s)(void *arg); /* as the machine has it: what certificates are dated by */
	uint64_t (*steady_s)(void *arg); /* never set back or forth: what lasts is measured by it */
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

static inline uint64_t
core_steady_s(const struct core *c)
{
	return c->clock.steady_s(c->clock.arg);
}

static inline struct fresh_query
core_fresh_query(const struct core *c, const struct role_peer *gate)
{
	return (struct fresh_query){
		.keys = c->keys,
		.gate = gate,
		.now_s = core_steady_s(c),
		.login_grace_s = c->config->limits.login_grace_s,
	};
}

/* Has the user had all the time that there is to log in?  The gate ends such logins; the keyholder does not rely on it. */
static inline bool
core_session_is_late(const struct core *c, const struct session *session)
{
	return core_steady_s(c) > session->begun_at_s + c->config->limits.login_grace_s;
}

#endif
