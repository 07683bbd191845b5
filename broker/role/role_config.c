/*
 * Reading the configuration out of a message.
 */
#include "broker/role/role_config.h"

#include "common/log.h"

void
role_config_log_errors(const struct buf *errors)
{
	struct span s = buf_span(errors);

	while (s.len > 0) {
		const uint8_t *end = memchr(s.ptr, '\n', s.len);
		size_t len = end != NULL ? (size_t)(end - s.ptr) : s.len;
		size_t used = end != NULL ? len + 1 : len;

		log_error("%.*s", (int)len, (const char *)s.ptr);
		s = span_of(s.ptr + used, s.len - used);
	}
}

enum err
role_config_parse(const struct control_config *m, struct config **out)
{
	char file[CONTROL_FILE_MAX + 1];
	struct buf errors = {0};
	enum err e;

	if (m->file.len > CONTROL_FILE_MAX || memchr(m->file.ptr, '\0', m->file.len) != NULL)
		return ERR_FORMAT;
	memcpy(file, m->file.ptr, m->file.len);
	file[m->file.len] = '\0';
	e = config_parse(m->text, file, out, &errors);
	if (e != OK)
		role_config_log_errors(&errors);
	buf_clear(&errors);
	return e;
}
