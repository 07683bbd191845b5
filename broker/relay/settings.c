/*
 * What a relay takes from the configuration.
 */
#include "broker/relay/settings.h"

#include "common/ssh/key.h"

#include <stdlib.h>
#include <sys/resource.h>

#define STOP_MARGIN_MS 1000
/* Links to all that there can be, those that take their place, and what one message may bring. */
#define FDS_BESIDES 200
#define FDS_PER_CONNECTION 2

/* A descriptor that a process has no room for is lost in receiving, and the link with it that it came on. */
static uint32_t
connections_max(const struct config *c)
{
	struct rlimit files;
	uint64_t n;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return c->limits.connections_max;
	n = files.rlim_cur > FDS_BESIDES ? (files.rlim_cur - FDS_BESIDES) / FDS_PER_CONNECTION : 1;
	return n < c->limits.connections_max ? (uint32_t)n : c->limits.connections_max;
}

void
settings_take(struct settings *s, const struct config *c)
{
	uint64_t stop_ms = (uint64_t)c->roles.stop_timeout_s * 1000;

	*s = (struct settings){
		.read_bytes = (size_t)c->limits.relay_read_bytes,
		.mark_bytes = (size_t)c->limits.relay_mark_bytes,
		.queue_bytes_max = (size_t)c->limits.queue_bytes_max,
		.queue_bytes_total_max = (size_t)c->limits.queue_bytes_total_max,
		.connections_max = connections_max(c),
		.global_requests_max = c->limits.global_requests_max,
		.keepalive_ms = {[SIDE_CLIENT] = (uint64_t)c->keepalive.client_interval_s * 1000,
			[SIDE_NODE] = (uint64_t)c->keepalive.node_interval_s * 1000},
		.misses_max = c->keepalive.misses_max,
		.rekey_bytes = c->rekey.bytes_max,
		.rekey_timeout_ms = (uint64_t)c->rekey.timeout_s * 1000,
		/* The supervisor kills after stop_timeout_s: be done before. */
		.stop_ms = stop_ms > 2 * STOP_MARGIN_MS ? stop_ms - STOP_MARGIN_MS : stop_ms / 2,
	};
}

size_t
settings_unread_max(const struct settings *s)
{
	return s->queue_bytes_max + s->mark_bytes + s->read_bytes;
}

/*
 * Reading stops in time for all that may be waiting then: a full queue, what one read brought, and a packet that was
 * begun.
 */
size_t
settings_waiting_max(const struct settings *s)
{
	return settings_unread_max(s) + 2 * PACKET_SIZE_MAX;
}

/* One owned string of comma-separated names. */
static enum err
join(const struct config_list *list, const char *otherwise, char **out)
{
	struct buf b = {0};
	enum err e = OK;

	for (size_t i = 0; i < list->n && e == OK; i++) {
		e = i > 0 ? buf_append(&b, ",", 1) : OK;
		if (e == OK)
			e = buf_append_span(&b, span_str(list->items[i]));
	}
	if (e == OK && list->n == 0)
		e = buf_append_span(&b, span_str(otherwise));
	if (e == OK)
		e = buf_append(&b, "", 1);
	if (e == OK) {
		*out = strdup((const char *)buf_span(&b).ptr);
		e = *out != NULL ? OK : ERR_NOMEM;
	}
	buf_clear(&b);
	return e;
}

/* What both of names and have name, in the order of names; all of names when that is nothing. */
static enum err
intersect(const char *names, struct span have, char **out)
{
	struct span left = span_str(names), name;
	struct buf b = {0};
	enum err e = OK;

	while (e == OK && wire_namelist_next(&left, &name)) {
		if (!wire_namelist_has(have, name))
			continue;
		e = b.len > 0 ? buf_append(&b, ",", 1) : OK;
		if (e == OK)
			e = buf_append_span(&b, name);
	}
	if (e == OK) {
		*out = b.len > 0 ? strndup((const char *)buf_span(&b).ptr, b.len) : strdup(names);
		e = *out != NULL ? OK : ERR_NOMEM;
	}
	buf_clear(&b);
	return e;
}

static enum err
make_names(struct leg_configs *c, const struct config *config)
{
	enum err e;

	e = join(&config->algorithms.kex, kex_names(), &c->kex);
	if (e == OK)
		e = join(&config->algorithms.ciphers, cipher_names(), &c->ciphers);
	if (e == OK)
		e = join(&config->algorithms.macs, mac_names(), &c->macs);
	if (e == OK)
		e = join(&config->algorithms.host_keys, sigalg_names(), &c->host_keys);
	if (e == OK)
		e = join(&config->algorithms.compression, compression_names(), &c->compression);
	return e;
}

static void
point(struct leg_configs *c, const struct settings *s)
{
	c->client = (struct transport_config){
		.role = TRANSPORT_SERVER,
		/* A state that is read back brings the identification string with it. */
		.ident = "",
		.kex = c->kex,
		.ciphers = c->ciphers,
		.compression = c->compression,
		.macs = c->macs,
		.host_keys = c->offered_host_keys != NULL ? c->offered_host_keys : c->host_keys,
		.rekey_bytes = s->rekey_bytes,
		.waiting_max = settings_waiting_max(s),
	};
	c->node = c->client;
	c->node.role = TRANSPORT_CLIENT;
	c->node.host_keys = NULL;
	c->node.compression = NULL;
}

enum err
leg_configs_take(struct leg_configs *out, const struct settings *s, const struct config *c)
{
	struct leg_configs made = {0};
	enum err e = make_names(&made, c);

	if (e == OK && out->offered_host_keys != NULL)
		/* Nothing leaks; the checker loses sight of made.  NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		e = intersect(
			made.host_keys, span_str(out->offered_host_keys), &made.offered_host_keys);
	if (e != OK) {
		leg_configs_clear(&made);
		return e;
	}
	leg_configs_clear(out);
	*out = made;
	point(out, s);
	return OK;
}

enum err
leg_configs_set_host_keys(struct leg_configs *out, struct span algorithms)
{
	char *offered;
	enum err e = intersect(out->host_keys, algorithms, &offered);

	if (e != OK)
		return e;
	free(out->offered_host_keys);
	out->offered_host_keys = offered;
	out->client.host_keys = offered;
	return OK;
}

void
leg_configs_clear(struct leg_configs *c)
{
	free(c->kex);
	free(c->ciphers);
	free(c->macs);
	free(c->host_keys);
	free(c->offered_host_keys);
	free(c->compression);
	*c = (struct leg_configs){0};
}
