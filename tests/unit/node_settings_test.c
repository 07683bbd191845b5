/*
 * deploy/node/principals/settings: what is read, and what is refused in which words.
 */
#include "deploy/node/principals/settings.h"

#include "common/buf.h"
#include "tests/lib/scratch.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The text with CA in it replaced by a CA key line. */
static const char *
with_ca(const char *text)
{
	static char out[8192];
	struct buf line = {0};
	const char *at = strstr(text, "CA");
	size_t before = at != NULL ? (size_t)(at - text) : strlen(text);

	vector_read("ca.pub", &line);
	(void)snprintf(out, sizeof(out), "%.*s%.*s%s", (int)before, text,
		at != NULL ? (int)line.len - 1 : 0, (const char *)buf_span(&line).ptr,
		at != NULL ? at + 2 : "");
	buf_clear(&line);
	return out;
}

Test(settings, everything_that_is_said_is_read)
{
	char why[WHY_SIZE];
	struct settings s;
	struct buf ca = {0};

	cr_assert_eq(settings_parse(span_str(with_ca("# a comment\n\nca_key CA\nnode vmss 7/3\n"
						     "authorized_keys_file .ssh/a\n"
						     "authorized_keys_file /etc/keys/%u\n"
						     "authorized_keys_command /bin/x %u \"a b\"\n"
						     "revoked_keys /etc/r\nrevoked_keys /etc/r2\n"
						     "pubkey_algorithms ssh-ed25519,rsa-*\n"
						     "previous_principals_file %h/p\n"
						     "previous_principals_command /bin/y %i\n"
						     "allow_user root\nallow_user www\n"
						     "rsa_bits_min 3072\nuid_min 500\n"
						     "strict_modes no\nuse_dns yes\n"
						     "touch_required yes\nverify_required yes")),
			     &s, why),
		OK, "%s", why);
	cr_assert_str_eq(s.node, "vmss 7/3");
	cr_assert_eq(s.authorized_keys_files.n, 2);
	cr_assert_str_eq(s.authorized_keys_files.items[1], "/etc/keys/%u");
	cr_assert_str_eq(s.authorized_keys_command, "/bin/x %u \"a b\"");
	cr_assert_eq(s.revoked_keys.n, 2);
	cr_assert_str_eq(s.revoked_keys.items[1], "/etc/r2");
	cr_assert_str_eq(s.pubkey_algorithms, "ssh-ed25519,rsa-*");
	cr_assert_str_eq(s.previous_principals_file, "%h/p");
	cr_assert_str_eq(s.previous_principals_command, "/bin/y %i");
	cr_assert(settings_list_has(&s.allow_users, "root"));
	cr_assert(settings_list_has(&s.allow_users, "www"));
	cr_assert_not(settings_list_has(&s.allow_users, "roo"));
	cr_assert_eq(s.rsa_bits_min, 3072);
	cr_assert_eq(s.uid_min, 500);
	cr_assert(!s.strict_modes && s.use_dns && s.touch_required && s.verify_required);
	vector_read_blob("ca.pub", &ca);
	cr_assert(settings_trusts(&s, buf_span(&ca)));
	cr_assert_not(settings_trusts(&s, span_str("another")));
	buf_clear(&ca);
	settings_clear(&s);
}

Test(settings, what_is_not_said_is_strict)
{
	char why[WHY_SIZE];
	struct settings s;

	cr_assert_eq(settings_parse(span_str(with_ca("ca_key CA\nnode n")), &s, why), OK);
	cr_assert(s.strict_modes && !s.use_dns && !s.touch_required && !s.verify_required);
	cr_assert_eq(s.uid_min, 1000);
	cr_assert_eq(s.rsa_bits_min, 2048);
	cr_assert_eq(s.allow_users.n, 0);
	cr_assert_null(s.authorized_keys_command);
	settings_clear(&s);
}

Test(settings, mistakes_are_told_with_their_line)
{
	static const char *const cases[][2] = {
		{"", "no ca_key"},
		{"ca_key CA", "no node"},
		{"node n", "no ca_key"},
		{"ca_key CA\nnode n\nnode m", "line 3: node"},
		{"ca_key CA\nnode", "line 2"},
		{"ca_key CA\nnode ", "line 2"},
		{"ca_key CA\nnode a\tb\x01", "line 2"},
		{"ca_key CA\nnode n\nnodes m", "line 3: no such keyword"},
		{"ca_key CA\n node n", "line 2: no such keyword"},
		{"ca_key CA\nnode n\nstrict_modes Yes", "line 3: strict_modes"},
		{"ca_key CA\nnode n\nuid_min -1", "line 3: uid_min"},
		{"ca_key CA\nnode n\nuid_min 99999999999", "line 3: uid_min"},
		{"ca_key ssh-ed25519 AAAA\nnode n", "line 1: ca_key"},
		{"ca_key CA x\nnode n\nrsa_bits_min 1 2", "line 3: rsa_bits_min"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char why[WHY_SIZE] = "";
		struct settings s;

		cr_assert_eq(settings_parse(span_str(with_ca(cases[i][0])), &s, why), ERR_FORMAT,
			"%s", cases[i][0]);
		cr_assert_not_null(strstr(why, cases[i][1]), "%s: %s", cases[i][0], why);
	}
}

Test(settings, lists_have_an_end)
{
	struct buf text = {0};
	char why[WHY_SIZE];
	struct settings s;

	cr_assert_eq(buf_append_span(&text, span_str(with_ca("ca_key CA\nnode n\n"))), OK);
	for (size_t i = 0; i <= SETTINGS_LIST_MAX; i++)
		cr_assert_eq(buf_append_span(&text, span_str("allow_user x\n")), OK);
	cr_assert_eq(settings_parse(buf_span(&text), &s, why), ERR_FORMAT);
	cr_assert_not_null(strstr(why, "allow_user"), "%s", why);
	buf_clear(&text);
}

/* Below /tmp nothing is safe: everybody may write there. */
Test(settings, a_file_where_others_can_write_is_not_believed)
{
	char path[SCRATCH_PATH_SIZE], why[WHY_SIZE];
	struct scratch scratch;
	struct settings s;

	scratch_init(&scratch);
	scratch_write(&scratch, "file", span_str(with_ca("ca_key CA\nnode n")), 0644);
	cr_assert_eq(
		settings_load(scratch_path(&scratch, "file", path), getuid(), &s, why), ERR_DENIED);
	cr_assert_not_null(strstr(why, "folder"), "%s", why);
	cr_assert_eq(
		settings_load(scratch_path(&scratch, "none", path), getuid(), &s, why), ERR_IO);
	scratch_clear(&scratch);
}

Test(settings, a_file_of_root_below_its_folders_is_read_to_its_maximum)
{
	char path[] = "/root/settings-test-XXXXXX", why[WHY_SIZE];
	struct settings s;
	int fd;

	if (getuid() != 0)
		cr_skip_test("only root has a folder of root's");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_gt(dprintf(fd, "%s\n", with_ca("ca_key CA\nnode n")), 0);
	cr_assert_eq(settings_load(path, 0, &s, why), OK, "%s", why);
	settings_clear(&s);
	cr_assert_eq(ftruncate(fd, SETTINGS_SIZE_MAX + 1), 0);
	cr_assert_eq(settings_load(path, 0, &s, why), ERR_LIMIT);
	cr_assert_eq(fchmod(fd, 0664), 0);
	cr_assert_eq(settings_load(path, 0, &s, why), ERR_DENIED);
	close(fd);
	unlink(path);
}
