/*
 * Message heads that the relay reads and writes.
 */
#include "broker/relay/peek.h"

#include "common/ssh/message.h"
#include "common/ssh/wire.h"

enum err
peek_global_request(struct span payload, struct peek_global_request *out)
{
	struct wire_reader r = wire_reader_of(payload);
	struct peek_global_request request;
	uint8_t type;

	if (wire_get_u8(&r, &type) != OK || type != SSH_MSG_GLOBAL_REQUEST ||
		wire_get_string(&r, &request.name) != OK ||
		wire_get_bool(&r, &request.want_reply) != OK ||
		wire_get_bytes(&r, wire_left(&r), &request.data) != OK)
		return ERR_FORMAT;
	*out = request;
	return OK;
}

enum err
peek_write_global_request(const struct peek_global_request *request, struct buf *out)
{
	size_t before = out->len;
	enum err e;

	e = wire_put_u8(out, SSH_MSG_GLOBAL_REQUEST);
	if (e == OK)
		e = wire_put_string(out, request->name);
	if (e == OK)
		e = wire_put_bool(out, request->want_reply);
	if (e == OK)
		e = wire_put_bytes(out, request->data);
	if (e != OK)
		buf_truncate(out, before);
	return e;
}

enum err
peek_write_pong(struct span ping, struct buf *out)
{
	struct wire_reader r = wire_reader_of(ping);
	size_t before = out->len;
	struct span data;
	uint8_t type;
	enum err e;

	if (wire_get_u8(&r, &type) != OK || type != SSH_MSG_PING ||
		wire_get_string(&r, &data) != OK || wire_end(&r) != OK)
		return ERR_FORMAT;
	e = wire_put_u8(out, SSH_MSG_PONG);
	if (e == OK)
		e = wire_put_string(out, data);
	if (e != OK)
		buf_truncate(out, before);
	return e;
}
