/*
 * broker/role/privileges: who is found, and that there is no way back.
 */
#include "broker/role/privileges.h"

#include <criterion/criterion.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

Test(privileges, users_are_found_by_name_and_by_number)
{
	uid_t uid = 1;
	gid_t gid = 1;

	cr_assert_eq(privileges_find("nobody", &uid, &gid), OK);
	cr_assert_eq(uid, 65534);
	cr_assert_eq(privileges_find("64077", &uid, &gid), OK);
	cr_assert_eq(uid, 64077);
	cr_assert_eq(gid, 64077);
	cr_assert_eq(privileges_find("65534", &uid, &gid), OK);
	cr_assert_eq(gid, 65534);
}

Test(privileges, root_and_strangers_are_refused)
{
	static const struct {
		const char *user;
		enum err e;
	} cases[] = {
		{"root", ERR_DENIED},
		{"0", ERR_DENIED},
		{"", ERR_NOT_FOUND},
		{"no-such-user-here", ERR_NOT_FOUND},
		{"-1", ERR_NOT_FOUND},
		{"1x", ERR_NOT_FOUND},
		{"4294967295", ERR_NOT_FOUND},
		{"4294967296", ERR_NOT_FOUND},
		{"99999999999999999999999", ERR_NOT_FOUND},
	};
	uid_t uid = 77;
	gid_t gid = 77;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cr_expect_eq(privileges_find(cases[i].user, &uid, &gid), cases[i].e, "%s",
			cases[i].user);
		cr_expect(uid == 77 && gid == 77);
	}
}

/* Returns the number of the first thing that is not as it must be, or 0. */
static int
drop_and_look(void)
{
	static const gid_t groups[] = {0, 4, 27};

	if (setgroups(ARRAY_LEN(groups), groups) != 0)
		return 1;
	if (privileges_drop(64077, 64078) != OK)
		return 2;
	if (getuid() != 64077 || geteuid() != 64077 || getgid() != 64078 || getegid() != 64078)
		return 3;
	if (getgroups(0, NULL) != 0)
		return 4;
	if (setuid(0) == 0 || setresuid(0, 0, 0) == 0 || setgid(0) == 0)
		return 5;
	if (access("/etc/shadow", R_OK) == 0)
		return 6;
	return 0;
}

Test(privileges, there_is_no_way_back)
{
	int status = 0;
	pid_t pid;

	if (geteuid() != 0)
		cr_skip_test("needs root to give it up");
	pid = fork();
	if (pid == 0)
		_exit(drop_and_look());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
}

Test(privileges, capabilities_go_without_a_change_of_user)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		/* Root without capabilities can no longer become another user. */
		bool is_dropped = privileges_drop_capabilities() == OK;

		_exit(is_dropped && setuid(64077) != 0 ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
