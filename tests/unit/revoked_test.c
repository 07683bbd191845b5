/*
 * deploy/node/principals/revoked: lists and KRLs, as sshd reads them.
 */
#include "deploy/node/principals/revoked.h"

#include "deploy/node/principals/why.h"
#include "tests/lib/scratch.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

static struct scratch scratch;

static void
set_up(void)
{
	scratch_init(&scratch);
}

static void
tear_down(void)
{
	scratch_clear(&scratch);
}

TestSuite(revoked, .init = set_up, .fini = tear_down);

static enum err
check(const char *key_file)
{
	char path[SCRATCH_PATH_SIZE], why[WHY_SIZE] = "";
	struct buf blob = {0};
	enum err e;

	vector_read_blob(key_file, &blob);
	e = revoked_check(scratch_path(&scratch, "revoked", path), buf_span(&blob), why);
	cr_assert_eq(e == OK, why[0] == '\0');
	buf_clear(&blob);
	return e;
}

static void
copy_to_list(const char *before, const char *key_file, const char *after)
{
	struct buf text = {0}, line = {0};

	vector_read(key_file, &line);
	cr_assert_eq(buf_append_span(&text, span_str(before)), OK);
	cr_assert_eq(buf_append_span(&text, buf_span(&line)), OK);
	cr_assert_eq(buf_append_span(&text, span_str(after)), OK);
	scratch_write(&scratch, "revoked", buf_span(&text), 0644);
	buf_clear(&text);
	buf_clear(&line);
}

Test(revoked, a_list_names_keys)
{
	copy_to_list("# gone\n\n \t", "ed25519.pub", "");
	cr_assert_eq(check("ed25519.pub"), ERR_DENIED);
	cr_assert_eq(check("ecdsa256.pub"), OK);
	cr_assert_eq(check("rsa.pub"), OK);
}

Test(revoked, a_certificate_in_the_list_stands_for_its_key)
{
	copy_to_list("", "ecdsa256-cert.pub", "");
	cr_assert_eq(check("ecdsa256.pub"), ERR_DENIED);
	cr_assert_eq(check("ed25519.pub"), OK);
}

Test(revoked, a_list_that_cannot_be_read_revokes_all)
{
	static const char *const bad[] = {
		"ssh-ed25519\n", "ssh-ed25519 AAAA\n", "nonsense\n", "a b\n"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		copy_to_list(bad[i], "rsa.pub", "");
		cr_assert_neq(check("ed25519.pub"), OK, "%s", bad[i]);
	}
	scratch_write(&scratch, "revoked", span_str(""), 0644);
	cr_assert_eq(check("ed25519.pub"), OK);
	unlink(scratch_path(&scratch, "revoked", (char[SCRATCH_PATH_SIZE]){0}));
	cr_assert_eq(check("ed25519.pub"), ERR_IO);
}

Test(revoked, a_line_that_is_too_long_revokes_all)
{
	static char text[1 << 17];

	memset(text, '#', sizeof(text));
	scratch_write(&scratch, "revoked", span_of(text, sizeof(text)), 0644);
	cr_assert_eq(check("ed25519.pub"), ERR_LIMIT);
}

/* ssh-keygen writes the list of keys, by hash, or of certificates. */
Test(revoked, krls_of_ssh_keygen_are_understood)
{
	static const char *const commands[] = {"ssh-keygen -q -k -f revoked key.pub",
		"{ echo 'sha1: '$(cat key.pub); } >spec && ssh-keygen -q -k -f revoked spec",
		"{ echo 'sha256: '$(cat key.pub); } >spec && ssh-keygen -q -k -f revoked spec"};
	struct buf text = {0}, out = {0};

	vector_read("ed25519.pub", &text);
	scratch_write(&scratch, "key.pub", buf_span(&text), 0644);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		cr_assert_eq(scratch_run(&scratch, commands[i], &out), 0, "%s",
			(const char *)buf_span(&out).ptr);
		cr_assert_eq(check("ed25519.pub"), ERR_DENIED, "%s", commands[i]);
		cr_assert_eq(check("ecdsa256.pub"), OK, "%s", commands[i]);
		cr_assert_eq(check("rsa.pub"), OK, "%s", commands[i]);
	}
	buf_clear(&text);
	buf_clear(&out);
}

Test(revoked, a_broken_krl_revokes_all)
{
	scratch_write(&scratch, "revoked", span_of("SSHKRL\n\0nonsense", 16), 0644);
	cr_assert_neq(check("ed25519.pub"), OK);
}
