/*
 * Sealed packets of one leg that go out in one write: pieces of the buffers that they stand in, in order.
 */
#ifndef BROKER_RELAY_BATCH_H
#define BROKER_RELAY_BATCH_H

#include "broker/relay/leg.h"

/*
 * One per process.  While it is not empty, nothing may be sealed on its leg in another way, and the bytes under it must
 * stay where they are.
 */
struct batch {
	struct leg *leg; /* borrowed; NULL while empty */
	size_t n;
	struct iovec pieces[1 + LEG_PIECES_MAX]; /* the first is for what waits already */
	uint8_t *room; /* where packets are sealed that do not fit in place; owned */
	size_t room_size;
	size_t room_used;
};

/* room_size: at least PACKET_SIZE_MAX.  ERR_NOMEM. */
MUST_CHECK enum err batch_init(struct batch *b, size_t room_size);
void batch_clear(struct batch *b);

/*
 * Add sealed bytes for l; they stay borrowed until batch_flush().  Errors as leg_write().
 */
MUST_CHECK enum err batch_add(struct batch *b, struct leg *l, uint8_t *bytes, size_t len);

/*
 * Memory for size bytes (at most PACKET_SIZE_MAX) of a packet for l, to be given to batch_add().  Errors as leg_write().
 */
MUST_CHECK enum err batch_room(struct batch *b, struct leg *l, size_t size, uint8_t **out);

/* Write all.  Errors as leg_write(); the batch is empty in any case. */
MUST_CHECK enum err batch_flush(struct batch *b);

#endif
