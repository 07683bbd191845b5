/*
 * broker/init: what it writes works, and it never overwrites or leaves half of it.
 */
#include "broker/init/init.h"

#include "broker/init/init_config.h"
#include "common/config/config.h"
#include "common/file.h"
#include "common/ssh/keyfile.h"
#include "tests/lib/scratch.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[64];
static char folder[96];

static void
make_scratch(void)
{
	scratch_make_folder(scratch, sizeof(scratch));
	snprintf(folder, sizeof(folder), "%s/broker", scratch);
	umask(022);
	cr_redirect_stdout();
	cr_redirect_stderr();
}

/* Removes the files in a folder, and the folder; returns how many there were. */
static unsigned
remove_files(const char *path)
{
	unsigned n = 0;
	DIR *d = opendir(path);
	const struct dirent *entry;

	if (d == NULL)
		return 0;
	for (entry = readdir(d); entry != NULL; entry = readdir(d)) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			unlinkat(dirfd(d), entry->d_name, 0) == 0)
			n++;
	}
	closedir(d);
	rmdir(path);
	return n;
}

static void
remove_scratch(void)
{
	remove_files(folder);
	remove_files(scratch);
}

TestSuite(init, .init = make_scratch, .fini = remove_scratch);

/* A path in the folder, until the next call. */
static const char *
in_folder(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int
init(const char *first, const char *second)
{
	char *argv[] = {"init", folder, "--import-host-key", (char *)first, "--import-host-key",
		(char *)second, NULL};

	return init_main(first == NULL ? 2 : second == NULL ? 4 : 6, argv);
}

static mode_t
mode_of(const char *name)
{
	struct stat st;

	cr_assert_eq(stat(in_folder(name), &st), 0, "%s", name);
	return st.st_mode & 07777;
}

/* Writes a new key to the scratch folder. */
static void
make_key(enum key_type type, mode_t mode, char path[96])
{
	struct privkey *key;
	struct buf text = {0};

	snprintf(path, 96, "%s/key%d", scratch, (int)type);
	cr_assert_eq(privkey_generate(type, 2048, &key), OK);
	cr_assert_eq(keyfile_write(key, "test", &text), OK);
	cr_assert_eq(file_create(path, mode, buf_span(&text)), OK);
	privkey_free(key);
	buf_clear(&text);
}

static struct config *
load(void)
{
	struct config *c = NULL;
	struct buf errors = {0};
	enum err e = config_load(in_folder("sshbroker.json"), &c, NULL, &errors);

	if (e == OK)
		e = config_check_files(c, &errors);
	cr_assert_eq(e, OK, "%.*s", (int)errors.len, (const char *)buf_span(&errors).ptr);
	return c;
}

static bool
same_key(const char *imported, const char *name)
{
	struct privkey *a, *b;
	bool same;

	cr_assert_eq(keyfile_load(in_folder(name), &b), OK);
	chmod(imported, 0600);
	cr_assert_eq(keyfile_load(imported, &a), OK);
	same = pubkey_equal(privkey_public(a), privkey_public(b));
	privkey_free(a);
	privkey_free(b);
	return same;
}

Test(init, what_it_writes_is_a_sound_configuration_with_sound_keys)
{
	struct config *c;

	cr_assert_eq(init(NULL, NULL), 0);
	c = load();
	cr_assert_eq(c->host_keys.n, 3);
	cr_assert_str_eq(c->host_keys.items[0], in_folder("ssh_host_ed25519_key"));
	cr_assert_str_eq(c->user_ca_key, in_folder("user_ca_key"));
	cr_assert_eq(mode_of(""), 0755);
	cr_assert_eq(mode_of("sshbroker.json"), 0644);
	cr_assert_eq(mode_of("user_ca_key"), 0600);
	cr_assert_eq(mode_of("user_ca_key.pub"), 0644);
	cr_assert_eq(mode_of("ssh_host_rsa_key"), 0600);
	config_free(c);
	cr_assert_eq(remove_files(folder), 9);
}

Test(init, an_imported_key_replaces_the_new_one_of_its_family)
{
	char ecdsa[96], rsa[96];
	struct config *c;

	make_key(KEY_ECDSA_P384, 0600, ecdsa);
	make_key(KEY_RSA, 0640, rsa);
	cr_assert_eq(init(ecdsa, rsa), 0);
	c = load();
	cr_assert_eq(c->host_keys.n, 3);
	cr_assert(same_key(ecdsa, "ssh_host_ecdsa384_key"));
	cr_assert(same_key(rsa, "ssh_host_rsa_key"));
	cr_assert_eq(access(in_folder("ssh_host_ecdsa_key"), F_OK), -1);
	config_free(c);
}

Test(init, a_folder_with_a_configuration_is_left_as_it_is)
{
	struct buf before = {0}, after = {0};

	cr_assert_eq(init(NULL, NULL), 0);
	cr_assert_eq(file_read(in_folder("user_ca_key"), &before), OK);
	cr_assert_eq(init(NULL, NULL), 1);
	cr_assert_eq(file_read(in_folder("user_ca_key"), &after), OK);
	cr_assert(span_equal(buf_span(&before), buf_span(&after)));
	cr_assert_eq(remove_files(folder), 9);
	buf_clear(&before);
	buf_clear(&after);
}

Test(init, a_failure_takes_away_what_was_made_and_nothing_else)
{
	char key[96];

	cr_assert_eq(mkdir(folder, 0755), 0);
	cr_assert_eq(file_create(in_folder("user_ca_key.pub"), 0644, span_str("mine")), OK);
	cr_assert_eq(init(NULL, NULL), 1);
	cr_assert_eq(remove_files(folder), 1);

	snprintf(key, sizeof(key), "%s/absent", scratch);
	cr_assert_eq(init(key, NULL), 1);
	cr_assert_eq(access(folder, F_OK), -1);
}

Test(init, keys_that_cannot_serve_are_refused)
{
	char key[96], text[96];

	make_key(KEY_ED25519, 0600, key);
	cr_assert_eq(init(key, key), 1);
	snprintf(text, sizeof(text), "%s/text", scratch);
	cr_assert_eq(file_create(text, 0600, span_str("no key\n")), OK);
	cr_assert_eq(init(text, NULL), 1);
	cr_assert_eq(access(folder, F_OK), -1);
}

Test(init, a_folder_that_others_can_write_is_refused)
{
	cr_assert_eq(mkdir(folder, 0755), 0);
	cr_assert_eq(chmod(folder, 0775), 0);
	cr_assert_eq(init(NULL, NULL), 1);
	cr_assert_eq(remove_files(folder), 0);
}

Test(init, a_folder_of_somebody_else_is_refused)
{
	if (geteuid() != 0)
		return;
	cr_assert_eq(mkdir(folder, 0755), 0);
	cr_assert_eq(chown(folder, 64010, 64010), 0);
	cr_assert_eq(init(NULL, NULL), 1);
	cr_assert_eq(remove_files(folder), 0);
}

/* The command that it tells to check the configuration is one. */
Test(init, the_next_steps_can_be_taken)
{
	char said[4096], wanted[256];
	FILE *f = cr_get_redirected_stdout();
	size_t n;

	cr_assert_eq(init(NULL, NULL), 0);
	(void)fflush(stdout);
	n = fread(said, 1, 512, f);
	said[n] = '\0';
	while (strstr(said, "3. Check:") == NULL ||
		strchr(strstr(said, "3. Check:"), '\n') == NULL) {
		cr_assert_lt(n, sizeof(said) - 1);
		cr_assert_eq(fread(said + n, 1, 1, f), 1);
		said[++n] = '\0';
	}
	(void)snprintf(
		wanted, sizeof(wanted), "sshbrokerd -t -c %s\n", in_folder("sshbroker.json"));
	cr_assert_not_null(strstr(said, wanted), "%s", said);
}

Test(init, wrong_arguments_show_the_usage)
{
	static char *const cases[][4] = {
		{"init", NULL},
		{"init", "", NULL},
		{"init", "a", "b", NULL},
		{"init", "--import-host-key", "x", NULL},
		{"init", "a", "--import-host-key", NULL},
		{"init", "a", "-x", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *argv[4] = {NULL};
		int argc = 0;

		while (argc < 3 && cases[i][argc] != NULL) {
			argv[argc] = cases[i][argc];
			argc++;
		}
		cr_expect_eq(init_main(argc, argv), 2, "case %zu", i);
	}
}

Test(init, without_root_nothing_needs_root)
{
	struct init_keys keys;
	struct config *c = NULL;
	struct buf text = {0}, errors = {0};

	cr_assert_eq(init_keys_collect(&keys, NULL, 0), OK);
	cr_assert_eq(init_config_write(&keys, false, &text), OK);
	cr_assert_eq(config_parse(buf_span(&text), "/home/u/b/sshbroker.json", &c, &errors), OK);
	cr_assert_eq(c->listen.items[0].port, 2222);
	cr_assert_eq(c->listen.items[1].port, 2222);
	cr_assert_str_eq(c->run_dir, "/home/u/b/run");
	cr_assert_str_eq(c->admin.socket, "/home/u/b/run/admin.sock");
	cr_assert_not_null(memmem(text.data, text.len, "Only host_keys, user_ca_key", 27));
	config_free(c);
	init_keys_clear(&keys);
	buf_clear(&text);
}

Test(init, the_check_of_files_names_what_is_wrong)
{
	struct config *c;
	struct buf errors = {0};
	char line[512];

	cr_assert_eq(init(NULL, NULL), 0);
	c = load();
	cr_assert_eq(chmod(in_folder("ssh_host_ecdsa_key"), 0644), 0);
	cr_assert_eq(unlink(in_folder("ssh_host_rsa_key")), 0);
	cr_assert_eq(config_check_files(c, &errors), ERR_FORMAT);
	cr_assert_eq(buf_append(&errors, "", 1), OK);
	snprintf(line, sizeof(line),
		": host_keys[1]: %s can be read or changed by others than its owner: chmod 600 "
		"it\n",
		c->host_keys.items[1]);
	cr_expect_not_null(strstr((char *)errors.data, line), "%s", errors.data);
	snprintf(line, sizeof(line), ": host_keys[2]: %s: No such file or directory\n",
		c->host_keys.items[2]);
	cr_expect_not_null(strstr((char *)errors.data, line), "%s", errors.data);
	config_free(c);
	buf_clear(&errors);
	cr_expect_eq(config_test_main(in_folder("sshbroker.json")), 1);
}
