/*
 * The limits that the director watches over.
 */
#include "broker/director/limits.h"

#include "common/log.h"

#include <inttypes.h>

static const struct {
	const char *name;
	size_t offset;
} limits[LIMIT_COUNT] = {
#define LIMIT(member)                                                                              \
	{                                                                                          \
		"limits." #member, offsetof(struct config, limits.member)                          \
	}
	[LIMIT_UNAUTHENTICATED] = LIMIT(unauthenticated_max),
	[LIMIT_UNAUTHENTICATED_PER_SOURCE] = LIMIT(unauthenticated_per_source_max),
	[LIMIT_NODE_DIALS_UNAUTHENTICATED] = LIMIT(node_dials_unauthenticated_max),
	[LIMIT_NODE_CONNECT_TIMEOUT] = LIMIT(node_connect_timeout_ms),
	[LIMIT_NODE_TRIES] = LIMIT(node_tries_max),
	[LIMIT_CONNECTIONS] = LIMIT(connections_max),
	[LIMIT_PLACEMENT_WAIT] = LIMIT(placement_wait_s),
	[LIMIT_HANDOVER_TIMEOUT] = LIMIT(handover_timeout_s),
	[LIMIT_LOGIN_GRACE] = LIMIT(login_grace_s),
#undef LIMIT
};

const char *
limit_name(enum limit limit)
{
	return limits[limit].name;
}

uint64_t
limit_max(const struct config *c, enum limit limit)
{
	return *(const uint32_t *)(const void *)((const char *)c + limits[limit].offset);
}

void
limits_hit(struct limits *l, const struct config *c, enum limit limit, uint64_t now_ms)
{
	uint64_t n = ++l->of[limit].n_hits, n_logged = l->of[limit].n_hits_logged;

	if (n_logged > 0 && now_ms - l->of[limit].logged_at_ms < LIMITS_LOG_INTERVAL_MS)
		return;
	log_warn("limit %s=%" PRIu64 " reached (%" PRIu64 " times since the last such line)",
		limit_name(limit), limit_max(c, limit), n - n_logged);
	l->of[limit].n_hits_logged = n;
	l->of[limit].logged_at_ms = now_ms;
}
