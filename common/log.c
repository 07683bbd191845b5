/*
 * Log lines on stderr, escaped and never waiting.
 *
 * stderr is shared with whoever started us, so its open file is not switched to non-blocking: that would change it for
 * them as well.  A pipe or terminal is opened once more for us alone; a socket is written with MSG_DONTWAIT; only
 * where that is refused does a look before the write have to do.
 */
#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROLE_SIZE 32
#define CUT_MARK "..."
#define CUT_MARK_LEN (sizeof(CUT_MARK) - 1)

static struct {
	char role[ROLE_SIZE];
	enum log_level level;
	int own_fd; /* stderr's file, opened again without blocking; 0 when there is none */
	unsigned long n_dropped;
} state = {.role = "-", .level = LOG_LEVEL_INFO};

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

/* A regular file never blocks, and shares its offset with others: it is not opened again. */
static int
reopen_stderr(void)
{
	struct stat st;
	int fd;

	if (fstat(STDERR_FILENO, &st) != 0 || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return 0;
	fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? 0 : fd;
}

void
log_init(const char *role, enum log_level level)
{
	(void)snprintf(state.role, sizeof(state.role), "%s", role);
	state.level = level;
	if (state.own_fd > 0)
		close(state.own_fd);
	state.own_fd = reopen_stderr();
}

enum err
log_level_parse(const char *text, enum log_level *out)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return OK;
		}
	}
	return ERR_FORMAT;
}

unsigned long
log_n_dropped(void)
{
	return state.n_dropped;
}

/* May this character reach a terminal?  No controls (C1 ones are escapes as well), nothing that turns the text. */
static bool
is_harmless(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	if (c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e))
		return false;
	return !(c >= 0x2066 && c <= 0x2069);
}

/* Length of the UTF-8 sequence that this first byte announces (0: none), and the bits that it holds. */
static size_t
utf8_start(uint8_t first, uint32_t *bits)
{
	static const struct {
		uint8_t mask, value;
	} kinds[] = {{0x80, 0x00}, {0xe0, 0xc0}, {0xf0, 0xe0}, {0xf8, 0xf0}};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if ((first & kinds[i].mask) == kinds[i].value) {
			*bits = first & (uint8_t)~kinds[i].mask;
			return i + 1;
		}
	}
	return 0;
}

/* How many bytes at the front of s make one printable character; 0: none do.  (RFC 3629) */
static size_t
printable_len(struct span s)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t c = 0;
	size_t len = utf8_start(s.ptr[0], &c);

	if (len == 0 || len > s.len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s.ptr[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s.ptr[i] & 0x3f);
	}
	if (c < smallest[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return is_harmless(c) ? len : 0;
}

/* The next piece of output for the front of *s, which moves on.  Returns its length, at most 4. */
static size_t
next_piece(struct span *s, char piece[8])
{
	size_t len = printable_len(*s);

	if (len > 0) {
		memcpy(piece, s->ptr, len);
		*s = span_of(s->ptr + len, s->len - len);
		return len;
	}
	(void)snprintf(piece, 8, "\\x%02x", s->ptr[0]);
	*s = span_of(s->ptr + 1, s->len - 1);
	return 4;
}

const char *
log_printable(struct span s, char *out, size_t size)
{
	size_t used = 0, cut_at = 0;
	char piece[8];

	assert(size > CUT_MARK_LEN);
	while (s.len > 0) {
		size_t len = next_piece(&s, piece);

		if (used + len > size - 1) {
			memcpy(out + cut_at, CUT_MARK, CUT_MARK_LEN);
			used = cut_at + CUT_MARK_LEN;
			break;
		}
		memcpy(out + used, piece, len);
		used += len;
		if (used + CUT_MARK_LEN <= size - 1)
			cut_at = used;
	}
	out[used] = '\0';
	return out;
}

static size_t
write_prefix(enum log_level level, char *line, size_t size)
{
	struct timespec now = {0};
	struct tm tm = {0};
	size_t len;
	int n;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	len = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(line + len, size - len, ".%03dZ %s %s ", (int)(now.tv_nsec / 1000000),
		level_names[level], state.role);
	assert(n > 0 && (size_t)n < size - len);
	return len + (size_t)n;
}

static ssize_t
write_now(const char *line, size_t len)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t n;

	if (state.own_fd > 0)
		return write(state.own_fd, line, len);
	n = send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0 || errno != ENOTSOCK)
		return n;
	if (poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0)
		return -1;
	return write(STDERR_FILENO, line, len);
}

void
log_line(enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX], line[LOG_LINE_MAX];
	int saved_errno = errno, n;
	size_t len;
	va_list args;

	if (level > state.level)
		return;
	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0)
		text[0] = '\0';
	len = write_prefix(level, line, sizeof(line));
	(void)log_printable(span_str(text), line + len, sizeof(line) - len);
	len = strlen(line);
	line[len++] = '\n';
	if (write_now(line, len) != (ssize_t)len)
		state.n_dropped++;
	errno = saved_errno;
}
