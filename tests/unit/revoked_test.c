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
	e = revoked_check(scratch_path(&scratch, "revoked", path), buf_span(&blob), NULL, why);
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

static enum err
check_cert(const char *cert_file)
{
	char path[SCRATCH_PATH_SIZE], why[WHY_SIZE] = "";
	struct buf blob = {0};
	struct cert *c;
	enum err e;

	vector_read_blob(cert_file, &blob);
	cr_assert_eq(cert_parse(buf_span(&blob), &c), OK);
	e = revoked_check(
		scratch_path(&scratch, "revoked", path), pubkey_blob(cert_key(c)), c, why);
	cr_assert_eq(e == OK, why[0] == '\0');
	cert_free(c);
	buf_clear(&blob);
	return e;
}

Test(revoked, a_list_that_names_the_ca_revokes_its_certificates)
{
	copy_to_list("", "ca.pub", "");
	cr_assert_eq(check_cert("ed25519-cert.pub"), ERR_DENIED);
	cr_assert_eq(check("ed25519.pub"), OK);
	cr_assert_eq(check_cert("by-ecdsa256-cert.pub"), OK);
	copy_to_list("", "ed25519.pub", "");
	cr_assert_eq(check_cert("ed25519-cert.pub"), ERR_DENIED);
	cr_assert_eq(check_cert("rsa-cert.pub"), OK);
}

/* The vectors' serial number is 42, and their key ids are "key of TYPE". */
Test(revoked, krls_of_ssh_keygen_name_certificates)
{
	static const struct {
		const char *ca; /* whose certificates they are about */
		const char *spec;
		enum err want;
	} cases[] = {
		{"ca.pub", "serial: 42", ERR_DENIED},
		{"ca.pub", "serial: 41", OK},
		{"ca.pub", "serial: 40-50", ERR_DENIED},
		{"ca.pub", "serial: 43-0xfffffffffffffff0", OK},
		/* Enough of them for a bitmap: all even numbers, all odd ones. */
		{"ca.pub", "$(seq -f 'serial: %.0f' 30 2 200)", ERR_DENIED},
		{"ca.pub", "$(seq -f 'serial: %.0f' 31 2 200)", OK},
		{"ca.pub", "id: key of ed25519", ERR_DENIED},
		{"ca.pub", "id: key of ed2551", OK},
		{"other.pub", "serial: 42", OK},
		{"none", "serial: 42", ERR_DENIED},
		{"none", "id: key of ed25519", ERR_DENIED},
		{"ca.pub", "hash: $(ssh-keygen -lf ca.pub | cut -d' ' -f2)", ERR_DENIED},
		{"ca.pub", "key: $(cat key.pub)", ERR_DENIED},
	};
	static const char *const files[][2] = {
		{"ca.pub", "ca.pub"}, {"ecdsa256.pub", "other.pub"}, {"ed25519.pub", "key.pub"}};
	struct buf text = {0}, out = {0};
	char command[512];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		vector_read(files[i][0], &text);
		scratch_write(&scratch, files[i][1], buf_span(&text), 0644);
	}
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		(void)snprintf(command, sizeof(command),
			"echo \"%s\" >spec && ssh-keygen -q -k -f revoked -s %s spec",
			cases[i].spec, cases[i].ca);
		cr_assert_eq(scratch_run(&scratch, command, &out), 0, "%s: %s", command,
			(const char *)buf_span(&out).ptr);
		cr_assert_eq(check_cert("ed25519-cert.pub"), cases[i].want, "%s %s", cases[i].ca,
			cases[i].spec);
		/* What is said of certificates is not said of a plain key. */
		cr_assert_eq(check("rsa.pub"), OK);
	}
	buf_clear(&text);
	buf_clear(&out);
}
