/*
 * common/addr: text and socket addresses, there and back.
 */
#include "common/addr.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>

Test(addr, text_comes_back_as_it_was_read)
{
	static const char *const cases[] = {"10.0.0.1:22", "0.0.0.0:65535", "[::1]:22", "[::]:1",
		"[2001:db8::ff00:42:8329]:2222", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"};
	char text[ADDR_TEXT_SIZE];
	struct addr a;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cr_assert_eq(addr_parse(cases[i], false, &a), OK, "%s", cases[i]);
		cr_assert_str_eq(addr_text(&a, text), cases[i]);
	}
}

Test(addr, what_is_no_address_with_a_port_is_refused)
{
	static const char *const cases[] = {"", ":", "10.0.0.1", "10.0.0.1:", "10.0.0.1:0",
		"10.0.0.1:65536", "10.0.0.1:99999999999999999999", "10.0.0.1:+22", "10.0.0.1: 22",
		"10.0.0.1:022", "10.0.0.1:22 ", "10.0.0:22", "10.0.0.256:22", "host:22",
		"[10.0.0.1]:22", "::1:22", "::1", "[::1]", "[::1]22", "[::1:22", "::1]:22",
		"[::1%lo]:22", "[]:22", "[", "[:22", "]:22",
		"[0000000000000000000000000000000000000000000000000000000000000000000::1]:22"};
	struct addr a;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_eq(addr_parse(cases[i], false, &a), ERR_FORMAT, "%s", cases[i]);
	cr_assert_eq(addr_parse("10.0.0.1:0", true, &a), OK);
	cr_assert_eq(a.port, 0);
}

Test(addr, an_address_alone_has_port_0)
{
	struct addr a = {.port = 9};
	char text[ADDR_TEXT_SIZE];

	cr_assert_eq(addr_parse_ip("192.0.2.7", &a), OK);
	cr_assert_eq(a.port, 0);
	cr_assert_str_eq(addr_ip_text(&a, text), "192.0.2.7");
	cr_assert_eq(addr_parse_ip("2001:DB8::1", &a), OK);
	cr_assert_str_eq(addr_ip_text(&a, text), "2001:db8::1");
	cr_assert_eq(addr_parse_ip("192.0.2.7:22", &a), ERR_FORMAT);
	cr_assert_eq(addr_parse_ip("[::1]", &a), ERR_FORMAT);
}

Test(addr, an_ipv4_mapped_address_is_ipv4)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(22)};
	struct addr mapped, plain;

	cr_assert_eq(addr_parse("10.1.2.3:22", false, &plain), OK);
	cr_assert_eq(addr_parse("[::ffff:10.1.2.3]:22", false, &mapped), OK);
	cr_assert_eq(mapped.family, 4);
	cr_assert(addr_same_ip(&mapped, &plain));
	cr_assert_eq(inet_pton(AF_INET6, "::ffff:10.1.2.3", &in6.sin6_addr), 1);
	cr_assert_eq(addr_from_sockaddr((struct sockaddr *)&in6, sizeof(in6), &mapped), OK);
	cr_assert_eq(mapped.family, 4);
	cr_assert(addr_same_ip(&mapped, &plain));
	cr_assert_eq(mapped.port, 22);
}

Test(addr, socket_addresses_come_back)
{
	static const char *const cases[] = {"10.0.0.1:22", "[2001:db8::1]:65535"};
	struct sockaddr_storage ss;
	char text[ADDR_TEXT_SIZE];
	struct addr a, back;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		socklen_t len;

		cr_assert_eq(addr_parse(cases[i], false, &a), OK);
		len = addr_to_sockaddr(&a, &ss);
		cr_assert_eq(addr_from_sockaddr((struct sockaddr *)&ss, len, &back), OK);
		cr_assert_str_eq(addr_text(&back, text), cases[i]);
		cr_assert_eq(addr_from_sockaddr((struct sockaddr *)&ss, len - 1, &back),
			ERR_UNSUPPORTED);
	}
}

Test(addr, other_families_are_refused)
{
	struct sockaddr_storage ss = {.ss_family = AF_UNIX};
	struct addr a;

	cr_assert_eq(addr_from_sockaddr((struct sockaddr *)&ss, sizeof(ss), &a), ERR_UNSUPPORTED);
	cr_assert_eq(addr_from_sockaddr((struct sockaddr *)&ss, 0, &a), ERR_UNSUPPORTED);
}

Test(addr, none_is_a_dash)
{
	struct addr none = {0};
	char text[ADDR_TEXT_SIZE];

	cr_assert_str_eq(addr_text(&none, text), "-");
	cr_assert_str_eq(addr_ip_text(&none, text), "-");
}

Test(addr, ports_do_not_count_for_the_same_ip)
{
	struct addr a, b, c;

	cr_assert_eq(addr_parse("10.0.0.1:22", false, &a), OK);
	cr_assert_eq(addr_parse("10.0.0.1:23", false, &b), OK);
	cr_assert_eq(addr_parse("[a00:1::]:22", false, &c), OK);
	cr_assert(addr_same_ip(&a, &b));
	cr_assert_not(addr_same_ip(&a, &c));
}
