/*
 * The inside of struct rig, shared by relay_rig.c and relay_rig_links.c only.
 */
#ifndef TESTS_LIB_RELAY_RIG_IMPL_H
#define TESTS_LIB_RELAY_RIG_IMPL_H

#include "broker/relay/process.h"
#include "tests/lib/relay_rig.h"

/* The most that any log of the bench holds. */
#define RIG_KEEP_MAX ((size_t)256 << 20)

struct rig_end {
	struct rig *rig;
	struct ipc *ipc;
	struct buf log; /* (u16 type, string body) of each message */
};

struct rig {
	struct rig_options options;
	struct event_base *base;
	struct config *config;
	struct process *process;
	struct rig_peer ssh, node;
	struct transport_config ours[SIDES];
	struct transport *legs[SIDES]; /* before the hand-over */
	int fds[SIDES]; /* the relay's ends, before the hand-over */
	struct rig_end gate, director, keyholder;
	struct buf kept; /* requests that the keyholder keeps to itself: (u16 type, string body) */
	bool holds_signatures;
	bool is_quiet;
	uint64_t id;
	struct buf last; /* what rig_next gave out */
};

/* Make a link to the process, in place of the one before. */
void rig_link_end(struct rig *r, struct rig_end *end, enum role_kind kind);

#endif
