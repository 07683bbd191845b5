/*
 * Frames out of a byte stream, and the descriptors that belong to them.
 *
 * A sender passes the descriptors of a frame together with the frame's first bytes, and the kernel never returns bytes
 * behind such a message in the same read.  So when all whole frames are taken, descriptors can be left over only for
 * the frame that has begun, and they must be exactly those that it declares.
 */
#include "common/ipc/frame.h"

#include "common/ssh/wire.h"

#include <assert.h>
#include <unistd.h>

/* How much is read at once while nothing, or only a small frame, is expected; and at most. */
#define READ_MIN ((size_t)16 * 1024)
#define READ_MAX ((size_t)256 * 1024)

struct header {
	uint32_t body_len;
	uint16_t type;
	uint8_t version;
	uint8_t n_fds;
};

void
frame_reader_init(struct frame_reader *r)
{
	*r = (struct frame_reader){0};
	buf_init(&r->in, FRAME_HEADER_SIZE + IPC_BODY_MAX + READ_MAX);
}

void
frame_reader_clear(struct frame_reader *r)
{
	frame_close_fds(r->fds, r->n_fds);
	frame_close_fds(r->taken, r->n_taken);
	buf_clear(&r->in);
	r->n_fds = 0;
	r->n_taken = 0;
	r->frame_len = 0;
}

void
frame_close_fds(int *fds, size_t n_fds)
{
	for (size_t i = 0; i < n_fds; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

void
frame_write_header(uint8_t out[FRAME_HEADER_SIZE], uint16_t type, size_t body_len, size_t n_fds)
{
	assert(body_len <= IPC_BODY_MAX && n_fds <= IPC_FDS_MAX);
	wire_poke_u32(out, (uint32_t)body_len);
	out[4] = (uint8_t)(type >> 8);
	out[5] = (uint8_t)type;
	out[6] = IPC_VERSION;
	out[7] = (uint8_t)n_fds;
}

/* ERR_AGAIN: the header is not whole. */
static enum err
read_header(const struct frame_reader *r, struct header *out)
{
	struct wire_reader w = wire_reader_of(buf_span(&r->in));
	struct header h;

	if (wire_get_u32(&w, &h.body_len) != OK || wire_get_u16(&w, &h.type) != OK ||
		wire_get_u8(&w, &h.version) != OK || wire_get_u8(&w, &h.n_fds) != OK)
		return ERR_AGAIN;
	if (h.body_len > IPC_BODY_MAX || h.version != IPC_VERSION || h.n_fds > IPC_FDS_MAX)
		return ERR_FORMAT;
	*out = h;
	return OK;
}

enum err
frame_reader_room(struct frame_reader *r, uint8_t **out, size_t *len)
{
	size_t want = READ_MIN;
	struct header h;
	enum err e;

	assert(r->frame_len == 0);
	if (read_header(r, &h) == OK && FRAME_HEADER_SIZE + h.body_len > r->in.len + want)
		want = FRAME_HEADER_SIZE + h.body_len - r->in.len;
	if (want > READ_MAX)
		want = READ_MAX;
	e = buf_reserve(&r->in, want, out);
	if (e == OK)
		*len = want;
	return e;
}

enum err
frame_reader_add(struct frame_reader *r, size_t len, const int *fds, size_t n_fds)
{
	buf_commit(&r->in, len);
	if (n_fds > IPC_FDS_PENDING_MAX - r->n_fds) {
		for (size_t i = 0; i < n_fds; i++)
			close(fds[i]);
		frame_close_fds(r->fds, r->n_fds);
		r->n_fds = 0;
		return ERR_LIMIT;
	}
	if (n_fds > 0)
		memcpy(r->fds + r->n_fds, fds, n_fds * sizeof(*fds));
	r->n_fds += n_fds;
	if (r->in.len == 0)
		buf_clear(&r->in);
	return OK;
}

/* The front of in is no whole frame: are the descriptors at hand those that it may have? */
static enum err
check_left_over(const struct frame_reader *r, const struct header *h)
{
	if (h != NULL)
		return r->n_fds == h->n_fds ? ERR_AGAIN : ERR_FORMAT;
	if (r->in.len == 0)
		return r->n_fds == 0 ? ERR_AGAIN : ERR_FORMAT;
	return r->n_fds <= IPC_FDS_MAX ? ERR_AGAIN : ERR_FORMAT;
}

static void
take_fds(struct frame_reader *r, size_t n)
{
	memcpy(r->taken, r->fds, n * sizeof(*r->fds));
	memmove(r->fds, r->fds + n, (r->n_fds - n) * sizeof(*r->fds));
	r->n_taken = n;
	r->n_fds -= n;
}

enum err
frame_reader_next(struct frame_reader *r, struct ipc_message *out)
{
	struct header h;
	enum err e = read_header(r, &h);

	assert(r->frame_len == 0);
	if (e == ERR_AGAIN)
		return check_left_over(r, NULL);
	if (e != OK)
		return e;
	if (r->in.len - FRAME_HEADER_SIZE < h.body_len)
		return check_left_over(r, &h);
	if (r->n_fds < h.n_fds)
		return ERR_FORMAT;
	take_fds(r, h.n_fds);
	r->frame_len = FRAME_HEADER_SIZE + h.body_len;
	*out = (struct ipc_message){
		.type = h.type,
		.body = span_of(buf_span(&r->in).ptr + FRAME_HEADER_SIZE, h.body_len),
		.fds = r->taken,
		.n_fds = h.n_fds,
	};
	return OK;
}

void
frame_reader_done(struct frame_reader *r)
{
	frame_close_fds(r->taken, r->n_taken);
	r->n_taken = 0;
	buf_consume(&r->in, r->frame_len);
	r->frame_len = 0;
}
