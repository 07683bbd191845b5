/*
 * The messages that the keyholder takes.
 *
 * All requests begin with a connection and a number, and all answers with these and an error; that is what lets one
 * place refuse any of them without its handler being run.
 */
#include "broker/keyholder/requests.h"

#include "broker/keyholder/certificate.h"
#include "broker/keyholder/hostkeys.h"
#include "broker/keyholder/kex_sign.h"
#include "broker/keyholder/offer.h"
#include "broker/keyholder/prove.h"

#include <stddef.h>

union message {
	struct {
		uint64_t conn;
		uint32_t request;
	} head;
	struct msg_kex_sign kex_sign;
	struct msg_offer offer;
	struct msg_prove prove;
	struct msg_hostkeys_prove hostkeys_prove;
	struct msg_conn_moved conn_moved;
	struct msg_conn conn_forget;
};

#define ANSWER_BUFS 2

struct answer {
	union {
		struct {
			uint64_t conn;
			uint32_t request;
			uint8_t err;
		} head;
		struct msg_kex_signed kex_signed;
		struct msg_offered offered;
		struct msg_proved proved;
		struct msg_hostkeys_proved hostkeys_proved;
	} m;
	struct buf bytes[ANSWER_BUFS]; /* own what spans of m borrow */
};

static enum err
on_kex_sign(struct core *c, const struct role_peer *peer, const union message *m, struct answer *a)
{
	struct span host_key;
	enum err e = kex_sign(c, peer, &m->kex_sign, &a->bytes[0], &host_key);

	if (e != OK)
		return e;
	a->m.kex_signed.host_key = host_key;
	a->m.kex_signed.signature = buf_span(&a->bytes[0]);
	return OK;
}

static enum err
on_offer(struct core *c, const struct role_peer *peer, const union message *m, struct answer *a)
{
	enum err e = offer_make(c, peer, &m->offer, &a->bytes[0]);

	if (e != OK)
		return e;
	a->m.offered.algorithm = span_str(CERTIFICATE_ALGORITHM);
	a->m.offered.certificate = buf_span(&a->bytes[0]);
	return OK;
}

static enum err
on_prove(struct core *c, const struct role_peer *peer, const union message *m, struct answer *a)
{
	struct proof proof = {&a->bytes[0], &a->bytes[1]};
	enum err e = prove(c, peer, &m->prove, &proof);

	if (e != OK)
		return e;
	a->m.proved.algorithm = span_str(CERTIFICATE_ALGORITHM);
	a->m.proved.certificate = buf_span(&a->bytes[0]);
	a->m.proved.signature = buf_span(&a->bytes[1]);
	return OK;
}

static enum err
on_hostkeys_prove(
	struct core *c, const struct role_peer *peer, const union message *m, struct answer *a)
{
	enum err e = hostkeys_prove(c, peer, &m->hostkeys_prove, &a->bytes[0]);

	if (e == OK)
		a->m.hostkeys_proved.signatures = buf_span(&a->bytes[0]);
	return e;
}

/* Without a link to it, nobody would ever say when the connection is over. */
static enum err
on_conn_moved(
	struct core *c, const struct role_peer *peer, const union message *m, struct answer *a)
{
	struct role_peer relay = {
		ROLE_RELAY, m->conn_moved.relay, (int32_t)m->conn_moved.relay_pid};
	struct session *session;
	enum err e = sessions_get(c->sessions, m->conn_moved.conn, peer, &session);

	(void)a;
	if (e != OK)
		return e;
	session_drop_offers_elsewhere(session, NULL);
	session->moved_by = *peer;
	if (!c->is_linked(c->is_linked_arg, &relay) ||
		sessions_move(c->sessions, session, &relay) != OK)
		sessions_forget(c->sessions, session);
	return OK;
}

/*
 * That it is unknown is no surprise: it ended before its first exchange, or a relay kept it while we were restarted.
 * The gate that moved it may end it too, for the relay may not have taken it.
 */
static enum err
on_conn_forget(
	struct core *c, const struct role_peer *peer, const union message *m, struct answer *a)
{
	struct session *session = sessions_find(c->sessions, m->conn_forget.conn);

	(void)a;
	if (session == NULL)
		return OK;
	if (!role_peer_equal(&session->owner, peer) && !role_peer_equal(&session->moved_by, peer))
		return ERR_PROTO;
	sessions_forget(c->sessions, session);
	return OK;
}

#define FROM(kind) (1U << (kind))

static const struct handler {
	uint16_t type;
	uint16_t answer_type; /* 0: an order, not a request */
	unsigned from; /* the kinds of peers that may send it */
	const struct message_field *fields;
	const struct message_field *answer_fields;
	enum err (*handle)(struct core *c, const struct role_peer *peer, const union message *m,
		struct answer *a);
} handlers[] = {
	{MSG_KEX_SIGN, MSG_KEX_SIGNED, FROM(ROLE_GATE) | FROM(ROLE_RELAY), msg_kex_sign_fields,
		msg_kex_signed_fields, on_kex_sign},
	{MSG_OFFER, MSG_OFFERED, FROM(ROLE_GATE), msg_offer_fields, msg_offered_fields, on_offer},
	{MSG_PROVE, MSG_PROVED, FROM(ROLE_GATE), msg_prove_fields, msg_proved_fields, on_prove},
	{MSG_HOSTKEYS_PROVE, MSG_HOSTKEYS_PROVED, FROM(ROLE_GATE) | FROM(ROLE_RELAY),
		msg_hostkeys_prove_fields, msg_hostkeys_proved_fields, on_hostkeys_prove},
	{MSG_CONN_MOVED, 0, FROM(ROLE_GATE), msg_conn_moved_fields, NULL, on_conn_moved},
	{MSG_CONN_FORGET, 0, FROM(ROLE_GATE) | FROM(ROLE_RELAY), msg_conn_fields, NULL,
		on_conn_forget},
};

static const struct handler *
handler_for(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		if (handlers[i].type == type)
			return &handlers[i];
	}
	return NULL;
}

/* Only a full success carries anything but the error. */
static enum err
write_answer(const struct handler *h, const union message *m, enum err err, struct answer *a,
	struct reply *out)
{
	struct answer refusal = {0};
	struct answer *said = err == OK ? a : &refusal;

	said->m.head.conn = m->head.conn;
	said->m.head.request = m->head.request;
	said->m.head.err = (uint8_t)err;
	out->type = h->answer_type;
	return message_encode(h->answer_fields, &said->m, &out->body);
}

enum err
requests_handle(struct core *c, const struct role_peer *peer, uint16_t type, struct span body,
	struct reply *out)
{
	const struct handler *h = handler_for(type);
	struct answer a = {0};
	union message m;
	enum err e = OK;

	if (h == NULL)
		return ERR_PROTO;
	if (message_decode(h->fields, body, &m) != OK)
		return ERR_FORMAT;
	out->err = (h->from & FROM(peer->kind)) != 0 ? h->handle(c, peer, &m, &a) : ERR_PROTO;
	if (h->answer_type != 0)
		e = write_answer(h, &m, out->err, &a, out);
	else if ((h->from & FROM(peer->kind)) == 0)
		e = ERR_PROTO;
	for (size_t i = 0; i < ANSWER_BUFS; i++)
		buf_clear(&a.bytes[i]);
	return e;
}

void
reply_clear(struct reply *r)
{
	buf_clear(&r->body);
	*r = (struct reply){0};
}

enum err
requests_host_keys(const struct core *c, struct buf *out)
{
	struct msg_host_keys m = {
		.algorithms = span_str(keys_algorithms(c->keys)),
		.keys = keys_host_blobs(c->keys),
	};

	return message_encode(msg_host_keys_fields, &m, out);
}

enum err
requests_kex_word(const struct core *c, const struct role_peer *gate, struct buf *out)
{
	uint8_t word[KEXINIT_COOKIE_START_SIZE];
	struct fresh_query q = core_fresh_query(c, gate);
	struct msg_kex_word m = {.word = span_of(word, sizeof(word))};
	enum err e = fresh_word(&q, word);

	return e == OK ? message_encode(msg_kex_word_fields, &m, out) : e;
}
