/*
 * broker/messages: the names of processes, and what supervisor and roles say to each other.
 */
#include "broker/messages/control.h"

#include "common/ssh/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(role_kind, names_come_back_as_they_were_written)
{
	char name[ROLE_NAME_SIZE];

	for (unsigned k = ROLE_SUPERVISOR; k < ROLE_COUNT; k++) {
		static const unsigned indexes[] = {0, 7, 10, ROLE_INDEX_MAX - 1};

		for (size_t i = 0; i < ARRAY_LEN(indexes); i++) {
			enum role_kind kind = ROLE_NONE;
			unsigned index = 12345;

			role_name((enum role_kind)k, indexes[i], name);
			cr_assert_eq(role_name_parse(name, &kind, &index), OK);
			cr_assert_eq(kind, k);
			cr_assert_eq(index, indexes[i]);
		}
	}
	cr_assert_str_eq(role_name(ROLE_GATE, 3, name), "gate/3");
}

Test(role_kind, what_is_no_name_is_refused)
{
	static const char *const cases[] = {"", "gate", "gate/", "gate/x", "gate/-1", "gate/01",
		"gate/1000", "gate/99999999999999999999", "gates/0", "none/0", "/0", "gate/0 "};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum role_kind kind = ROLE_NONE;
		unsigned index = 12345;

		cr_expect_eq(role_name_parse(cases[i], &kind, &index), ERR_FORMAT, "%s", cases[i]);
		cr_expect_eq(kind, ROLE_NONE);
		cr_expect_eq(index, 12345);
	}
}

static struct control_start
sample_start(void)
{
	return (struct control_start){
		.kind = ROLE_GATE,
		.index = 7,
		.config = {span_str("/etc/x.json"), span_str("{ \"a\": 1 }"), LOG_LEVEL_DEBUG},
		.n_listeners = 3,
		.has_admin = true,
		.has_rejoin = true,
	};
}

Test(control, start_comes_back_as_it_was_written)
{
	struct control_start in = sample_start(), out;
	struct buf b = {0};

	cr_assert_eq(control_write_start(&in, &b), OK);
	cr_assert_eq(control_parse_start(buf_span(&b), 5, &out), OK);
	cr_assert_eq(out.kind, ROLE_GATE);
	cr_assert_eq(out.index, 7);
	cr_assert(span_equal(out.config.file, in.config.file));
	cr_assert(span_equal(out.config.text, in.config.text));
	cr_assert_eq(out.config.log_level, LOG_LEVEL_DEBUG);
	cr_assert_eq(out.n_listeners, 3);
	cr_assert(out.has_admin && out.has_rejoin);
	cr_assert_eq(control_parse_start(buf_span(&b), 4, &out), ERR_PROTO);
	cr_assert_eq(control_parse_start(buf_span(&b), 6, &out), ERR_PROTO);
	buf_clear(&b);
}

Test(control, link_hello_and_adopt_come_back_as_they_were_written)
{
	struct control_link link = {ROLE_RELAY, 12, 4711}, link_out;
	struct control_hello hello = {ROLE_RELAY, 3}, hello_out;
	struct control_config adopt = {span_str("f"), span_str("text"), LOG_LEVEL_WARN}, adopt_out;
	struct buf b = {0};

	cr_assert_eq(control_write_link(&link, &b), OK);
	cr_assert_eq(control_parse_link(buf_span(&b), 1, &link_out), OK);
	cr_assert(link_out.kind == ROLE_RELAY && link_out.index == 12 && link_out.pid == 4711);
	cr_assert_eq(control_parse_link(buf_span(&b), 0, &link_out), ERR_PROTO);
	buf_reset(&b);
	cr_assert_eq(control_write_hello(&hello, &b), OK);
	cr_assert_eq(control_parse_hello(buf_span(&b), 0, &hello_out), OK);
	cr_assert(hello_out.kind == ROLE_RELAY && hello_out.index == 3);
	cr_assert_eq(control_parse_hello(buf_span(&b), 1, &hello_out), ERR_PROTO);
	buf_reset(&b);
	cr_assert_eq(control_write_adopt(&adopt, &b), OK);
	cr_assert_eq(control_parse_adopt(buf_span(&b), 0, &adopt_out), OK);
	cr_assert(span_is(adopt_out.file, "f") && span_is(adopt_out.text, "text"));
	cr_assert_eq(adopt_out.log_level, LOG_LEVEL_WARN);
	cr_assert_eq(control_parse_adopt(buf_span(&b), 1, &adopt_out), ERR_PROTO);
	buf_clear(&b);
}

Test(control, each_cut_and_each_trailing_byte_is_refused)
{
	struct control_start start = sample_start();
	struct control_link link = {ROLE_RELAY, 12, 4711};
	struct control_hello hello = {ROLE_RELAY, 3};
	struct buf b[4] = {0};

	cr_assert_eq(control_write_start(&start, &b[0]), OK);
	cr_assert_eq(control_write_link(&link, &b[1]), OK);
	cr_assert_eq(control_write_hello(&hello, &b[2]), OK);
	cr_assert_eq(control_write_adopt(&start.config, &b[3]), OK);
	for (size_t i = 0; i < ARRAY_LEN(b); i++) {
		size_t whole = b[i].len;

		cr_assert_eq(wire_put_u8(&b[i], 0), OK);
		for (size_t len = 0; len <= whole + 1; len++) {
			struct span s = span_of(buf_span(&b[i]).ptr, len);
			enum err e[] = {control_parse_start(s, 5, &start),
				control_parse_link(s, 1, &link), control_parse_hello(s, 0, &hello),
				control_parse_adopt(s, 0, &start.config)};

			cr_expect_eq(e[i], len == whole ? OK : ERR_FORMAT, "%zu: %zu", i, len);
		}
		buf_clear(&b[i]);
	}
}

Test(control, values_out_of_range_are_refused)
{
	static const struct {
		size_t at; /* byte of the written START */
		uint8_t value;
		enum err why;
	} cases[] = {
		{3, 2, ERR_UNSUPPORTED}, /* version */
		{4, ROLE_NONE, ERR_FORMAT},
		{4, ROLE_COUNT, ERR_FORMAT},
		{6, 1, ERR_FORMAT}, /* index 65543 */
		{9, LOG_LEVEL_DEBUG + 1, ERR_FORMAT},
		{11, 1, ERR_FORMAT}, /* file name of 65547 bytes */
		{39, CONTROL_LISTENERS_MAX + 1, ERR_FORMAT},
	};
	struct control_start in = sample_start(), out;
	struct buf b = {0};

	cr_assert_eq(control_write_start(&in, &b), OK);
	cr_assert_eq(b.len, 42);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t bytes[64];

		memcpy(bytes, buf_span(&b).ptr, b.len);
		bytes[cases[i].at] = cases[i].value;
		cr_expect_eq(control_parse_start(span_of(bytes, b.len), 5, &out), cases[i].why,
			"case %zu", i);
	}
	buf_clear(&b);
}

Test(control, texts_have_maxima)
{
	struct control_start in = sample_start(), out;
	char *text = calloc(1, CONTROL_CONFIG_MAX + 1);
	struct buf b;

	buf_init(&b, CONTROL_BODY_MAX);
	in.config.text = span_of(text, CONTROL_CONFIG_MAX + 1);
	cr_assert_eq(control_write_start(&in, &b), ERR_LIMIT);
	cr_assert_eq(b.len, 0);
	in.config.text = span_of(text, CONTROL_CONFIG_MAX);
	in.config.file = span_of(text, CONTROL_FILE_MAX);
	cr_assert_eq(control_write_start(&in, &b), OK);
	cr_assert_eq(control_parse_start(buf_span(&b), 5, &out), OK);
	buf_clear(&b);
	free(text);
}

Test(control, empty_messages_are_empty)
{
	cr_assert_eq(control_parse_empty(span_of(NULL, 0), 0), OK);
	cr_assert_eq(control_parse_empty(span_str("x"), 0), ERR_FORMAT);
	cr_assert_eq(control_parse_empty(span_of(NULL, 0), 1), ERR_PROTO);
}
