/*
 * deploy/node/principals/strict_modes: who may own and write a path.
 */
#include "deploy/node/principals/strict_modes.h"

#include "tests/lib/scratch.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct scratch scratch;

static void
set_up(void)
{
	char path[SCRATCH_PATH_SIZE];

	scratch_init(&scratch);
	cr_assert_eq(mkdir(scratch_path(&scratch, "home", path), 0755), 0);
	cr_assert_eq(mkdir(scratch_path(&scratch, "home/.ssh", path), 0700), 0);
	scratch_write(&scratch, "home/.ssh/keys", span_str("x"), 0600);
}

static void
tear_down(void)
{
	scratch_clear(&scratch);
}

TestSuite(strict_modes, .init = set_up, .fini = tear_down);

static void
set_mode(const char *name, mode_t mode)
{
	char path[SCRATCH_PATH_SIZE];

	cr_assert_eq(chmod(scratch_path(&scratch, name, path), mode), 0);
}

/* Check home/.ssh/keys as a file of uid, up to the folder home (NULL: the root). */
static enum err
check(const char *home, uid_t uid)
{
	char path[SCRATCH_PATH_SIZE], home_path[SCRATCH_PATH_SIZE], why[WHY_SIZE];
	struct strict_modes m = {
		.path = scratch_path(&scratch, "home/.ssh/keys", path), .uid = uid};
	enum err e;

	if (home != NULL)
		m.home = scratch_path(&scratch, home, home_path);
	m.fd = open(m.path, O_RDONLY);
	cr_assert_geq(m.fd, 0);
	e = strict_modes_check(&m, why);
	close(m.fd);
	return e;
}

Test(strict_modes, a_file_that_only_its_owner_writes_is_good)
{
	cr_assert_eq(check("home", getuid()), OK);
}

Test(strict_modes, nobody_else_may_write_any_part_of_the_path)
{
	static const char *const parts[] = {"home", "home/.ssh", "home/.ssh/keys"};
	static const mode_t bad[] = {0720, 0702, 0777};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		for (size_t j = 0; j < ARRAY_LEN(bad); j++) {
			set_mode(parts[i], bad[j]);
			cr_assert_eq(check("home", getuid()), ERR_DENIED, "%s %o", parts[i],
				(unsigned)bad[j]);
		}
		set_mode(parts[i], 0700);
		cr_assert_eq(check("home", getuid()), OK);
	}
}

Test(strict_modes, folders_above_the_home_are_not_looked_at)
{
	set_mode(".", 0777);
	cr_assert_eq(check("home", getuid()), OK);
	cr_assert_eq(check(".", getuid()), ERR_DENIED);
	cr_assert_eq(check("home/.ssh", getuid()), OK);
}

/* The temporary folder is everybody's to write. */
Test(strict_modes, without_a_home_all_folders_count)
{
	cr_assert_eq(check(NULL, getuid()), ERR_DENIED);
	cr_assert_eq(check("elsewhere", getuid()), ERR_DENIED);
}

Test(strict_modes, the_owner_is_the_user_or_root)
{
	cr_assert_eq(check("home", getuid() + 1), getuid() == 0 ? OK : ERR_DENIED);
	if (getuid() != 0)
		return;
	for (size_t i = 0; i < 2; i++) {
		char path[SCRATCH_PATH_SIZE];

		scratch_path(&scratch, i == 0 ? "home/.ssh/keys" : "home/.ssh", path);
		cr_assert_eq(chown(path, 7, (gid_t)-1), 0);
		cr_assert_eq(check("home", 8), ERR_DENIED);
		cr_assert_eq(check("home", 7), OK);
		cr_assert_eq(chown(path, 0, (gid_t)-1), 0);
	}
}

/* A link is as safe as what it leads to. */
Test(strict_modes, links_are_followed_first)
{
	char target[SCRATCH_PATH_SIZE], path[SCRATCH_PATH_SIZE];

	cr_assert_eq(mkdir(scratch_path(&scratch, "open", target), 0777), 0);
	cr_assert_eq(chmod(target, 0777), 0);
	scratch_write(&scratch, "open/keys", span_str("x"), 0600);
	cr_assert_eq(unlink(scratch_path(&scratch, "home/.ssh/keys", path)), 0);
	cr_assert_eq(symlink(scratch_path(&scratch, "open/keys", target), path), 0);
	cr_assert_eq(check("home", getuid()), ERR_DENIED);
}

Test(strict_modes, only_regular_files_are_good)
{
	char path[SCRATCH_PATH_SIZE], home[SCRATCH_PATH_SIZE], why[WHY_SIZE];
	struct strict_modes m = {.path = scratch_path(&scratch, "home/.ssh", path),
		.home = scratch_path(&scratch, "home", home),
		.uid = getuid()};

	m.fd = open(m.path, O_RDONLY | O_DIRECTORY);
	cr_assert_eq(strict_modes_check(&m, why), ERR_DENIED);
	close(m.fd);
}

Test(strict_modes, programs_of_the_system_are_good)
{
	char why[WHY_SIZE];

	cr_assert_eq(strict_modes_check_program("/usr/bin/env", 0, why), OK);
	cr_assert_eq(strict_modes_check_program("/usr/bin/there-is-no-such", 0, why), ERR_IO);
	cr_assert_eq(strict_modes_check_program("/usr/bin", 0, why), ERR_DENIED);
}
