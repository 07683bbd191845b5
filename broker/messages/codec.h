/*
 * One description per message makes its encoder and its decoder: a table of fields over a plain struct.
 */
#ifndef BROKER_MESSAGES_CODEC_H
#define BROKER_MESSAGES_CODEC_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

enum field_kind {
	FIELD_END = 0,
	FIELD_BOOL, /* bool */
	FIELD_U8, /* uint8_t */
	FIELD_U16, /* uint16_t */
	FIELD_U32, /* uint32_t */
	FIELD_U64, /* uint64_t */
	FIELD_BYTES, /* struct span, any bytes, at most max */
	FIELD_TEXT, /* struct span without NUL bytes, at most max */
	FIELD_ADDR, /* struct addr */
};

struct message_field {
	enum field_kind kind;
	size_t offset;
	size_t max; /* bytes, for FIELD_BYTES and FIELD_TEXT */
};

#define FIELD(type, member, field_kind)                                                            \
	{                                                                                          \
		field_kind, offsetof(struct type, member), 0                                       \
	}
#define FIELD_MAX(type, member, field_kind, max_len)                                               \
	{                                                                                          \
		field_kind, offsetof(struct type, member), max_len                                 \
	}
#define FIELDS_END                                                                                 \
	{                                                                                          \
		FIELD_END, 0, 0                                                                    \
	}

/* Append message (a struct that fields describes).  ERR_LIMIT: a value is longer than its maximum. */
MUST_CHECK enum err message_encode(
	const struct message_field *fields, const void *message, struct buf *out);

/*
 * Fill message from a whole body; its spans borrow from the body.  ERR_FORMAT: malformed, too long, or bytes left over;
 * message is then unspecified.
 */
MUST_CHECK enum err message_decode(
	const struct message_field *fields, struct span body, void *message);

#endif
