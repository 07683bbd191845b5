/*
 * Lists of authentication methods, cut to what can work through two legs.
 */
#include "broker/gate/methods.h"

#include "common/ssh/wire.h"

enum err
methods_filter(struct span list, struct buf *out)
{
	static const char carried[] = "publickey,password,keyboard-interactive";
	size_t before = out->len;
	struct span name;
	enum err e = OK;

	while (e == OK && wire_namelist_next(&list, &name)) {
		if (name.len == 0 || !wire_namelist_has(span_str(carried), name))
			continue;
		if (out->len > before)
			e = buf_append(out, ",", 1);
		if (e == OK)
			e = buf_append_span(out, name);
	}
	return e;
}
