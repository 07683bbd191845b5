/*
 * The nodes of the pool.
 */
#include "broker/director/nodes.h"

#include "common/ssh/key.h"
#include "common/ssh/wire.h"

#include <stdlib.h>

enum err
nodes_init(struct nodes *n)
{
	return table_init(&n->by_name, CONFIG_NODES_MAX);
}

static void
node_free(struct node *node)
{
	if (node == NULL)
		return;
	free(node->name);
	free(node->address);
	free(node->identity);
	buf_clear(&node->host_keys);
	free(node);
}

void
nodes_clear(struct nodes *n)
{
	struct node *next, *node = nodes_first(n);

	for (; node != NULL; node = next) {
		next = nodes_next(node);
		node_free(node);
	}
	table_clear(&n->by_name);
}

static enum err
pack_host_keys(const struct config_list *lines, struct buf *out)
{
	struct pubkey *key;
	enum err e = OK;

	for (size_t i = 0; i < lines->n && e == OK; i++) {
		e = pubkey_parse_line(span_str(lines->items[i]), &key);
		if (e != OK)
			break;
		e = wire_put_string(out, pubkey_blob(key));
		pubkey_free(key);
	}
	return e;
}

static enum err
node_new(const struct config_node *c, struct node **out)
{
	struct node *node = calloc(1, sizeof(*node));
	enum err e;

	if (node == NULL)
		return ERR_NOMEM;
	node->name = strdup(c->name);
	node->address = strdup(c->address);
	node->identity = strdup(c->identity != NULL ? c->identity : c->name);
	node->port = (uint16_t)c->port;
	node->weight = c->weight;
	node->users_max = c->users_max;
	buf_init(&node->host_keys, MSG_KEY_MAX);
	e = pack_host_keys(&c->host_keys, &node->host_keys);
	if (e == OK && (node->name == NULL || node->address == NULL || node->identity == NULL))
		e = ERR_NOMEM;
	if (e != OK)
		node_free(node);
	else
		*out = node;
	return e;
}

enum err
nodes_add(struct nodes *n, const struct config_node *c)
{
	struct node *node;
	enum err e = node_new(c, &node);

	if (e != OK)
		return e;
	e = table_add(&n->by_name, &node->entry, span_str(node->name));
	if (e != OK)
		node_free(node);
	return e;
}

static struct node *
node_of(struct table_entry *e)
{
	return e != NULL ? TABLE_OWNER(e, struct node, entry) : NULL;
}

struct node *
nodes_find(const struct nodes *n, struct span name)
{
	return node_of(table_find(&n->by_name, name));
}

struct node *
nodes_first(const struct nodes *n)
{
	return node_of(n->by_name.first);
}

struct node *
nodes_next(const struct node *node)
{
	return node_of(node->entry.next);
}

uint32_t
node_load(const struct node *node)
{
	return node->n_users + node->n_users_reserved;
}

bool
node_is_full(const struct node *node)
{
	return node->users_max > 0 && node->n_users >= node->users_max;
}

bool
node_is_reserved(const struct node *node)
{
	return node->users_max > 0 && node_load(node) >= node->users_max;
}

/* --- failures --- */

static bool
is_recent(const struct node_last_failure *f, uint64_t now_ms)
{
	return f->cause != NODE_FAILURE_NONE && !f->has_served_since &&
		now_ms - f->at_ms < NODES_FAILURE_HOLD_MS;
}

void
node_note_failure(struct node *node, enum node_failure cause, unsigned reporter, uint64_t now_ms)
{
	struct node_last_failure *f = &node->failure;
	bool is_recent_for_all = is_recent(f, now_ms) && f->reporter == NODE_REPORTER_ALL;

	f->n_total++;
	/* One gate alone does not make last what all go by. */
	if (is_recent_for_all && reporter != NODE_REPORTER_ALL)
		return;
	if (is_recent(f, now_ms) && f->reporter != reporter)
		reporter = NODE_REPORTER_ALL;
	f->cause = cause;
	f->reporter = reporter;
	f->at_ms = now_ms;
	f->has_served_since = false;
}

void
node_note_success(struct node *node)
{
	node->failure.has_served_since = true;
}

bool
node_failed_lately(const struct node *node, unsigned reporter, uint64_t now_ms)
{
	const struct node_last_failure *f = &node->failure;

	return is_recent(f, now_ms) &&
		(f->reporter == reporter || f->reporter == NODE_REPORTER_ALL ||
			reporter == NODE_REPORTER_ALL);
}

const char *
node_failure_text(enum node_failure cause)
{
	static const char *const texts[NODE_FAILURE_COUNT] = {
		[NODE_FAILURE_NONE] = "none",
		[NODE_FAILURE_CLOSED] = "it closed the connection early",
		[NODE_FAILURE_TIMEOUT] = "no answer in time",
		[NODE_FAILURE_PROTOCOL] = "it does not speak SSH as it should",
		[NODE_FAILURE_HOST_KEY] = "wrong host key",
		[NODE_FAILURE_REFUSED] = "refused or unreachable",
	};

	return (unsigned)cause < NODE_FAILURE_COUNT ? texts[cause] : "unknown";
}

/* --- methods --- */

/* Append name to a list that holds at most MSG_METHODS_MAX characters; false: it is there already, or does not fit. */
static bool
add_name(char list[MSG_METHODS_MAX + 1], struct span name)
{
	size_t len = strlen(list);

	if (wire_namelist_has(span_of(list, len), name))
		return false;
	if (len + 1 + name.len > MSG_METHODS_MAX)
		return false;
	if (len > 0)
		list[len++] = ',';
	memcpy(list + len, name.ptr, name.len);
	list[len + name.len] = '\0';
	return true;
}

static bool
add_names(char list[MSG_METHODS_MAX + 1], struct span names)
{
	bool is_new = false;
	struct span name;

	while (wire_namelist_next(&names, &name)) {
		if (wire_namelist_has(span_str(MSG_METHODS_CARRIED "," MSG_METHOD_NONE), name) &&
			add_name(list, name))
			is_new = true;
	}
	return is_new;
}

bool
node_learn_methods(struct node *node, struct span methods)
{
	return add_names(node->methods, methods);
}

const char *
nodes_known_methods(const struct nodes *n, char out[MSG_METHODS_MAX + 1])
{
	out[0] = '\0';
	for (const struct node *node = nodes_first(n); node != NULL; node = nodes_next(node))
		(void)add_names(out, span_str(node->methods));
	return out;
}
