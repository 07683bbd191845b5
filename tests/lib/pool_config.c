/*
 * A configuration of a small pool.
 */
#include "tests/lib/pool_config.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static void PRINTF_LIKE(2, 3) append(struct buf *out, const char *format, ...)
{
	char text[1024];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	assert(len > 0 && (size_t)len < sizeof(text));
	assert(buf_append(out, text, (size_t)len) == OK);
}

static void
append_node(struct buf *out, const struct pool_config_node *n)
{
	append(out,
		"{\"name\": \"%s\", \"address\": \"%s\", \"port\": %u, \"weight\": %u, "
		"\"users_max\": %u, \"host_keys\": [\"" POOL_CONFIG_HOST_KEY "\"]}",
		n->name, n->address != NULL ? n->address : "127.0.0.1", n->port ? n->port : 22,
		n->weight ? n->weight : 100, n->users_max);
}

struct config *
pool_config_new(const struct pool_config_node *nodes, size_t n_nodes, const char *limits)
{
	struct buf text = {0}, errors = {0};
	struct config *c = NULL;

	append(&text, "{\"host_keys\": [\"k\"], \"user_ca_key\": \"c\", \"limits\": {%s}, ",
		limits);
	append(&text, "\"pools\": [{\"name\": \"p\", \"nodes\": [");
	for (size_t i = 0; i < n_nodes; i++) {
		append(&text, "%s", i > 0 ? ", " : " ");
		append_node(&text, &nodes[i]);
	}
	append(&text, "]}]}");
	if (config_parse(buf_span(&text), "/pool.json", &c, &errors) != OK)
		(void)fprintf(
			stderr, "%.*s\n", (int)errors.len, (const char *)buf_span(&errors).ptr);
	assert(c != NULL);
	buf_clear(&text);
	buf_clear(&errors);
	return c;
}
