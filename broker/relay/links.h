/*
 * The links of a relay to the other roles, and what comes over them.
 */
#ifndef BROKER_RELAY_LINKS_H
#define BROKER_RELAY_LINKS_H

#include "broker/messages/messages.h"
#include "broker/role/role.h"
#include "common/ipc/ipc.h"

/* While more than this waits for the director, counters are left out and announcements go on later. */
#define LINKS_DIRECTOR_QUEUE_MAX ((size_t)1024 * 1024)

/* While more than this waits for the keyholder, no proofs of host keys are asked of it. */
#define LINKS_KEYHOLDER_QUEUE_MAX ((size_t)4 * 1024 * 1024)

struct process;

struct link {
	struct process *process;
	struct ipc *ipc; /* owned; NULL: there is none */
	enum role_kind kind;
	unsigned index;
};

/* Embedded in the process. */
struct links {
	struct link director;
	struct link keyholder;
	struct link gates[CONFIG_GATES_MAX];
	struct buf host_keys; /* packed public key blobs, from the keyholder */
	struct event *announcing; /* goes on telling the director what there is */
};

/* ERR_NOMEM. */
MUST_CHECK enum err links_init(struct links *links, struct process *p, struct event_base *base);
void links_clear(struct links *links);

/* A new link, instead of the one to that peer before.  Takes fd. */
void links_add(struct links *links, const struct role_peer *peer, int fd);

/* Returns whether it is on its way.  Without a link there is nobody to tell: a new director hears all again. */
bool links_tell_director(struct links *links, enum message_type type, struct span body);
/* Without a link nothing is sent: requests that matter are made again when there is one. */
void links_tell_keyholder(struct links *links, enum message_type type, struct span body);

bool links_keyholder_is_busy(const struct links *links);

/* Packed public key blobs; empty until the keyholder has said. */
struct span links_host_keys(const struct links *links);

/* Write what waits, before the process ends; at most timeout_ms. */
void links_flush(struct links *links, int timeout_ms);

#endif
