/*
 * deploy/node/principals/authorized_keys: which lines are about a key, and what stands before it.
 */
#include "deploy/node/principals/authorized_keys.h"

#include "tests/lib/vector.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct authorized_key key;
static char text[1024];

static void
set_up(void)
{
	struct buf blob = {0};

	vector_read_blob("ed25519.pub", &blob);
	cr_assert_eq(authorized_key_init(&key, buf_span(&blob)), OK);
	(void)snprintf(text, sizeof(text), "%.*s %.*s", (int)key.type.len,
		(const char *)buf_span(&key.type).ptr, (int)key.base64.len,
		(const char *)buf_span(&key.base64).ptr);
	buf_clear(&blob);
}

static void
tear_down(void)
{
	authorized_key_clear(&key);
}

TestSuite(authorized_keys, .init = set_up, .fini = tear_down);

/* The options of the line, "(none)" when it is not about the key.  KEY in a format stands for the key. */
static const char *
options_of(const char *before, const char *after)
{
	static char line[4096], found[4096];
	struct span options;

	(void)snprintf(line, sizeof(line), "%s%s%s", before, text, after);
	if (!authorized_keys_match(&key, span_str(line), &options))
		return "(none)";
	(void)snprintf(found, sizeof(found), "%.*s", (int)options.len, (const char *)options.ptr);
	return found;
}

Test(authorized_keys, lines_with_the_key_give_their_options)
{
	static const struct {
		const char *before, *after, *options;
	} cases[] = {
		{"", "", ""},
		{"", " a comment", ""},
		{"", "\ta comment", ""},
		{" \t ", "", ""},
		{"", "\r", ""},
		{"restrict ", "", "restrict"},
		{"restrict\t \t", " c", "restrict"},
		{"  no-pty,command=\"echo a b\" ", "", "no-pty,command=\"echo a b\""},
		{"command=\"echo \\\"a b\\\"\" ", "", "command=\"echo \\\"a b\\\"\""},
		{"command=\"#\" ", "", "command=\"#\""},
		/* What is no option is an option that nobody knows, and is refused later. */
		{"ssh-ed25519 ", "", "ssh-ed25519"},
		{"x\" \" ", "", "x\" \""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_str_eq(options_of(cases[i].before, cases[i].after), cases[i].options,
			"%s...%s", cases[i].before, cases[i].after);
}

Test(authorized_keys, other_lines_are_about_no_key)
{
	static const char *const cases[][2] = {
		{"#", ""},
		{" # ", ""},
		{"restrict #", ""},
		{"\"restrict ", ""}, /* a quote that stays open */
		{"command=\"a ", "\" "}, /* the key is within a quote */
		{"a b ", ""}, /* more than one word */
		{"x", ""},
		{"", "A"},
		{"", "="},
		{"ssh-rsa AAAA ", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_str_eq(options_of(cases[i][0], cases[i][1]), "(none)", "%s...%s",
			cases[i][0], cases[i][1]);
}

Test(authorized_keys, each_cut_of_a_line_is_about_no_key)
{
	struct span options;

	for (size_t len = 0; len < strlen(text); len++)
		cr_assert_not(authorized_keys_match(&key, span_of(text, len), &options));
	cr_assert_not(authorized_keys_match(&key, span_of(NULL, 0), &options));
}

Test(authorized_keys, the_type_before_the_key_must_be_its_own)
{
	struct span options;
	char line[1100];

	(void)snprintf(line, sizeof(line), "ssh-rsa%s", strchr(text, ' '));
	cr_assert_not(authorized_keys_match(&key, span_str(line), &options));
}

Test(authorized_keys, a_blob_without_a_name_is_no_key)
{
	struct authorized_key none;

	cr_assert_eq(authorized_key_init(&none, span_str("abc")), ERR_FORMAT);
}
