/*
 * deploy/node/principals/from_match: the from= patterns of authorized_keys, as sshd reads them.
 */
#include "deploy/node/principals/from_match.h"

#include "common/attr.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define YES FROM_MATCH_YES
#define NO FROM_MATCH_NO
#define INVALID FROM_MATCH_INVALID

Test(from_match, patterns_decide_as_in_sshd)
{
	static const struct {
		const char *patterns, *ip, *host;
		enum from_match expected;
	} cases[] = {
		{"192.0.2.9", "192.0.2.9", "192.0.2.9", YES},
		{"192.0.2.9", "192.0.2.90", "192.0.2.90", NO},
		{"192.0.2.0/24", "192.0.2.9", "192.0.2.9", YES},
		{"192.0.2.0/24", "192.0.3.9", "192.0.3.9", NO},
		{"0.0.0.0/0", "192.0.2.9", "192.0.2.9", YES},
		{"0.0.0.0/0", "2001:db8::9", "2001:db8::9", NO},
		{"192.0.2.8/31", "192.0.2.9", "192.0.2.9", YES},
		{"192.0.2.*", "192.0.2.9", "192.0.2.9", YES},
		{"192.0.2.?", "192.0.2.90", "192.0.2.90", NO},
		{"*", "2001:db8::9", "2001:db8::9", YES},
		{"2001:db8::/32", "2001:db8::9", "2001:db8::9", YES},
		{"2001:db8:0:0::9", "2001:db8::9", "2001:db8::9", YES},
		{"2001:DB8::9/128", "2001:db8::9", "2001:db8::9", YES},
		{"2001:db9::/32", "2001:db8::9", "2001:db8::9", NO},
		/* The forms that the C library takes for addresses. */
		{"10.1", "10.0.0.1", "10.0.0.1", YES},
		{"*,!10.1", "10.0.0.1", "10.0.0.1", NO},
		/* An IPv4 client is no IPv6 client. */
		{"::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1", NO},
		/* Negation outweighs everything, wherever it stands. */
		{"10.0.0.0/8,!10.0.0.1", "10.0.0.1", "10.0.0.1", NO},
		{"!10.0.0.1,10.0.0.0/8", "10.0.0.1", "10.0.0.1", NO},
		{"!10.0.0.1,10.0.0.0/8", "10.0.0.2", "10.0.0.2", YES},
		{"!10.0.0.1", "10.0.0.2", "10.0.0.2", NO},
		{"!*,10.0.0.1", "10.0.0.1", "10.0.0.1", NO},
		/* Names. */
		{"*.example.com", "10.0.0.1", "a.example.com", YES},
		{"*.EXAMPLE.com", "10.0.0.1", "A.example.com", YES},
		{"*.example.com", "10.0.0.1", "10.0.0.1", NO},
		{"10.0.0.0/8,!bad.example.com", "10.0.0.1", "bad.example.com", NO},
		{"10.0.0.0/8,!bad.example.com", "10.0.0.1", "10.0.0.1", YES},
		{"other,10.0.0.1", "10.0.0.1", "10.0.0.1", YES},
		/* A mistake in the list closes the door to all. */
		{"", "10.0.0.1", "10.0.0.1", INVALID},
		{"10.0.0.1,", "10.0.0.1", "10.0.0.1", INVALID},
		{",10.0.0.1", "10.0.0.1", "10.0.0.1", INVALID},
		{"!", "10.0.0.1", "10.0.0.1", INVALID},
		{"10.0.0.1/8", "10.0.0.1", "10.0.0.1", INVALID},
		{"10.0.0.0/33", "10.0.0.1", "10.0.0.1", INVALID},
		{"*,10.0.0.1/8", "10.0.0.1", "10.0.0.1", INVALID},
		{"!10.0.0.1,10.0.0.1/8", "10.0.0.1", "10.0.0.1", NO},
		/* No number behind the slash: a pattern of characters. */
		{"10.0.0.0/", "10.0.0.0", "10.0.0.0", NO},
		{"10.0.0.0/x", "10.0.0.0", "10.0.0.0", NO},
		{"10.0.0.0/129", "10.0.0.0", "10.0.0.0", NO},
		{" 10.0.0.1", "10.0.0.1", "10.0.0.1", NO},
		/* Who is not known by an address comes from nowhere. */
		{"*", "nowhere", "nowhere", INVALID},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_eq(from_match(cases[i].patterns, cases[i].ip, cases[i].host),
			cases[i].expected, "%s with %s (%s)", cases[i].patterns, cases[i].ip,
			cases[i].host);
}

Test(from_match, stars_take_any_run_of_characters)
{
	static const struct {
		const char *text, *pattern;
		bool matches;
	} cases[] = {{"", "", true}, {"", "*", true}, {"", "**", true}, {"", "?", false},
		{"a", "", false}, {"abc", "a*c", true}, {"abc", "a*b", false}, {"abc", "*b*", true},
		{"abc", "???", true}, {"abc", "??", false}, {"aab", "*ab", true},
		{"abab", "*ab", true}, {"mississippi", "m*iss*ip*i", true},
		{"mississippi", "m*iss*iz*i", false}, {"a*", "a*", true}, {"abcd", "a*?d", true},
		{"ad", "a*?d", false}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_eq(from_match_pattern(cases[i].text, cases[i].pattern), cases[i].matches,
			"%s with %s", cases[i].text, cases[i].pattern);
}

/* Time that doubles with each star would not end in this life. */
Test(from_match, many_stars_cost_little, .timeout = 10)
{
	char text[2001], pattern[1001];

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = 'a';
	for (size_t i = 0; i < sizeof(pattern) - 1; i++)
		pattern[i] = i % 2 == 0 ? '*' : 'a';
	pattern[999] = 'b';
	text[2000] = pattern[1000] = '\0';
	cr_assert_not(from_match_pattern(text, pattern));
}

Test(from_match, lists_of_names_know_negation)
{
	cr_assert(from_match_list("ssh-ed25519", "rsa-*,ssh-ed25519"));
	cr_assert(from_match_list("rsa-sha2-256", "rsa-*,ssh-ed25519"));
	cr_assert_not(from_match_list("rsa-sha2-256", "!rsa-*,*"));
	cr_assert_not(from_match_list("ecdsa-sha2-nistp256", "rsa-*,ssh-ed25519"));
	cr_assert_not(from_match_list("ssh-ed25519", ""));
}
