/*
 * The configuration and the files it names, on disk.
 */
#include "common/config/config.h"

#include "common/config/config_parse.h"
#include "common/config/config_report.h"
#include "common/file.h"
#include "common/ssh/keyfile.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The longest banner, in bytes. */
#define BANNER_SIZE_MAX ((size_t)16 * 1024)
#define PATH_TEXT_SIZE 64

/* *out is owned. */
static enum err
make_absolute(const char *path, char **out)
{
	char *folder, *absolute;
	int len;

	if (path[0] == '/') {
		absolute = strdup(path);
	} else {
		folder = getcwd(NULL, 0);
		if (folder == NULL)
			return errno == ENOMEM ? ERR_NOMEM : ERR_IO;
		len = asprintf(&absolute, "%s/%s", folder, path);
		free(folder);
		if (len < 0)
			return ERR_NOMEM;
	}
	if (absolute == NULL)
		return ERR_NOMEM;
	*out = absolute;
	return OK;
}

/* error is errno, for ERR_IO. */
static const char *
read_failure(enum err e, int error)
{
	if (e == ERR_LIMIT)
		return "is larger than 1 MiB";
	return e == ERR_IO ? strerror(error) : err_text(e);
}

static enum err
report_unreadable(const char *path, enum err why, struct buf *errors)
{
	struct config_report report;
	int error = errno;
	enum err e;

	config_report_init(&report, path, NULL);
	config_report_add_line(&report, 0, read_failure(why, error));
	e = config_report_write(&report, errors);
	errno = error;
	return e == ERR_FORMAT ? why : e;
}

enum err
config_load(const char *path, struct config **out, struct buf *text, struct buf *errors)
{
	struct config_names names = {.shown = path};
	struct config *c = NULL;
	struct buf read;
	char *absolute = NULL;
	enum err e;

	buf_init(&read, CONFIG_SIZE_MAX);
	e = make_absolute(path, &absolute);
	if (e == OK)
		e = file_read(path, &read);
	if (e != OK) {
		e = report_unreadable(path, e, errors);
		goto out;
	}
	names.file = absolute;
	e = config_parse_as(buf_span(&read), &names, &c, errors);
	if (e == OK && text != NULL)
		e = buf_append_span(text, buf_span(&read));
	if (e == OK) {
		*out = c;
		c = NULL;
	}
out:
	config_free(c);
	free(absolute);
	buf_clear(&read);
	return e;
}

/* Why a private key cannot be used, and what to do. */
static void
report_key(struct config_report *r, const char *path, const char *file, enum err why)
{
	switch (why) {
	case ERR_IO:
		config_report_add(r, path, "%s: %s", file, strerror(errno));
		break;
	case ERR_DENIED:
		config_report_add(r, path,
			"%s can be read or changed by others than its owner: chmod 600 it", file);
		break;
	case ERR_UNSUPPORTED:
		config_report_add(r, path,
			"%s is encrypted or of a type other than ed25519, ecdsa or rsa", file);
		break;
	default:
		config_report_add(r, path, "%s is no sound private key (%s)", file, err_text(why));
		break;
	}
}

/* *out is owned; NULL when the key was reported. */
static struct privkey *
load_key(struct config_report *r, const char *path, const char *file)
{
	struct privkey *key = NULL;
	enum err e = keyfile_load(file, &key);

	if (e != OK)
		report_key(r, path, file, e);
	return e == OK ? key : NULL;
}

static bool
keys_are_equal(const struct privkey *a, const struct privkey *b)
{
	return a != NULL && b != NULL && pubkey_equal(privkey_public(a), privkey_public(b));
}

static void
check_keys(const struct config *c, struct config_report *r)
{
	struct privkey *keys[CONFIG_HOST_KEYS_MAX] = {NULL};
	struct privkey *ca = load_key(r, "user_ca_key", c->user_ca_key);
	char path[PATH_TEXT_SIZE];

	for (size_t i = 0; i < c->host_keys.n; i++) {
		snprintf(path, sizeof(path), "host_keys[%zu]", i);
		keys[i] = load_key(r, path, c->host_keys.items[i]);
		for (size_t j = 0; j < i; j++) {
			if (keys_are_equal(keys[i], keys[j]))
				config_report_add(r, path, "is the same key as host_keys[%zu]", j);
		}
		/* Who gets a host key to sign something must not get a certificate. */
		if (keys_are_equal(keys[i], ca))
			config_report_add(r, path, "is the same key as user_ca_key");
	}
	for (size_t i = 0; i < c->host_keys.n; i++)
		privkey_free(keys[i]);
	privkey_free(ca);
}

static void
check_banner(const struct config *c, struct config_report *r)
{
	struct buf text;
	enum err e;

	if (c->banner == NULL)
		return;
	buf_init(&text, BANNER_SIZE_MAX);
	e = file_read(c->banner, &text);
	if (e == ERR_LIMIT)
		config_report_add(
			r, "banner", "%s is larger than %zu bytes", c->banner, BANNER_SIZE_MAX);
	else if (e != OK)
		config_report_add(r, "banner", "%s: %s", c->banner,
			e == ERR_IO ? strerror(errno) : err_text(e));
	else if (text.len > 0 && memchr(buf_span(&text).ptr, '\0', text.len) != NULL)
		config_report_add(r, "banner", "%s is no text file", c->banner);
	buf_clear(&text);
}

/* Whoever can write the configuration can send users to a machine of their own. */
static void
check_mode(const struct config *c, struct config_report *r)
{
	struct stat st;

	if (stat(c->file, &st) == 0 && (st.st_mode & S_IWOTH) != 0)
		config_report_add(r, "", "can be changed by everybody: chmod o-w it");
}

enum err
config_check_files(const struct config *c, struct buf *errors)
{
	struct config_report report;
	struct json_doc doc = {0};
	struct json_error why;
	struct buf text;
	enum err e;

	/* The text is read again only to tell lines; without it the findings stand alone. */
	buf_init(&text, CONFIG_SIZE_MAX);
	if (file_read(c->file, &text) == OK && json_parse(buf_span(&text), &doc, &why) == OK)
		config_report_init(&report, c->file, &doc);
	else
		config_report_init(&report, c->file, NULL);
	check_mode(c, &report);
	check_keys(c, &report);
	check_banner(c, &report);
	e = config_report_write(&report, errors);
	json_clear(&doc);
	buf_clear(&text);
	return e;
}

int
config_test_main(const char *path)
{
	struct config *c = NULL;
	struct buf errors = {0};
	enum err e = config_load(path, &c, NULL, &errors);

	assert(e != OK || c != NULL);
	if (e == OK)
		e = config_check_files(c, &errors);
	if (e == OK)
		printf("%s: configuration ok\n", path);
	else
		fprintf(stderr, "%.*s", (int)errors.len, (const char *)buf_span(&errors).ptr);
	config_free(c);
	buf_clear(&errors);
	return e == OK ? 0 : 1;
}
