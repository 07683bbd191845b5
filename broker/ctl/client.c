/*
 * One question to the broker's admin API, by libcurl.
 */
#include "broker/ctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 5000L
#define TIMEOUT_MS 60000L
#define URL_SIZE 256

/* A path that fits into a unix address, and what keeps it valid. */
struct short_path {
	char text[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int dir_fd; /* -1: none */
};

static void PRINTF_LIKE(2, 3) explain(char *why, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(why, CLIENT_TEXT_SIZE, format, ap);
	va_end(ap);
}

/* --- the socket --- */

/* What usually helps when the socket cannot be connected to. */
static const char *
advice(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return "Is sshbrokerd running? Its socket is admin.socket in its configuration; "
		       "name it with --socket PATH";
	case EACCES:
	case EPERM:
		return "Run this as root, or as a member of the socket's group (admin.group and "
		       "admin.mode in the broker's configuration)";
	case ECONNREFUSED:
		return "Nobody listens there: sshbrokerd has stopped. Start it, or look into its "
		       "log";
	case ENAMETOOLONG:
		return "The name of the socket within its folder is too long";
	default:
		return "Is sshbrokerd running? Its log may tell more";
	}
}

static enum err
cannot_reach(const char *socket_path, int error, char *why)
{
	explain(why, "cannot reach the broker at %.200s: %s. %s.", socket_path,
		error != 0 ? strerror(error) : "no connection", advice(error));
	return ERR_CLOSED;
}

/* A long path is reached through its folder, which gets a short name in /proc. */
static enum err
shorten_long(const char *socket_path, struct short_path *out)
{
	char *for_dir = strdup(socket_path), *for_base = strdup(socket_path);
	enum err e = ERR_NOMEM;
	int n = 0;

	if (for_dir != NULL && for_base != NULL) {
		out->dir_fd = open(dirname(for_dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
		e = out->dir_fd >= 0 ? OK : ERR_IO;
	}
	if (e == OK) {
		n = snprintf(out->text, sizeof(out->text), "/proc/self/fd/%d/%s", out->dir_fd,
			basename(for_base));
		if (n < 0 || (size_t)n >= sizeof(out->text)) {
			errno = ENAMETOOLONG;
			e = ERR_IO;
		}
	}
	free(for_dir);
	free(for_base);
	return e;
}

static enum err
shorten(const char *socket_path, struct short_path *out)
{
	size_t len = strlen(socket_path);

	out->dir_fd = -1;
	if (len >= sizeof(out->text))
		return shorten_long(socket_path, out);
	memcpy(out->text, socket_path, len + 1);
	return OK;
}

/* --- HTTP --- */

static size_t
on_body(char *bytes, size_t size, size_t n, void *arg)
{
	/* Less than was given ends the transfer. */
	return buf_append(arg, bytes, size * n) == OK ? size * n : 0;
}

static bool
set_options(CURL *curl, const char *url, const char *socket_path, struct buf *body)
{
	return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path) == CURLE_OK &&
		/* Whatever the environment says of proxies: the socket is the way. */
		curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, body) == CURLE_OK;
}

static enum err
perform(CURL *curl, const char *socket_path, struct client_answer *out, char *why)
{
	CURLcode code = curl_easy_perform(curl);
	long error = 0;

	(void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	switch (code) {
	case CURLE_OK:
		(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
		return OK;
	case CURLE_COULDNT_CONNECT:
		return cannot_reach(socket_path, (int)error, why);
	case CURLE_OUT_OF_MEMORY:
		explain(why, "%s", err_text(ERR_NOMEM));
		return ERR_NOMEM;
	case CURLE_WRITE_ERROR:
		explain(why, "the broker's answer is too long");
		return ERR_LIMIT;
	default:
		explain(why, "the broker gave no whole answer: %s", curl_easy_strerror(code));
		return ERR_IO;
	}
}

static enum err
ask(const struct short_path *to, const char *socket_path, const char *path,
	struct client_answer *out, char *why)
{
	CURL *curl = curl_easy_init();
	char url[URL_SIZE];
	enum err e = ERR_NOMEM;

	(void)snprintf(url, sizeof(url), "http://broker%s", path);
	if (curl != NULL && set_options(curl, url, to->text, &out->body))
		e = perform(curl, socket_path, out, why);
	else
		explain(why, "%s", err_text(ERR_NOMEM));
	curl_easy_cleanup(curl);
	return e;
}

enum err
client_get(const char *socket_path, const char *path, struct client_answer *out, char *why)
{
	struct short_path to;
	enum err e = shorten(socket_path, &to);

	buf_init(&out->body, CLIENT_ANSWER_MAX);
	if (e == OK)
		e = ask(&to, socket_path, path, out, why);
	else
		e = cannot_reach(socket_path, errno, why);
	if (to.dir_fd >= 0)
		close(to.dir_fd);
	return e;
}
