/*
 * Who wants in: the account on the node, as sshd and the password database know it.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_USER_H
#define DEPLOY_NODE_PRINCIPALS_USER_H

#include <sys/types.h>

/* Plain data; borrowed. */
struct user {
	const char *name;
	const char *home;
	uid_t uid;
};

#endif
