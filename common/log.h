/*
 * One line per event on stderr: time, level, role, text.  The only mutable global state besides main's.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/attr.h"
#include "common/err.h"
#include "common/span.h"

enum log_level { LOG_LEVEL_ERROR = 0, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The longest line written, with its newline; longer ones end in "...". */
#define LOG_LINE_MAX 2048

/*
 * The name that every line of this process carries, e.g. "gate/0" (at most 31 characters), and the least important
 * level that is written.  Before it is called: "-", LOG_LEVEL_INFO.  A program that logs ignores SIGPIPE.
 */
void log_init(const char *role, enum log_level level);
/* "error", "warn", "info", "debug".  ERR_FORMAT: another word. */
MUST_CHECK enum err log_level_parse(const char *text, enum log_level *out);

/*
 * Write one line: a word for the event, then a sentence or key=value pairs.  Bytes that are not printable ASCII or
 * UTF-8 (terminal escapes, newlines) are written as \xNN, whatever the arguments hold.  Never blocks: a line that
 * stderr does not take at once is dropped and counted.  errno is left as it was.
 */
void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Lines dropped so far. */
unsigned long log_n_dropped(void);

/*
 * Printable copy of bytes from elsewhere, escaped as above, cut to size - 1 bytes ("..." at the end then; size is at
 * least 4).  Returns out.
 */
const char *log_printable(struct span s, char *out, size_t size);

#endif
