/*
 * broker/keyholder/user_rules: login names.
 */
#include "broker/keyholder/user_rules.h"

#include "common/attr.h"

#include <criterion/criterion.h>

Test(user_rules, system_users_are_known_by_name)
{
	static const struct {
		const char *name;
		bool is_system;
	} cases[] = {
		{"root", true},
		{"ROOT", true},
		{"Root", true},
		{"daemon", true},
		{"nobody", true},
		{"www-data", true},
		{"_apt", true},
		{"_anything", true},
		{"systemd-network", true},
		{"Debian-exim", true},
		{"sshd", true},
		{"messagebus", true},
		{"sshbroker-keyholder", true},
		{"alice", false},
		{"rootless", false},
		{"roo", false},
		{"root2", false},
		{"root/x", true}, /* Debian's sshd logs root in */
		{"root/", true},
		{"alice/root", false},
		{"/root", false},
		{"mysql", true},
		{"my_user", false},
		{"systemd", false},
		{"azureuser", false},
		{"ubuntu", false},
		{"DOMAIN\\alice", false},
		{"", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_eq(user_is_system(span_str(cases[i].name)), cases[i].is_system, "%s",
			cases[i].name);
}

Test(user_rules, names_with_signs_of_their_own_are_not_sane)
{
	static const struct {
		struct span name;
		bool is_sane;
	} cases[] = {
		{{(const uint8_t *)"alice", 5}, true},
		{{(const uint8_t *)"DOMAIN\\alice smith@corp", 23}, true},
		{{(const uint8_t *)"\xc3\xa4", 2}, true},
		{{(const uint8_t *)"", 0}, false},
		{{(const uint8_t *)"a\0b", 3}, false},
		{{(const uint8_t *)"a\nb", 3}, false},
		{{(const uint8_t *)"root:x", 6}, false},
		{{(const uint8_t *)"a\x7f", 2}, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_eq(user_is_sane(cases[i].name), cases[i].is_sane, "case %zu", i);
}

Test(user_rules, the_configuration_allows_all_or_some_system_users)
{
	static char mail[] = "mail";
	static char *items[] = {mail};
	struct config c = {.auth.allowed_system_users = {items, 1}};

	cr_assert(user_is_allowed(&c, span_str("alice")));
	cr_assert(user_is_allowed(&c, span_str("mail")));
	cr_assert_not(user_is_allowed(&c, span_str("root")));
	/* Only the name as it is written is meant. */
	cr_assert_not(user_is_allowed(&c, span_str("MAIL")));
	c.auth.system_users = CONFIG_SYSTEM_USERS_ALLOW;
	cr_assert(user_is_allowed(&c, span_str("root")));
}
