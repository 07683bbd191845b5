/*
 * The forced command that could not be written down for sshd.
 */
#include "deploy/node/principals/run.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHELL_DEFAULT "/bin/sh"
#define STATUS_NOT_RUN 126

static int
digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

enum err
run_decode(const char *hex, struct buf *out)
{
	enum err e = OK;

	for (; *hex != '\0' && e == OK; hex += 2) {
		int high = digit(hex[0]), low = high >= 0 ? digit(hex[1]) : -1;
		uint8_t byte;

		if (low < 0 || high + low == 0)
			return ERR_FORMAT;
		byte = (uint8_t)(high * 16 + low);
		e = buf_append(out, &byte, 1);
	}
	return e;
}

/* Accounts may share a uid: sshd has named the one that logged in. */
static const char *
shell_of_user(void)
{
	const char *name = getenv("LOGNAME");
	const struct passwd *pw = name != NULL ? getpwnam(name) : NULL;

	if (pw == NULL || pw->pw_uid != getuid())
		pw = getpwuid(getuid());
	return pw != NULL && pw->pw_shell[0] != '\0' ? pw->pw_shell : SHELL_DEFAULT;
}

int
run_command(const char *hex)
{
	const char *shell = shell_of_user(), *slash = strrchr(shell, '/');
	struct buf command = {0};

	if (run_decode(hex, &command) != OK || buf_append(&command, "", 1) != OK) {
		(void)fprintf(stderr, "sshbroker-principals: not a command in hexadecimal\n");
		buf_clear(&command);
		return STATUS_NOT_RUN;
	}
	(void)execl(shell, slash != NULL ? slash + 1 : shell, "-c",
		(const char *)buf_span(&command).ptr, (char *)NULL);
	perror(shell);
	buf_clear(&command);
	return STATUS_NOT_RUN;
}
