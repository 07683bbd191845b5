/*
 * Giving up root.
 */
#include "broker/role/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Ids above this are special: (uid_t)-1 means "leave as it is" to setresuid(). */
#define ID_MAX 0xfffffffeul

static bool
is_decimal(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

static enum err
find_by_number(const char *user, uid_t *uid, gid_t *gid)
{
	unsigned long v;
	struct passwd *p;

	errno = 0;
	v = strtoul(user, NULL, 10);
	if (errno != 0 || v > ID_MAX)
		return ERR_NOT_FOUND;
	p = getpwuid((uid_t)v);
	*uid = (uid_t)v;
	*gid = p != NULL ? p->pw_gid : (gid_t)v;
	return OK;
}

enum err
privileges_find(const char *user, uid_t *uid, gid_t *gid)
{
	uid_t u;
	gid_t g;

	if (is_decimal(user)) {
		enum err e = find_by_number(user, &u, &g);

		if (e != OK)
			return e;
	} else {
		struct passwd *p = getpwnam(user);

		if (p == NULL)
			return ERR_NOT_FOUND;
		u = p->pw_uid;
		g = p->pw_gid;
	}
	if (u == 0 || g == 0)
		return ERR_DENIED;
	*uid = u;
	*gid = g;
	return OK;
}

enum err
privileges_drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
		return ERR_IO;
	if (syscall(SYS_capset, &header, none) != 0)
		return ERR_IO;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return ERR_IO;
	return OK;
}

/* Is this process that user in every respect, and root out of reach? */
static bool
is_dropped(uid_t uid, gid_t gid)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) != 0 || getresgid(&rgid, &egid, &sgid) != 0)
		return false;
	if (ruid != uid || euid != uid || suid != uid || rgid != gid || egid != gid || sgid != gid)
		return false;
	if (getgroups(0, NULL) != 0)
		return false;
	return setuid(0) != 0 && seteuid(0) != 0 && setgid(0) != 0 && setegid(0) != 0;
}

enum err
privileges_drop(uid_t uid, gid_t gid)
{
	enum err e;

	if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
		setresuid(uid, uid, uid) != 0)
		return ERR_IO;
	e = privileges_drop_capabilities();
	if (e != OK)
		return e;
	return is_dropped(uid, gid) ? OK : ERR_DENIED;
}
