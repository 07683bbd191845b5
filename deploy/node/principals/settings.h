/*
 * What the node's administrator told the helper: /etc/ssh/sshbroker/principals.conf, written by node-setup.
 *
 * One "keyword value" per line; the value is the rest of the line.  "#" begins a comment line.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_SETTINGS_H
#define DEPLOY_NODE_PRINCIPALS_SETTINGS_H

#include "common/err.h"
#include "common/span.h"
#include "common/ssh/key.h"
#include "deploy/node/principals/why.h"

#include <sys/types.h>

#define SETTINGS_SIZE_MAX ((size_t)64 * 1024)
#define SETTINGS_LIST_MAX 64

struct settings_list {
	char **items; /* owned */
	size_t n;
};

/* Zeroed is empty; text that was not given is NULL. */
struct settings {
	struct pubkey
		*ca_keys[SETTINGS_LIST_MAX]; /* of the broker; more than one while keys change */
	size_t n_ca_keys;
	char *node; /* this node's identity: the only one whose certificates count */
	struct settings_list authorized_keys_files;
	char *authorized_keys_command;
	struct settings_list revoked_keys; /* files: sshd takes more than one from OpenSSH 10 on */
	char *pubkey_algorithms; /* a pattern list of signature algorithms; NULL: all */
	char *ca_algorithms; /* the same for the signatures of other CAs */
	char *previous_ca_keys; /* where the other CAs stand; NULL: whom sshd trusts is trusted */
	char *previous_principals_file; /* what decided about the certificates of other CAs before */
	char *previous_principals_command;
	struct settings_list
		allow_users; /* system users that may come through the broker all the same */
	unsigned rsa_bits_min;
	unsigned uid_min; /* users below are system users */
	bool strict_modes;
	bool use_dns; /* look up the client's name for from= patterns */
	bool touch_required;
	bool verify_required;
};

/*
 * Parse the text of the file.  ERR_FORMAT: why says what is wrong, and in which line.  ERR_NOMEM.  *out is cleared by
 * settings_clear() after OK only.
 */
MUST_CHECK enum err settings_parse(struct span text, struct settings *out, char why[WHY_SIZE]);
/*
 * Read the file at path, which must belong to owner (or root), as all folders above it, with no write permission for
 * others.  ERR_DENIED: it does not.  ERR_IO with errno.  Else as settings_parse.
 */
MUST_CHECK enum err settings_load(
	const char *path, uid_t owner, struct settings *out, char why[WHY_SIZE]);
void settings_clear(struct settings *s);

bool settings_list_has(const struct settings_list *list, const char *item);
/* Is this blob one of our CA keys? */
bool settings_trusts(const struct settings *s, struct span ca_blob);

#endif
