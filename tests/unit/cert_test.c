/*
 * common/ssh/cert: certificates by ssh-keygen read here, ours read by ssh-keygen, and what must be
 * refused.
 */
#include "common/ssh/cert.h"

#include "common/base64.h"
#include "common/ssh/keyfile.h"
#include "common/ssh/wire.h"
#include "tests/lib/scratch.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define IN_2025 UINT64_C(1740000000)

static struct cert *
read_cert(const char *file)
{
	struct buf blob = {0};
	struct cert *c = NULL;

	vector_read_blob(file, &blob);
	cr_assert_eq(cert_parse(buf_span(&blob), &c), OK, "%s", file);
	buf_clear(&blob);
	return c;
}

static enum err
parse(struct span blob)
{
	struct cert *c = NULL;
	enum err e = cert_parse(blob, &c);

	cr_assert((e == OK) == (c != NULL));
	cert_free(c);
	return e;
}

static void
assert_same_key(const struct pubkey *k, const char *file)
{
	struct buf blob = {0};

	vector_read_blob(file, &blob);
	cr_assert(span_equal(pubkey_blob(k), buf_span(&blob)), "%s", file);
	buf_clear(&blob);
}

Test(cert, names_stand_for_types_and_signatures)
{
	static const char *const cases[][2] = {{"ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519"},
		{"ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256"},
		{"ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp384"},
		{"ecdsa-sha2-nistp521-cert-v01@openssh.com", "ecdsa-sha2-nistp521"},
		{"rsa-sha2-256-cert-v01@openssh.com", "rsa-sha2-256"},
		{"rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-512"},
		{"sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com"},
		{"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
			"sk-ecdsa-sha2-nistp256@openssh.com"},
		{"webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", SIGALG_WEBAUTHN}};
	static const char *const none[] = {"ssh-rsa-cert-v01@openssh.com", "ssh-ed25519", "",
		"-cert-v01@openssh.com", "ssh-dss-cert-v01@openssh.com",
		"ssh-ed25519-cert-v01@example.com"};
	struct span sigalg;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cr_assert(cert_is_type_name(span_str(cases[i][0])));
		cr_assert_eq(cert_sigalg(span_str(cases[i][0]), &sigalg), OK);
		cr_assert(span_is(sigalg, cases[i][1]));
	}
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		cr_assert_eq(cert_sigalg(span_str(none[i]), &sigalg), ERR_UNSUPPORTED);
	cr_assert(cert_is_type_name(span_str("sk-ssh-ed25519-cert-v01@openssh.com")));
	cr_assert_not(cert_is_type_name(span_str("ssh-ed25519")));
	cr_assert_str_eq(cert_type_name(KEY_ED25519), cases[0][0]);
	cr_assert_str_eq(cert_type_name(KEY_RSA), none[0]);
	cr_assert_null(cert_type_name(KEY_NONE));
}

Test(cert, user_certificates_of_ssh_keygen_say_what_they_were_told)
{
	static const struct {
		enum key_type type;
		const char *name;
	} cases[] = {{KEY_ED25519, "ed25519"}, {KEY_ECDSA_P256, "ecdsa256"},
		{KEY_ECDSA_P384, "ecdsa384"}, {KEY_ECDSA_P521, "ecdsa521"}, {KEY_RSA, "rsa"},
		{KEY_SK_ED25519, "sk-ed25519"}, {KEY_SK_ECDSA, "sk-ecdsa"}};
	char file[64];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct cert_fields *f;
		struct span data;
		struct cert *c;

		(void)snprintf(file, sizeof(file), "%s-cert.pub", cases[i].name);
		c = read_cert(file);
		f = cert_fields(c);
		cr_assert_eq(f->type, cases[i].type);
		cr_assert(span_is(f->type_name, cert_type_name(f->type)));
		cr_assert_eq(f->serial, 42);
		cr_assert_eq(f->kind, CERT_USER);
		(void)snprintf(file, sizeof(file), "key of %s", cases[i].name);
		cr_assert(span_is(f->key_id, file));
		cr_assert_eq(f->valid_after, 1704067200);
		cr_assert_eq(f->valid_before, 2019686400);
		cr_assert(cert_has_principal(c, span_str("alice")));
		cr_assert(cert_has_principal(c, span_str("bob")));
		cr_assert_eq(cert_find_option(f->critical_options, "force-command", &data), OK);
		cr_assert(span_is(data, "/bin/true"));
		cr_assert_eq(cert_find_option(f->critical_options, "source-address", &data), OK);
		cr_assert(span_is(data, "192.0.2.0/24,::1/128"));
		cr_assert_eq(cert_find_option(f->extensions, "note@example.com", &data), OK);
		cr_assert(span_is(data, "hello"));
		cr_assert_eq(cert_find_option(f->extensions, "permit-pty", &data), OK);
		cr_assert_eq(data.len, 0);
		cr_assert_eq(cert_find_option(f->extensions, "permit-X11-forwarding", &data),
			ERR_NOT_FOUND);
		(void)snprintf(file, sizeof(file), "%s.pub", cases[i].name);
		assert_same_key(cert_key(c), file);
		assert_same_key(cert_ca_key(c), "ca.pub");
		cert_free(c);
	}
}

Test(cert, principals_match_whole_and_only_when_there_are_any)
{
	struct cert *some = read_cert("ed25519-cert.pub"), *none = read_cert("nobody-cert.pub");

	cr_assert_not(cert_has_principal(some, span_str("alic")));
	cr_assert_not(cert_has_principal(some, span_str("alice2")));
	cr_assert_not(cert_has_principal(some, span_str("Alice")));
	cr_assert_not(cert_has_principal(some, span_str("")));
	cr_assert_not(cert_has_principal(none, span_str("alice")));
	cr_assert_not(cert_has_principal(none, span_str("")));
	cert_free(some);
	cert_free(none);
}

Test(cert, validity_begins_with_its_first_second_and_ends_before_its_last)
{
	struct cert *c = read_cert("ed25519-cert.pub"), *always = read_cert("host-cert.pub");

	cr_assert_not(cert_is_valid_at(c, 1704067199));
	cr_assert(cert_is_valid_at(c, 1704067200));
	cr_assert(cert_is_valid_at(c, 2019686399));
	cr_assert_not(cert_is_valid_at(c, 2019686400));
	cr_assert(cert_is_valid_at(always, 0));
	cr_assert(cert_is_valid_at(always, IN_2025));
	cr_assert_eq(cert_fields(always)->kind, CERT_HOST);
	cr_assert(cert_has_principal(always, span_str("node1.example.com")));
	cr_assert_eq(cert_fields(always)->critical_options.len, 0);
	cr_assert_eq(cert_fields(always)->extensions.len, 0);
	cert_free(c);
	cert_free(always);
}

Test(cert, every_plain_key_may_be_the_ca_but_sha1_is_refused)
{
	static const char *const cases[][2] = {{"by-ecdsa256-cert.pub", "ecdsa256.pub"},
		{"by-ecdsa384-cert.pub", "ecdsa384.pub"}, {"by-ecdsa521-cert.pub", "ecdsa521.pub"},
		{"by-rsa-sha2-256-cert.pub", "rsa.pub"}, {"by-rsa-sha2-512-cert.pub", "rsa.pub"}};
	struct buf blob = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cert *c = read_cert(cases[i][0]);

		assert_same_key(cert_ca_key(c), cases[i][1]);
		cert_free(c);
	}
	vector_read_blob("by-ssh-rsa-cert.pub", &blob);
	cr_assert_eq(parse(buf_span(&blob)), ERR_UNSUPPORTED);
	buf_clear(&blob);
}

Test(cert, every_flipped_bit_every_cut_and_every_extra_byte_is_refused)
{
	static const char *const files[] = {"ed25519-cert.pub", "ecdsa256-cert.pub", "rsa-cert.pub",
		"by-ecdsa256-cert.pub", "by-rsa-sha2-256-cert.pub", "host-cert.pub"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct buf blob = {0};

		vector_read_blob(files[i], &blob);
		for (size_t bit = 0; bit < blob.len * 8; bit++) {
			blob.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
			cr_assert_neq(parse(buf_span(&blob)), OK, "%s, bit %zu", files[i], bit);
			blob.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
		for (size_t len = 0; len < blob.len; len++)
			cr_assert_neq(parse(span_of(blob.data, len)), OK);
		cr_assert_eq(buf_append(&blob, "", 1), OK);
		cr_assert_eq(parse(buf_span(&blob)), ERR_FORMAT);
		buf_clear(&blob);
	}
}

Test(cert, a_plain_key_is_no_certificate)
{
	struct buf blob = {0};

	vector_read_blob("ed25519.pub", &blob);
	cr_assert_eq(parse(buf_span(&blob)), ERR_UNSUPPORTED);
	cr_assert_eq(parse(span_of(NULL, 0)), ERR_FORMAT);
	cr_assert_eq(parse(span_of("\0\0\0\0", 4)), ERR_UNSUPPORTED);
	buf_clear(&blob);
}

/*
 * What stands in a certificate that is put together here by hand; a span whose ptr is NULL means
 * the sound value.
 */
struct parts {
	struct span type;
	struct span ca_blob;
	struct span key_id;
	struct span principals;
	struct span critical_options;
	struct span extensions;
	uint32_t kind;
};

static struct span
part(struct span given, const char *otherwise)
{
	return given.ptr != NULL ? given : span_str(otherwise);
}

/*
 * Parse the certificate that these parts make, for the key in ed25519.pub and truly signed by a
 * fresh CA.
 */
static enum err
parse_parts(const struct parts *p)
{
	struct buf b = {0}, key = {0}, sig = {0};
	struct privkey *ca;
	enum err e;

	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &ca), OK);
	vector_read_blob("ed25519.pub", &key);
	cr_assert(!wire_put_string(&b, part(p->type, "ssh-ed25519-cert-v01@openssh.com")) &&
		!wire_put_cstring(&b, "nonce") &&
		!wire_put_string(&b, span_of(key.data + key.len - 32, 32)) &&
		!wire_put_u64(&b, 1) && !wire_put_u32(&b, p->kind != 0 ? p->kind : 1) &&
		!wire_put_string(&b, part(p->key_id, "id")) &&
		!wire_put_string(&b, part(p->principals, "")) && !wire_put_u64(&b, 0) &&
		!wire_put_u64(&b, UINT64_MAX) &&
		!wire_put_string(&b, part(p->critical_options, "")) &&
		!wire_put_string(&b, part(p->extensions, "")) &&
		!wire_put_cstring(&b, "reserved is ignored") &&
		!wire_put_string(
			&b, p->ca_blob.ptr != NULL ? p->ca_blob : pubkey_blob(privkey_public(ca))));
	cr_assert_eq(privkey_sign(ca, span_str("ssh-ed25519"), buf_span(&b), &sig), OK);
	cr_assert_eq(wire_put_string(&b, buf_span(&sig)), OK);
	e = parse(buf_span(&b));
	privkey_free(ca);
	buf_clear(&b);
	buf_clear(&key);
	buf_clear(&sig);
	return e;
}

Test(cert, what_is_signed_is_still_checked)
{
	struct buf ca_cert = {0};

	vector_read_blob("nobody-cert.pub", &ca_cert);
	cr_assert_eq(parse_parts(&(struct parts){0}), OK);
	cr_assert_eq(parse_parts(&(struct parts){.kind = 2}), OK);
	cr_assert_eq(parse_parts(&(struct parts){.kind = 3}), ERR_FORMAT);
	cr_assert_eq(parse_parts(&(struct parts){.kind = 0x80000001}), ERR_FORMAT);
	cr_assert_eq(parse_parts(&(struct parts){.key_id = span_of("a\0b", 3)}), ERR_FORMAT);
	cr_assert_eq(parse_parts(&(struct parts){.type = span_str("ssh-dss-cert-v01@openssh.com")}),
		ERR_UNSUPPORTED);
	cr_assert_eq(parse_parts(&(struct parts){.ca_blob = buf_span(&ca_cert)}), ERR_UNSUPPORTED);
	cr_assert_eq(parse_parts(&(struct parts){.ca_blob = span_str("x")}), ERR_FORMAT);
	buf_clear(&ca_cert);
	vector_read_blob("ed25519.pub", &ca_cert);
	cr_assert_eq(parse_parts(&(struct parts){.ca_blob = buf_span(&ca_cert)}), ERR_SIGNATURE);
	buf_clear(&ca_cert);
}

/* A list of n strings, or of n options with data, with names "0", "1", ... below modulus. */
static void
make_list(struct buf *b, unsigned n, unsigned modulus, bool options)
{
	char name[16];

	buf_reset(b);
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "%u", i % modulus);
		cr_assert_eq(wire_put_cstring(b, name), OK);
		if (options)
			cr_assert_eq(wire_put_cstring(b, "data"), OK);
	}
}

Test(cert, lists_have_maximums)
{
	struct buf b = {0};

	make_list(&b, CERT_PRINCIPALS_MAX, 1000, false);
	cr_assert_eq(parse_parts(&(struct parts){.principals = buf_span(&b)}), OK);
	make_list(&b, CERT_PRINCIPALS_MAX + 1, 1000, false);
	cr_assert_eq(parse_parts(&(struct parts){.principals = buf_span(&b)}), ERR_FORMAT);
	make_list(&b, CERT_OPTIONS_MAX, 1000, true);
	cr_assert_eq(parse_parts(&(struct parts){.critical_options = buf_span(&b)}), OK);
	cr_assert_eq(parse_parts(&(struct parts){.extensions = buf_span(&b)}), OK);
	make_list(&b, CERT_OPTIONS_MAX + 1, 1000, true);
	cr_assert_eq(parse_parts(&(struct parts){.critical_options = buf_span(&b)}), ERR_FORMAT);
	cr_assert_eq(parse_parts(&(struct parts){.extensions = buf_span(&b)}), ERR_FORMAT);
	buf_clear(&b);
}

Test(cert, an_option_twice_is_refused_but_any_order_is_taken)
{
	struct buf b = {0};

	make_list(&b, 3, 2, true);
	cr_assert_eq(parse_parts(&(struct parts){.critical_options = buf_span(&b)}), ERR_FORMAT);
	cr_assert_eq(parse_parts(&(struct parts){.extensions = buf_span(&b)}), ERR_FORMAT);
	/* "10" stands behind "9" here, and would stand before it. */
	make_list(&b, 11, 1000, true);
	cr_assert_eq(parse_parts(&(struct parts){.extensions = buf_span(&b)}), OK);
	buf_clear(&b);
}

Test(cert, lists_that_do_not_add_up_are_refused)
{
	struct buf b = {0};

	make_list(&b, 1, 1, false);
	cr_assert_eq(parse_parts(&(struct parts){.principals = buf_span(&b)}), OK);
	cr_assert_eq(parse_parts(&(struct parts){.critical_options = buf_span(&b)}), ERR_FORMAT);
	cr_assert_eq(parse_parts(&(struct parts){.extensions = buf_span(&b)}), ERR_FORMAT);
	cr_assert_eq(
		parse_parts(&(struct parts){.principals = span_of(b.data, b.len - 1)}), ERR_FORMAT);
	cr_assert_eq(
		parse_parts(&(struct parts){.principals = span_of("\0\0\0\1\0", 5)}), ERR_FORMAT);
	cr_assert_eq(parse_parts(&(struct parts){.extensions = span_of("\0\0\0\0\0\0\0\0", 8)}),
		ERR_FORMAT);
	buf_clear(&b);
}

Test(cert, an_option_is_one_inner_string_or_nothing)
{
	static const uint8_t list[] = {0, 0, 0, 1, 'a', 0, 0, 0, 5, 0, 0, 0, 1, 'x', 0, 0, 0, 1,
		'b', 0, 0, 0, 6, 0, 0, 0, 1, 'x', 'y', 0, 0, 0, 1, 'c', 0, 0, 0, 1, 'z', 0, 0, 0, 1,
		'd', 0, 0, 0, 0};
	struct span all = span_of(list, sizeof(list)), data = span_str("untouched");

	cr_assert_eq(cert_find_option(all, "a", &data), OK);
	cr_assert(span_is(data, "x"));
	cr_assert_eq(cert_find_option(all, "b", &data), ERR_FORMAT);
	cr_assert_eq(cert_find_option(all, "c", &data), ERR_FORMAT);
	cr_assert_eq(cert_find_option(all, "e", &data), ERR_NOT_FOUND);
	cr_assert(span_is(data, "x"));
	cr_assert_eq(cert_find_option(all, "d", &data), OK);
	cr_assert_eq(data.len, 0);
}

static const char *const principals[] = {"sshbroker-v1", "second", NULL};

static const struct cert_option critical[] = {
	{.name = "source-address", .value = {(const uint8_t *)"192.0.2.1/32", 12}}, {.name = NULL}};

static const struct cert_option extensions[] = {
	{.name = "note@example.com", .value = {(const uint8_t *)"hello", 5}},
	{.name = "permit-agent-forwarding", .is_flag = true},
	{.name = "permit-pty", .is_flag = true}, {.name = NULL}};

static struct cert_template
template_for(const struct pubkey *key)
{
	return (struct cert_template){
		.key = key,
		.serial = 0x0102030405060708,
		.kind = CERT_USER,
		.key_id = "a readable line",
		.principals = principals,
		.valid_after = IN_2025,
		.valid_before = IN_2025 + 420,
		.critical_options = critical,
		.extensions = extensions,
	};
}

Test(cert, what_is_minted_is_parsed_for_every_key_by_every_ca)
{
	static const char *const cas[] = {"ca", "ecdsa256", "ecdsa384", "ecdsa521", "rsa"};
	static const enum key_type types[] = {
		KEY_ED25519, KEY_ECDSA_P256, KEY_ECDSA_P384, KEY_ECDSA_P521, KEY_RSA};

	for (size_t i = 0; i < ARRAY_LEN(cas); i++) {
		struct buf text = {0}, blob = {0};
		struct privkey *ca, *user;
		struct cert_template t;
		struct span data;
		struct cert *c;

		vector_read(cas[i], &text);
		cr_assert_eq(keyfile_parse(buf_span(&text), &ca), OK);
		cr_assert_eq(privkey_generate(types[i], 2048, &user), OK);
		t = template_for(privkey_public(user));
		cr_assert_eq(cert_mint(&t, ca, &blob), OK);
		cr_assert_eq(cert_parse(buf_span(&blob), &c), OK);
		cr_assert(pubkey_equal(cert_key(c), privkey_public(user)));
		cr_assert(pubkey_equal(cert_ca_key(c), privkey_public(ca)));
		cr_assert_eq(cert_fields(c)->serial, t.serial);
		cr_assert(span_is(cert_fields(c)->key_id, t.key_id));
		cr_assert(cert_has_principal(c, span_str("sshbroker-v1")));
		cr_assert(cert_is_valid_at(c, IN_2025));
		cr_assert_not(cert_is_valid_at(c, IN_2025 + 420));
		cr_assert_eq(
			cert_find_option(cert_fields(c)->critical_options, "source-address", &data),
			OK);
		cr_assert(span_is(data, "192.0.2.1/32"));
		cr_assert(span_equal(cert_blob(c), buf_span(&blob)));
		cert_free(c);
		privkey_free(ca);
		privkey_free(user);
		buf_clear(&text);
		buf_clear(&blob);
	}
}

/* A certificate line in the file cert.pub, minted by the CA vector. */
static void
mint_into(const struct scratch *dir, enum key_type type)
{
	struct buf text = {0}, blob = {0}, line = {0};
	struct privkey *ca, *user;
	struct cert_template t;

	vector_read("ca", &text);
	cr_assert_eq(keyfile_parse(buf_span(&text), &ca), OK);
	cr_assert_eq(privkey_generate(type, 2048, &user), OK);
	t = template_for(privkey_public(user));
	cr_assert_eq(cert_mint(&t, ca, &blob), OK);
	cr_assert(!buf_append_span(&line, span_str(cert_type_name(type))) &&
		!buf_append(&line, " ", 1) && !base64_encode(buf_span(&blob), &line) &&
		!buf_append(&line, "\n", 1));
	scratch_write(dir, "cert.pub", buf_span(&line), 0600);
	privkey_free(ca);
	privkey_free(user);
	buf_clear(&text);
	buf_clear(&blob);
	buf_clear(&line);
}

Test(cert, ssh_keygen_understands_what_we_mint)
{
	static const enum key_type types[] = {
		KEY_ED25519, KEY_ECDSA_P256, KEY_ECDSA_P384, KEY_ECDSA_P521, KEY_RSA};
	static const char *const lines[] = {"Key ID: \"a readable line\"\n",
		"Serial: 72623859790382856\n",
		"Valid: from 2025-02-19T21:20:00 to 2025-02-19T21:27:00\n",
		"Principals: \n                sshbroker-v1\n                second\n",
		"Critical Options: \n                source-address 192.0.2.1/32\n",
		"Extensions: \n                note@example.com UNKNOWN OPTION: ",
		"                permit-agent-forwarding\n                permit-pty\n"};
	struct buf said = {0};
	struct scratch dir;

	scratch_init(&dir);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		mint_into(&dir, types[i]);
		cr_assert_eq(scratch_run(&dir, "TZ=UTC ssh-keygen -L -f cert.pub", &said), 0, "%s",
			(const char *)said.data);
		cr_assert_not_null(strstr((const char *)said.data, cert_type_name(types[i])));
		for (size_t l = 0; l < ARRAY_LEN(lines); l++)
			cr_assert_not_null(
				strstr((const char *)said.data, lines[l]), "%s", lines[l]);
	}
	scratch_clear(&dir);
	buf_clear(&said);
}

static enum err
mint(const struct cert_template *t, struct buf *out)
{
	struct privkey *ca, *user;
	struct cert_template filled = *t;
	enum err e;

	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &ca), OK);
	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &user), OK);
	filled.key = privkey_public(user);
	e = cert_mint(&filled, ca, out);
	privkey_free(ca);
	privkey_free(user);
	return e;
}

Test(cert, what_would_not_parse_is_not_minted)
{
	static const struct cert_option unsorted[] = {
		{.name = "b", .is_flag = true}, {.name = "a", .is_flag = true}, {.name = NULL}};
	static const struct cert_option twice[] = {
		{.name = "a", .is_flag = true}, {.name = "a", .is_flag = true}, {.name = NULL}};
	static const uint8_t large[CERT_BLOB_MAX];
	const struct cert_option too_large[] = {
		{.name = "a", .value = span_of(large, sizeof(large))}, {.name = NULL}};
	const char *many[CERT_PRINCIPALS_MAX + 2] = {0};
	struct cert_template t = template_for(NULL);
	struct buf out = {0};

	cr_assert_eq(buf_append(&out, "x", 1), OK);
	t.critical_options = unsorted;
	cr_assert_eq(mint(&t, &out), ERR_FORMAT);
	t.critical_options = NULL;
	t.extensions = twice;
	cr_assert_eq(mint(&t, &out), ERR_FORMAT);
	t.extensions = too_large;
	cr_assert_eq(mint(&t, &out), ERR_LIMIT);
	t.extensions = NULL;
	t.kind = CERT_KIND_NONE;
	cr_assert_eq(mint(&t, &out), ERR_FORMAT);
	t.kind = CERT_HOST;
	for (size_t i = 0; i <= CERT_PRINCIPALS_MAX; i++)
		many[i] = "p";
	t.principals = many;
	cr_assert_eq(mint(&t, &out), ERR_FORMAT);
	cr_assert(span_is(buf_span(&out), "x"));
	many[CERT_PRINCIPALS_MAX] = NULL;
	cr_assert_eq(mint(&t, &out), OK);
	buf_clear(&out);
}

Test(cert, no_two_certificates_have_the_same_nonce)
{
	struct cert_template t = template_for(NULL);
	struct buf text = {0}, a = {0}, b = {0};
	struct privkey *ca;

	vector_read("ca", &text);
	cr_assert_eq(keyfile_parse(buf_span(&text), &ca), OK);
	t.key = privkey_public(ca);
	cr_assert_eq(cert_mint(&t, ca, &a), OK);
	cr_assert_eq(cert_mint(&t, ca, &b), OK);
	cr_assert_not(span_equal(buf_span(&a), buf_span(&b)));
	privkey_free(ca);
	buf_clear(&text);
	buf_clear(&a);
	buf_clear(&b);
}
