/*
 * common/ssh/keyfile: private key files of ssh-keygen and openssl, and our own read by ssh-keygen.
 */
#include "common/ssh/keyfile.h"

#include "common/base64.h"
#include "common/ssh/wire.h"
#include "tests/lib/scratch.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define END "\n-----END OPENSSH PRIVATE KEY-----\n"

static enum err
parse(struct span text)
{
	struct privkey *k = NULL;
	enum err e = keyfile_parse(text, &k);

	cr_assert((e == OK) == (k != NULL));
	privkey_free(k);
	return e;
}

static enum err
parse_vector(const char *name)
{
	struct buf text = {0};
	enum err e;

	vector_read(name, &text);
	e = parse(buf_span(&text));
	buf_clear(&text);
	return e;
}

Test(keyfile, every_format_gives_the_key_that_belongs_to_the_public_one)
{
	static const char *const cases[][2] = {{"ed25519", "ed25519.pub"},
		{"ecdsa256", "ecdsa256.pub"}, {"ecdsa256.sec1", "ecdsa256.pub"},
		{"ecdsa256.pkcs8", "ecdsa256.pub"}, {"ecdsa384", "ecdsa384.pub"},
		{"ecdsa384.pkcs8", "ecdsa384.pub"}, {"ecdsa521", "ecdsa521.pub"},
		{"ecdsa521.pkcs8", "ecdsa521.pub"}, {"rsa", "rsa.pub"}, {"rsa.pkcs1", "rsa.pub"},
		{"rsa.pkcs8", "rsa.pub"}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf text = {0}, blob = {0};
		struct privkey *k;

		vector_read(cases[i][0], &text);
		vector_read_blob(cases[i][1], &blob);
		cr_assert_eq(keyfile_parse(buf_span(&text), &k), OK, "%s", cases[i][0]);
		cr_assert(span_equal(pubkey_blob(privkey_public(k)), buf_span(&blob)));
		privkey_free(k);
		buf_clear(&text);
		buf_clear(&blob);
	}
}

Test(keyfile, an_ed25519_key_by_openssl_has_the_public_half_that_openssl_says)
{
	struct buf text = {0}, spki = {0};
	struct privkey *k;
	struct span blob;

	vector_read("ed25519.pkcs8", &text);
	vector_read_blob("ed25519.pkcs8.spki", &spki);
	cr_assert_eq(keyfile_parse(buf_span(&text), &k), OK);
	blob = pubkey_blob(privkey_public(k));
	/* Both end in the 32 bytes of the key. */
	cr_assert(span_equal(span_of(blob.ptr + blob.len - 32, 32),
		span_of(buf_span(&spki).ptr + spki.len - 32, 32)));
	privkey_free(k);
	buf_clear(&text);
	buf_clear(&spki);
}

Test(keyfile, what_is_encrypted_or_of_another_type_is_unsupported)
{
	cr_assert_eq(parse_vector("ed25519.encrypted"), ERR_UNSUPPORTED);
	cr_assert_eq(parse_vector("rsa.pkcs1.encrypted"), ERR_UNSUPPORTED);
	cr_assert_eq(parse_vector("rsa.pkcs8.encrypted"), ERR_UNSUPPORTED);
	cr_assert_eq(parse_vector("dsa"), ERR_UNSUPPORTED);
}

Test(keyfile, what_is_no_key_file_is_malformed)
{
	struct buf large = {0};
	uint8_t *p;

	cr_assert_eq(parse_vector("message"), ERR_FORMAT);
	cr_assert_eq(parse_vector("rsa.pub"), ERR_FORMAT);
	cr_assert_eq(parse_vector("ed25519.pkcs8.spki"), ERR_FORMAT);
	cr_assert_eq(parse(span_str("")), ERR_FORMAT);
	cr_assert_eq(parse(span_str(BEGIN)), ERR_FORMAT);
	cr_assert_eq(parse(span_str(BEGIN END)), ERR_FORMAT);
	cr_assert_eq(parse(span_str(BEGIN "????" END)), ERR_FORMAT);
	cr_assert_eq(parse(span_str("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE "
				    "KEY-----\n")),
		ERR_FORMAT);
	cr_assert_eq(buf_reserve(&large, KEYFILE_SIZE_MAX + 1, &p), OK);
	memset(p, '\n', KEYFILE_SIZE_MAX + 1);
	buf_commit(&large, KEYFILE_SIZE_MAX + 1);
	cr_assert_eq(parse(buf_span(&large)), ERR_FORMAT);
	buf_clear(&large);
}

Test(keyfile, a_small_rsa_key_is_refused)
{
	cr_assert_eq(parse_vector("rsa1024"), ERR_KEY);
}

/* The bytes as the text of a file. */
static enum err
parse_bytes(struct span bytes)
{
	struct buf text = {0};
	enum err e;

	cr_assert(!buf_append_span(&text, span_str(BEGIN)) && !base64_encode(bytes, &text) &&
		!buf_append_span(&text, span_str(END)));
	e = parse(buf_span(&text));
	buf_clear(&text);
	return e;
}

Test(keyfile, every_bit_of_an_ed25519_file_counts_but_those_of_its_comment_and_check)
{
	struct buf bytes = {0};
	size_t check, comment;

	vector_read_blob("ed25519", &bytes);
	/* Behind the section: 8 bytes of check number, ..., the comment "ed25519", padding. */
	check = 15 + 8 + 8 + 4 + 4 + 4 + 51 + 4;
	comment = check + 8 + 15 + 36 + 68 + 4;
	cr_assert(span_is(span_of(bytes.data + comment, 7), "ed25519"));
	for (size_t bit = 0; bit < bytes.len * 8; bit++) {
		bool free = bit / 8 >= comment && bit / 8 < comment + 7;

		bytes.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		cr_assert_eq(parse_bytes(buf_span(&bytes)) == OK, free, "bit %zu", bit);
		bytes.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	for (size_t len = 0; len < bytes.len; len++)
		cr_assert_eq(parse_bytes(span_of(bytes.data, len)), ERR_FORMAT);
	cr_assert_eq(buf_append(&bytes, "", 1), OK);
	cr_assert_eq(parse_bytes(buf_span(&bytes)), ERR_FORMAT);
	buf_clear(&bytes);
}

/* Put into a file: the public blob of one vector around the private section of another. */
Test(keyfile, a_public_half_of_another_key_is_refused)
{
	struct buf mine = {0}, other = {0};

	vector_read_blob("ed25519", &mine);
	vector_read_blob("ca.pub", &other);
	memcpy(mine.data + 15 + 8 + 8 + 4 + 4 + 4, other.data, other.len);
	cr_assert_eq(parse_bytes(buf_span(&mine)), ERR_KEY);
	buf_clear(&mine);
	buf_clear(&other);
}

/*
 * The file of an ECDSA or RSA vector with a bit flipped in its last number, which lies before the
 * comment.
 */
static enum err
parse_with_broken_number(const char *name, size_t from_comment)
{
	struct buf bytes = {0};
	uint8_t *comment;
	enum err e;

	vector_read_blob(name, &bytes);
	cr_assert_eq(parse_bytes(buf_span(&bytes)), OK);
	comment = memmem(bytes.data + bytes.len - 24, 24, name, strlen(name));
	cr_assert_not_null(comment);
	comment[-4 - (ptrdiff_t)from_comment] ^= 2;
	e = parse_bytes(buf_span(&bytes));
	buf_clear(&bytes);
	return e;
}

Test(keyfile, halves_that_do_not_belong_together_are_refused)
{
	cr_assert_eq(parse_with_broken_number("ecdsa256", 1), ERR_KEY);
	cr_assert_eq(parse_with_broken_number("ecdsa384", 1), ERR_KEY);
	cr_assert_eq(parse_with_broken_number("ecdsa521", 1), ERR_KEY);
	cr_assert_eq(parse_with_broken_number("rsa", 1), ERR_KEY);
	cr_assert_eq(parse_with_broken_number("rsa", 2 + 128 + 4), ERR_KEY);
}

Test(keyfile, what_we_write_we_read)
{
	static const enum key_type types[] = {
		KEY_ED25519, KEY_ECDSA_P256, KEY_ECDSA_P384, KEY_ECDSA_P521, KEY_RSA};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct buf text = {0};
		struct privkey *k, *back;

		cr_assert_eq(privkey_generate(types[i], 2048, &k), OK);
		for (size_t len = 0; len < 9; len++) {
			buf_reset(&text);
			cr_assert_eq(keyfile_write(k, &"12345678"[8 - len], &text), OK);
			cr_assert_eq(keyfile_parse(buf_span(&text), &back), OK);
			cr_assert(pubkey_equal(privkey_public(k), privkey_public(back)));
			privkey_free(back);
		}
		privkey_free(k);
		buf_clear(&text);
	}
}

Test(keyfile, ssh_keygen_reads_what_we_write)
{
	static const enum key_type types[] = {
		KEY_ED25519, KEY_ECDSA_P256, KEY_ECDSA_P384, KEY_ECDSA_P521, KEY_RSA};
	struct scratch dir;

	scratch_init(&dir);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct buf text = {0}, line = {0}, said = {0};
		struct privkey *k;

		cr_assert_eq(privkey_generate(types[i], 2048, &k), OK);
		cr_assert_eq(keyfile_write(k, "made here", &text), OK);
		scratch_write(&dir, "key", buf_span(&text), 0600);
		cr_assert_eq(pubkey_write_line(privkey_public(k), &line), OK);
		cr_assert(!buf_append(&line, " made here\n", 12));
		cr_assert_eq(scratch_run(&dir, "ssh-keygen -y -f key", &said), 0);
		cr_assert_str_eq((const char *)said.data, (const char *)line.data);
		privkey_free(k);
		buf_clear(&text);
		buf_clear(&line);
		buf_clear(&said);
	}
	scratch_clear(&dir);
}

Test(keyfile, a_full_buffer_is_left_as_it_was)
{
	struct buf out;
	struct privkey *k;

	buf_init(&out, 100);
	cr_assert_eq(buf_append(&out, "x", 1), OK);
	cr_assert_eq(privkey_generate(KEY_ED25519, 0, &k), OK);
	cr_assert_eq(keyfile_write(k, "", &out), ERR_LIMIT);
	cr_assert(span_is(buf_span(&out), "x"));
	privkey_free(k);
	buf_clear(&out);
}

static enum err
load(const struct scratch *dir, const char *name)
{
	char path[SCRATCH_PATH_SIZE];
	struct privkey *k = NULL;
	enum err e = keyfile_load(scratch_path(dir, name, path), &k);

	privkey_free(k);
	return e;
}

Test(keyfile, only_a_file_of_its_owner_alone_is_loaded)
{
	static const struct {
		mode_t mode;
		enum err expected;
	} cases[] = {{0600, OK}, {0400, OK}, {0700, OK}, {0640, ERR_DENIED}, {0604, ERR_DENIED},
		{0620, ERR_DENIED}, {0602, ERR_DENIED}, {0610, ERR_DENIED}, {0601, ERR_DENIED}};
	struct buf text = {0};
	struct scratch dir;

	scratch_init(&dir);
	vector_read("ecdsa256", &text);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		scratch_write(&dir, "key", buf_span(&text), cases[i].mode);
		cr_assert_eq(load(&dir, "key"), cases[i].expected, "mode %o", cases[i].mode);
	}
	scratch_clear(&dir);
	buf_clear(&text);
}

Test(keyfile, what_is_no_regular_file_is_refused_at_once)
{
	char path[SCRATCH_PATH_SIZE], link[SCRATCH_PATH_SIZE];
	struct buf text = {0};
	struct scratch dir;

	scratch_init(&dir);
	cr_assert_eq(load(&dir, "absent"), ERR_IO);
	cr_assert_eq(mkfifo(scratch_path(&dir, "fifo", path), 0600), 0);
	cr_assert_eq(load(&dir, "fifo"), ERR_FORMAT);
	cr_assert_eq(load(&dir, "."), ERR_FORMAT);
	scratch_write(&dir, "empty", span_str(""), 0600);
	cr_assert_eq(load(&dir, "empty"), ERR_FORMAT);
	vector_read("ecdsa256", &text);
	scratch_write(&dir, "key", buf_span(&text), 0600);
	cr_assert_eq(symlink(scratch_path(&dir, "key", path), scratch_path(&dir, "link", link)), 0);
	cr_assert_eq(load(&dir, "link"), OK);
	scratch_clear(&dir);
	buf_clear(&text);
}

Test(keyfile, a_file_may_have_its_largest_size_and_no_byte_more)
{
	struct buf text = {0};
	struct scratch dir;

	scratch_init(&dir);
	vector_read("ecdsa256", &text);
	while (text.len < KEYFILE_SIZE_MAX)
		cr_assert_eq(buf_append(&text, "\n", 1), OK);
	scratch_write(&dir, "key", buf_span(&text), 0600);
	cr_assert_eq(load(&dir, "key"), OK);
	cr_assert_eq(buf_append(&text, "\n", 1), OK);
	scratch_write(&dir, "key", buf_span(&text), 0600);
	cr_assert_eq(load(&dir, "key"), ERR_FORMAT);
	scratch_clear(&dir);
	buf_clear(&text);
}
