/*
 * Which roles are linked, and linking them.
 */
#include "broker/supervisor/links.h"

#include "broker/supervisor/orders.h"
#include "common/ipc/ipc.h"
#include "common/log.h"

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

static enum err
link_pair(struct slot *a, struct slot *b)
{
	int ends[2];
	enum err e = ipc_pair(ends);

	if (e != OK)
		return e;
	e = orders_send_link(a, b, ends[0]);
	if (e != OK) {
		close(ends[1]);
		return e;
	}
	return orders_send_link(b, a, ends[1]);
}

void
links_connect(struct slot *s, struct slot *slots, size_t n_slots)
{
	for (size_t i = 0; i < n_slots; i++) {
		struct slot *peer = &slots[i];
		enum err e = is_linkable(s, peer) ? link_pair(s, peer) : OK;

		if (e != OK)
			log_error(
				"%s and %s cannot be linked: %s", s->name, peer->name, err_text(e));
	}
}
