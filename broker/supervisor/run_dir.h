/*
 * The supervisor's folder: its lock, and the sockets of the relays.
 */
#ifndef BROKER_SUPERVISOR_RUN_DIR_H
#define BROKER_SUPERVISOR_RUN_DIR_H

#include "common/err.h"

/* "relay-999-0123456789abcdef.sock" and the NUL. */
#define RUN_DIR_SOCKET_NAME_SIZE 40

struct run_dir {
	int fd;
	int lock;
};

/*
 * Open the folder, made if it is not there, and lock it for this process (once); the lock ends with the process.  Errors
 * are logged.  ERR_DENIED: others can write there.  ERR_EXISTS: another supervisor has it.
 */
MUST_CHECK enum err run_dir_open(const char *path, struct run_dir *out);
/* Also for a struct whose members are -1. */
void run_dir_close(struct run_dir *d);

/*
 * A bound socket for the relay of that index, under a new name.  *out is owned; the file stays until run_dir_remove().
 * Errors of listeners_bind_unix; ERR_CRYPTO: no randomness.
 */
MUST_CHECK enum err run_dir_make_socket(
	const struct run_dir *d, unsigned index, char name[RUN_DIR_SOCKET_NAME_SIZE], int *out);
void run_dir_remove(const struct run_dir *d, const char *name);

/* A relay that a former supervisor left, connected to.  Takes fd. */
typedef void (*run_dir_relay_fn)(void *arg, unsigned index, const char *name, int fd);

/* Call found for each relay that is alive; the sockets of dead ones are removed. */
void run_dir_scan(const struct run_dir *d, run_dir_relay_fn found, void *arg);

#endif
