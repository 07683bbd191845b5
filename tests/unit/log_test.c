/*
 * common/log: what a line looks like, that nothing in it can steer a terminal, that it never blocks.
 */
#include "common/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* stderr becomes the write end of a pipe; returns the read end.  Each test runs in a process of its own. */
static int
catch_stderr(enum log_level level)
{
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	signal(SIGPIPE, SIG_IGN);
	log_init("gate/0", level);
	return ends[0];
}

static size_t
read_line(int fd, char *out, size_t size)
{
	ssize_t n = read(fd, out, size - 1);

	cr_assert_gt(n, 0);
	out[n] = '\0';
	return (size_t)n;
}

Test(log, a_line_is_time_level_role_text)
{
	char line[LOG_LINE_MAX + 1];
	int fd = catch_stderr(LOG_LEVEL_INFO);

	log_warn("node=%s port=%d", "n1", 22);
	read_line(fd, line, sizeof(line));
	cr_assert_eq(line[10], 'T');
	cr_assert_str_eq(line + 23, "Z warn gate/0 node=n1 port=22\n");
}

Test(log, lines_above_the_level_are_not_written)
{
	char line[LOG_LINE_MAX + 1];
	int fd = catch_stderr(LOG_LEVEL_WARN);

	log_info("one");
	log_debug("two");
	log_error("three");
	read_line(fd, line, sizeof(line));
	cr_assert_not_null(strstr(line, " error gate/0 three\n"));
}

Test(log, a_long_line_is_cut_at_its_maximum)
{
	static char text[3 * LOG_LINE_MAX];
	char line[2 * LOG_LINE_MAX];
	int fd = catch_stderr(LOG_LEVEL_INFO);

	memset(text, '\n', sizeof(text) - 1);
	log_info("%s", text);
	cr_assert_leq(read_line(fd, line, sizeof(line)), LOG_LINE_MAX);
	cr_assert_not_null(strstr(line, "\\x0a...\n"));
	cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1);
}

Test(log, a_full_pipe_drops_lines_and_counts_them)
{
	int fd = catch_stderr(LOG_LEVEL_INFO);

	for (unsigned i = 0; i < 100000 && log_n_dropped() == 0; i++)
		log_info("%u", i);
	cr_assert_eq(log_n_dropped(), 1);
	close(fd);
	errno = EDOM;
	log_info("nobody reads");
	cr_assert_eq(log_n_dropped(), 2);
	cr_assert_eq(errno, EDOM);
}

Test(log, a_socket_that_is_full_drops_lines)
{
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	cr_assert_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	log_init("gate/0", LOG_LEVEL_INFO);
	for (unsigned i = 0; i < 1000000 && log_n_dropped() == 0; i++)
		log_info("%u", i);
	cr_assert_eq(log_n_dropped(), 1);
	cr_assert_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
}

Test(log, stderr_of_others_stays_blocking)
{
	(void)catch_stderr(LOG_LEVEL_INFO);
	log_info("x");
	cr_assert_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
}

Test(log, only_harmless_characters_pass)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"plain", "plain"},
		{"a\nb\x1b[2J\x7f", "a\\x0ab\\x1b[2J\\x7f"},
		{"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
			"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\xc2\x9b" /* C1 CSI */, "\\xc2\\x9b"},
		{"\xe2\x80\xae" /* right-to-left override */, "\\xe2\\x80\\xae"},
		{"\xe2\x80\xa8" /* line separator */, "\\xe2\\x80\\xa8"},
		{"\xc0\xaf" /* overlong */, "\\xc0\\xaf"},
		{"\xed\xa0\x80" /* surrogate */, "\\xed\\xa0\\x80"},
		{"\xf4\x90\x80\x80" /* above U+10FFFF */, "\\xf4\\x90\\x80\\x80"},
		{"\xe2\x82" /* cut */, "\\xe2\\x82"},
		{"\xff\xfe", "\\xff\\xfe"},
	};
	char out[64];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_expect_str_eq(
			log_printable(span_str(cases[i].in), out, sizeof(out)), cases[i].out);
	cr_assert_str_eq(log_printable(span_of("\0x", 2), out, sizeof(out)), "\\x00x");
	cr_assert_str_eq(log_printable(span_of(NULL, 0), out, sizeof(out)), "");
}

Test(log, a_cut_copy_ends_in_dots_between_characters)
{
	char out[16];

	cr_assert_str_eq(log_printable(span_str("12345"), out, 6), "12345");
	cr_assert_str_eq(log_printable(span_str("123456"), out, 6), "12...");
	cr_assert_str_eq(log_printable(span_str("1\n3456"), out, 8), "1...");
	cr_assert_str_eq(log_printable(span_str("\xe2\x82\xac\xe2\x82\xac"), out, 6), "...");
	cr_assert_str_eq(log_printable(span_str("1234"), out, 4), "...");
}

Test(log, levels_are_words)
{
	enum log_level level = LOG_LEVEL_INFO;

	cr_assert_eq(log_level_parse("debug", &level), OK);
	cr_assert_eq(level, LOG_LEVEL_DEBUG);
	cr_assert_eq(log_level_parse("Error", &level), ERR_FORMAT);
	cr_assert_eq(log_level_parse("", &level), ERR_FORMAT);
	cr_assert_eq(level, LOG_LEVEL_DEBUG);
}
