/*
 * deploy/node/principals/krl: which parts of a list count, and that a list which is not whole says nothing.
 */
#include "deploy/node/principals/krl.h"

#include "common/attr.h"
#include "common/buf.h"
#include "common/ssh/wire.h"

#include <criterion/criterion.h>

#define KEYS 2
#define SIGNATURE 4
#define EXTENSION 255

static const struct span key = {.ptr = (const uint8_t *)"the key", .len = 7};

static void
put_header(uint32_t format, struct buf *b)
{
	cr_assert_eq(buf_append(b, KRL_MAGIC, KRL_MAGIC_LEN), OK);
	cr_assert_eq(wire_put_u32(b, format), OK);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(wire_put_u64(b, i), OK);
	cr_assert_eq(wire_put_cstring(b, ""), OK);
	cr_assert_eq(wire_put_cstring(b, "a comment"), OK);
}

/* A section whose data are one string and, for an extension, what follows it. */
static void
put_section(uint8_t type, const char *text, struct span behind, struct buf *b)
{
	struct buf data = {0};

	cr_assert_eq(wire_put_cstring(&data, text), OK);
	cr_assert_eq(buf_append_span(&data, behind), OK);
	cr_assert_eq(wire_put_u8(b, type), OK);
	cr_assert_eq(wire_put_string(b, buf_span(&data)), OK);
	buf_clear(&data);
}

static enum err
check_and_clear(struct buf *b)
{
	enum err e = krl_check(buf_span(b), key, NULL);

	buf_clear(b);
	return e;
}

Test(krl, a_key_in_any_section_is_found)
{
	struct buf b = {0};

	put_header(1, &b);
	cr_assert_eq(krl_check(buf_span(&b), key, NULL), OK);
	put_section(KEYS, "another", span_str(""), &b);
	cr_assert_eq(krl_check(buf_span(&b), key, NULL), OK);
	put_section(KEYS, "the key", span_str(""), &b);
	put_section(KEYS, "a third", span_str(""), &b);
	cr_assert_eq(check_and_clear(&b), ERR_DENIED);
}

Test(krl, what_is_cut_off_anywhere_is_no_list)
{
	struct buf b = {0};
	size_t header;

	put_header(1, &b);
	header = b.len;
	put_section(KEYS, "the key", span_str(""), &b);
	for (size_t len = 0; len < b.len; len++) {
		if (len != header)
			cr_assert_eq(krl_check(span_of(buf_span(&b).ptr, len), key, NULL),
				ERR_FORMAT, "%zu", len);
	}
	cr_assert_eq(check_and_clear(&b), ERR_DENIED);
}

/* A part that is broken is told, even behind one that has the key. */
Test(krl, what_is_not_known_fails_the_whole_list)
{
	static const struct {
		uint32_t format;
		uint8_t type;
		struct span behind;
		enum err e;
	} cases[] = {
		{2, KEYS, {NULL, 0}, ERR_UNSUPPORTED},
		{1, 77, {NULL, 0}, ERR_UNSUPPORTED},
		{1, EXTENSION, {(const uint8_t *)"\1\0\0\0\0", 5}, ERR_UNSUPPORTED},
		{1, EXTENSION, {(const uint8_t *)"\0\0\0\0\0", 5}, ERR_DENIED},
		{1, EXTENSION, {(const uint8_t *)"\0\0\0\0\1", 5}, ERR_FORMAT},
		{1, KEYS, {(const uint8_t *)"\0\0\0\1", 4}, ERR_FORMAT},
		{1, 3, {NULL, 0}, ERR_FORMAT},
		{1, 5, {NULL, 0}, ERR_FORMAT},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = {0};

		put_header(cases[i].format, &b);
		put_section(KEYS, "the key", span_str(""), &b);
		put_section(cases[i].type, "x", cases[i].behind, &b);
		cr_assert_eq(check_and_clear(&b), cases[i].e, "%zu", i);
	}
}

/* It is a section with one string more. */
Test(krl, a_signature_is_passed_over)
{
	struct buf b = {0};

	put_header(1, &b);
	put_section(SIGNATURE, "the signer", span_str(""), &b);
	cr_assert_eq(wire_put_cstring(&b, "the signature"), OK);
	put_section(KEYS, "the key", span_str(""), &b);
	cr_assert_eq(check_and_clear(&b), ERR_DENIED);
}

/* What is said of certificates, in a section for all CAs. */
static void
put_cert_section(uint8_t type, struct span data, struct buf *b)
{
	struct buf section = {0};

	cr_assert_eq(wire_put_cstring(&section, ""), OK);
	cr_assert_eq(wire_put_cstring(&section, "reserved"), OK);
	cr_assert_eq(wire_put_u8(&section, type), OK);
	cr_assert_eq(wire_put_string(&section, data), OK);
	cr_assert_eq(wire_put_u8(b, 1), OK);
	cr_assert_eq(wire_put_string(b, buf_span(&section)), OK);
	buf_clear(&section);
}

static struct cert *
make_cert(uint64_t serial)
{
	struct cert_template t = {.serial = serial, .kind = CERT_USER, .key_id = "id"};
	struct buf blob = {0};
	struct privkey *ca;
	struct cert *c;

	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &ca), OK);
	t.key = privkey_public(ca);
	cr_assert_eq(cert_mint(&t, ca, &blob), OK);
	cr_assert_eq(cert_parse(buf_span(&blob), &c), OK);
	privkey_free(ca);
	buf_clear(&blob);
	return c;
}

#define U64(n) "\0\0\0\0\0\0\0" n

/* Lists as ssh-keygen writes them are read in revoked_test; these are what it never writes. */
Test(krl, certificates_are_found_at_the_edges_and_broken_sections_fail_the_list)
{
	static const struct {
		uint64_t serial;
		uint8_t type;
		struct span data;
		enum err e;
	} cases[] = {
		{5, 0x20, {(const uint8_t *)U64("\4") U64("\5"), 16}, ERR_DENIED},
		{6, 0x20, {(const uint8_t *)U64("\4") U64("\5"), 16}, OK},
		{5, 0x20, {(const uint8_t *)U64("\5") "\0", 9}, ERR_FORMAT},
		{5, 0x20, {(const uint8_t *)U64("\5") U64("\0"), 16}, ERR_FORMAT},
		{5, 0x21, {(const uint8_t *)U64("\5") U64("\5"), 16}, ERR_DENIED},
		{5, 0x21, {(const uint8_t *)U64("\6") U64("\5"), 16}, ERR_FORMAT},
		{5, 0x21, {(const uint8_t *)U64("\0") U64("\5"), 16}, ERR_FORMAT},
		/* A CA that gives no numbers is not hit by any. */
		{0, 0x21, {(const uint8_t *)U64("\1") U64("\5"), 16}, OK},
		{5, 0x22, {(const uint8_t *)U64("\5") "\0\0\0\1\1", 13}, ERR_DENIED},
		{6, 0x22, {(const uint8_t *)U64("\5") "\0\0\0\1\1", 13}, OK},
		{4, 0x22, {(const uint8_t *)U64("\5") "\0\0\0\1\1", 13}, OK},
		{13, 0x22, {(const uint8_t *)U64("\5") "\0\0\0\2\1\0", 14}, ERR_DENIED},
		{14, 0x22, {(const uint8_t *)U64("\5") "\0\0\0\2\1\0", 14}, OK},
		{UINT64_MAX, 0x22, {(const uint8_t *)U64("\5") "\0\0\0\0", 12}, OK},
		{5, 0x22, {(const uint8_t *)U64("\0") "\0\0\0\1\1", 13}, ERR_FORMAT},
		{5, 0x23, {(const uint8_t *)"\0\0\0\2id", 6}, ERR_DENIED},
		{5, 0x23, {(const uint8_t *)"\0\0\0\1i", 5}, OK},
		{5, 0x23, {(const uint8_t *)"\0\0\0\3id", 6}, ERR_FORMAT},
		{5, 0x24, {NULL, 0}, ERR_UNSUPPORTED},
		{5, 0x39, {(const uint8_t *)"\0\0\0\1x\1\0\0\0\0", 10}, ERR_UNSUPPORTED},
		{5, 0x39, {(const uint8_t *)"\0\0\0\1x\0\0\0\0\0", 10}, OK},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cert *c = make_cert(cases[i].serial);
		struct buf b = {0};

		put_header(1, &b);
		put_cert_section(cases[i].type, cases[i].data, &b);
		cr_assert_eq(krl_check(buf_span(&b), key, c), cases[i].e, "%zu", i);
		/* A plain key is no certificate, but a broken list is broken for it, too. */
		cr_assert_eq(krl_check(buf_span(&b), key, NULL),
			cases[i].e == ERR_DENIED ? OK : cases[i].e, "%zu", i);
		cert_free(c);
		buf_clear(&b);
	}
}
