/*
 * sshd's RevokedKeys.
 */
#include "deploy/node/principals/revoked.h"

#include "common/base64.h"
#include "common/buf.h"
#include "common/file.h"
#include "common/ssh/cert.h"
#include "common/ssh/key.h"
#include "common/ssh/wire.h"
#include "deploy/node/principals/krl.h"
#include "deploy/node/principals/lines.h"
#include "deploy/node/principals/why.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* As much as sshd would read. */
#define KRL_SIZE_MAX ((size_t)128 << 20)

/* What is looked for.  Plain data; borrowed. */
struct wanted {
	struct span key;
	const struct cert *cert; /* NULL: a plain key */
};

static enum err
compare_key(struct span listed, const struct wanted *w)
{
	bool same = span_equal(listed, w->key) ||
		(w->cert != NULL && span_equal(listed, pubkey_blob(cert_ca_key(w->cert))));

	return same ? ERR_DENIED : OK;
}

/* Does the list's key stand for the one wanted, or for its CA?  A certificate stands for its key, too. */
static enum err
compare(struct span listed, const struct wanted *w)
{
	struct wire_reader r = wire_reader_of(listed);
	struct cert *c;
	struct span type;
	enum err e;

	if (wire_get_string(&r, &type) != OK)
		return ERR_FORMAT;
	if (!cert_is_type_name(type))
		return compare_key(listed, w);
	e = cert_parse(listed, &c);
	/* A certified key of a type that we do not have is none that comes through the broker. */
	if (e == ERR_UNSUPPORTED)
		return OK;
	if (e != OK)
		return e;
	e = compare_key(pubkey_blob(cert_key(c)), w);
	cert_free(c);
	return e;
}

static struct span
take_word(struct span *s)
{
	struct span word;

	while (s->len > 0 && (s->ptr[0] == ' ' || s->ptr[0] == '\t'))
		*s = span_of(s->ptr + 1, s->len - 1);
	word = span_of(s->ptr, 0);
	while (word.len < s->len && s->ptr[word.len] != ' ' && s->ptr[word.len] != '\t')
		word.len++;
	*s = span_of(s->ptr + word.len, s->len - word.len);
	while (word.len > 0 && word.ptr[word.len - 1] == '\r')
		word.len--;
	return word;
}

/* A line that cannot be read fails the whole list, as with sshd: it might be the one that matters. */
static enum err
check_line(struct span line, const struct wanted *w)
{
	struct span type = take_word(&line), base64 = take_word(&line);
	struct buf listed = {0};
	enum err e;

	if (type.len == 0 || type.ptr[0] == '#')
		return OK;
	e = base64_decode(base64, &listed);
	if (e == OK)
		e = compare(buf_span(&listed), w);
	buf_clear(&listed);
	return e;
}

static enum err
check_list(int fd, const struct wanted *w)
{
	struct lines l = {.fd = fd};
	struct span line;
	enum err e;

	do {
		e = lines_next(&l, &line);
		if (e == OK)
			e = check_line(line, w);
	} while (e == OK);
	if (e == ERR_NOT_FOUND)
		e = l.n_passed == 0 ? OK : ERR_LIMIT;
	lines_clear(&l);
	return e;
}

static enum err
check_krl(int fd, const struct wanted *w)
{
	struct buf krl;
	enum err e;

	buf_init(&krl, KRL_SIZE_MAX);
	e = file_read_fd(fd, &krl);
	if (e == OK)
		e = krl_check(buf_span(&krl), w->key, w->cert);
	buf_clear(&krl);
	return e;
}

static enum err
check_file(int fd, const struct wanted *w)
{
	char magic[KRL_MAGIC_LEN] = "";
	ssize_t n = pread(fd, magic, sizeof(magic), 0);

	if (n < 0)
		return ERR_IO;
	if (n == (ssize_t)sizeof(magic) && memcmp(magic, KRL_MAGIC, sizeof(magic)) == 0)
		return check_krl(fd, w);
	return check_list(fd, w);
}

enum err
revoked_check(const char *path, struct span key, const struct cert *cert, char why[WHY_SIZE])
{
	const struct wanted w = {key, cert};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum err e = ERR_IO;

	if (fd >= 0) {
		e = check_file(fd, &w);
		close(fd);
	}
	if (e == ERR_DENIED)
		why_set(why, "the key is revoked by %s", path);
	else if (e != OK)
		why_set(why, "%s cannot be read: %s", path,
			e == ERR_IO ? strerror(errno) : err_text(e));
	return e;
}
