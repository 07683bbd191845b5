/*
 * sshd's RevokedKeys.
 */
#include "deploy/node/principals/revoked.h"

#include "common/base64.h"
#include "common/buf.h"
#include "common/ssh/cert.h"
#include "common/ssh/key.h"
#include "common/ssh/wire.h"
#include "deploy/node/principals/command.h"
#include "deploy/node/principals/lines.h"
#include "deploy/node/principals/why.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define SSH_KEYGEN "/usr/bin/ssh-keygen"
#define KRL_MAGIC "SSHKRL\n"

/* Does the list's key stand for the one with blob?  A certificate stands for its key, too. */
static enum err
compare(struct span listed, struct span blob)
{
	struct wire_reader r = wire_reader_of(listed);
	struct cert *c;
	struct span type;
	bool same;
	enum err e;

	if (wire_get_string(&r, &type) != OK)
		return ERR_FORMAT;
	if (!cert_is_type_name(type))
		return span_equal(listed, blob) ? ERR_DENIED : OK;
	e = cert_parse(listed, &c);
	/* A certified key of a type that we do not have is none that comes through the broker. */
	if (e == ERR_UNSUPPORTED)
		return OK;
	if (e != OK)
		return e;
	same = span_equal(pubkey_blob(cert_key(c)), blob);
	cert_free(c);
	return same ? ERR_DENIED : OK;
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
check_line(struct span line, struct span blob)
{
	struct span type = take_word(&line), base64 = take_word(&line);
	struct buf listed = {0};
	enum err e;

	if (type.len == 0 || type.ptr[0] == '#')
		return OK;
	e = base64_decode(base64, &listed);
	if (e == OK)
		e = compare(buf_span(&listed), blob);
	buf_clear(&listed);
	return e;
}

static enum err
check_list(int fd, struct span blob)
{
	struct lines l = {.fd = fd};
	struct span line;
	enum err e;

	do {
		e = lines_next(&l, &line);
		if (e == OK)
			e = check_line(line, blob);
	} while (e == OK);
	if (e == ERR_NOT_FOUND)
		e = l.n_passed == 0 ? OK : ERR_LIMIT;
	lines_clear(&l);
	return e;
}

/* The key as a file without a name: ssh-keygen finds it as its standard input. */
static int
open_key_file(struct span blob)
{
	struct wire_reader r = wire_reader_of(blob);
	struct buf text = {0};
	struct span type;
	int fd = memfd_create("key", MFD_CLOEXEC);
	bool good = fd >= 0 && wire_get_string(&r, &type) == OK &&
		buf_append_span(&text, type) == OK && buf_append(&text, " ", 1) == OK &&
		base64_encode(blob, &text) == OK && buf_append(&text, "\n", 1) == OK;

	if (good)
		good = write(fd, buf_span(&text).ptr, text.len) == (ssize_t)text.len &&
			lseek(fd, 0, SEEK_SET) == 0;
	if (!good && fd >= 0) {
		close(fd);
		fd = -1;
	}
	buf_clear(&text);
	return fd;
}

/* ssh-keygen ends with 0 only when it could read all, and the KRL does not have the key. */
static enum err
check_krl(const char *path, struct span blob, const struct user *user, char *why)
{
	char *argv[] = {SSH_KEYGEN, "-Q", "-f", (char *)path, "/dev/stdin", NULL};
	struct command c;
	struct span line;
	struct lines l;
	enum err e;
	int fd = open_key_file(blob);

	if (fd < 0)
		return ERR_IO;
	e = command_start(argv, user, fd, &c, why);
	close(fd);
	if (e != OK)
		return e == ERR_DENIED ? ERR_UNSUPPORTED : e;
	l = (struct lines){.fd = c.fd, .deadline_ms = c.deadline_ms};
	do
		e = lines_next(&l, &line);
	while (e == OK);
	lines_clear(&l);
	if (e == ERR_NOT_FOUND)
		return command_finish(&c);
	command_kill(&c);
	return e;
}

static enum err
check_file(int fd, const char *path, struct span blob, const struct user *user, char *why)
{
	char magic[sizeof(KRL_MAGIC)] = "";
	ssize_t n = pread(fd, magic, sizeof(magic), 0);

	if (n < 0)
		return ERR_IO;
	if (n == (ssize_t)sizeof(magic) && memcmp(magic, KRL_MAGIC, sizeof(magic)) == 0)
		return check_krl(path, blob, user, why);
	return check_list(fd, blob);
}

enum err
revoked_check(const char *path, struct span blob, const struct user *user, char why[WHY_SIZE])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum err e = ERR_IO;

	if (fd >= 0) {
		e = check_file(fd, path, blob, user, why);
		close(fd);
	}
	if (e == ERR_DENIED)
		why_set(why, "the key is revoked by %s", path);
	else if (e != OK)
		why_set(why, "%s cannot be read: %s", path,
			e == ERR_IO ? strerror(errno) : err_text(e));
	return e;
}
