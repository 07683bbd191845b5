/*
 * Which roles are linked, and linking them.
 */
#include "broker/supervisor/links.h"

#include "broker/supervisor/orders.h"
#include "common/ipc/ipc.h"
#include "common/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define KIND(kind) (1u << (kind))

/* Who talks to whom.  Director and keyholder have nothing to say to each other, so there is no way to try. */
static const unsigned peers_of[ROLE_COUNT] = {
	[ROLE_DIRECTOR] = KIND(ROLE_GATE) | KIND(ROLE_RELAY),
	[ROLE_KEYHOLDER] = KIND(ROLE_GATE) | KIND(ROLE_RELAY),
	[ROLE_GATE] = KIND(ROLE_DIRECTOR) | KIND(ROLE_KEYHOLDER) | KIND(ROLE_RELAY),
	[ROLE_RELAY] = KIND(ROLE_DIRECTOR) | KIND(ROLE_KEYHOLDER) | KIND(ROLE_GATE),
};

static bool
is_linkable(const struct slot *a, const struct slot *b)
{
	/* An adopted relay gets no new connections. */
	if ((a->is_adopted && b->kind == ROLE_GATE) || (b->is_adopted && a->kind == ROLE_GATE))
		return false;
	return a->state == SLOT_UP && b->state == SLOT_UP &&
		(peers_of[a->kind] & KIND(b->kind)) != 0;
}

/*
 * The ends leave at once where they can: at the start of a large broker there are thousands, more than descriptors.  What
 * a role does not take now waits, and a control link that breaks is seen by its own callback.
 */
static enum err
give_end(struct slot *to, const struct slot *peer, int fd)
{
	enum err e = orders_send_link(to, peer, fd);

	if (e == OK)
		(void)!ipc_flush(to->control, 0);
	return e;
}

static enum err
link_pair(struct slot *a, struct slot *b)
{
	int ends[2];
	enum err e = ipc_pair(ends);

	if (e != OK)
		return e;
	e = give_end(a, b, ends[0]);
	if (e != OK) {
		close(ends[1]);
		return e;
	}
	/* If b cannot be told it is about to be dropped, and linked again when it comes up anew. */
	e = give_end(b, a, ends[1]);
	if (e != OK)
		log_error("%s cannot be told of %s: %s", b->name, a->name, err_text(e));
	return OK;
}

enum err
links_connect(struct slot *s, struct slot *slots, size_t n_slots)
{
	enum err first = OK;

	for (size_t i = 0; i < n_slots; i++) {
		struct slot *peer = &slots[i];
		enum err e = is_linkable(s, peer) ? link_pair(s, peer) : OK;

		if (e == OK)
			continue;
		log_error("%s and %s cannot be linked: %s: %s", s->name, peer->name, err_text(e),
			strerror(errno));
		first = first == OK ? e : first;
	}
	return first;
}
