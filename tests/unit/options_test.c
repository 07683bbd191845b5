/*
 * deploy/node/principals/options, expiry and run: what sshd would take, and what it gets from us.
 */
#include "deploy/node/principals/options.h"

#include "deploy/node/principals/expiry.h"
#include "deploy/node/principals/run.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PROGRAM "/usr/libexec/sshbroker/sshbroker-principals"
#define CLIENT_OPTION "environment=\"SSHBROKER_CLIENT=192.0.2.9 50022\""

/* What is written for these options, behind the client's variable; the name of the error when there is none. */
static const char *
rewritten(const char *text)
{
	static char result[8192];
	const char *why = NULL;
	struct options o;
	struct buf out = {0};
	struct addr client;
	enum err e = options_parse(span_str(text), &o, &why);

	if (e != OK) {
		cr_assert_eq(e, ERR_FORMAT);
		cr_assert_not_null(why);
		return why;
	}
	cr_assert_eq(addr_parse("192.0.2.9:50022", false, &client), OK);
	e = options_write(&o, &client, PROGRAM, &out);
	options_clear(&o);
	if (e != OK) {
		cr_assert_eq(out.len, 0);
		return err_text(e);
	}
	cr_assert_geq(out.len, strlen(CLIENT_OPTION));
	cr_assert_eq(memcmp(buf_span(&out).ptr, CLIENT_OPTION, strlen(CLIENT_OPTION)), 0);
	(void)snprintf(result, sizeof(result), "%.*s", (int)(out.len - strlen(CLIENT_OPTION)),
		(const char *)buf_span(&out).ptr + strlen(CLIENT_OPTION));
	buf_clear(&out);
	return result;
}

Test(options, what_sshd_decides_stays_as_it_stands)
{
	static const char *const kept[] = {"restrict", "restrict,pty,agent-forwarding", "no-pty",
		"NO-Pty", "no-port-forwarding,no-X11-forwarding,no-agent-forwarding,no-user-rc",
		"permitopen=\"[::1]:22\",permitopen=\"*:*\",permitopen=\"host:80\"",
		"permitlisten=\"8080\",permitlisten=\"localhost:*\"", "environment=\"A_1=b c=,d\"",
		"tunnel=\"0\"", "tunnel=\"any\"", "expiry-time=\"20990101\"",
		"environment=\"A=\\\"b\\\"\"", "permitopen=\"host:ssh\"", "user-rc"};
	char expected[256];

	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		(void)snprintf(expected, sizeof(expected), ",%s", kept[i]);
		cr_assert_str_eq(rewritten(kept[i]), expected);
	}
}

Test(options, what_is_decided_here_is_left_out)
{
	static const char *const cases[][2] = {
		{"", ""},
		{",", ""},
		{"from=\"10.0.0.0/8\"", ""},
		{"no-pty,from=\"10.0.0.0/8\",restrict", ",no-pty,restrict"},
		{"FROM=\"10.0.0.0/8\",no-touch-required,verify-required", ""},
		{"touch-required,no-verify-required,pty", ",pty"},
		{"restrict,,pty,", ",restrict,pty"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_str_eq(rewritten(cases[i][0]), cases[i][1]);
}

Test(options, commands_keep_their_quoting)
{
	static const char *const cases[][2] = {
		{"command=\"\"", ",command=\"\""},
		{"command=\"echo a, b\",pty", ",pty,command=\"echo a, b\""},
		{"command=\"echo \\\"a\\\"\"", ",command=\"echo \\\"a\\\"\""},
		{"command=\"echo \\\\\\\"\"", ",command=\"echo \\\\\\\"\""},
		{"command=\"a\\b\"", ",command=\"a\\b\""},
		{"Command=\"$HOME/x\"", ",command=\"$HOME/x\""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_str_eq(rewritten(cases[i][0]), cases[i][1]);
}

/* sshd takes '#' for the beginning of a comment, even within quotes: "a" would be left of the command "a#b". */
Test(options, a_command_with_a_hash_is_written_in_hexadecimal)
{
	static const char expected[] = ",command=\"" PROGRAM " --run ";
	const char *written = rewritten("command=\"echo \\\"#\\\"\"");
	struct buf back = {0};
	char hex[64];

	cr_assert_eq(strncmp(written, expected, strlen(expected)), 0, "%s", written);
	(void)snprintf(hex, sizeof(hex), "%s", written + strlen(expected));
	cr_assert_eq(hex[strlen(hex) - 1], '"');
	hex[strlen(hex) - 1] = '\0';
	cr_assert_eq(run_decode(hex, &back), OK);
	cr_assert(span_is(buf_span(&back), "echo \"#\""));
	buf_clear(&back);
}

/* sshds before OpenSSH 8.7 take the last one of a name, later ones the first. */
Test(options, a_line_cannot_say_who_the_client_is)
{
	cr_assert_str_eq(rewritten("environment=\"SSHBROKER_CLIENT=1.1.1.1 1\""), "");
	cr_assert_str_eq(rewritten("pty,environment=\"SSHBROKER_CLIENT=#\",no-pty"), ",pty,no-pty");
	cr_assert_str_eq(rewritten("environment=\"SSHBROKER_CLIENT_=1\""),
		",environment=\"SSHBROKER_CLIENT_=1\"");
}

Test(options, a_hash_elsewhere_cannot_be_written)
{
	cr_assert_str_eq(rewritten("environment=\"A=#\""), err_text(ERR_UNSUPPORTED));
}

Test(options, hexadecimal_that_is_none_is_refused)
{
	static const char *const bad[] = {"4", "4g", "g4", "00", "4100", "41 42", "4A"};
	struct buf out = {0};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_assert_eq(run_decode(bad[i], &out), ERR_FORMAT, "%s", bad[i]);
	buf_clear(&out);
}

Test(options, what_sshd_does_not_take_is_refused)
{
	static const char *const bad[] = {"restricted", "no-restrict", "unknown", "restrict;",
		"command", "command=", "command=echo", "command=\"echo", "command=\"echo\\\"",
		"command=\"a\"b", "command=\"a\",command=\"b\"", "from=\"a\",from=\"a\"",
		"principals=\"a\",principals=\"a\"", "restrict=\"yes\"", "environment=\"A\"",
		"environment=\"=b\"", "environment=\"A-B=c\"", "expiry-time=\"tomorrow\"",
		"expiry-time=\"2020\"", "expiry-time=\"20201301\"", "permitopen=\"host\"",
		"permitopen=\"host:0\"", "permitopen=\"host:65536\"", "permitopen=\"[::1:22\"",
		"permitlisten=\"x\"", "tunnel=\"x\"", "tunnel=\"-1\"", "\"restrict\"", "=", "-",
		"no-no-pty", "restrict pty", "\x01"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *why = NULL;
		struct options o;

		cr_assert_eq(options_parse(span_str(bad[i]), &o, &why), ERR_FORMAT, "%s", bad[i]);
	}
}

Test(options, a_nul_ends_no_value)
{
	const char *why = NULL;
	struct options o;

	cr_assert_eq(options_parse(span_of("command=\"a\0b\"", 13), &o, &why), ERR_FORMAT);
}

Test(options, members_tell_what_was_said)
{
	const char *why = NULL;
	struct options o;

	cr_assert_eq(options_parse(span_str("cert-authority,principals=\"a\",from=\"x\\\"y\","
					    "no-touch-required,verify-required,"
					    "expiry-time=\"20300101Z\",expiry-time=\"20200101Z\""),
			     &o, &why),
		OK);
	cr_assert(o.is_cert_authority && o.principals != NULL && o.no_touch_required &&
		o.verify_required);
	cr_assert_str_eq(o.from, "x\"y");
	cr_assert_null(o.command);
	cr_assert_eq(o.expires_at, 1577836800);
	options_clear(&o);
}

Test(options, moments_are_read_as_they_are_written)
{
	static const struct {
		const char *text;
		uint64_t at; /* 0: refused */
	} cases[] = {{"20200101Z", 1577836800}, {"202001010000Z", 1577836800},
		{"20200101000001UTC", 1577836801}, {"20200229235959z", 1583020799},
		{"20200101", 1577833200}, {"202007011200", 1593601200}, {"19700101Z", 0},
		{"20200132Z", 0}, {"20200001Z", 0}, {"202001012400Z", 0}, {"202001010060Z", 0},
		{"2020010Z", 0}, {"2020010100Z", 0}, {"", 0}, {"Z", 0}, {"+2020101Z", 0},
		{"20200101T0000Z", 0}, {"20200101000000UTCUTC", 0}};

	/* An hour east of UTC, two in summer; but sshd knows no summer here. */
	setenv("TZ", "XYZ-1XST,M3.5.0,M10.5.0/3", 1);
	tzset();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t at = 0;
		enum err e = expiry_parse(cases[i].text, &at);

		cr_assert_eq(e, cases[i].at != 0 ? OK : ERR_FORMAT, "%s", cases[i].text);
		cr_assert_eq(at, cases[i].at, "%s: %lu", cases[i].text, (unsigned long)at);
	}
}
