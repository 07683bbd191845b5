/*
 * common/facts: there and back, and what is refused.
 */
#include "common/facts.h"

#include <criterion/criterion.h>

static struct facts
sound(const char *client)
{
	struct facts f = {
		.conn_id = 0x0123456789abcde,
		.node = span_str("vmss-7/3"),
		.user = span_str("alice+gpu"),
		.node_user = span_str("alice"),
		.key = span_of("a\0key", 5),
		.flags = FACTS_TOUCH_VERIFIED | FACTS_NOT_FINAL,
	};

	cr_assert_eq(addr_parse(client, false, &f.client), OK);
	return f;
}

static void
assert_same(const struct facts *a, const struct facts *b)
{
	cr_assert_eq(a->conn_id, b->conn_id);
	cr_assert(addr_same_ip(&a->client, &b->client));
	cr_assert_eq(a->client.port, b->client.port);
	cr_assert(span_equal(a->node, b->node));
	cr_assert(span_equal(a->user, b->user));
	cr_assert(span_equal(a->node_user, b->node_user));
	cr_assert(span_equal(a->key, b->key));
	cr_assert_eq(a->flags, b->flags);
}

Test(facts, what_is_written_is_read)
{
	static const char *const clients[] = {"192.0.2.9:50022", "[2001:db8::9]:1"};

	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		struct facts f = sound(clients[i]), back;
		struct buf b = {0};

		cr_assert_eq(facts_write(&f, &b), OK);
		cr_assert_eq(facts_parse(buf_span(&b), &back), OK);
		assert_same(&f, &back);
		buf_clear(&b);
	}
}

/* The bytes on the wire: certificates in flight during an upgrade are read by the other version. */
Test(facts, the_written_form_does_not_change)
{
	static const uint8_t expected[] = {1, 5, 0x00, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 4,
		192, 0, 2, 9, 0xc3, 0x66, 0, 0, 0, 8, 'v', 'm', 's', 's', '-', '7', '/', '3', 0, 0,
		0, 9, 'a', 'l', 'i', 'c', 'e', '+', 'g', 'p', 'u', 0, 0, 0, 5, 'a', 'l', 'i', 'c',
		'e', 0, 0, 0, 5, 'a', 0, 'k', 'e', 'y'};
	struct facts f = sound("192.0.2.9:50022");
	struct buf b = {0};

	cr_assert_eq(facts_write(&f, &b), OK);
	cr_assert(span_equal(buf_span(&b), span_of(expected, sizeof(expected))));
	buf_clear(&b);
}

Test(facts, each_cut_and_each_extra_byte_is_refused)
{
	struct facts f = sound("192.0.2.9:50022"), back;
	struct buf b = {0};

	cr_assert_eq(facts_write(&f, &b), OK);
	for (size_t len = 0; len < b.len; len++)
		cr_assert_eq(facts_parse(span_of(b.data, len), &back), ERR_FORMAT);
	cr_assert_eq(buf_append(&b, "", 1), OK);
	cr_assert_eq(facts_parse(buf_span(&b), &back), ERR_FORMAT);
	buf_clear(&b);
}

/* Set one byte of sound facts, and parse. */
static enum err
parse_with(size_t at, uint8_t value)
{
	struct facts f = sound("192.0.2.9:50022"), back;
	struct buf b = {0};
	enum err e;

	cr_assert_eq(facts_write(&f, &b), OK);
	b.data[at] = value;
	e = facts_parse(buf_span(&b), &back);
	buf_clear(&b);
	return e;
}

Test(facts, what_a_reader_does_not_know_is_unsupported)
{
	cr_assert_eq(parse_with(0, 0), ERR_UNSUPPORTED);
	cr_assert_eq(parse_with(0, 2), ERR_UNSUPPORTED);
	cr_assert_eq(parse_with(1, 7), OK);
	cr_assert_eq(parse_with(1, 16), ERR_UNSUPPORTED);
	cr_assert_eq(parse_with(1, 0x80), ERR_UNSUPPORTED);
}

Test(facts, values_that_nobody_writes_are_refused)
{
	cr_assert_eq(parse_with(2, 0x10), ERR_FORMAT); /* an id of more than 60 bits */
	cr_assert_eq(parse_with(10, 0), ERR_FORMAT); /* no address */
	cr_assert_eq(parse_with(10, 5), ERR_FORMAT);
	cr_assert_eq(parse_with(21, '\n'), ERR_FORMAT); /* in the node's name */
	cr_assert_eq(parse_with(33, 0), ERR_FORMAT); /* in the user's */
	cr_assert_eq(parse_with(46, 0x7f), ERR_FORMAT); /* in the node user's */
	cr_assert_eq(parse_with(46, 0xc3), OK); /* UTF-8 is no control character */
}

static enum err
write(const struct facts *f)
{
	struct buf b = {0};
	enum err e = facts_write(f, &b);

	cr_assert_eq(b.len > 0, e == OK);
	buf_clear(&b);
	return e;
}

Test(facts, parts_that_are_missing_or_too_long_are_not_written)
{
	static uint8_t bytes[FACTS_KEY_MAX + 1];
	struct facts f = sound("[2001:db8::9]:1");

	memset(bytes, 'x', sizeof(bytes));
	f.node = f.user = f.node_user = span_of(bytes, FACTS_NAME_MAX);
	f.key = span_of(bytes, FACTS_KEY_MAX);
	cr_assert_eq(write(&f), OK);
	f.key = span_of(bytes, FACTS_KEY_MAX + 1);
	cr_assert_eq(write(&f), ERR_FORMAT);
	f.key = span_of(NULL, 0);
	cr_assert_eq(write(&f), ERR_FORMAT);
	f = sound("[2001:db8::9]:1");
	f.user = span_of(bytes, FACTS_NAME_MAX + 1);
	cr_assert_eq(write(&f), ERR_FORMAT);
	f.user = span_of(NULL, 0);
	cr_assert_eq(write(&f), ERR_FORMAT);
	f.user = span_str("two\nlines");
	cr_assert_eq(write(&f), ERR_FORMAT);
}

Test(facts, numbers_out_of_range_are_not_written)
{
	struct facts f = sound("[2001:db8::9]:1");

	f.conn_id = 0;
	cr_assert_eq(write(&f), ERR_FORMAT);
	f.conn_id = UINT64_C(1) << CONN_ID_BITS;
	cr_assert_eq(write(&f), ERR_FORMAT);
	f = sound("[2001:db8::9]:1");
	f.client.family = 0;
	cr_assert_eq(write(&f), ERR_FORMAT);
	f = sound("[2001:db8::9]:1");
	f.flags = 16;
	cr_assert_eq(write(&f), ERR_UNSUPPORTED);
}

Test(facts, an_ipv4_address_does_not_come_as_ipv6)
{
	struct facts f = sound("[::fffe:10.0.0.1]:1");

	cr_assert_eq(write(&f), OK);
	f.client.ip[11] = 0xff;
	cr_assert_eq(write(&f), ERR_FORMAT);
}

Test(facts, a_full_buffer_is_left_as_it_was)
{
	struct facts f = sound("192.0.2.9:50022");
	struct buf b;

	buf_init(&b, 30);
	cr_assert_eq(buf_append(&b, "x", 1), OK);
	cr_assert_eq(facts_write(&f, &b), ERR_LIMIT);
	cr_assert(span_is(buf_span(&b), "x"));
	buf_clear(&b);
}
