/*
 * Gathers sealed packets for one write.
 */
#include "broker/relay/batch.h"

#include <assert.h>
#include <stdlib.h>

enum err
batch_init(struct batch *b, size_t room_size)
{
	assert(room_size >= PACKET_SIZE_MAX);
	*b = (struct batch){.room_size = room_size};
	b->room = malloc(room_size);
	return b->room != NULL ? OK : ERR_NOMEM;
}

void
batch_clear(struct batch *b)
{
	free(b->room);
	*b = (struct batch){0};
}

/* Packets that follow each other in memory, as nearly all do, are one piece. */
static bool
extend_last(struct batch *b, const uint8_t *bytes, size_t len)
{
	struct iovec *last = &b->pieces[b->n];

	if (b->n == 0 || (uint8_t *)last->iov_base + last->iov_len != bytes)
		return false;
	last->iov_len += len;
	return true;
}

enum err
batch_add(struct batch *b, struct leg *l, uint8_t *bytes, size_t len)
{
	enum err e = OK;

	assert(b->leg == NULL || b->leg == l);
	b->leg = l;
	if (bytes == b->room + b->room_used)
		b->room_used += len;
	if (extend_last(b, bytes, len))
		return OK;
	b->n++;
	b->pieces[b->n] = (struct iovec){.iov_base = bytes, .iov_len = len};
	if (b->n == LEG_PIECES_MAX)
		e = batch_flush(b);
	return e;
}

enum err
batch_room(struct batch *b, struct leg *l, size_t size, uint8_t **out)
{
	enum err e;

	assert(size <= b->room_size && (b->leg == NULL || b->leg == l));
	if (size > b->room_size - b->room_used) {
		e = batch_flush(b);
		if (e != OK)
			return e;
	}
	*out = b->room + b->room_used;
	return OK;
}

enum err
batch_flush(struct batch *b)
{
	struct leg *l = b->leg;
	size_t n = b->n;

	b->leg = NULL;
	b->n = 0;
	b->room_used = 0;
	return n > 0 ? leg_write(l, b->pieces, n) : OK;
}
