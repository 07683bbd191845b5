/*
 * One leg: identification, packets, and which message may arrive when.  Key exchanges are in transport_kex.c.
 */
#include "common/ssh/transport.h"

#include "common/ssh/transport_impl.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

/* After this many packets under one key we ask for a new one; PACKET_COUNT_MAX is the end. */
#define REKEY_PACKETS (PACKET_COUNT_MAX / 2)

enum message_class {
	CLASS_UNKNOWN = 0,
	CLASS_DISCONNECT,
	CLASS_IGNORE, /* IGNORE and DEBUG */
	CLASS_UNIMPLEMENTED,
	CLASS_SERVICE_REQUEST,
	CLASS_SERVICE_ACCEPT,
	CLASS_EXT_INFO,
	CLASS_KEXINIT,
	CLASS_NEWKEYS,
	CLASS_KEX_INIT,
	CLASS_KEX_REPLY,
	CLASS_KEX_OTHER, /* of methods that we do not have */
	CLASS_AUTH,
	CLASS_CONNECTION,
	CLASS_PING, /* PING and PONG */
	CLASS_COUNT
};

enum verdict {
	FAIL = 0, /* a protocol error: disconnect */
	OWN, /* handled here */
	PASS, /* the owner gets it */
	DROP, /* taken and forgotten */
	REFUSE, /* answered with UNIMPLEMENTED */
};

/*
 * The rows of the tables: the states of a key exchange, and the phases while none runs.  A key exchange after the login has
 * rows of its own: RFC 4253 section 7.1 forbids data between KEXINIT and NEWKEYS, but AsyncSSH sends it whenever it rekeys
 * (2.10, in Debian 12), and sshd takes it.  It comes under the keys of before, in its order, and harms nobody.
 */
enum row {
	ROW_KEXINIT = 0,
	ROW_KEX,
	ROW_NEWKEYS,
	ROW_REKEY_KEX,
	ROW_REKEY_NEWKEYS,
	ROW_SERVICE,
	ROW_AUTH,
	ROW_CONNECTION,
	ROW_COUNT
};

#define ALWAYS [CLASS_DISCONNECT] = OWN, [CLASS_IGNORE] = DROP, [CLASS_UNIMPLEMENTED] = OWN

/* What a client may send us. */
static const enum verdict server_table[ROW_COUNT][CLASS_COUNT] = {
	[ROW_KEXINIT] = {ALWAYS, [CLASS_KEXINIT] = OWN},
	[ROW_KEX] = {ALWAYS, [CLASS_KEX_INIT] = OWN},
	[ROW_NEWKEYS] = {ALWAYS, [CLASS_NEWKEYS] = OWN},
	[ROW_REKEY_KEX] = {ALWAYS, [CLASS_KEX_INIT] = OWN, [CLASS_CONNECTION] = PASS},
	[ROW_REKEY_NEWKEYS] = {ALWAYS, [CLASS_NEWKEYS] = OWN, [CLASS_CONNECTION] = PASS},
	[ROW_SERVICE] = {ALWAYS, [CLASS_KEXINIT] = OWN, [CLASS_EXT_INFO] = OWN,
		[CLASS_SERVICE_REQUEST] = PASS, [CLASS_PING] = PASS, [CLASS_UNKNOWN] = REFUSE},
	[ROW_AUTH] = {ALWAYS, [CLASS_KEXINIT] = OWN, [CLASS_EXT_INFO] = OWN, [CLASS_AUTH] = PASS,
		[CLASS_PING] = PASS, [CLASS_UNKNOWN] = REFUSE},
	[ROW_CONNECTION] =
		{ALWAYS, [CLASS_KEXINIT] = OWN, [CLASS_EXT_INFO] = DROP, [CLASS_AUTH] = REFUSE,
			[CLASS_CONNECTION] = PASS, [CLASS_PING] = PASS, [CLASS_UNKNOWN] = REFUSE},
};

/* What a node may send us. */
static const enum verdict client_table[ROW_COUNT][CLASS_COUNT] = {
	[ROW_KEXINIT] = {ALWAYS, [CLASS_KEXINIT] = OWN},
	[ROW_KEX] = {ALWAYS, [CLASS_KEX_REPLY] = OWN},
	[ROW_NEWKEYS] = {ALWAYS, [CLASS_NEWKEYS] = OWN},
	[ROW_REKEY_KEX] = {ALWAYS, [CLASS_KEX_REPLY] = OWN, [CLASS_CONNECTION] = PASS},
	[ROW_REKEY_NEWKEYS] = {ALWAYS, [CLASS_NEWKEYS] = OWN, [CLASS_CONNECTION] = PASS},
	[ROW_SERVICE] = {ALWAYS, [CLASS_KEXINIT] = OWN, [CLASS_EXT_INFO] = OWN,
		[CLASS_SERVICE_ACCEPT] = PASS, [CLASS_PING] = PASS, [CLASS_UNKNOWN] = REFUSE},
	[ROW_AUTH] = {ALWAYS, [CLASS_KEXINIT] = OWN, [CLASS_EXT_INFO] = OWN, [CLASS_AUTH] = PASS,
		[CLASS_PING] = PASS, [CLASS_UNKNOWN] = REFUSE},
	[ROW_CONNECTION] =
		{ALWAYS, [CLASS_KEXINIT] = OWN, [CLASS_EXT_INFO] = DROP, [CLASS_AUTH] = REFUSE,
			[CLASS_CONNECTION] = PASS, [CLASS_PING] = PASS, [CLASS_UNKNOWN] = REFUSE},
};

static enum message_class
class_of(uint8_t type)
{
	static const enum message_class low[] = {
		[SSH_MSG_DISCONNECT] = CLASS_DISCONNECT,
		[SSH_MSG_IGNORE] = CLASS_IGNORE,
		[SSH_MSG_UNIMPLEMENTED] = CLASS_UNIMPLEMENTED,
		[SSH_MSG_DEBUG] = CLASS_IGNORE,
		[SSH_MSG_SERVICE_REQUEST] = CLASS_SERVICE_REQUEST,
		[SSH_MSG_SERVICE_ACCEPT] = CLASS_SERVICE_ACCEPT,
		[SSH_MSG_EXT_INFO] = CLASS_EXT_INFO,
		[SSH_MSG_KEXINIT] = CLASS_KEXINIT,
		[SSH_MSG_NEWKEYS] = CLASS_NEWKEYS,
		[SSH_MSG_KEX_ECDH_INIT] = CLASS_KEX_INIT,
		[SSH_MSG_KEX_ECDH_REPLY] = CLASS_KEX_REPLY,
	};

	if (type < ARRAY_LEN(low))
		return low[type];
	if (type >= 30 && type <= 49)
		return CLASS_KEX_OTHER;
	if (type >= 50 && type <= 79)
		return CLASS_AUTH;
	if (ssh_message_is_relayed(type))
		return CLASS_CONNECTION;
	if (type == SSH_MSG_PING || type == SSH_MSG_PONG)
		return CLASS_PING;
	return CLASS_UNKNOWN;
}

static bool
is_initial_exchange(const struct transport *t)
{
	return t->in.cipher == NULL;
}

static enum row
row_of(const struct transport *t)
{
	static const enum row phases[] = {
		[TRANSPORT_PHASE_SERVICE] = ROW_SERVICE,
		[TRANSPORT_PHASE_AUTH] = ROW_AUTH,
		[TRANSPORT_PHASE_CONNECTION] = ROW_CONNECTION,
	};

	bool is_late = t->phase == TRANSPORT_PHASE_CONNECTION;

	switch (t->state) {
	case TRANSPORT_KEXINIT:
		return ROW_KEXINIT;
	case TRANSPORT_KEX:
		return is_late ? ROW_REKEY_KEX : ROW_KEX;
	case TRANSPORT_NEWKEYS:
		return is_late ? ROW_REKEY_NEWKEYS : ROW_NEWKEYS;
	default:
		return phases[t->phase];
	}
}

static enum verdict
verdict_for(const struct transport *t, enum message_class class)
{
	enum row row = row_of(t);
	enum verdict v = t->config->role == TRANSPORT_SERVER ? server_table[row][class]
							     : client_table[row][class];

	/* Under strict KEX nothing but the exchange itself may come before the first NEWKEYS. */
	if (t->strict && is_initial_exchange(t) && class != CLASS_DISCONNECT &&
		(v == DROP || class == CLASS_UNIMPLEMENTED))
		return FAIL;
	return v;
}

void
transport_init_queues(struct transport *t)
{
	size_t max = t->config->waiting_max;

	if (max == 0)
		max = TRANSPORT_WAITING_MAX;
	buf_init(&t->waiting, max);
	buf_init(&t->inflated, PACKET_PAYLOAD_MAX);
	buf_init(&t->out, TRANSPORT_OUT_MAX + TRANSPORT_SEALED_GROWTH * max);
}

enum err
transport_new(const struct transport_config *config, struct transport **out)
{
	struct transport *t = calloc(1, sizeof(*t));
	enum err e = ERR_NOMEM;

	if (t == NULL)
		return ERR_NOMEM;
	assert(strlen(config->ident) <= TRANSPORT_IDENT_MAX);
	t->config = config;
	t->state = TRANSPORT_IDENT;
	transport_init_queues(t);
	t->own_ident = strdup(config->ident);
	if (t->own_ident != NULL)
		e = buf_append(&t->out, config->ident, strlen(config->ident));
	if (e == OK)
		e = buf_append(&t->out, "\r\n", 2);
	if (e == OK)
		e = transport_send_kexinit(t);
	if (e != OK) {
		transport_free(t);
		return e;
	}
	*out = t;
	return OK;
}

void
transport_free(struct transport *t)
{
	if (t == NULL)
		return;
	packet_stream_clear(&t->in);
	packet_stream_clear(&t->sealed);
	buf_clear(&t->out);
	buf_clear(&t->waiting);
	compress_free(t->inflate);
	compress_free(t->deflate);
	buf_clear(&t->inflated);
	transport_exchange_free(t->exchange);
	free(t->own_ident);
	free(t->peer_ident);
	free(t->sig_algs);
	OPENSSL_cleanse(t, sizeof(*t));
	free(t);
}

enum err
transport_write_disconnect(enum ssh_disconnect code, const char *text, struct buf *out)
{
	size_t before = out->len;
	enum err e;

	e = wire_put_u8(out, SSH_MSG_DISCONNECT);
	if (e == OK)
		e = wire_put_u32(out, code);
	if (e == OK)
		e = wire_put_cstring(out, text);
	if (e == OK)
		e = wire_put_cstring(out, "");
	if (e != OK)
		buf_truncate(out, before);
	return e;
}

/* A leg that cannot even say goodbye is closed by its owner all the same. */
static void
send_disconnect(struct transport *t, enum ssh_disconnect code, const char *text)
{
	struct buf b = {0};
	enum err e = transport_write_disconnect(code, text, &b);

	if (e == OK)
		(void)!transport_seal_now(t, buf_span(&b));
	buf_clear(&b);
}

/* What has been queued for after a key exchange is lost with the leg: there will be no keys to send it under. */
void
transport_disconnect(struct transport *t, enum ssh_disconnect code, const char *text)
{
	if (t->state == TRANSPORT_DEAD)
		return;
	t->failure.code = code;
	snprintf(t->failure.text, sizeof(t->failure.text), "%s", text);
	t->state = TRANSPORT_DEAD;
	buf_clear(&t->waiting);
	send_disconnect(t, code, text);
}

enum err
transport_fail(struct transport *t, enum err e, enum ssh_disconnect code, const char *text)
{
	assert(e != OK && e != ERR_AGAIN);
	transport_disconnect(t, code, text);
	return e;
}

/* Is this a version that we speak?  1.99 is a server's way to say both 1.5 and 2.0 (RFC 4253 section 5.1). */
static bool
ident_is_sound(struct span line)
{
	if (line.len > TRANSPORT_IDENT_MAX)
		return false;
	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] < 0x20 || line.ptr[i] == 0x7f)
			return false;
	}
	return (line.len > 8 && memcmp(line.ptr, "SSH-2.0-", 8) == 0) ||
		(line.len > 9 && memcmp(line.ptr, "SSH-1.99-", 9) == 0);
}

/* Who speaks no SSH could not read a packet and gets a line of text: in the words of sshd, for which people look. */
static enum err
turn_away(struct transport *t)
{
	static const char words[] = "Invalid SSH identification string.\r\n";
	enum err e;

	t->failure.code = SSH_DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED;
	snprintf(t->failure.text, sizeof(t->failure.text), "%s", "the client does not speak SSH");
	t->state = TRANSPORT_DEAD;
	e = buf_append(&t->out, words, sizeof(words) - 1);
	return e == OK ? ERR_PROTO : e;
}

static enum err
take_ident(struct transport *t, struct span line)
{
	if (t->config->role == TRANSPORT_SERVER &&
		(line.len < 4 || memcmp(line.ptr, "SSH-", 4) != 0))
		return turn_away(t);
	if (!ident_is_sound(line))
		return transport_fail(t, ERR_PROTO, SSH_DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED,
			"expected an identification string SSH-2.0-...");
	t->peer_ident = strndup((const char *)line.ptr, line.len);
	if (t->peer_ident == NULL)
		return transport_fail(t, ERR_NOMEM, SSH_DISCONNECT_BY_APPLICATION, "out of memory");
	t->state = TRANSPORT_KEXINIT;
	return OK;
}

/* A server may greet with other lines first; a client may not (RFC 4253 section 4.2). */
static enum err
step_ident(struct transport *t, const uint8_t *bytes, size_t len, size_t *used)
{
	size_t left = TRANSPORT_PRELUDE_MAX - t->prelude;
	const uint8_t *end = memchr(bytes, '\n', len < left ? len : left);
	struct span line;
	size_t size;
	enum err e;

	if (end == NULL && len < left &&
		(t->config->role == TRANSPORT_CLIENT || len <= TRANSPORT_IDENT_MAX + 1))
		return ERR_AGAIN;
	if (end == NULL)
		return transport_fail(t, ERR_LIMIT, SSH_DISCONNECT_PROTOCOL_ERROR,
			"no identification string where one is due");
	line = span_of(bytes, (size_t)(end - bytes));
	size = line.len + 1;
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (t->config->role == TRANSPORT_CLIENT &&
		(line.len < 4 || memcmp(line.ptr, "SSH-", 4) != 0)) {
		t->prelude += size;
		*used = size;
		return OK;
	}
	e = take_ident(t, line);
	if (e == OK)
		*used = size;
	return e;
}

static enum err
fail_packet(struct transport *t, enum err e)
{
	switch (e) {
	case ERR_MAC:
		return transport_fail(
			t, e, SSH_DISCONNECT_MAC_ERROR, "message authentication failed");
	case ERR_LIMIT:
		return transport_fail(t, e, SSH_DISCONNECT_PROTOCOL_ERROR, "bad packet length");
	case ERR_FORMAT:
		return transport_fail(t, e, SSH_DISCONNECT_PROTOCOL_ERROR, "malformed packet");
	default:
		return transport_fail(t, e, SSH_DISCONNECT_BY_APPLICATION, "internal error");
	}
}

static enum err
on_disconnect(struct transport *t, struct span payload, struct transport_event *event)
{
	struct wire_reader r = wire_reader_of(payload);
	uint8_t type;

	if (wire_get_u8(&r, &type) != OK || wire_get_u32(&r, &event->number) != OK ||
		wire_get_string(&r, &event->text) != OK) {
		event->number = SSH_DISCONNECT_PROTOCOL_ERROR;
		event->text = span_str("malformed disconnect message");
	}
	event->kind = TRANSPORT_EVENT_DISCONNECT;
	buf_clear(&t->waiting);
	t->state = TRANSPORT_DEAD;
	t->failure.code = SSH_DISCONNECT_CONNECTION_LOST;
	snprintf(t->failure.text, sizeof(t->failure.text), "disconnected by the peer");
	return OK;
}

static enum err
on_unimplemented(struct transport *t, struct span payload, struct transport_event *event)
{
	struct wire_reader r = wire_reader_of(payload);
	uint8_t type;

	if (wire_get_u8(&r, &type) != OK || wire_get_u32(&r, &event->number) != OK ||
		wire_end(&r) != OK)
		return transport_fail(t, ERR_FORMAT, SSH_DISCONNECT_PROTOCOL_ERROR,
			"malformed unimplemented message");
	event->kind = TRANSPORT_EVENT_UNIMPLEMENTED;
	return OK;
}

/* Strangers may not make us keep megabytes of answers for them. */
static bool
answers_pile_up(const struct transport *t)
{
	return t->phase != TRANSPORT_PHASE_CONNECTION && t->out.len > TRANSPORT_UNREAD_MAX;
}

static enum err
refuse(struct transport *t, const struct packet *p)
{
	uint8_t payload[5] = {SSH_MSG_UNIMPLEMENTED};
	enum err e = ERR_LIMIT;

	wire_poke_u32(payload + 1, p->seq);
	if (!answers_pile_up(t))
		e = transport_seal_now(t, span_of(payload, sizeof(payload)));
	if (e == ERR_LIMIT)
		return transport_fail(t, e, SSH_DISCONNECT_BY_APPLICATION,
			"too many unknown messages, and their answers are not read");
	return e == OK ? OK : fail_packet(t, e);
}

/*
 * A wrong guess of the peer's is the one packet of an exchange that is skipped (RFC 4253 section 7.1).  It may be of a
 * method that we do not have.
 */
static bool
is_wrong_guess(struct transport *t, enum message_class class)
{
	if (t->state != TRANSPORT_KEX || !t->exchange->skip_next ||
		(class != CLASS_KEX_INIT && class != CLASS_KEX_REPLY && class != CLASS_KEX_OTHER))
		return false;
	t->exchange->skip_next = false;
	return true;
}

static enum err
handle(struct transport *t, enum message_class class, const struct packet *p,
	struct transport_event *event)
{
	switch (class) {
	case CLASS_DISCONNECT:
		return on_disconnect(t, p->payload, event);
	case CLASS_UNIMPLEMENTED:
		return on_unimplemented(t, p->payload, event);
	case CLASS_EXT_INFO:
		return transport_on_ext_info(t, p->payload);
	case CLASS_KEXINIT:
		return transport_on_kexinit(t, p);
	case CLASS_NEWKEYS:
		return transport_on_newkeys(t, p->payload, event);
	case CLASS_KEX_INIT:
		return transport_on_kex_init(t, p->payload, event);
	case CLASS_KEX_REPLY:
		return transport_on_kex_reply(t, p->payload);
	default:
		return transport_fail(
			t, ERR_PROTO, SSH_DISCONNECT_PROTOCOL_ERROR, "unexpected message");
	}
}

static enum err
dispatch(struct transport *t, const struct packet *p, struct transport_event *event)
{
	enum message_class class = class_of(p->payload.ptr[0]);
	char text[64];

	if (is_wrong_guess(t, class))
		return OK;
	switch (verdict_for(t, class)) {
	case OWN:
		return handle(t, class, p, event);
	case PASS:
		if (t->state != TRANSPORT_OPEN)
			t->exchange->has_late_data = true;
		event->kind = TRANSPORT_EVENT_PACKET;
		event->packet = *p;
		return OK;
	case DROP:
		return OK;
	case REFUSE:
		return refuse(t, p);
	case FAIL:
		break;
	}
	snprintf(text, sizeof(text), "message of type %u is not allowed here", p->payload.ptr[0]);
	return transport_fail(t, ERR_PROTO, SSH_DISCONNECT_PROTOCOL_ERROR, text);
}

enum err
transport_step(struct transport *t, uint8_t *bytes, size_t len, size_t *used,
	struct transport_event *event)
{
	struct packet p;
	size_t need = 0;
	enum err e;

	*event = (struct transport_event){.kind = TRANSPORT_EVENT_NONE};
	buf_clear(&t->inflated);
	if (t->state == TRANSPORT_DEAD)
		return ERR_CLOSED;
	if (t->state == TRANSPORT_SIGN || len == 0)
		return ERR_AGAIN;
	if (t->state == TRANSPORT_IDENT)
		return step_ident(t, bytes, len, used);
	e = packet_open(&t->in, bytes, len, &p, &need);
	t->need = need;
	if (e == ERR_AGAIN)
		return e;
	if (e != OK)
		return fail_packet(t, e);
	if (p.payload.len == 0)
		return fail_packet(t, ERR_FORMAT);
	e = transport_inflate(t, &p);
	if (e != OK)
		return e;
	*used = p.size;
	return dispatch(t, &p, event);
}

size_t
transport_need(const struct transport *t)
{
	return t->need;
}

bool
transport_waits_for_signature(const struct transport *t)
{
	return t->state == TRANSPORT_SIGN;
}

bool
transport_is_clear(const struct transport *t)
{
	return t->clear && t->state != TRANSPORT_DEAD;
}

/*
 * These may be sent during a key exchange (RFC 4253 section 7.1), but not during the first one, where strict KEX has them
 * end the leg.
 */
static bool
goes_past_a_key_exchange(const struct transport *t, uint8_t type)
{
	return t->session_id.len > 0 && type >= SSH_MSG_DISCONNECT && type <= SSH_MSG_DEBUG;
}

enum err
transport_send(struct transport *t, struct span payload)
{
	if (t->state == TRANSPORT_DEAD)
		return ERR_CLOSED;
	assert(payload.len > 0);
	if (payload.len > PACKET_PAYLOAD_MAX)
		return ERR_LIMIT;
	if (t->clear || goes_past_a_key_exchange(t, payload.ptr[0]))
		return transport_seal_now(t, payload);
	return wire_put_string(&t->waiting, payload);
}

enum err
transport_flush_waiting(struct transport *t)
{
	struct wire_reader r = wire_reader_of(buf_span(&t->waiting));
	struct span payload;
	enum err e = OK;

	while (e == OK && wire_left(&r) > 0) {
		if (t->waiting.len - wire_left(&r) >= t->waiting_plain)
			t->plain_out = false;
		e = wire_get_string(&r, &payload);
		if (e == OK)
			e = transport_seal_now(t, payload);
	}
	buf_clear(&t->waiting);
	t->waiting_plain = 0;
	t->plain_out = false;
	return e;
}

bool
transport_fits_in_place(
	const struct transport *t, const struct transport *from, const struct packet *p)
{
	return !transport_is_compressed(t, CIPHER_SEAL) &&
		!transport_is_compressed(from, CIPHER_OPEN) &&
		packet_fits_in_place(&t->sealed, &from->in, p);
}

enum err
transport_reseal(struct transport *t, struct packet *p)
{
	assert(transport_is_clear(t));
	return packet_reseal(&t->sealed, p);
}

enum err
transport_seal_at(struct transport *t, struct span payload, uint8_t *at, size_t *size)
{
	assert(transport_is_clear(t));
	return transport_seal_now_at(t, payload, at, size);
}

struct buf *
transport_out(struct transport *t)
{
	return &t->out;
}

size_t
transport_n_waiting(const struct transport *t)
{
	return t->waiting.len;
}

const struct transport_failure *
transport_failure(const struct transport *t)
{
	return &t->failure;
}

void
transport_set_phase(struct transport *t, enum transport_phase phase)
{
	/* What was sent before the peer could know that the user is authenticated is not compressed, in either direction. */
	if (phase != t->phase && phase == TRANSPORT_PHASE_CONNECTION) {
		t->waiting_plain = t->waiting.len;
		t->plain_in = t->exchange != NULL;
		t->plain_out = !t->clear;
	}
	t->phase = phase;
}

static bool
stream_is_used_up(const struct transport *t, const struct packet_stream *s)
{
	uint64_t max = t->config->rekey_bytes;

	if (s->cipher == NULL)
		return false;
	if (max == 0)
		max = cipher_info(cipher_suite(s->cipher).kind)->rekey_bytes;
	return s->n_bytes >= max || s->n_packets >= REKEY_PACKETS;
}

/* Before authentication there is too little traffic for it, and other implementations do not expect it then. */
bool
transport_rekey_is_due(const struct transport *t)
{
	return t->state == TRANSPORT_OPEN && t->phase == TRANSPORT_PHASE_CONNECTION && t->clear &&
		(stream_is_used_up(t, &t->in) || stream_is_used_up(t, &t->sealed));
}

enum err
transport_rekey(struct transport *t)
{
	enum err e;

	if (t->state != TRANSPORT_OPEN || !t->clear)
		return OK;
	e = transport_send_kexinit(t);
	if (e != OK)
		return transport_fail(t, e, SSH_DISCONNECT_BY_APPLICATION, "internal error");
	return OK;
}

bool
transport_is_rekeying(const struct transport *t)
{
	return t->exchange != NULL;
}

bool
transport_takes_data(const struct transport *t)
{
	return t->state == TRANSPORT_OPEN;
}

bool
transport_has_late_data(const struct transport *t)
{
	return t->state != TRANSPORT_DEAD && t->exchange != NULL && t->exchange->has_late_data;
}

struct span
transport_session_id(const struct transport *t)
{
	return span_of(t->session_id.bytes, t->session_id.len);
}

struct span
transport_peer_ident(const struct transport *t)
{
	return span_str(t->peer_ident);
}

static struct cipher_suite
suite_of(const struct transport *t, enum cipher_direction direction)
{
	const struct cipher *c = direction == CIPHER_OPEN ? t->in.cipher : t->sealed.cipher;

	return c != NULL ? cipher_suite(c) : (struct cipher_suite){.kind = CIPHER_NONE};
}

enum cipher_kind
transport_cipher(const struct transport *t, enum cipher_direction direction)
{
	return suite_of(t, direction).kind;
}

enum mac_kind
transport_mac(const struct transport *t, enum cipher_direction direction)
{
	return suite_of(t, direction).mac;
}

enum kex_method
transport_kex_method(const struct transport *t)
{
	return t->method;
}

const char *
transport_host_key_alg(const struct transport *t)
{
	return t->host_key_alg;
}

uint32_t
transport_next_seq(const struct transport *t)
{
	return t->sealed.seq;
}

uint64_t
transport_total_bytes(const struct transport *t, enum cipher_direction direction)
{
	return direction == CIPHER_OPEN ? t->in.total_bytes : t->sealed.total_bytes;
}

bool
transport_is_strict(const struct transport *t)
{
	return t->strict;
}

struct span
transport_server_sig_algs(const struct transport *t)
{
	return span_str(t->sig_algs);
}

bool
transport_peer_has_ping(const struct transport *t)
{
	return t->peer_has_ping;
}
