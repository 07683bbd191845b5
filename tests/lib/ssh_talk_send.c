/*
 * The messages that a talk sends.
 */
#include "tests/lib/ssh_talk_impl.h"

#include <stdarg.h>
#include <stdio.h>

void
talk_fail(struct talk *k, const char *format, ...)
{
	va_list args;

	if (k->failure[0] != '\0')
		return;
	va_start(args, format);
	(void)vsnprintf(k->failure, sizeof(k->failure), format, args);
	va_end(args);
}

bool
talk_has_failed(const struct talk *k)
{
	return k->failure[0] != '\0';
}

void
talk_check(struct talk *k, enum err e, const char *what)
{
	if (e != OK)
		talk_fail(k, "%s: %s (%s)", what, err_text(e), transport_failure(k->t)->text);
}

/* Send what b holds and empty it; put is the result of filling it. */
static void
send_buf(struct talk *k, enum err put, struct buf *b)
{
	talk_check(k, put, "writing a message");
	if (put == OK)
		talk_check(k, transport_send(k->t, buf_span(b)), "sending");
	buf_clear(b);
}

void
talk_send_number(struct talk *k, uint8_t type, uint32_t channel)
{
	struct buf b = {0};
	enum err e = wire_put_u8(&b, type);

	if (e == OK)
		e = wire_put_u32(&b, channel);
	send_buf(k, e, &b);
}

void
talk_send_name(struct talk *k, uint8_t type, const char *name)
{
	struct buf b = {0};
	enum err e = wire_put_u8(&b, type);

	if (e == OK)
		e = wire_put_cstring(&b, name);
	send_buf(k, e, &b);
}

void
talk_send_type(struct talk *k, uint8_t type)
{
	talk_check(k, transport_send(k->t, span_of(&type, 1)), "sending");
}

static enum err
put_publickey(struct talk *k, struct buf *b)
{
	const char *alg = key_default_sigalg(pubkey_type(privkey_public(k->user_key)));
	enum err e = wire_put_u8(b, SSH_MSG_USERAUTH_REQUEST);

	if (e == OK)
		e = wire_put_cstring(b, k->user);
	if (e == OK)
		e = wire_put_cstring(b, "ssh-connection");
	if (e == OK)
		e = wire_put_cstring(b, "publickey");
	if (e == OK)
		e = wire_put_bool(b, true);
	if (e == OK)
		e = wire_put_cstring(b, alg);
	if (e == OK)
		e = wire_put_string(b, pubkey_blob(privkey_public(k->user_key)));
	return e;
}

void
talk_send_login(struct talk *k)
{
	const char *alg = key_default_sigalg(pubkey_type(privkey_public(k->user_key)));
	struct buf b = {0}, data = {0}, signature = {0};
	enum err e = put_publickey(k, &b);

	if (e == OK)
		e = wire_put_string(&data, transport_session_id(k->t));
	if (e == OK)
		e = wire_put_bytes(&data, buf_span(&b));
	if (e == OK)
		e = privkey_sign(k->user_key, span_str(alg), buf_span(&data), &signature);
	if (e == OK)
		e = wire_put_string(&b, buf_span(&signature));
	send_buf(k, e, &b);
	buf_clear(&data);
	buf_clear(&signature);
}

void
talk_send_channel_open(struct talk *k)
{
	struct buf b = {0};
	enum err e = wire_put_u8(&b, SSH_MSG_CHANNEL_OPEN);

	if (e == OK)
		e = wire_put_cstring(&b, "session");
	if (e == OK)
		e = wire_put_u32(&b, 0);
	if (e == OK)
		e = wire_put_u32(&b, OWN_WINDOW);
	if (e == OK)
		e = wire_put_u32(&b, OWN_PACKET_MAX);
	send_buf(k, e, &b);
}

void
talk_send_confirmation(struct talk *k)
{
	struct buf b = {0};
	enum err e = wire_put_u8(&b, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);

	if (e == OK)
		e = wire_put_u32(&b, k->peer_channel);
	if (e == OK)
		e = wire_put_u32(&b, 0);
	if (e == OK)
		e = wire_put_u32(&b, OWN_WINDOW);
	if (e == OK)
		e = wire_put_u32(&b, OWN_PACKET_MAX);
	send_buf(k, e, &b);
}

void
talk_send_request(struct talk *k, bool is_exec)
{
	struct buf b = {0};
	enum err e = wire_put_u8(&b, SSH_MSG_CHANNEL_REQUEST);

	if (e == OK)
		e = wire_put_u32(&b, k->peer_channel);
	if (e == OK)
		e = wire_put_cstring(&b, is_exec ? "exec" : "exit-status");
	if (e == OK)
		e = wire_put_bool(&b, is_exec);
	if (e == OK)
		e = is_exec ? wire_put_cstring(&b, "cat") : wire_put_u32(&b, 0);
	send_buf(k, e, &b);
}

void
talk_send_window(struct talk *k, uint32_t n)
{
	struct buf b = {0};
	enum err e = wire_put_u8(&b, SSH_MSG_CHANNEL_WINDOW_ADJUST);

	if (e == OK)
		e = wire_put_u32(&b, k->peer_channel);
	if (e == OK)
		e = wire_put_u32(&b, n);
	send_buf(k, e, &b);
}

void
talk_send_data(struct talk *k, struct span data)
{
	struct buf b = {0};
	enum err e = wire_put_u8(&b, SSH_MSG_CHANNEL_DATA);

	if (e == OK)
		e = wire_put_u32(&b, k->peer_channel);
	if (e == OK)
		e = wire_put_string(&b, data);
	send_buf(k, e, &b);
	k->peer_window -= (uint32_t)data.len;
	k->n_sent += data.len;
}
