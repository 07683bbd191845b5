/*
 * common/config: no text breaks the parser; it gives a configuration or errors, never both or neither.
 */
#include "common/config/config.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What every reader of the configuration relies on. */
static void
check_promises(const struct config *c)
{
	assert(c->listen.n >= 1 && c->host_keys.n >= 1 && c->user_ca_key != NULL);
	assert(c->run_dir != NULL && c->admin.socket != NULL && c->pools.n == 1);
	assert(c->limits.relay_read_bytes >= 4096 && c->limits.relay_mark_bytes >= 1024);
	for (size_t i = 0; i < c->pools.items[0].nodes.n; i++) {
		const struct config_node *node = &c->pools.items[0].nodes.items[i];

		assert(node->name != NULL && node->address != NULL && node->identity != NULL);
		assert(node->port >= 1 && node->port <= 65535 && node->host_keys.n >= 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = NULL;
	struct buf errors = {0};
	enum err e = config_parse(span_of(data, size), "/etc/sshbroker.json", &c, &errors);

	assert((e == OK) == (c != NULL) && (e == OK) == (errors.len == 0));
	if (c != NULL)
		check_promises(c);
	for (size_t i = 0; i < errors.len; i++)
		assert(errors.data[i] == '\n' || (errors.data[i] >= ' ' && errors.data[i] != 0x7f));
	config_free(c);
	buf_clear(&errors);
	return 0;
}
