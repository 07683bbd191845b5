/*
 * sshbroker-principals: asked by sshd about each certificate, answers with the principals that may come in.
 *
 * sshd runs it as the user who wants in, and prints nothing of it to anybody: what went wrong is one line in the log.
 */
#include "deploy/node/principals/decide.h"

#include "common/log.h"
#include "deploy/node/principals/options.h"
#include "deploy/node/principals/run.h"
#include "deploy/node/principals/why.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SETTINGS_PATH "/etc/ssh/sshbroker/principals.conf"
#define NAME "sshbroker-principals"
/* The end of a call that hangs, whatever it hangs on: DNS, a file server, the password database. */
#define TIME_MAX_S 60

#define KEY_ID_SHOWN 256

/* The words of the command line. */
struct arguments {
	const char *settings;
	const char *user, *home, *key_id, *ca_fingerprint, *certificate;
	bool to_stderr;
	bool only_test;
};

static int
usage(FILE *to)
{
	(void)fprintf(to,
		"usage: " NAME " [-e] [-f SETTINGS] USER HOME KEY_ID CA_FINGERPRINT CERTIFICATE\n"
		"       " NAME " -t [-f SETTINGS]\n"
		"       " NAME " --version\n"
		"\n"
		"For sshd_config: AuthorizedPrincipalsCommand /PATH/" NAME " %%u %%h %%i %%F %%k\n"
		"                 AuthorizedPrincipalsCommandUser %%u\n"
		"\n"
		"  -e           say on stderr, too, what goes to the log\n"
		"  -f SETTINGS  read this file, which must be root's, and not " SETTINGS_PATH "\n"
		"  -t           only say whether the settings are good\n");
	return to == stdout ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool
parse_arguments(int argc, char **argv, struct arguments *a)
{
	int option;

	*a = (struct arguments){.settings = SETTINGS_PATH};
	while ((option = getopt(argc, argv, "+ef:t")) != -1) {
		if (option == 'e')
			a->to_stderr = true;
		else if (option == 't')
			a->only_test = true;
		else if (option == 'f')
			a->settings = optarg;
		else
			return false;
	}
	if (argc - optind != (a->only_test ? 0 : 5))
		return false;
	if (a->only_test)
		return true;
	a->user = argv[optind];
	a->home = argv[optind + 1];
	a->key_id = argv[optind + 2];
	a->ca_fingerprint = argv[optind + 3];
	a->certificate = argv[optind + 4];
	return true;
}

/* sshd must have made us the user: with anybody else's rights, the answer would be about other files. */
static bool
is_user(const char *name)
{
	const struct passwd *pw = getpwnam(name);

	return pw != NULL && pw->pw_uid == getuid() && pw->pw_uid == geteuid();
}

static void
log_refusal(const struct arguments *a, const struct decision *d, const char *why)
{
	char user[128], key_id[KEY_ID_SHOWN], words[WHY_SIZE * 2];

	syslog(LOG_NOTICE, "refused: user=%s conn=%s: %s (key id \"%s\")",
		log_printable(span_str(a->user), user, sizeof(user)),
		d->conn_id[0] != '\0' ? d->conn_id : "-",
		log_printable(span_str(why), words, sizeof(words)),
		log_printable(span_str(a->key_id), key_id, sizeof(key_id)));
}

static void
log_decision(const struct arguments *a, const struct decision *d)
{
	char user[128], words[WHY_SIZE * 2];

	if (d->lines.len == 0)
		log_refusal(a, d, d->why);
	else if (d->is_ours)
		syslog(LOG_INFO, "allowed: user=%s conn=%s: %s",
			log_printable(span_str(a->user), user, sizeof(user)), d->conn_id,
			log_printable(span_str(d->why), words, sizeof(words)));
}

/* Where we are installed, for a command that has to come back to us. */
static void
own_path(char out[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", out, PATH_MAX - 1);

	out[len > 0 ? len : 0] = '\0';
}

static void
print(const struct buf *lines)
{
	struct span s = buf_span(lines);

	if (fwrite(s.ptr, 1, s.len, stdout) != s.len || fflush(stdout) != 0)
		syslog(LOG_ERR, "the answer could not be written: %s", strerror(errno));
}

static void
answer(const struct arguments *a, const struct settings *s)
{
	char program[PATH_MAX];
	struct decision d;
	struct request r = {
		.user = {.name = a->user, .home = a->home, .uid = getuid()},
		.ca_fingerprint = a->ca_fingerprint,
		.certificate = span_str(a->certificate),
		.program = program,
		.now = (uint64_t)time(NULL),
	};

	own_path(program);
	decision_init(&d);
	decide(s, &r, &d);
	log_decision(a, &d);
	if (d.lines.len > 0)
		print(&d.lines);
	decision_clear(&d);
}

static void
answer_with_settings(const struct arguments *a)
{
	struct decision none = {0};
	char why[WHY_SIZE];
	struct settings s;

	if (!is_user(a->user)) {
		log_refusal(a, &none, "not run as this user: see AuthorizedPrincipalsCommandUser");
		return;
	}
	if (settings_load(a->settings, 0, &s, why) != OK) {
		log_refusal(a, &none, why);
		return;
	}
	answer(a, &s);
	settings_clear(&s);
}

static int
test_settings(const char *path)
{
	char why[WHY_SIZE];
	struct settings s;

	if (settings_load(path, 0, &s, why) != OK) {
		(void)fprintf(stderr, "%s: %s\n", path, why);
		return EXIT_FAILURE;
	}
	settings_clear(&s);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	struct arguments a;

	/* The user may have other processes here: none of them shall look into this one or change what it says. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (argc == 3 && strcmp(argv[1], OPTIONS_RUN_FLAG) == 0)
		return run_command(argv[2]);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts(NAME " " SSHBROKER_VERSION);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout);
	if (!parse_arguments(argc, argv, &a))
		return usage(stderr);
	if (a.only_test)
		return test_settings(a.settings);
	(void)alarm(TIME_MAX_S);
	(void)signal(SIGPIPE, SIG_IGN);
	openlog(NAME, LOG_PID | (a.to_stderr ? LOG_PERROR : 0), LOG_AUTH);
	answer_with_settings(&a);
	closelog();
	return EXIT_SUCCESS;
}
