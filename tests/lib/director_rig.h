/*
 * A real director on a loop of the test's own, with real links whose other ends the test holds, and real listening
 * sockets as nodes.  Time stands still until the test moves it.
 */
#ifndef TESTS_LIB_DIRECTOR_RIG_H
#define TESTS_LIB_DIRECTOR_RIG_H

#include "broker/director/director.h"
#include "common/ipc/ipc.h"
#include "tests/lib/pool_config.h"

#define RIG_NODES_MAX 4
#define RIG_SEEN_MAX 64

/* A message that the director sent. */
struct director_rig_message {
	uint16_t type;
	struct buf body;
	int fd; /* -1: none */
};

/* The test's end of a link. */
struct director_rig_end {
	struct ipc *link;
	bool is_closed; /* by the director */
	struct director_rig_message seen[RIG_SEEN_MAX];
	size_t n_seen;
};

struct director_rig {
	struct event_base *base;
	struct config *config;
	struct director *director;
	struct state *state; /* the director's */
	int node_fds[RIG_NODES_MAX]; /* listening; -1 where the node is down */
	int admin_fd; /* what the director gets; -1 by default */
	bool settles; /* as in real life, instead of placing from the start */
};

extern struct director_rig rig;

/* Nodes n1, n2, ...: '+' is up, '-' is down.  What fails in any of these aborts the test. */
void director_rig_start(const char *nodes, const char *limits);
/* As director_rig_start, with what else nodes may have; address and port are filled in. */
void director_rig_start_nodes(struct pool_config_node *nodes, const char *up, const char *limits);
void director_rig_stop(void);
/* The director dies, and another one starts. */
void director_rig_restart_director(void);

void director_rig_link(struct director_rig_end *end, enum role_kind kind, unsigned index);
/* The process at the test's end dies. */
void director_rig_unlink(struct director_rig_end *end);
void director_rig_send(struct director_rig_end *end, uint16_t type,
	const struct message_field *fields, const void *message);
void director_rig_send_raw(struct director_rig_end *end, uint16_t type, struct span body);

/* Run the loop until the director has nothing left to do that does not need time. */
void director_rig_run(void);
/* Move the clock, and let the director see it. */
void director_rig_pass_ms(uint64_t ms);
/* Run until end has a message of this type that was not taken yet; decode it.  Returns its fd (-1: none). */
int director_rig_take(struct director_rig_end *end, uint16_t type,
	const struct message_field *fields, void *message);
/* Is there such a message?  Does not run the loop. */
bool director_rig_has(const struct director_rig_end *end, uint16_t type);

#endif
