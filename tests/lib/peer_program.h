/*
 * Programs of other implementations as peers: a real sshd on one end of a socket pair, a real ssh client that connects to
 * a listening socket of ours.  No fixed ports; what was started ends with the test.
 */
#ifndef TESTS_LIB_PEER_PROGRAM_H
#define TESTS_LIB_PEER_PROGRAM_H

#include "common/ssh/key.h"

#include <sys/types.h>

/* A folder of the test's own, with what the peers need; embedded by the test. */
struct peer_folder {
	char path[64];
};

void peer_folder_make(struct peer_folder *f);
/* Removes the files in it, and it. */
void peer_folder_remove(struct peer_folder *f);
/* Write a file there, readable by all or by us alone.  Aborts when it cannot. */
void peer_folder_write(
	const struct peer_folder *f, const char *name, struct span content, bool is_private);
void peer_folder_write_key(
	const struct peer_folder *f, const char *name, const struct privkey *key);
/* The whole file, as a C string in out. */
void peer_folder_read(const struct peer_folder *f, const char *name, char *out, size_t size);

/* Who runs this, as a login name.  Static. */
const char *peer_user(void);

/*
 * Start "sshd -i" with the configuration file "sshd_config" of the folder on its end of a socket pair; returns ours.  Its
 * messages go to the file "log".
 */
int peer_start_sshd(const struct peer_folder *f, pid_t *pid);

/* Start argv (NULL at its end) with these files of the folder as input, output and "log"; an input of NULL is empty. */
pid_t peer_start(const struct peer_folder *f, char *const argv[], const char *in, const char *out);

/* Wait for the end of a process that was started here; kills it after some seconds.  Returns the status of waitpid(). */
int peer_wait(pid_t pid);

/* A socket that listens on loopback, on a port that the kernel chose. */
int peer_listen(unsigned *port);
/* The next connection; aborts after some seconds without one. */
int peer_accept(int listener);

#endif
