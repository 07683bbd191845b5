/*
 * One line of an authorized_keys file: "[OPTIONS] TYPE BASE64 [COMMENT]".
 */
#include "deploy/node/principals/authorized_keys.h"

#include "common/base64.h"
#include "common/ssh/wire.h"

enum err
authorized_key_init(struct authorized_key *k, struct span blob)
{
	struct wire_reader r = wire_reader_of(blob);
	struct span type;
	enum err e = wire_get_string(&r, &type);

	*k = (struct authorized_key){0};
	if (e == OK)
		e = buf_append_span(&k->type, type);
	if (e == OK)
		e = base64_encode(blob, &k->base64);
	if (e != OK)
		authorized_key_clear(k);
	return e;
}

void
authorized_key_clear(struct authorized_key *k)
{
	buf_clear(&k->type);
	buf_clear(&k->base64);
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct span
skip_blanks(struct span s)
{
	while (s.len > 0 && is_blank(s.ptr[0]))
		s = span_of(s.ptr + 1, s.len - 1);
	return s;
}

/* Take the run up to the next blank off the front. */
static struct span
take_word(struct span *s)
{
	struct span word = {.ptr = s->ptr};

	while (word.len < s->len && !is_blank(s->ptr[word.len]))
		word.len++;
	*s = span_of(s->ptr + word.len, s->len - word.len);
	return word;
}

/*
 * Does the key stand at the front of s?  A blob has one base64 form, so that texts can be compared: a file of many
 * thousand keys is read in no time.
 */
static bool
begins_with_key(const struct authorized_key *k, struct span s)
{
	struct span base64;

	if (!span_equal(take_word(&s), buf_span(&k->type)))
		return false;
	s = skip_blanks(s);
	base64 = take_word(&s);
	/* The end of a line as other systems write it. */
	while (base64.len > 0 && base64.ptr[base64.len - 1] == '\r')
		base64.len--;
	return span_equal(base64, buf_span(&k->base64));
}

bool
authorized_keys_options(struct span s, struct span *options)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < s.len && (quoted || !is_blank(s.ptr[i])); i++) {
		if (s.ptr[i] == '\\' && i + 1 < s.len && s.ptr[i + 1] == '"')
			i++;
		else if (s.ptr[i] == '"')
			quoted = !quoted;
	}
	*options = span_of(s.ptr, i);
	return !quoted;
}

bool
authorized_keys_match(const struct authorized_key *k, struct span line, struct span *options)
{
	struct span s = skip_blanks(line), front;

	if (s.len == 0 || s.ptr[0] == '#')
		return false;
	if (begins_with_key(k, s)) {
		*options = span_of(s.ptr, 0);
		return true;
	}
	if (!authorized_keys_options(s, &front) ||
		!begins_with_key(k, skip_blanks(span_of(s.ptr + front.len, s.len - front.len))))
		return false;
	*options = front;
	return true;
}
