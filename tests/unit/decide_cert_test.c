/*
 * deploy/node/principals/decide: the user's own certificate, behind one of the broker's.
 */
#include "deploy/node/principals/decide.h"

#include "common/base64.h"
#include "common/facts.h"
#include "common/ssh/cert.h"
#include "tests/lib/scratch.h"
#include "tests/lib/sk_token.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#define NOW UINT64_C(1740000000)
#define PROGRAM "/usr/libexec/sshbroker/sshbroker-principals"
#define CLIENT "environment=\"SSHBROKER_CLIENT=192.0.2.9 50022\""
#define ALLOWED CLIENT " sshbroker-v1\n"
#define FILES "authorized_keys_file keys\n"

static struct scratch scratch;
static struct privkey *broker_ca, *user_ca, *user_key;
static struct settings settings;

/* What a test changes before it asks. */
static struct cert_option critical[3], extensions[2];
static const char *principals[3];
static uint64_t valid_after, valid_before;
static uint8_t flags;
static const struct pubkey *certified;
static const struct privkey *signer;

/* %s stands for the scratch folder. */
static void
load_settings(const char *format)
{
	struct buf text = {0};
	char why[WHY_SIZE], more[1024];

	settings_clear(&settings);
	(void)snprintf(more, sizeof(more), "\nnode n1\n%s", format);
	cr_assert_eq(buf_append_span(&text, span_str("ca_key ")), OK);
	cr_assert_eq(pubkey_write_line(privkey_public(broker_ca), &text), OK);
	for (const char *p = more; *p != '\0'; p++) {
		if (p[0] == '%' && p[1] == 's')
			cr_assert_eq(buf_append_span(&text, span_str(scratch.dir)), OK);
		else if (p == more || p[-1] != '%')
			cr_assert_eq(buf_append(&text, p, 1), OK);
	}
	cr_assert_eq(settings_parse(buf_span(&text), &settings, why), OK, "%s", why);
	buf_clear(&text);
}

static void
set_up(void)
{
	scratch_init(&scratch);
	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &broker_ca), OK);
	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &user_ca), OK);
	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &user_key), OK);
	certified = privkey_public(user_key);
	signer = user_ca;
	principals[0] = "alice";
	valid_before = UINT64_MAX;
	load_settings(FILES);
}

static void
tear_down(void)
{
	scratch_clear(&scratch);
	settings_clear(&settings);
	privkey_free(broker_ca);
	privkey_free(user_ca);
	privkey_free(user_key);
}

TestSuite(decide_cert, .init = set_up, .fini = tear_down);

/* A file in which CA stands for the user's CA. */
static void
write_file(const char *name, const char *format)
{
	struct buf text = {0};

	for (; *format != '\0'; format++) {
		if (strncmp(format, "CA", 2) == 0) {
			cr_assert_eq(pubkey_write_line(privkey_public(user_ca), &text), OK);
			format++;
		} else {
			cr_assert_eq(buf_append(&text, format, 1), OK);
		}
	}
	scratch_write(&scratch, name, buf_span(&text), 0600);
	buf_clear(&text);
}

static void
mint_users(struct buf *out)
{
	struct cert_template t = {.key = certified,
		.serial = 7,
		.kind = CERT_USER,
		.key_id = "somebody",
		.principals = principals,
		.valid_after = valid_after,
		.valid_before = valid_before,
		.critical_options = critical,
		.extensions = extensions};

	cr_assert_eq(cert_mint(&t, signer, out), OK);
}

/* The base64 of the broker's certificate about it. */
static void
mint(struct buf *out)
{
	const char *const names[] = {FACTS_PRINCIPAL, NULL};
	struct buf users = {0}, data = {0}, blob = {0};
	struct facts f = {.conn_id = 77,
		.node = span_str("n1"),
		.user = span_str("alice"),
		.node_user = span_str("alice"),
		.flags = flags};
	struct cert_option facts[] = {
		{FACTS_EXTENSION, {NULL, 0}, false}, {NULL, {NULL, 0}, false}};
	struct cert_template t = {.key = privkey_public(user_key),
		.kind = CERT_USER,
		.key_id = "x",
		.principals = names,
		.valid_before = UINT64_MAX,
		.extensions = facts};

	mint_users(&users);
	f.key = buf_span(&users);
	cr_assert_eq(addr_parse("192.0.2.9:50022", false, &f.client), OK);
	cr_assert_eq(facts_write(&f, &data), OK);
	facts[0].value = buf_span(&data);
	cr_assert_eq(cert_mint(&t, broker_ca, &blob), OK);
	cr_assert_eq(base64_encode(buf_span(&blob), out), OK);
	buf_clear(&users);
	buf_clear(&data);
	buf_clear(&blob);
}

/* What is printed, or the words why nothing is. */
static const char *
answer(void)
{
	static char text[8192];
	struct buf certificate = {0};
	struct decision d;
	struct request r = {.user = {"alice", scratch.dir, getuid() == 0 ? 5000 : getuid()},
		.ca_fingerprint = "SHA256:",
		.program = PROGRAM,
		.now = NOW};

	mint(&certificate);
	r.certificate = buf_span(&certificate);
	decision_init(&d);
	decide(&settings, &r, &d);
	cr_assert(d.is_ours);
	if (d.lines.len > 0)
		(void)snprintf(text, sizeof(text), "%.*s", (int)d.lines.len,
			(const char *)buf_span(&d.lines).ptr);
	else
		(void)snprintf(text, sizeof(text), "%s", d.why);
	decision_clear(&d);
	buf_clear(&certificate);
	return text;
}

static void
assert_refused(const char *word)
{
	const char *said = answer();

	cr_assert(strstr(said, word) != NULL && strstr(said, FACTS_PRINCIPAL) == NULL, "%s: %s",
		word, said);
}

Test(decide_cert, a_line_of_its_ca_lets_it_in)
{
	static const struct {
		const char *lines;
		const char *want;
	} cases[] = {
		{"cert-authority CA\n", ALLOWED},
		{"restrict,cert-authority,from=\"192.0.2.0/24\" CA\n",
			CLIENT ",restrict sshbroker-v1\n"},
		{"cert-authority,principals=\"ops,alice\" CA\n", ALLOWED},
		{"cert-authority,principals=\"ops\" CA\ncert-authority,no-pty CA\n",
			CLIENT ",no-pty sshbroker-v1\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		write_file("keys", cases[i].lines);
		cr_assert_str_eq(answer(), cases[i].want, "%s", cases[i].lines);
	}
}

Test(decide_cert, a_line_that_does_not_count_does_not)
{
	write_file("keys", "CA\n");
	assert_refused("CA is not in the user's authorized keys");
	write_file("keys", "cert-authority,principals=\"ops\" CA\n");
	assert_refused("not those of the line at keys:1");
	/* An empty entry ends the list, as with sshd. */
	write_file("keys", "cert-authority,principals=\",alice\" CA\n");
	assert_refused("not those of the line");
	principals[0] = "ops";
	write_file("keys", "cert-authority CA\n");
	assert_refused("not those of the line");
	principals[0] = NULL;
	assert_refused("no principals");
}

Test(decide_cert, the_certificate_has_its_time_and_place)
{
	write_file("keys", "cert-authority CA\n");
	valid_before = NOW;
	assert_refused("expired");
	valid_before = NOW + 1;
	cr_assert_str_eq(answer(), ALLOWED);
	valid_after = NOW + 1;
	assert_refused("not valid yet");
	valid_after = NOW;
	critical[0] = (struct cert_option){
		"source-address", span_str("10.0.0.0/8,192.0.2.9"), false};
	cr_assert_str_eq(answer(), ALLOWED);
	static const char *const bad[] = {"10.0.0.0/8", "192.0.2.9/24", "192.0.2.9,", "192.0.2.9,x",
		"!10.0.0.1,192.0.2.9", "*", ""};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		critical[0].value = span_str(bad[i]);
		assert_refused("source-address");
	}
}

Test(decide_cert, of_two_commands_the_same_one_is_in_the_brokers_certificate)
{
	critical[0] = (struct cert_option){"force-command", span_str("echo #1"), false};
	write_file("keys", "cert-authority,command=\"echo #1\" CA\n");
	cr_assert_str_eq(answer(), ALLOWED);
	write_file("keys", "cert-authority,command=\"echo #2\" CA\n");
	assert_refused("forces another command");
	write_file("keys", "cert-authority,no-pty CA\n");
	cr_assert_str_eq(answer(), CLIENT ",no-pty sshbroker-v1\n");
}

Test(decide_cert, the_brokers_own_ca_certifies_no_user)
{
	signer = broker_ca;
	write_file("keys", "cert-authority CA\n");
	assert_refused("one of the broker's");
}

Test(decide_cert, algorithms_are_those_of_certificates)
{
	write_file("keys", "cert-authority CA\n");
	load_settings(FILES "pubkey_algorithms ssh-ed25519\n");
	assert_refused("PubkeyAcceptedAlgorithms");
	load_settings(FILES "pubkey_algorithms *-cert-v01@openssh.com\n");
	cr_assert_str_eq(answer(), ALLOWED);
	load_settings(FILES "ca_algorithms ecdsa-*,rsa-sha2-512\n");
	assert_refused("CASignatureAlgorithms");
	load_settings(FILES "ca_algorithms ecdsa-*,ssh-ed25519\n");
	cr_assert_str_eq(answer(), ALLOWED);
}

Test(decide_cert, a_ca_of_the_nodes_own_certifies_names)
{
	write_file("cas", "# ours\nCA\n");
	load_settings("previous_ca_keys %s/cas\n");
	cr_assert_str_eq(answer(), ALLOWED);
	principals[0] = "ops";
	assert_refused("do not have the user's name");
	write_file("cas", "# none\n");
	assert_refused("is not found in");
}

Test(decide_cert, principals_files_and_commands_decide_in_the_names_place)
{
	static const struct {
		const char *file;
		const char *want; /* refused when it has no principal */
	} cases[] = {
		{"alice\n", "no principal of the certificate"},
		{"ops\n", ALLOWED},
		{" \tno-pty,command=\"a b\" ops # c\n",
			CLIENT ",no-pty,command=\"a b\" sshbroker-v1\n"},
		{"unknown ops\nno-pty ops\n", CLIENT ",no-pty sshbroker-v1\n"},
		{"from=\"10.0.0.1\" ops\nops\n", "from="},
		{"cert-authority ops\nops\n", "in a line of principals"},
		{"command=\"open ops\n", "no principal of the certificate"},
		{"#ops\n\n \n", "no principal of the certificate"},
		{"restrict\tops\n", CLIENT ",restrict sshbroker-v1\n"},
	};

	write_file("cas", "CA\n");
	load_settings("previous_ca_keys %s/cas\nprevious_principals_file names\n");
	principals[0] = "dev";
	principals[1] = "ops";
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		write_file("names", cases[i].file);
		if (strstr(cases[i].want, FACTS_PRINCIPAL) != NULL)
			cr_assert_str_eq(answer(), cases[i].want, "%s", cases[i].file);
		else
			assert_refused(cases[i].want);
	}
}

/* Security keys: what the certificate says counts like what its line says. */
Test(decide_cert, touch_and_pin_are_asked_for_by_both)
{
	struct sk_token token = {user_key, "ssh:", 0, 0};
	struct buf blob = {0};
	struct pubkey *sk;

	sk_token_blob(&token, &blob);
	cr_assert_eq(pubkey_parse(buf_span(&blob), &sk), OK);
	certified = sk;
	write_file("keys", "cert-authority,no-touch-required CA\n");
	assert_refused("not touched");
	flags = FACTS_NOT_FINAL;
	cr_assert_str_eq(answer(), ALLOWED);
	flags = FACTS_TOUCH_VERIFIED;
	cr_assert_str_eq(answer(), ALLOWED);
	critical[0] = (struct cert_option){"verify-required", {NULL, 0}, true};
	assert_refused("not unlocked");
	flags |= FACTS_PIN_VERIFIED;
	cr_assert_str_eq(answer(), ALLOWED);
	flags = FACTS_PIN_VERIFIED;
	extensions[0] = (struct cert_option){"no-touch-required", {NULL, 0}, true};
	cr_assert_str_eq(answer(), ALLOWED);
	write_file("keys", "cert-authority CA\n");
	assert_refused("not touched");
	/* Where the node trusts the CA by itself, the certificate alone says. */
	write_file("cas", "CA\n");
	load_settings("previous_ca_keys %s/cas\n");
	cr_assert_str_eq(answer(), ALLOWED);
	load_settings("previous_ca_keys %s/cas\ntouch_required yes\n");
	assert_refused("not touched");
	pubkey_free(sk);
	buf_clear(&blob);
}
