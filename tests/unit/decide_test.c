/*
 * deploy/node/principals/decide: the whole answer to a certificate, with real files, keys and commands.
 */
#include "deploy/node/principals/decide.h"

#include "common/base64.h"
#include "common/facts.h"
#include "common/ssh/cert.h"
#include "tests/lib/scratch.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW UINT64_C(1740000000)
#define PROGRAM "/usr/libexec/sshbroker/sshbroker-principals"
#define CLIENT "environment=\"SSHBROKER_CLIENT=192.0.2.9 50022\""
#define ALLOWED CLIENT " sshbroker-v1\n"

static struct scratch scratch;
static struct privkey *ca, *other_ca, *ephemeral;
static struct settings settings;
static struct buf user_key; /* blob */
static char user_line[2048]; /* the same key as a line */

/* What a test changes before it asks. */
static struct facts facts;
static const char *principal, *second_principal;
static struct span key_extension;
static enum cert_kind kind;
static const char *key_id;
static const char *fingerprint;
static const char *user;
static uid_t uid;

static void
use_key(const char *file)
{
	struct buf text = {0};

	buf_clear(&user_key);
	vector_read_blob(file, &user_key);
	vector_read(file, &text);
	(void)snprintf(user_line, sizeof(user_line), "%.*s", (int)text.len,
		(const char *)buf_span(&text).ptr);
	user_line[strcspn(user_line, "\n")] = '\0';
	facts.key = buf_span(&user_key);
	buf_clear(&text);
}

static void
load_settings(const char *more)
{
	struct buf text = {0};
	char why[WHY_SIZE];

	settings_clear(&settings);
	cr_assert_eq(buf_append_span(&text, span_str("ca_key ")), OK);
	cr_assert_eq(pubkey_write_line(privkey_public(ca), &text), OK);
	cr_assert_eq(buf_append_span(&text, span_str("\nnode n1\n")), OK);
	cr_assert_eq(buf_append_span(&text, span_str(more)), OK);
	cr_assert_eq(settings_parse(buf_span(&text), &settings, why), OK, "%s", why);
	buf_clear(&text);
}

static void
set_up(void)
{
	scratch_init(&scratch);
	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &ca), OK);
	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &other_ca), OK);
	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &ephemeral), OK);
	user = "alice";
	uid = getuid() == 0 ? 5000 : getuid();
	facts = (struct facts){.conn_id = 77,
		.node = span_str("n1"),
		.user = span_str("alice+gpu"),
		.node_user = span_str("alice")};
	cr_assert_eq(addr_parse("192.0.2.9:50022", false, &facts.client), OK);
	principal = FACTS_PRINCIPAL;
	kind = CERT_USER;
	key_id = "someone";
	use_key("ed25519.pub");
	load_settings("authorized_keys_file keys\n");
}

static void
tear_down(void)
{
	scratch_clear(&scratch);
	settings_clear(&settings);
	privkey_free(ca);
	privkey_free(other_ca);
	privkey_free(ephemeral);
	buf_clear(&user_key);
}

TestSuite(decide, .init = set_up, .fini = tear_down);

/* authorized_keys of the user; KEY stands for the user's key. */
static void
authorize(const char *format)
{
	char text[8192];
	size_t used = 0;

	for (; *format != '\0'; format++) {
		if (strncmp(format, "KEY", 3) == 0) {
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", user_line);
			format += 2;
		} else {
			text[used++] = *format;
		}
	}
	scratch_write(&scratch, "keys", span_of(text, used), 0600);
}

/* The base64 of a certificate with the facts, signed by this CA. */
static void
mint(const struct privkey *by, struct buf *out)
{
	const char *const principals[] = {principal, second_principal, NULL};
	struct buf data = {0}, blob = {0};
	struct cert_option extensions[] = {
		{FACTS_EXTENSION, {NULL, 0}, false}, {NULL, {NULL, 0}, false}};
	struct cert_template t = {.key = privkey_public(ephemeral),
		.serial = 12,
		.kind = kind,
		.key_id = key_id,
		.principals = principals,
		.valid_before = UINT64_MAX,
		.extensions = extensions};

	cr_assert_eq(facts_write(&facts, &data), OK);
	extensions[0].value = key_extension.len > 0 ? key_extension : buf_span(&data);
	cr_assert_eq(cert_mint(&t, by, &blob), OK);
	cr_assert_eq(base64_encode(buf_span(&blob), out), OK);
	buf_clear(&data);
	buf_clear(&blob);
}

static void
decide_text(struct span certificate, const struct privkey *by, struct decision *d)
{
	char ca_fingerprint[KEY_FINGERPRINT_SIZE];
	struct request r = {.user = {.name = user, .home = scratch.dir, .uid = uid},
		.ca_fingerprint = fingerprint != NULL ? fingerprint : ca_fingerprint,
		.certificate = certificate,
		.program = PROGRAM,
		.now = NOW};

	key_fingerprint(pubkey_blob(privkey_public(by)), ca_fingerprint);
	decision_init(d);
	decide(&settings, &r, d);
}

/* What is printed for a certificate of this CA. */
static const char *
printed_for(const struct privkey *by)
{
	static char text[8192];
	struct buf certificate = {0};
	struct decision d;

	mint(by, &certificate);
	decide_text(buf_span(&certificate), by, &d);
	cr_assert_eq(d.is_ours, by == ca);
	(void)snprintf(
		text, sizeof(text), "%.*s", (int)d.lines.len, (const char *)buf_span(&d.lines).ptr);
	/* Nothing is refused without a word. */
	cr_assert(text[0] != '\0' || by != ca || d.why[0] != '\0');
	decision_clear(&d);
	buf_clear(&certificate);
	return text;
}

static const char *
printed(void)
{
	return printed_for(ca);
}

/* The words why nothing is printed. */
static const char *
refusal(void)
{
	static char why[WHY_SIZE];
	struct buf certificate = {0};
	struct decision d;

	mint(ca, &certificate);
	decide_text(buf_span(&certificate), ca, &d);
	(void)snprintf(why, sizeof(why), "%s", d.lines.len == 0 ? d.why : "(allowed)");
	decision_clear(&d);
	buf_clear(&certificate);
	return why;
}

static void
assert_refused(const char *word)
{
	const char *why = refusal();

	cr_assert_not_null(strstr(why, word), "%s: %s", word, why);
}

Test(decide, the_users_key_lets_in_with_the_options_of_its_line)
{
	authorize("KEY\n");
	cr_assert_str_eq(printed(), ALLOWED);
	authorize("# comment\n\nrestrict,command=\"echo a b\" KEY and a comment\n");
	cr_assert_str_eq(printed(), CLIENT ",restrict,command=\"echo a b\" sshbroker-v1\n");
	authorize("command=\"echo #1\" KEY");
	cr_assert_str_eq(
		printed(), CLIENT ",command=\"" PROGRAM " --run 6563686f202331\" sshbroker-v1\n");
}

Test(decide, every_kind_of_key_is_found)
{
	static const char *const kinds[] = {
		"ecdsa256.pub", "ecdsa384.pub", "ecdsa521.pub", "rsa.pub"};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		use_key(kinds[i]);
		authorize("KEY\n");
		cr_assert_str_eq(printed(), ALLOWED);
	}
}

Test(decide, a_key_that_is_not_there_is_refused)
{
	assert_refused("not in the user's authorized keys");
	authorize("# KEY\n");
	assert_refused("not in the user's authorized keys");
	use_key("ecdsa256.pub");
	authorize("KEY\n");
	use_key("ed25519.pub");
	assert_refused("not in the user's authorized keys");
}

/* Lines that sshd passes over, and the one that it takes. */
Test(decide, the_first_line_that_counts_decides)
{
	static const char *const cases[][2] = {
		{"no-pty KEY\nKEY\n", CLIENT ",no-pty sshbroker-v1\n"},
		{"unknown KEY\nno-pty KEY\n", CLIENT ",no-pty sshbroker-v1\n"},
		{"cert-authority KEY\nno-pty KEY\n", CLIENT ",no-pty sshbroker-v1\n"},
		{"principals=\"sshbroker-v1\" KEY\nno-pty KEY\n", CLIENT ",no-pty sshbroker-v1\n"},
		{"expiry-time=\"20250101Z\" KEY\nno-pty KEY\n", CLIENT ",no-pty sshbroker-v1\n"},
		{"from=\"10.0.0.1\" KEY\nno-pty KEY\n", CLIENT ",no-pty sshbroker-v1\n"},
		{"from=\"192.0.2.0/24\",no-pty KEY\nKEY\n", CLIENT ",no-pty sshbroker-v1\n"},
		{"expiry-time=\"20990101Z\" KEY\n",
			CLIENT ",expiry-time=\"20990101Z\" sshbroker-v1\n"},
		{"from=\"10.0.0.1\" KEY\n", ""},
		{"from=\"192.0.2.9/24\" KEY\n", ""},
		{"cert-authority KEY\n", ""},
		/* This one counts, and cannot be said: the next one must not open more. */
		{"environment=\"A=#\" KEY\nKEY\n", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		authorize(cases[i][0]);
		cr_assert_str_eq(printed(), cases[i][1], "%s", cases[i][0]);
	}
}

Test(decide, refusals_name_the_line)
{
	authorize("#\nfrom=\"10.0.0.1\" KEY\n");
	assert_refused("from= does not name 192.0.2.9 at keys:2");
	authorize("expiry-time=\"20250101Z\" KEY\n");
	assert_refused("expired at keys:1");
	authorize("nonsense KEY\n");
	assert_refused("not known at keys:1");
}

Test(decide, the_facts_must_be_about_this_node_and_user)
{
	authorize("KEY\n");
	facts.node = span_str("n2");
	assert_refused("for the node n2");
	facts.node = span_str("n1");
	facts.node_user = span_str("bob");
	assert_refused("for the user bob");
	/* Another account, even if there is one of that name. */
	facts.node_user = span_str("root");
	assert_refused("for the user root");
	facts.node_user = span_str("alice");
	/* No plain key is asked about before its proof with another certificate than after it. */
	facts.flags = FACTS_NOT_FINAL;
	assert_refused("not those of such a key");
	facts.flags = FACTS_TOUCH_VERIFIED;
	assert_refused("not those of such a key");
	facts.flags = 0;
	cr_assert_str_eq(printed(), ALLOWED);
}

Test(decide, the_certificate_must_be_as_the_broker_mints_it)
{
	authorize("KEY\n");
	principal = "alice";
	assert_refused("principal");
	principal = FACTS_PRINCIPAL;
	second_principal = "alice";
	assert_refused("principal");
	second_principal = NULL;
	principal = NULL;
	assert_refused("principal");
	principal = FACTS_PRINCIPAL;
	kind = CERT_HOST;
	assert_refused("for users");
	kind = CERT_USER;
	key_extension = span_str("nonsense");
	assert_refused("facts");
}

Test(decide, system_users_are_refused_unless_named)
{
	authorize("KEY\n");
	for (size_t i = 0; i < 3; i++) {
		uid = (const uid_t[]){0, 999, DECIDE_UID_NOBODY}[i];
		assert_refused("system user");
	}
	uid = 0;
	load_settings("authorized_keys_file keys\nallow_user bob\n");
	assert_refused("system user");
	load_settings("authorized_keys_file keys\nstrict_modes no\nallow_user alice\n");
	cr_assert_str_eq(printed(), ALLOWED);
	/* A minimum of 0 is no way in for root. */
	load_settings("authorized_keys_file keys\nuid_min 0\n");
	assert_refused("system user");
}

Test(decide, what_is_no_certificate_gets_nothing)
{
	static const char *const bad[] = {"", "AAAA", "not base64", "AAAAC3NzaC1lZDI1NTE5AAAA"};

	authorize("KEY\n");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct decision d;

		decide_text(span_str(bad[i]), ca, &d);
		cr_assert_eq(d.lines.len, 0);
		decision_clear(&d);
	}
}

/* One bit changed: signed by nobody.  The fingerprint that sshd gives is still that of our CA. */
Test(decide, a_certificate_that_was_changed_gets_nothing)
{
	struct buf certificate = {0}, blob = {0}, changed = {0};
	struct decision d;

	authorize("KEY\n");
	mint(ca, &certificate);
	cr_assert_eq(base64_decode(buf_span(&certificate), &blob), OK);
	for (size_t i = 40; i < blob.len; i += 3) {
		blob.data[blob.head + i] ^= 1;
		buf_reset(&changed);
		cr_assert_eq(base64_encode(buf_span(&blob), &changed), OK);
		decide_text(buf_span(&changed), ca, &d);
		cr_assert_eq(d.lines.len, 0, "byte %zu", i);
		decision_clear(&d);
		blob.data[blob.head + i] ^= 1;
	}
	buf_clear(&certificate);
	buf_clear(&blob);
	buf_clear(&changed);
}

/* What we cannot read is left to the rules of before only when it is surely another CA's. */
Test(decide, unreadable_certificates_are_ours_unless_the_fingerprint_says_otherwise)
{
	struct decision d;

	fingerprint = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	decide_text(span_str("AAAA"), other_ca, &d);
	cr_assert(!d.is_ours && span_is(buf_span(&d.lines), "alice\n"));
	decision_clear(&d);
	fingerprint = "MD5:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";
	decide_text(span_str("AAAA"), other_ca, &d);
	cr_assert(d.is_ours && d.lines.len == 0);
	decision_clear(&d);
}

Test(decide, other_cas_work_as_before)
{
	cr_assert_str_eq(printed_for(other_ca), "alice\n");
	scratch_write(&scratch, "principals",
		span_str("# who\nalice\nsshbroker-v1\nno-pty sshbroker-v1 # x\nrestrict admins\n"),
		0600);
	load_settings("previous_principals_file principals\n");
	cr_assert_str_eq(printed_for(other_ca), "# who\nalice\nrestrict admins\n");
	load_settings("previous_principals_file none-there\n");
	cr_assert_str_eq(printed_for(other_ca), "");
	load_settings(
		"previous_principals_command /usr/bin/printf %%s.%%s\\\\n sshbroker-v1 %u %i %s\n");
	cr_assert_str_eq(printed_for(other_ca), "sshbroker-v1.alice\nsomeone.12\n");
	load_settings("previous_principals_file principals\n"
		      "previous_principals_command /usr/bin/printf sshbroker-v1\n");
	cr_assert_str_eq(printed_for(other_ca), "# who\nalice\nrestrict admins\n");
	load_settings("previous_principals_file principals\n"
		      "previous_principals_command /usr/bin/false\n");
	cr_assert_str_eq(printed_for(other_ca), "# who\nalice\nrestrict admins\n");
}

/* sshd trusts a copy that node-setup made: who is taken out of the original is out at once. */
Test(decide, another_ca_must_still_be_where_it_was)
{
	char more[1024], path[SCRATCH_PATH_SIZE];
	struct buf text = {0};
	struct decision d;

	(void)snprintf(
		more, sizeof(more), "previous_ca_keys %s\n", scratch_path(&scratch, "cas", path));
	load_settings(more);
	cr_assert_str_eq(printed_for(other_ca), "");
	cr_assert_eq(buf_append_span(&text, span_str("# others\nssh-rsa AAAA\n")), OK);
	scratch_write(&scratch, "cas", buf_span(&text), 0644);
	cr_assert_str_eq(printed_for(other_ca), "");
	cr_assert_eq(buf_append_span(&text, span_str("pty ")), OK);
	cr_assert_eq(pubkey_write_line(privkey_public(other_ca), &text), OK);
	scratch_write(&scratch, "cas", buf_span(&text), 0644);
	cr_assert_str_eq(printed_for(other_ca), "");
	cr_assert_eq(buf_append_span(&text, span_str("\n")), OK);
	cr_assert_eq(pubkey_write_line(privkey_public(other_ca), &text), OK);
	cr_assert_eq(buf_append_span(&text, span_str(" of the others\n")), OK);
	scratch_write(&scratch, "cas", buf_span(&text), 0644);
	cr_assert_str_eq(printed_for(other_ca), "alice\n");
	decide_text(span_str("AAAA"), other_ca, &d);
	cr_assert(!d.is_ours && d.lines.len == 0 && d.why[0] != '\0');
	decision_clear(&d);
	/* Ours is not asked for there. */
	authorize("KEY\n");
	(void)snprintf(
		more, sizeof(more), "previous_ca_keys %s\nauthorized_keys_file keys\n", path);
	load_settings(more);
	cr_assert_str_eq(printed(), ALLOWED);
	buf_clear(&text);
}

/* The tokens of the previous command are those that sshd itself would fill in. */
Test(decide, the_previous_command_gets_the_certificate_in_tokens)
{
	char plain[KEY_FINGERPRINT_SIZE], by[KEY_FINGERPRINT_SIZE], expected[512];

	load_settings("previous_principals_command /usr/bin/printf %%s\\\\n %f %F %t %T %U\n");
	key_fingerprint(pubkey_blob(privkey_public(ephemeral)), plain);
	key_fingerprint(pubkey_blob(privkey_public(other_ca)), by);
	(void)snprintf(expected, sizeof(expected),
		"%s\n%s\nssh-ed25519-cert-v01@openssh.com\nssh-ed25519\n%u\n", plain, by,
		(unsigned)uid);
	cr_assert_str_eq(printed_for(other_ca), expected);
}

/* Some CAs write whole sentences into it. */
Test(decide, a_long_key_id_is_passed_on_whole)
{
	static char id[3000], expected[sizeof(id) + 1];

	memset(id, 'x', sizeof(id) - 1);
	key_id = id;
	load_settings("previous_principals_command /usr/bin/printf %%s\\n %i\n");
	(void)snprintf(expected, sizeof(expected), "%s\n", id);
	cr_assert_str_eq(printed_for(other_ca), expected);
}

Test(decide, a_user_with_the_name_of_our_principal_gets_nothing_from_other_cas)
{
	user = FACTS_PRINCIPAL;
	cr_assert_str_eq(printed_for(other_ca), "");
}

/* "pty smith" would be the option pty and the principal smith. */
Test(decide, a_name_that_sshd_would_not_read_as_one_word_gets_nothing_from_other_cas)
{
	static const char *const names[] = {"pty smith", "pty\tsmith", "smith#1", "smith\n"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		user = names[i];
		cr_assert_str_eq(printed_for(other_ca), "");
	}
}

Test(decide, all_files_are_looked_through_in_order)
{
	load_settings("authorized_keys_file none\nauthorized_keys_file missing\n"
		      "authorized_keys_file %h/k-%u\nauthorized_keys_file keys\n");
	authorize("no-pty KEY\n");
	cr_assert_str_eq(printed(), CLIENT ",no-pty sshbroker-v1\n");
	scratch_write(&scratch, "k-alice", span_str(user_line), 0600);
	cr_assert_str_eq(printed(), ALLOWED);
}

Test(decide, files_that_others_can_write_are_passed_over)
{
	char path[SCRATCH_PATH_SIZE];

	authorize("KEY\n");
	cr_assert_eq(chmod(scratch_path(&scratch, "keys", path), 0620), 0);
	assert_refused("bad ownership or modes");
	load_settings("authorized_keys_file keys\nstrict_modes no\n");
	cr_assert_str_eq(printed(), ALLOWED);
}

Test(decide, a_pipe_is_no_file, .timeout = 20)
{
	char path[SCRATCH_PATH_SIZE];

	cr_assert_eq(mkfifo(scratch_path(&scratch, "keys", path), 0600), 0);
	assert_refused("not a regular file");
}

Test(decide, the_command_is_asked_after_the_files)
{
	char more[1024];

	(void)snprintf(more, sizeof(more),
		"authorized_keys_file missing\nauthorized_keys_command /usr/bin/cat %s/keys\n",
		scratch.dir);
	load_settings(more);
	authorize("#\nno-pty KEY\n");
	cr_assert_str_eq(printed(), CLIENT ",no-pty sshbroker-v1\n");
	authorize("#\n");
	assert_refused("not in the user's authorized keys");
	/* It gets the user's key, not the broker's. */
	load_settings("authorized_keys_command /usr/bin/echo permitopen=\\\"%u:%U\\\" %t %k\n");
	uid = uid > 65535 ? 5000 : uid;
	(void)snprintf(more, sizeof(more), CLIENT ",permitopen=\"alice:%u\" sshbroker-v1\n",
		(unsigned)uid);
	cr_assert_str_eq(printed(), more);
}

/* It prints the key, and then says by its status that it was wrong. */
Test(decide, a_command_that_fails_says_nothing)
{
	char more[1024];

	authorize("KEY\n");
	(void)snprintf(more, sizeof(more),
		"authorized_keys_command /usr/bin/cat %s/keys %s/missing\n", scratch.dir,
		scratch.dir);
	load_settings(more);
	assert_refused("AuthorizedKeysCommand failed");
	load_settings("authorized_keys_command /usr/bin/there-is-no-such\n");
	assert_refused("No such file");
	load_settings("authorized_keys_command cat keys\n");
	assert_refused("absolute");
	(void)snprintf(more, sizeof(more), "authorized_keys_command %s/keys\n", scratch.dir);
	load_settings(more);
	assert_refused("bad ownership or modes");
}

Test(decide, keys_that_the_node_would_not_take_are_refused)
{
	authorize("KEY\n");
	load_settings("authorized_keys_file keys\npubkey_algorithms ecdsa-*,rsa-sha2-512\n");
	assert_refused("PubkeyAcceptedAlgorithms");
	use_key("rsa.pub");
	authorize("KEY\n");
	cr_assert_str_eq(printed(), ALLOWED);
	load_settings("authorized_keys_file keys\nrsa_bits_min 16384\n");
	assert_refused("shorter than 16384");
	use_key("ed25519-cert.pub");
	authorize("KEY\n");
	assert_refused("the certificate's CA is not in the user's authorized keys");
}

Test(decide, revoked_keys_are_refused)
{
	char more[1024];

	authorize("KEY\n");
	(void)snprintf(more, sizeof(more), "authorized_keys_file keys\nrevoked_keys %s/revoked\n",
		scratch.dir);
	load_settings(more);
	assert_refused("cannot be read");
	scratch_write(&scratch, "revoked", span_str("# none\n"), 0644);
	cr_assert_str_eq(printed(), ALLOWED);
	scratch_write(&scratch, "revoked", span_str(user_line), 0644);
	assert_refused("revoked by");
	/* sshds from OpenSSH 10 on have several. */
	(void)snprintf(more, sizeof(more),
		"authorized_keys_file keys\nrevoked_keys %s/keys2\nrevoked_keys %s/revoked\n",
		scratch.dir, scratch.dir);
	load_settings(more);
	assert_refused("keys2 cannot be read");
	scratch_write(&scratch, "keys2", span_str(""), 0644);
	assert_refused("revoked by");
	scratch_write(&scratch, "revoked", span_str(""), 0644);
	cr_assert_str_eq(printed(), ALLOWED);
}

/* Security keys: touch as the line and the node want it, told by the facts. */
Test(decide, security_keys_need_their_touch)
{
	static const uint8_t blob[] = "\0\0\0\x1ask-ssh-ed25519@openssh.comXXXX";
	struct buf line = {0};

	facts.key = span_of(blob, sizeof(blob) - 1);
	cr_assert_eq(buf_append_span(&line, span_str("sk-ssh-ed25519@openssh.com ")), OK);
	cr_assert_eq(base64_encode(facts.key, &line), OK);
	(void)snprintf(user_line, sizeof(user_line), "%.*s", (int)line.len,
		(const char *)buf_span(&line).ptr);
	buf_clear(&line);
	authorize("KEY\n");
	assert_refused("not touched");
	/* Before the proof nothing is known of it; all else counts. */
	facts.flags = FACTS_NOT_FINAL;
	cr_assert_str_eq(printed(), ALLOWED);
	authorize("from=\"10.0.0.1\" KEY\n");
	assert_refused("from=");
	authorize("KEY\n");
	facts.flags = FACTS_TOUCH_VERIFIED | FACTS_WEBAUTHN;
	assert_refused("not those of such a security key");
	facts.flags = FACTS_TOUCH_VERIFIED;
	cr_assert_str_eq(printed(), ALLOWED);
	authorize("verify-required KEY\nKEY\n");
	assert_refused("not unlocked");
	facts.flags = FACTS_PIN_VERIFIED;
	authorize("no-touch-required,verify-required KEY\n");
	cr_assert_str_eq(printed(), ALLOWED);
	load_settings("authorized_keys_file keys\ntouch_required yes\n");
	assert_refused("not touched");
}
