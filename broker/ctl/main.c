/*
 * sshbrokerctl: what the broker knows, on the terminal.
 */
#include "broker/ctl/client.h"
#include "broker/ctl/reports.h"
#include "common/log.h"

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <string.h>

#define DEFAULT_SOCKET "/run/sshbroker/admin.sock"

enum exit_code { EXIT_DONE = 0, EXIT_BROKER_ERROR = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

static const struct verb {
	const char *name;
	const char *path; /* of the admin API */
	enum err (*report)(const cJSON *answer, FILE *out);
	const char *help;
} verbs[] = {
	{"status", "/v1/status", report_status, "the broker as a whole, and its limits"},
	{"nodes", "/v1/nodes", report_nodes, "the nodes, what is on them and what failed"},
	{"users", "/v1/users", report_users, "who is connected, and on which nodes"},
	{"connections", "/v1/connections", report_connections,
		"each connection, and why it is there"},
};

struct options {
	const char *socket;
	bool wants_json;
	const struct verb *verb;
};

/* --- the command line --- */

static void
print_help(FILE *out)
{
	(void)fputs("usage: sshbrokerctl [--socket PATH] [--json] VERB\n\nVerbs:\n", out);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		(void)fprintf(out, "  %-12s %s\n", verbs[i].name, verbs[i].help);
	(void)fputs(
		"\nOptions:\n"
		"  --socket PATH  the broker's admin socket (default " DEFAULT_SOCKET ")\n"
		"  --json         the broker's own answer, for programs\n"
		"  --help         this text\n"
		"  --version      the version of this program\n\n"
		"Exit status: 0 done, 1 the broker reported an error, 2 wrong usage, 3 the broker "
		"cannot be reached.\n",
		out);
}

static int
usage_error(const char *what, const char *value)
{
	char safe[128];

	(void)fprintf(stderr, "sshbrokerctl: %s%s\n", what,
		log_printable(span_str(value), safe, sizeof(safe)));
	(void)fputs("Try sshbrokerctl --help.\n", stderr);
	return EXIT_USAGE;
}

static const struct verb *
find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static int
parse_verb(int n, char **words, struct options *o)
{
	if (n == 0)
		return usage_error("say what to show: status, nodes, users or connections", "");
	o->verb = find_verb(words[0]);
	if (o->verb == NULL)
		return usage_error("no such verb: ", words[0]);
	if (n > 1)
		return usage_error("one verb only, not also ", words[1]);
	return EXIT_DONE;
}

/* EXIT_DONE with a verb: go on.  Without one: everything is done. */
static int
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":s:jhV", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->socket = optarg;
			break;
		case 'j':
			o->wants_json = true;
			break;
		case 'h':
			print_help(stdout);
			return EXIT_DONE;
		case 'V':
			(void)puts("sshbrokerctl " SSHBROKER_VERSION);
			return EXIT_DONE;
		case ':':
			return usage_error("an argument is missing after ", argv[optind - 1]);
		default:
			return usage_error("no such option: ", argv[optind - 1]);
		}
	}
	return parse_verb(argc - optind, argv + optind, o);
}

/* --- the answer --- */

static int
broker_error(const char *text)
{
	char safe[CLIENT_TEXT_SIZE];

	(void)fprintf(
		stderr, "sshbrokerctl: %s\n", log_printable(span_str(text), safe, sizeof(safe)));
	return EXIT_BROKER_ERROR;
}

static int
show_error(const cJSON *answer, long status)
{
	const cJSON *error = cJSON_GetObjectItemCaseSensitive(answer, "error");
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "message"));
	char other[64];

	(void)snprintf(other, sizeof(other), "the broker answers with HTTP status %ld", status);
	return broker_error(text != NULL ? text : other);
}

static int
show_json(struct span body)
{
	(void)fwrite(body.ptr, 1, body.len, stdout);
	(void)fputc('\n', stdout);
	return EXIT_DONE;
}

static int
show(const struct options *o, const struct client_answer *a)
{
	struct span body = buf_span(&a->body);
	cJSON *json = cJSON_ParseWithLength((const char *)body.ptr, body.len);
	int code = EXIT_DONE;

	if (a->status != 200)
		code = show_error(json, a->status);
	else if (!cJSON_IsObject(json))
		code = broker_error(
			"the broker's answer is no JSON; is this a socket of sshbrokerd?");
	else if (o->wants_json)
		code = show_json(body);
	else if (o->verb->report(json, stdout) != OK)
		code = broker_error(err_text(ERR_NOMEM));
	cJSON_Delete(json);
	return code;
}

static int
ask(const struct options *o)
{
	struct client_answer answer = {0};
	char why[CLIENT_TEXT_SIZE] = "";
	enum err e = client_get(o->socket, o->verb->path, &answer, why);
	int code = EXIT_BROKER_ERROR;

	if (e == OK)
		code = show(o, &answer);
	else
		(void)broker_error(why);
	if (e == ERR_CLOSED)
		code = EXIT_UNREACHABLE;
	buf_clear(&answer.body);
	return code;
}

int
main(int argc, char **argv)
{
	struct options o = {.socket = DEFAULT_SOCKET};
	int code = parse_options(argc, argv, &o);

	if (code == EXIT_DONE && o.verb != NULL) {
		if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
			return broker_error(err_text(ERR_NOMEM));
		code = ask(&o);
		curl_global_cleanup();
	}
	if (fflush(stdout) != 0 || ferror(stdout) != 0)
		return broker_error(strerror(errno));
	return code;
}
