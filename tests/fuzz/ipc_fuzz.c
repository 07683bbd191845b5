/*
 * The frame reader of common/ipc, fed with chunks of bytes and descriptors.
 *
 * Input: chunks of {u8 length, u8 number of descriptors, bytes}.  Whatever comes, no descriptor may be left open.
 */
#include "common/ipc/frame.h"

#include <assert.h>
#include <fcntl.h>
#include <unistd.h>

#define CHUNK_HEADER_SIZE 2
#define FDS_MAX 72

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Take every other descriptor, and touch all that was delivered. */
static enum err
deliver(struct frame_reader *r)
{
	struct ipc_message m;
	volatile uint8_t sum = 0;
	enum err e;

	while ((e = frame_reader_next(r, &m)) == OK) {
		for (size_t i = 0; i < m.body.len; i++)
			sum = (uint8_t)(sum + m.body.ptr[i]);
		for (size_t i = 0; i < m.n_fds; i += 2) {
			assert(close(m.fds[i]) == 0);
			m.fds[i] = -1;
		}
		frame_reader_done(r);
	}
	return e;
}

static enum err
add(struct frame_reader *r, int fd, struct span bytes, size_t n_fds)
{
	int fds[FDS_MAX];
	uint8_t *room;
	size_t len;
	enum err e = frame_reader_room(r, &room, &len);

	if (e != OK)
		return e;
	assert(len >= bytes.len);
	memcpy(room, bytes.ptr, bytes.len);
	for (size_t i = 0; i < n_fds; i++)
		fds[i] = dup(fd);
	return frame_reader_add(r, bytes.len, fds, n_fds);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), probe;
	struct frame_reader r;
	enum err e = ERR_AGAIN;

	frame_reader_init(&r);
	while (size > CHUNK_HEADER_SIZE && e == ERR_AGAIN) {
		size_t len = data[0], n_fds = data[1] % FDS_MAX;

		data += CHUNK_HEADER_SIZE;
		size -= CHUNK_HEADER_SIZE;
		len = len < size ? len : size;
		e = add(&r, fd, span_of(data, len), n_fds);
		if (e == OK)
			e = deliver(&r);
		data += len;
		size -= len;
	}
	frame_reader_clear(&r);
	probe = dup(fd);
	assert(probe == fd + 1);
	close(probe);
	close(fd);
	return 0;
}
