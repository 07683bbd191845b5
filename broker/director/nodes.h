/*
 * The nodes of the pool: what is configured, what is counted, and what went wrong lately.  No sockets, no clock.
 */
#ifndef BROKER_DIRECTOR_NODES_H
#define BROKER_DIRECTOR_NODES_H

#include "broker/messages/messages.h"
#include "common/buf.h"
#include "common/config/config.h"
#include "common/table.h"

/* A node that failed is put last for this long.  It is not removed: it may be the only one. */
#define NODES_FAILURE_HOLD_MS 30000

/*
 * Who says that a node failed: the director itself, or a gate.  A gate may be in wrong hands and lie, to send users where
 * it wants them, so that what one gate says counts for its own logins, and for all once a second one says it too.
 */
#define NODE_REPORTER_ALL 0U
#define NODE_REPORTER_GATE(index) ((index) + 1U)

struct node_last_failure {
	enum node_failure cause; /* NODE_FAILURE_NONE: it never failed */
	unsigned reporter;
	uint64_t at_ms;
	bool has_served_since;
	uint64_t n_total; /* since the start */
};

/* Plain data: read it freely, change it through these functions and those of users.h. */
struct node {
	struct table_entry entry; /* by name */
	char *name;
	char *address; /* an IP address or a host name */
	uint16_t port;
	uint32_t weight;
	uint32_t users_max; /* 0: none */
	char *identity;
	struct buf host_keys; /* packed strings: public key blobs */
	char methods[MSG_METHODS_MAX + 1]; /* comma-separated; empty: nothing is known */

	uint32_t n_users; /* with connections here */
	uint32_t n_users_reserved; /* with nothing but reservations here */
	uint32_t n_connections;
	uint32_t n_reservations; /* logins placed here */
	uint32_t n_dials; /* of them, those whose user has proved nothing yet */
	struct node_last_failure failure;
};

/* Embedded by its owner. */
struct nodes {
	struct table by_name;
};

/* Empty.  Errors of table_init. */
MUST_CHECK enum err nodes_init(struct nodes *n);
/* A zeroed struct is left alone. */
void nodes_clear(struct nodes *n);

/*
 * Add a node as configured (or discovered: whoever knows nodes describes them so).  ERR_EXISTS, ERR_LIMIT: more than
 * CONFIG_NODES_MAX, or more host keys than a message carries.  Errors of pubkey_parse_line.
 */
MUST_CHECK enum err nodes_add(struct nodes *n, const struct config_node *c);
/* NULL: there is none of that name. */
struct node *nodes_find(const struct nodes *n, struct span name);
struct node *nodes_first(const struct nodes *n);
/* NULL after the last one. */
struct node *nodes_next(const struct node *node);

/* Users that are on the node or on their way there. */
uint32_t node_load(const struct node *node);
/* Has it as many users as it may? */
bool node_is_full(const struct node *node);
/* Would it, if all who are on their way came to stay?  Most of them may be strangers. */
bool node_is_reserved(const struct node *node);

void node_note_failure(
	struct node *node, enum node_failure cause, unsigned reporter, uint64_t now_ms);
/* It answered as a node should. */
void node_note_success(struct node *node);
/* Does it count for the logins of this reporter (NODE_REPORTER_ALL: of any)? */
bool node_failed_lately(const struct node *node, unsigned reporter, uint64_t now_ms);
/* "connection refused" and so on.  Static. */
const char *node_failure_text(enum node_failure cause);

/*
 * Remember what the node answers to "none".  Methods are only ever added: what the answer is may depend on the user,
 * and a client that is not told of a method never tries it, while one that is told too much is corrected by the node.
 * Returns whether something new was learned; what the broker does not carry (MSG_METHODS_CARRIED) is left out,
 * but for MSG_METHOD_NONE.
 */
bool node_learn_methods(struct node *node, struct span methods);
/* What any node knows, comma-separated.  Returns out. */
const char *nodes_known_methods(const struct nodes *n, char out[MSG_METHODS_MAX + 1]);

#endif
