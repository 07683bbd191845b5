/*
 * Which message may arrive when: every message type in every state of either role, against what the RFCs say.
 */
#include "common/ssh/transport_impl.h"
#include "tests/lib/leg_pair.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* What becomes of a message. */
enum outcome {
	FORBIDDEN, /* the leg ends with a protocol error */
	TO_OWNER,
	TAKEN, /* nothing is seen of it */
	ANSWERED, /* with UNIMPLEMENTED */
	DISCONNECTS, /* the peer's SSH_MSG_DISCONNECT */
	TELLS_UNIMPLEMENTED, /* the peer's SSH_MSG_UNIMPLEMENTED */
	BAD_KEXINIT, /* is due, but ours is malformed */
	BAD_KEX, /* likewise */
	NEW_KEYS,
};

enum situation {
	BEFORE_KEXINIT,
	IN_KEX,
	IN_NEWKEYS,
	OPEN,
	OPEN_OWN_KEXINIT, /* our own KEXINIT has been sent, the peer's is due */
	REKEY_IN_KEX,
	REKEY_IN_NEWKEYS,
	SITUATIONS
};

static const char *const situation_names[] = {"before KEXINIT", "in KEX", "in NEWKEYS", "open",
	"open, own KEXINIT sent", "rekey, in KEX", "rekey, in NEWKEYS"};

struct probe {
	enum transport_role role; /* of the leg that gets the message */
	enum situation situation;
	enum transport_phase phase;
	bool is_strict;
	struct leg_pair p;
	struct leg *l; /* gets it */
	struct leg *peer;
	struct packet_stream
		seals; /* what the peer seals with, should its own stream be further on */
};

static bool
is_first_exchange(const struct probe *b)
{
	return b->situation == IN_KEX || b->situation == IN_NEWKEYS;
}

/* RFC 4253 sections 7.1 and 12, RFC 4250 section 4.1.2, RFC 8308 section 2.4. */
static enum outcome
want_while_open(const struct probe *b, unsigned type)
{
	bool is_server = b->role == TRANSPORT_SERVER;

	if (type == 5)
		return is_server && b->phase == TRANSPORT_PHASE_SERVICE ? TO_OWNER : FORBIDDEN;
	if (type == 6)
		return !is_server && b->phase == TRANSPORT_PHASE_SERVICE ? TO_OWNER : FORBIDDEN;
	if (type == 7)
		return TAKEN;
	if (type == 20)
		return BAD_KEXINIT;
	if (type == 21 || (type >= 30 && type <= 49))
		return FORBIDDEN;
	if (type >= 50 && type <= 79 && b->phase == TRANSPORT_PHASE_SERVICE)
		return FORBIDDEN;
	if (type >= 50 && type <= 79)
		return b->phase == TRANSPORT_PHASE_AUTH ? TO_OWNER : ANSWERED;
	if (type >= 80 && type <= 127)
		return b->phase == TRANSPORT_PHASE_CONNECTION ? TO_OWNER : FORBIDDEN;
	return type == 192 || type == 193 ? TO_OWNER : ANSWERED;
}

static enum outcome
want(const struct probe *b, unsigned type)
{
	bool is_server = b->role == TRANSPORT_SERVER;

	if (type == 1)
		return DISCONNECTS;
	/* OpenSSH PROTOCOL section 1.9: nothing but the exchange. */
	if (type >= 2 && type <= 4 && is_first_exchange(b) && b->is_strict)
		return FORBIDDEN;
	if (type == 2 || type == 4)
		return TAKEN;
	if (type == 3)
		return TELLS_UNIMPLEMENTED;
	/* Not as RFC 4253 section 7.1 has it, but as clients and sshd do. */
	if (b->situation >= REKEY_IN_KEX && b->phase == TRANSPORT_PHASE_CONNECTION && type >= 80 &&
		type <= 127)
		return TO_OWNER;
	switch (b->situation) {
	case BEFORE_KEXINIT:
		return type == 20 ? BAD_KEXINIT : FORBIDDEN;
	case IN_KEX:
	case REKEY_IN_KEX:
		return type == (is_server ? 30 : 31) ? BAD_KEX : FORBIDDEN;
	case IN_NEWKEYS:
	case REKEY_IN_NEWKEYS:
		return type == 21 ? NEW_KEYS : FORBIDDEN;
	default:
		return want_while_open(b, type);
	}
}

/* Copy the stream of l to the peer; later bytes of l's own are not to be delivered. */
static void
keep_stream(struct probe *b)
{
	struct buf state = {0};
	struct wire_reader r;

	cr_assert_eq(packet_stream_write(&b->peer->t->sealed, &state), OK);
	r = wire_reader_of(buf_span(&state));
	cr_assert_eq(packet_stream_read(&r, CIPHER_SEAL, &b->seals), OK);
	buf_clear(&state);
}

/* Bring l, which is in KEX or due to enter it, to where the peer's NEWKEYS is due. */
static void
go_to_newkeys(struct probe *b)
{
	struct transport_event event;
	uint8_t byte = 0;
	struct buf scratch = {0};

	if (b->role == TRANSPORT_SERVER) {
		leg_move(b->l, b->peer, SIZE_MAX);
		leg_take(b->peer);
		leg_move(b->peer, b->l, SIZE_MAX);
		leg_take(b->l);
		keep_stream(b);
		return;
	}
	/* The server's reply, its NEWKEYS and what follows come at once; only the reply is taken. */
	keep_stream(b);
	leg_move(b->l, b->peer, SIZE_MAX);
	leg_take(b->peer);
	leg_move(b->peer, b->l, SIZE_MAX);
	cr_assert_eq(leg_step(b->l, &event), OK);
	buf_reset(&b->l->in);
	cr_assert_eq(packet_seal(&b->seals, span_of(&byte, 1), &scratch), OK);
	buf_clear(&scratch);
}

/* The peer begins a key exchange, and l has taken its KEXINIT. */
static void
go_to_rekey(struct probe *b)
{
	cr_assert_eq(transport_rekey(b->peer->t), OK);
	leg_move(b->peer, b->l, SIZE_MAX);
	leg_take(b->l);
}

static void
go_to_first_exchange(struct probe *b)
{
	size_t ident = strlen(b->peer->config.ident) + (b->is_strict ? 2 : 1);

	if (b->situation == BEFORE_KEXINIT) {
		leg_move(b->peer, b->l, ident);
		leg_take(b->l);
		buf_clear(transport_out(b->peer->t));
		keep_stream(b);
		return;
	}
	/* A client's peer must have the client's KEXINIT, to be able to answer what follows. */
	if (b->role == TRANSPORT_CLIENT) {
		leg_move(b->l, b->peer, SIZE_MAX);
		leg_take(b->peer);
	}
	leg_move(b->peer, b->l, SIZE_MAX);
	leg_take(b->l);
	keep_stream(b);
}

static void
begin(struct probe *b)
{
	struct leg_options o = {.client_is_plain = !b->is_strict, .server_is_plain = !b->is_strict};

	memset(&b->seals, 0, sizeof(b->seals));
	b->l = b->role == TRANSPORT_SERVER ? &b->p.server : &b->p.client;
	b->peer = b->role == TRANSPORT_SERVER ? &b->p.client : &b->p.server;
	if (b->situation >= OPEN)
		leg_pair_open(&b->p, &o, b->phase);
	else
		leg_pair_begin(&b->p, &o);
}

static void
go(struct probe *b)
{
	begin(b);
	switch (b->situation) {
	case BEFORE_KEXINIT:
	case IN_KEX:
		go_to_first_exchange(b);
		break;
	case IN_NEWKEYS:
		leg_move(b->peer, b->l, SIZE_MAX);
		leg_take(b->l);
		go_to_newkeys(b);
		break;
	case OPEN_OWN_KEXINIT:
		cr_assert_eq(transport_rekey(b->l->t), OK);
		keep_stream(b);
		break;
	case REKEY_IN_KEX:
		go_to_rekey(b);
		keep_stream(b);
		break;
	case REKEY_IN_NEWKEYS:
		go_to_rekey(b);
		go_to_newkeys(b);
		break;
	default:
		keep_stream(b);
	}
}

static void
send_probe(struct probe *b, uint8_t type)
{
	uint8_t payload[13] = {type};
	size_t len = 1;

	if (type == SSH_MSG_DISCONNECT) {
		payload[4] = 11;
		len = 13;
	} else if (type == SSH_MSG_UNIMPLEMENTED || type == SSH_MSG_EXT_INFO) {
		len = 5;
	}
	cr_assert_eq(packet_seal(&b->seals, span_of(payload, len), &b->l->in), OK);
}

static enum outcome
outcome_of_failure(const struct leg *l, unsigned type)
{
	const struct transport_failure *f = transport_failure(l->t);
	char text[64];

	(void)snprintf(text, sizeof(text), "message of type %u is not allowed here", type);
	if (f->code == SSH_DISCONNECT_PROTOCOL_ERROR && strcmp(f->text, text) == 0)
		return FORBIDDEN;
	if (f->code == SSH_DISCONNECT_PROTOCOL_ERROR && type == 20)
		return BAD_KEXINIT;
	cr_assert_eq(f->code, SSH_DISCONNECT_KEY_EXCHANGE_FAILED, "%s", f->text);
	return BAD_KEX;
}

static enum outcome
see(struct probe *b, unsigned type)
{
	size_t before = transport_out(b->l->t)->len;
	struct transport_event event;

	if (leg_step(b->l, &event) != OK)
		return outcome_of_failure(b->l, type);
	switch (event.kind) {
	case TRANSPORT_EVENT_PACKET:
		return TO_OWNER;
	case TRANSPORT_EVENT_DISCONNECT:
		return DISCONNECTS;
	case TRANSPORT_EVENT_UNIMPLEMENTED:
		return TELLS_UNIMPLEMENTED;
	case TRANSPORT_EVENT_KEYS:
		return NEW_KEYS;
	default:
		return transport_out(b->l->t)->len > before ? ANSWERED : TAKEN;
	}
}

/* A leg that failed has said so, and takes and sends nothing more. */
static void
is_dead(struct probe *b)
{
	uint8_t payload[2] = {94};
	struct transport_event event;

	cr_assert_eq(transport_send(b->l->t, span_of(payload, 2)), ERR_CLOSED);
	cr_assert_not(transport_is_clear(b->l->t));
	cr_assert_eq(packet_seal(&b->seals, span_of(payload, 2), &b->l->in), OK);
	cr_assert_eq(leg_step(b->l, &event), ERR_CLOSED);
	leg_move(b->l, b->peer, SIZE_MAX);
	leg_take(b->peer);
	cr_assert_eq(b->peer->disconnect, transport_failure(b->l->t)->code, "%s",
		transport_failure(b->l->t)->text);
	cr_assert_str_eq(b->peer->text, transport_failure(b->l->t)->text);
}

static void
probe_type(struct probe *b, unsigned type)
{
	enum outcome got;

	go(b);
	cr_assert_eq(b->l->err, OK);
	cr_assert_eq(b->l->in.len, 0);
	send_probe(b, (uint8_t)type);
	got = see(b, type);
	cr_assert_eq(got, want(b, type), "%s, %s, %s, phase %d: type %u: %d",
		b->role == TRANSPORT_SERVER ? "server" : "client", situation_names[b->situation],
		b->is_strict ? "strict" : "plain", b->phase, type, got);
	if (got == FORBIDDEN || got == BAD_KEXINIT || got == BAD_KEX)
		is_dead(b);
	if (got == ANSWERED) {
		leg_move(b->l, b->peer, SIZE_MAX);
		leg_take(b->peer);
		cr_assert_eq(b->peer->n_unimplemented, 1);
		cr_assert_eq(b->peer->unimplemented, b->seals.seq - 1);
	}
	packet_stream_clear(&b->seals);
	leg_pair_end(&b->p);
}

static void
probe_all(enum transport_role role, bool is_strict)
{
	static struct probe b;

	b.role = role;
	b.is_strict = is_strict;
	for (int s = 0; s < SITUATIONS; s++) {
		bool is_open = s >= OPEN;

		b.situation = (enum situation)s;
		for (int phase = 0; phase <= (is_open ? TRANSPORT_PHASE_CONNECTION : 0); phase++) {
			b.phase = (enum transport_phase)phase;
			for (unsigned type = 0; type < 256; type++)
				probe_type(&b, type);
		}
	}
}

Test(transport_table, a_strict_server_takes_what_it_should)
{
	probe_all(TRANSPORT_SERVER, true);
}

Test(transport_table, a_plain_server_takes_what_it_should)
{
	probe_all(TRANSPORT_SERVER, false);
}

Test(transport_table, a_strict_client_takes_what_it_should)
{
	probe_all(TRANSPORT_CLIENT, true);
}

Test(transport_table, a_plain_client_takes_what_it_should)
{
	probe_all(TRANSPORT_CLIENT, false);
}
