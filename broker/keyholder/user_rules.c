/*
 * Which login names may be offered a certificate.
 */
#include "broker/keyholder/user_rules.h"

#include "common/ssh/auth_msg.h"

#include <strings.h>

/*
 * The nodes' own helper decides by user id; this list is the second wall, for a node where it is set up wrongly.  The
 * first three lines are Debian's base-passwd (gnats is gone since Debian 12).
 */
static const char *const system_names[] = {
	"root",
	"daemon",
	"bin",
	"sys",
	"sync",
	"games",
	"man",
	"lp",
	"mail",
	"news",
	"uucp",
	"proxy",
	"www-data",
	"backup",
	"list",
	"irc",
	"gnats",
	"nobody",
	"messagebus",
	"sshd",
	"polkitd",
	"postgres",
	"mysql",
	"redis",
	"mongodb",
	"ntp",
	"ntpsec",
	"chrony",
	"postfix",
	"dovecot",
	"dovenull",
	"dnsmasq",
	"tcpdump",
	"uuidd",
	"avahi",
	"avahi-autoipd",
	"colord",
	"geoclue",
	"gdm",
	"lightdm",
	"sddm",
	"rtkit",
	"saned",
	"pulse",
	"usbmux",
	"tss",
	"bind",
	"named",
	"statd",
	"nslcd",
	"sssd",
	"munge",
	"slurm",
	"libvirt-qemu",
	"nvidia-persistenced",
	"omi",
	"omsagent",
	"syslog",
	"landscape",
	"pollinate",
	"fwupd-refresh",
	"snap_daemon",
	"lxd",
	"dhcpcd",
	"nginx",
	"haproxy",
	"prometheus",
	"grafana",
	"rabbitmq",
	"sshbroker-director",
	"sshbroker-keyholder",
	"sshbroker-gate",
	"sshbroker-relay",
};

static const char *const system_prefixes[] = {"_", "systemd-", "debian-"};

bool
user_is_sane(struct span user)
{
	if (user.len == 0 || user.len > AUTH_USER_MAX)
		return false;
	for (size_t i = 0; i < user.len; i++) {
		if (user.ptr[i] < ' ' || user.ptr[i] == 0x7f || user.ptr[i] == ':')
			return false;
	}
	return true;
}

/* Does the name begin with all of start? */
static bool
begins_with(struct span user, const char *start)
{
	size_t len = strlen(start);

	return user.len >= len && strncasecmp((const char *)user.ptr, start, len) == 0;
}

static bool
is_name(struct span user, const char *name)
{
	return user.len == strlen(name) && begins_with(user, name);
}

/* Debian's sshd takes what follows a '/' for an SELinux role, so that "root/x" would be root. */
static struct span
account_of(struct span user)
{
	const uint8_t *slash = user.len > 0 ? memchr(user.ptr, '/', user.len) : NULL;

	return slash != NULL ? span_of(user.ptr, (size_t)(slash - user.ptr)) : user;
}

bool
user_is_system(struct span name)
{
	struct span user = account_of(name);

	for (size_t i = 0; i < ARRAY_LEN(system_names); i++) {
		if (is_name(user, system_names[i]))
			return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(system_prefixes); i++) {
		if (begins_with(user, system_prefixes[i]))
			return true;
	}
	return false;
}

bool
user_is_allowed(const struct config *c, struct span user)
{
	if (c->auth.system_users == CONFIG_SYSTEM_USERS_ALLOW || !user_is_system(user))
		return true;
	for (size_t i = 0; i < c->auth.allowed_system_users.n; i++) {
		if (span_is(user, c->auth.allowed_system_users.items[i]))
			return true;
	}
	return false;
}
