/*
 * Lists of authentication methods, cut to what can work through two legs.
 */
#include "broker/gate/methods.h"

#include "broker/messages/messages.h"
#include "common/ssh/wire.h"

enum err
methods_filter(struct span list, struct buf *out)
{
	size_t before = out->len;
	struct span name;
	enum err e = OK;

	while (e == OK && wire_namelist_next(&list, &name)) {
		if (name.len == 0 || !wire_namelist_has(span_str(MSG_METHODS_CARRIED), name))
			continue;
		if (out->len > before)
			e = buf_append(out, ",", 1);
		if (e == OK)
			e = buf_append_span(out, name);
	}
	return e;
}
