/*
 * The limits that the roles watch over.
 */
#include "broker/messages/limits.h"

/* How the maximum stands in the configuration. */
enum shape { BUILT_IN = 0, NUMBER_32, NUMBER_64 };

static const struct {
	const char *name;
	enum shape shape;
	size_t offset;
} limits[LIMIT_COUNT] = {
#define CONFIGURED(member, shape)                                                                  \
	{                                                                                          \
#member, shape, offsetof(struct config, member)                                    \
	}
	[LIMIT_UNAUTHENTICATED] = CONFIGURED(limits.unauthenticated_max, NUMBER_32),
	[LIMIT_UNAUTHENTICATED_PER_SOURCE] = CONFIGURED(
		limits.unauthenticated_per_source_max, NUMBER_32),
	[LIMIT_NODE_DIALS_UNAUTHENTICATED] = CONFIGURED(
		limits.node_dials_unauthenticated_max, NUMBER_32),
	[LIMIT_NODE_CONNECT_TIMEOUT] = CONFIGURED(limits.node_connect_timeout_ms, NUMBER_32),
	[LIMIT_NODE_TRIES] = CONFIGURED(limits.node_tries_max, NUMBER_32),
	[LIMIT_CONNECTIONS] = CONFIGURED(limits.connections_max, NUMBER_32),
	[LIMIT_PLACEMENT_WAIT] = CONFIGURED(limits.placement_wait_s, NUMBER_32),
	[LIMIT_HANDOVER_TIMEOUT] = CONFIGURED(limits.handover_timeout_s, NUMBER_32),
	[LIMIT_LOGIN_GRACE] = CONFIGURED(limits.login_grace_s, NUMBER_32),
	[LIMIT_AUTH_TRIES] = CONFIGURED(limits.auth_tries_max, NUMBER_32),
	[LIMIT_NODE_LOGIN_TIMEOUT] = CONFIGURED(limits.node_login_timeout_ms, NUMBER_32),
	[LIMIT_QUEUE_BYTES] = CONFIGURED(limits.queue_bytes_max, NUMBER_64),
	[LIMIT_QUEUE_BYTES_TOTAL] = CONFIGURED(limits.queue_bytes_total_max, NUMBER_64),
	[LIMIT_RELAY_MARK] = CONFIGURED(limits.relay_mark_bytes, NUMBER_64),
	[LIMIT_GLOBAL_REQUESTS] = CONFIGURED(limits.global_requests_max, NUMBER_32),
	[LIMIT_KEEPALIVE_MISSES] = CONFIGURED(keepalive.misses_max, NUMBER_32),
	[LIMIT_REKEY_TIMEOUT] = CONFIGURED(rekey.timeout_s, NUMBER_32),
	[LIMIT_SIGN_TURNS] = {"keyholder.questions_max", BUILT_IN, 0},
	[LIMIT_GATE_GOODBYES] = {"gate.goodbyes_max", BUILT_IN, 0},
	[LIMIT_GATE_PACKET_BYTES] = {"gate.packet_bytes_max", BUILT_IN, 0},
	[LIMIT_GATE_UNREAD_BYTES] = {"gate.unread_bytes_max", BUILT_IN, 0},
	[LIMIT_GATE_BANNER_BYTES] = {"gate.banner_bytes_max", BUILT_IN, 0},
	[LIMIT_GATE_KEY_EXCHANGES] = {"gate.key_exchanges_max", BUILT_IN, 0},
	[LIMIT_RELAY_UNREAD_BYTES] = {"relay.unread_bytes_max", BUILT_IN, 0},
	[LIMIT_RELAY_PACKET_TIME] = {"relay.packet_time_max_s", BUILT_IN, 0},
	[LIMIT_RELAY_HOSTKEY_PROOFS] = {"relay.hostkey_proofs_max", BUILT_IN, 0},
#undef CONFIGURED
};

const char *
limit_name(enum limit limit)
{
	return limits[limit].name;
}

bool
limit_max(const struct config *c, enum limit limit, uint64_t *out)
{
	const void *at = (const char *)c + limits[limit].offset;

	switch (limits[limit].shape) {
	case NUMBER_32:
		*out = *(const uint32_t *)at;
		return true;
	case NUMBER_64:
		*out = *(const uint64_t *)at;
		return true;
	case BUILT_IN:
		break;
	}
	return false;
}

void
limit_hit(struct limit_report *r, enum limit limit)
{
	r->of[limit].n_hits++;
}

void
limit_set_now(struct limit_report *r, enum limit limit, uint64_t now)
{
	r->of[limit].now = now;
	r->of[limit].has_now = true;
}

void
limit_set_max(struct limit_report *r, enum limit limit, uint64_t max)
{
	r->of[limit].max = max;
}

static bool
is_news(const struct limit_use *use, const struct limit_use *told)
{
	return use->n_hits != told->n_hits || use->now != told->now || use->max != told->max ||
		use->has_now != told->has_now;
}

void
limit_report_send(struct limit_report *r, limit_send_fn send, void *arg)
{
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		struct msg_limit_use m = {
			.limit = (uint8_t)i,
			.n_hits = r->of[i].n_hits,
			.now = r->of[i].now,
			.max = r->of[i].max,
			.has_now = r->of[i].has_now,
		};

		if (is_news(&r->of[i], &r->told[i]) && send(arg, &m))
			r->told[i] = r->of[i];
	}
}

void
limit_report_again(struct limit_report *r)
{
	memset(r->told, 0, sizeof(r->told));
}
