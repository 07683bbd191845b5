/*
 * A folder of a test's own, and commands that are run to ask another implementation.
 */
#ifndef TESTS_LIB_SCRATCH_H
#define TESTS_LIB_SCRATCH_H

#include "common/buf.h"

#include <sys/types.h>

#define SCRATCH_PATH_SIZE 256

struct scratch {
	char dir[SCRATCH_PATH_SIZE];
};

/* Make a folder where TMPDIR says; the caller removes it.  What fails here and below aborts the test. */
void scratch_make_folder(char *path, size_t size);
void scratch_init(struct scratch *s);
/* Removes the folder with all that is in it. */
void scratch_clear(struct scratch *s);
/* The path of the file called name, there or not. */
const char *scratch_path(const struct scratch *s, const char *name, char out[SCRATCH_PATH_SIZE]);
void scratch_write(const struct scratch *s, const char *name, struct span content, mode_t mode);

/*
 * Run a shell command in the folder: its exit status, and its output (stdout and stderr) in *out,
 * with a NUL behind.
 */
int scratch_run(const struct scratch *s, const char *command, struct buf *out);

#endif
