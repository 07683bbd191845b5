/*
 * broker/gate/methods and version: what clients and nodes are told.
 */
#include "broker/gate/methods.h"
#include "broker/gate/version.h"

#include <criterion/criterion.h>
#include <ctype.h>

Test(gate_methods, only_what_works_through_two_legs_is_left_in_the_nodes_order)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"publickey,password", "publickey,password"},
		{"gssapi-with-mic,password,hostbased,publickey", "password,publickey"},
		{"gssapi-keyex", ""},
		{"", ""},
		{",,publickey,", "publickey"},
		{"keyboard-interactive", "keyboard-interactive"},
		{"publickeys,pass", ""},
		{"none", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = {0};

		cr_assert_eq(methods_filter(span_str(cases[i].in), &b), OK);
		cr_assert(span_is(buf_span(&b), cases[i].out), "%s", cases[i].in);
		buf_clear(&b);
	}
}

Test(gate_version, openssh_extensions_are_asked_for_only_where_the_client_knows_them)
{
	static const char openssh[] = "SSH-2.0-OpenSSH";

	cr_assert_eq(strncmp(version_for_client(), openssh, sizeof(openssh) - 1), 0);
	/* libssh, and others, read a number behind that. */
	cr_assert_eq(version_for_client()[sizeof(openssh) - 1], '_');
	cr_assert(isdigit((unsigned char)version_for_client()[sizeof(openssh)]));
	cr_assert_eq(strncmp(version_for_node(span_str("SSH-2.0-OpenSSH_9.9p1 Debian-3")), openssh,
			     sizeof(openssh) - 1),
		0);
	cr_assert_neq(strncmp(version_for_node(span_str("SSH-2.0-PuTTY_Release_0.81")), openssh,
			      sizeof(openssh) - 1),
		0);
	cr_assert_neq(
		strncmp(version_for_node(span_str("SSH-2.0")), openssh, sizeof(openssh) - 1), 0);
}
