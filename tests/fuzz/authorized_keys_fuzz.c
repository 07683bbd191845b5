/*
 * deploy/node/principals: no line of authorized_keys breaks its parsers, and what sshd gets from us it reads as we do.
 *
 * The input is the options, before a key of ours.
 */
#include "deploy/node/principals/authorized_keys.h"
#include "deploy/node/principals/from_match.h"
#include "deploy/node/principals/options.h"

#include <assert.h>
#include <stdlib.h>

#define PROGRAM "/usr/libexec/sshbroker/sshbroker-principals"
#define LINE_MAX_SIZE ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t blob[] = "\0\0\0\013ssh-ed25519\0\0\0\04key!";

/* Nothing in it may end the options for sshd, begin a comment, or end the line. */
static void
check_written(struct span s)
{
	bool quoted = false;

	for (size_t i = 0; i < s.len; i++) {
		assert(s.ptr[i] != '#' && s.ptr[i] != '\0');
		if (s.ptr[i] == '\\' && i + 1 < s.len && s.ptr[i + 1] == '"')
			i++;
		else if (s.ptr[i] == '"')
			quoted = !quoted;
		else
			assert(quoted || (s.ptr[i] != ' ' && s.ptr[i] != '\t'));
	}
	assert(!quoted);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void
check_options(const struct options *o)
{
	struct addr client = {.family = 4, .ip = {192, 0, 2, 9}, .port = 1};
	struct options back;
	struct buf out = {0};
	const char *why;

	if (o->from != NULL)
		(void)from_match(o->from, "192.0.2.9", "client.example.com");
	if (options_write(o, &client, PROGRAM, &out) == OK) {
		check_written(buf_span(&out));
		assert(options_parse(buf_span(&out), &back, &why) == OK);
		assert(back.from == NULL && back.expires_at == o->expires_at);
		assert((back.command == NULL) == (o->command == NULL));
		if (o->command != NULL && strchr(o->command, '#') == NULL)
			assert(same_text(back.command, o->command));
		options_clear(&back);
	}
	buf_clear(&out);
}

static void
check_line(const struct authorized_key *key, struct span line)
{
	struct span text;
	struct options o;
	const char *why = NULL;

	if (!authorized_keys_match(key, line, &text))
		return;
	if (options_parse(text, &o, &why) == OK) {
		check_options(&o);
		options_clear(&o);
	} else {
		assert(why != NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct authorized_key key;
	struct buf line;
	const uint8_t *end;

	/* As lines_next() gives them. */
	end = size > 0 ? memchr(data, '\n', size) : NULL;
	size = end != NULL ? (size_t)(end - data) : size;
	end = size > 0 ? memchr(data, '\0', size) : NULL;
	size = end != NULL ? (size_t)(end - data) : size;
	if (size > LINE_MAX_SIZE ||
		authorized_key_init(&key, span_of(blob, sizeof(blob) - 1)) != OK)
		return 0;
	buf_init(&line, 2 * LINE_MAX_SIZE);
	check_line(&key, span_of(data, size));
	if (buf_append(&line, data, size) == OK && buf_append(&line, " ", 1) == OK &&
		buf_append_span(&line, buf_span(&key.type)) == OK &&
		buf_append(&line, " ", 1) == OK &&
		buf_append_span(&line, buf_span(&key.base64)) == OK)
		check_line(&key, buf_span(&line));
	buf_clear(&line);
	authorized_key_clear(&key);
	return 0;
}
