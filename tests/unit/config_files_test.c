/*
 * common/config on disk: loading by name, and the check of the files that a configuration names.
 */
#include "common/config/config.h"

#include "common/file.h"
#include "common/ssh/keyfile.h"
#include "tests/lib/scratch.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NODES                                                                                      \
	"\"pools\": [{\"name\": \"p\", \"nodes\": [{\"name\": \"n\", \"address\": \"192.0.2.1\", " \
	"\"host_keys\": [\"ssh-ed25519 "                                                           \
	"AAAAC3NzaC1lZDI1NTE5AAAAIAi8VEK+wPy3F1eeA/h9BHTkXjD/3rFLfEioWhy74J+Q\"]}]}]"
#define TEXT "{\n\"host_keys\": [\"host\"],\n\"user_ca_key\": \"ca\",\n" NODES "}\n"

static char scratch[64];

/* Each test works in a folder of its own, with two sound keys in it. */
static void
make_scratch(void)
{
	scratch_make_folder(scratch, sizeof(scratch));
	cr_assert_eq(chdir(scratch), 0);
	for (const char *const *name = (const char *const[]){"host", "ca", NULL}; *name != NULL;
		name++) {
		struct privkey *key;
		struct buf text = {0};

		cr_assert_eq(privkey_generate(KEY_ED25519, 0, &key), OK);
		cr_assert_eq(keyfile_write(key, "test", &text), OK);
		cr_assert_eq(file_create(*name, 0600, buf_span(&text)), OK);
		privkey_free(key);
		buf_clear(&text);
	}
}

static void
remove_scratch(void)
{
	for (const char *const *name =
			(const char *const[]){"host", "ca", "c.json", "banner", NULL};
		*name != NULL; name++)
		unlink(*name);
	cr_assert_eq(rmdir(scratch), 0);
}

TestSuite(config_files, .init = make_scratch, .fini = remove_scratch);

static void
write_config(const char *text)
{
	cr_assert_eq(file_create("c.json", 0644, span_str(text)), OK);
}

/* What loading and checking c.json finds, as a string that is owned. */
static char *
findings(void)
{
	struct config *c = NULL;
	struct buf errors = {0};
	enum err e = config_load("c.json", &c, NULL, &errors);
	char *out;

	if (e == OK)
		e = config_check_files(c, &errors);
	cr_assert_eq(e == OK, errors.len == 0);
	out = strndup(errors.len > 0 ? (const char *)buf_span(&errors).ptr : "", errors.len);
	config_free(c);
	buf_clear(&errors);
	return out;
}

static void
expect_finding(const char *says)
{
	char *found = findings();

	cr_expect_not_null(strstr(found, says), "expected %s, found %s", says, found);
	free(found);
}

Test(config_files, a_file_loaded_by_a_relative_name_has_absolute_paths)
{
	struct config *c;
	struct buf errors = {0}, text = {0};
	char path[96];

	write_config(TEXT);
	cr_assert_eq(config_load("c.json", &c, &text, &errors), OK);
	cr_assert(span_is(buf_span(&text), TEXT));
	snprintf(path, sizeof(path), "%s/c.json", scratch);
	cr_assert_str_eq(c->file, path);
	snprintf(path, sizeof(path), "%s/host", scratch);
	cr_assert_str_eq(c->host_keys.items[0], path);
	cr_assert_eq(config_check_files(c, &errors), OK);
	config_free(c);
	buf_clear(&text);
}

Test(config_files, another_process_reads_the_same_from_the_text)
{
	struct config *c, *again;
	struct buf errors = {0}, text = {0};

	write_config(TEXT);
	cr_assert_eq(config_load("c.json", &c, &text, &errors), OK);
	cr_assert_eq(config_parse(buf_span(&text), c->file, &again, &errors), OK);
	cr_assert_str_eq(again->user_ca_key, c->user_ca_key);
	config_free(c);
	config_free(again);
	buf_clear(&text);
}

Test(config_files, errors_name_the_file_as_it_was_given)
{
	struct config *c = NULL;
	struct buf errors = {0}, text = {0};

	cr_assert_eq(config_load("c.json", &c, &text, &errors), ERR_IO);
	cr_assert_eq(errno, ENOENT);
	cr_assert(span_is(buf_span(&errors), "c.json: No such file or directory\n"));
	buf_reset(&errors);
	write_config("{\"log\": {}, }");
	cr_assert_eq(config_load("c.json", &c, &text, &errors), ERR_FORMAT);
	cr_assert(span_is(buf_span(&errors), "c.json:1: a comma must not stand before \"}\"\n"));
	cr_assert_eq(text.len, 0);
	buf_clear(&errors);
}

Test(config_files, a_file_of_more_than_the_maximum_is_refused)
{
	char *text = calloc(1, CONFIG_SIZE_MAX + 2);

	memset(text, ' ', CONFIG_SIZE_MAX + 1);
	write_config(text);
	expect_finding("c.json: is larger than 1 MiB\n");
	free(text);
}

Test(config_files, a_host_key_that_is_the_user_ca_key_is_found)
{
	write_config("{\n\"host_keys\": [\"ca\"],\n\"user_ca_key\": \"ca\",\n" NODES "}\n");
	expect_finding("/c.json:2: host_keys[0]: is the same key as user_ca_key\n");
}

Test(config_files, a_host_key_that_is_given_twice_is_found)
{
	write_config("{\n\"host_keys\": [\"host\", \"./host\"],\n\"user_ca_key\": \"ca\",\n" NODES
		     "}\n");
	expect_finding("/c.json:2: host_keys[1]: is the same key as host_keys[0]\n");
}

Test(config_files, keys_that_others_can_read_are_found)
{
	write_config(TEXT);
	cr_assert_eq(chmod("ca", 0640), 0);
	expect_finding("/ca can be read or changed by others than its owner: chmod 600 it\n");
}

Test(config_files, a_file_that_is_no_key_is_found)
{
	write_config(TEXT);
	cr_assert_eq(unlink("ca"), 0);
	cr_assert_eq(file_create("ca", 0600, span_str("-----BEGIN NOTHING-----\n")), OK);
	expect_finding("/c.json:3: user_ca_key: ");
	expect_finding("/ca is no sound private key (malformed data)\n");
}

Test(config_files, a_configuration_that_everybody_can_write_is_found)
{
	write_config(TEXT);
	cr_assert_eq(chmod("c.json", 0666), 0);
	expect_finding("can be changed by everybody: chmod o-w it\n");
}

Test(config_files, a_banner_is_a_short_text)
{
	char large[16 * 1024 + 1], *found;

	write_config("{\n\"banner\": \"banner\", \"host_keys\": [\"host\"],\n\"user_ca_key\": "
		     "\"ca\",\n" NODES "}");
	expect_finding("/c.json:2: banner: ");
	expect_finding("/banner: No such file or directory\n");
	cr_assert_eq(file_create("banner", 0644, span_of("a\0b", 3)), OK);
	expect_finding("/banner is no text file\n");
	cr_assert_eq(unlink("banner"), 0);
	memset(large, 'x', sizeof(large));
	cr_assert_eq(file_create("banner", 0644, span_of(large, sizeof(large))), OK);
	expect_finding("/banner is larger than 16384 bytes\n");
	cr_assert_eq(truncate("banner", sizeof(large) - 1), 0);
	found = findings();
	cr_expect_str_eq(found, "");
	free(found);
}

Test(config_files, the_test_command_answers_by_exit_code_and_words)
{
	cr_redirect_stdout();
	cr_redirect_stderr();
	write_config(TEXT);
	cr_expect_eq(config_test_main("c.json"), 0);
	fflush(stdout);
	cr_expect_stdout_eq_str("c.json: configuration ok\n");
	cr_expect_eq(config_test_main("absent.json"), 1);
	fflush(stderr);
	cr_expect_stderr_eq_str("absent.json: No such file or directory\n");
}
