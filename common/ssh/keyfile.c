/*
 * Private keys as files: OpenSSH's own format (openssh-key-v1, unencrypted) and PEM (through
 * OpenSSL).
 */
#include "common/ssh/keyfile.h"

#include "common/base64.h"
#include "common/ssh/key_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC "openssh-key-v1" /* with its NUL */
#define LINE_LEN 70
#define BLOCK_LEN 8 /* of the cipher "none" */

static bool
span_begins(struct span s, const char *prefix)
{
	size_t len = strlen(prefix);

	return s.len >= len && memcmp(s.ptr, prefix, len) == 0;
}

/*
 * Append the base64 between the BEGIN line, which text begins with, and the END line, without white
 * space.
 */
static enum err
join_lines(struct span text, struct buf *out)
{
	const uint8_t *p = text.ptr + strlen(BEGIN);
	const uint8_t *end = memmem(p, (size_t)(text.ptr + text.len - p), END, strlen(END));
	enum err e = OK;

	if (end == NULL)
		return ERR_FORMAT;
	for (; p < end && e == OK; p++) {
		if (*p != '\n' && *p != '\r' && *p != ' ' && *p != '\t')
			e = buf_append(out, p, 1);
	}
	return e;
}

/* 1, 2, 3, ... up to the end. */
static enum err
check_padding(struct wire_reader *r)
{
	uint8_t byte, expected = 1;

	while (wire_left(r) > 0) {
		if (wire_get_u8(r, &byte) != OK || byte != expected)
			return ERR_FORMAT;
		expected++;
	}
	return OK;
}

/*
 * The private section: the same number twice (with a cipher, the proof of the right passphrase),
 * the key, a comment, padding.  (OpenSSH PROTOCOL.key)
 */
static enum err
read_section(struct span section, struct privkey **out)
{
	struct wire_reader r = wire_reader_of(section);
	struct privkey *k = NULL;
	uint32_t check[2];
	struct span comment;
	enum err e;

	if (section.len % BLOCK_LEN != 0 || wire_get_u32(&r, &check[0]) != OK ||
		wire_get_u32(&r, &check[1]) != OK || check[0] != check[1])
		return ERR_FORMAT;
	e = privkey_read(&r, &k);
	if (e != OK)
		return e;
	if (wire_get_string(&r, &comment) != OK || check_padding(&r) != OK) {
		privkey_free(k);
		return ERR_FORMAT;
	}
	*out = k;
	return OK;
}

/* What stands before the keys: OK when nothing is encrypted and there is one key. */
static enum err
read_header(struct wire_reader *r)
{
	struct span magic, cipher, kdf, kdf_options;
	uint32_t n_keys;

	if (wire_get_bytes(r, sizeof(MAGIC), &magic) != OK ||
		!span_equal(magic, span_of(MAGIC, sizeof(MAGIC))) ||
		wire_get_string(r, &cipher) != OK || wire_get_string(r, &kdf) != OK ||
		wire_get_string(r, &kdf_options) != OK || wire_get_u32(r, &n_keys) != OK)
		return ERR_FORMAT;
	if (!span_is(cipher, "none") || n_keys > 1)
		return ERR_UNSUPPORTED;
	return span_is(kdf, "none") && kdf_options.len == 0 && n_keys == 1 ? OK : ERR_FORMAT;
}

static enum err
read_openssh(struct span bytes, struct privkey **out)
{
	struct wire_reader r = wire_reader_of(bytes);
	struct privkey *k = NULL;
	struct span public, section;
	enum err e = read_header(&r);

	if (e != OK)
		return e;
	if (wire_get_string(&r, &public) != OK || wire_get_string(&r, &section) != OK ||
		wire_end(&r) != OK)
		return ERR_FORMAT;
	e = read_section(section, &k);
	if (e != OK)
		return e;
	if (!span_equal(public, pubkey_blob(privkey_public(k)))) {
		privkey_free(k);
		return ERR_KEY;
	}
	*out = k;
	return OK;
}

static enum err
parse_openssh(struct span text, struct privkey **out)
{
	struct buf base64, bytes;
	enum err e;

	buf_init(&base64, KEYFILE_SIZE_MAX);
	buf_init(&bytes, KEYFILE_SIZE_MAX);
	e = join_lines(text, &base64);
	if (e == OK)
		e = base64_decode(buf_span(&base64), &bytes);
	if (e == OK)
		e = read_openssh(buf_span(&bytes), out);
	buf_clear(&base64);
	buf_clear(&bytes);
	return e;
}

/* There is nobody to ask: say that the question came, and refuse. */
static int
on_passphrase(char *buf, int size, int rwflag, void *arg)
{
	bool *asked = arg;

	(void)buf;
	(void)size;
	(void)rwflag;
	*asked = true;
	return -1;
}

static enum err
parse_pem(struct span text, struct privkey **out)
{
	BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
	bool asked = false;
	EVP_PKEY *pkey;

	if (bio == NULL)
		return ERR_NOMEM;
	pkey = PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, &asked);
	BIO_free(bio);
	ERR_clear_error();
	if (pkey == NULL)
		return asked ? ERR_UNSUPPORTED : ERR_FORMAT;
	return privkey_from_evp(pkey, out);
}

enum err
keyfile_parse(struct span text, struct privkey **out)
{
	if (text.len == 0 || text.len > KEYFILE_SIZE_MAX)
		return ERR_FORMAT;
	return span_begins(text, BEGIN) ? parse_openssh(text, out) : parse_pem(text, out);
}

/* Append the private section of k. */
static enum err
write_section(const struct privkey *k, const char *comment, struct buf *b)
{
	uint8_t check[4];
	enum err e;

	if (RAND_bytes(check, sizeof(check)) != 1)
		return ERR_CRYPTO;
	e = wire_put_bytes(b, span_of(check, sizeof(check)));
	if (e == OK)
		e = wire_put_bytes(b, span_of(check, sizeof(check)));
	if (e == OK)
		e = privkey_write(k, b);
	if (e == OK)
		e = wire_put_cstring(b, comment);
	for (uint8_t pad = 1; e == OK && b->len % BLOCK_LEN != 0; pad++)
		e = wire_put_u8(b, pad);
	return e;
}

static enum err
write_openssh(const struct privkey *k, const char *comment, struct buf *b)
{
	struct buf section = {0};
	enum err e = wire_put_bytes(b, span_of(MAGIC, sizeof(MAGIC)));

	if (e == OK)
		e = wire_put_cstring(b, "none");
	if (e == OK)
		e = wire_put_cstring(b, "none");
	if (e == OK)
		e = wire_put_cstring(b, "");
	if (e == OK)
		e = wire_put_u32(b, 1);
	if (e == OK)
		e = wire_put_string(b, pubkey_blob(privkey_public(k)));
	if (e == OK)
		e = write_section(k, comment, &section);
	if (e == OK)
		e = wire_put_string(b, buf_span(&section));
	buf_clear(&section);
	return e;
}

/* Append the text in lines. */
static enum err
write_lines(struct span text, struct buf *out)
{
	enum err e = OK;

	for (size_t at = 0; at < text.len && e == OK; at += LINE_LEN) {
		size_t len = text.len - at < LINE_LEN ? text.len - at : LINE_LEN;

		e = buf_append(out, text.ptr + at, len);
		if (e == OK)
			e = buf_append(out, "\n", 1);
	}
	return e;
}

static enum err
write_armor(struct span base64, struct buf *out)
{
	enum err e = buf_append_span(out, span_str(BEGIN "\n"));

	if (e == OK)
		e = write_lines(base64, out);
	if (e == OK)
		e = buf_append_span(out, span_str(END "\n"));
	return e;
}

enum err
keyfile_write(const struct privkey *k, const char *comment, struct buf *out)
{
	struct buf bytes = {0}, base64 = {0};
	size_t before = out->len;
	enum err e = write_openssh(k, comment, &bytes);

	if (e == OK)
		e = base64_encode(buf_span(&bytes), &base64);
	if (e == OK)
		e = write_armor(buf_span(&base64), out);
	if (e != OK)
		buf_truncate(out, before);
	buf_clear(&bytes);
	buf_clear(&base64);
	return e;
}

static enum err
check_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return ERR_IO;
	if (!S_ISREG(st.st_mode))
		return ERR_FORMAT;
	return (st.st_mode & (S_IRWXG | S_IRWXO)) == 0 ? OK : ERR_DENIED;
}

/* Append all that is left in fd; ERR_LIMIT past out's maximum. */
static enum err
read_all(int fd, struct buf *out)
{
	for (;;) {
		uint8_t *p;
		ssize_t n;
		enum err e = buf_reserve(out, 1, &p);

		if (e != OK)
			return e;
		n = read(fd, p, out->cap - out->head - out->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		if (n == 0)
			return OK;
		buf_commit(out, (size_t)n);
	}
}

enum err
keyfile_load(const char *path, struct privkey **out)
{
	/* A fifo in the place of a key must not hang us: it opens at once and is refused below. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), saved;
	struct buf text;
	enum err e;

	if (fd < 0)
		return ERR_IO;
	buf_init(&text, KEYFILE_SIZE_MAX + 1);
	e = check_file(fd);
	if (e == OK)
		e = read_all(fd, &text);
	if (e == OK)
		e = keyfile_parse(buf_span(&text), out);
	saved = errno;
	buf_clear(&text);
	(void)close(fd);
	errno = saved;
	return e == ERR_LIMIT ? ERR_FORMAT : e; /* too large to be a key file */
}
