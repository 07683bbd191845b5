/*
 * Which login names may be offered a certificate.
 */
#ifndef BROKER_KEYHOLDER_USER_RULES_H
#define BROKER_KEYHOLDER_USER_RULES_H

#include "common/config/config.h"
#include "common/span.h"

/*
 * Is this a name that a certificate can be made for?  1 to 255 bytes, no control character, and no ':': sshd takes what
 * follows it for a login style, so that "root:x" would be root.
 */
bool user_is_sane(struct span user);

/*
 * Is this a system account, of those that Debian makes: root, the accounts of base-passwd, those of common packages, and
 * names that begin as Debian's packages name theirs ("_", "systemd-", "Debian-")?  Upper and lower case are the same, and
 * what follows a '/' does not count.
 */
bool user_is_system(struct span name);

/* May this user log in with a key, as auth.system_users and auth.allowed_system_users say? */
bool user_is_allowed(const struct config *c, struct span user);

#endif
