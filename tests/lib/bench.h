/*
 * A bench for tests of the supervisor: a folder with a configuration, a socket for the reports of role processes
 * (tests/lib/role_process.h), and the log of all that was started.
 *
 * The test's program must be its own sshbrokerd: "--supervisor FILE" and "--role NAME".  Waits are for conditions; one
 * that is not met prints all that was seen, kills all that was started, and aborts the test.
 */
#ifndef TESTS_LIB_BENCH_H
#define TESTS_LIB_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define BENCH_EVENTS_MAX 1024
#define BENCH_LOG_MAX ((size_t)256 * 1024)
#define BENCH_TEXT_SIZE 32

struct bench_event {
	char what[BENCH_TEXT_SIZE], self[BENCH_TEXT_SIZE], peer[BENCH_TEXT_SIZE];
	int pid, number;
};

struct bench {
	char dir[64];
	int reports;
	int log[2];
	struct bench_event seen[BENCH_EVENTS_MAX];
	size_t n_seen;
	size_t mark; /* events before it belong to an earlier part of the test */
	char text[BENCH_LOG_MAX]; /* the log so far */
	size_t text_len;
};

/* Makes this process the parent of all orphans that its children leave. */
void bench_init(struct bench *b);
/* Kills and removes all that is left. */
void bench_clear(struct bench *b);

/* A file of the folder. */
void bench_write_file(struct bench *b, const char *name, const char *text);
/* The configuration: two gates, two relays, users of their own, listening there and on one more address. */
void bench_write_config(struct bench *b, const char *listen, unsigned login_grace_s);

/* A supervisor with that configuration, from this program or a copy of it. */
pid_t bench_start(struct bench *b);
pid_t bench_start_program(struct bench *b, const char *program);
/* The exit code of a child, or its signal as a negative number. */
int bench_wait_exit(struct bench *b, pid_t pid);
/* SIGTERM; it must exit with 0. */
void bench_stop(struct bench *b, pid_t supervisor);
/* No child is left, adopted orphans neither. */
void bench_wait_no_children(struct bench *b);

/* The first such event since the last bench_forget_events(); peer NULL: whichever.  Borrowed. */
const struct bench_event *bench_find_event(
	const struct bench *b, const char *what, const char *self, const char *peer);
const struct bench_event *bench_wait_event(
	struct bench *b, const char *what, const char *self, const char *peer);
size_t bench_count_events(const struct bench *b, const char *what);
void bench_forget_events(struct bench *b);
/* The process that came up last under that name. */
pid_t bench_last_pid(struct bench *b, const char *self);
void bench_wait_log(struct bench *b, const char *text);

#endif
