/*
 * Two legs that talk, and an attacker between them: the input is what happens, three bytes an act.  Whatever is changed on
 * the wire, each side only ever gets what the other sent, in order and without gaps; when nothing is changed, all of it.
 *
 * The first byte chooses the cipher and MAC, who is without strict key exchange, and whether the first exchange is over.
 */
#include "common/ssh/transport_impl.h"
#include "common/ssh/transport_state.h"
#include "tests/lib/leg_pair.h"
#include "tests/lib/suites.h"

#include <assert.h>

#define ACTS_MAX 200
#define MESSAGE_MIN 9

#define STATE_MAX                                                                                  \
	(TRANSPORT_OUT_MAX + TRANSPORT_SEALED_GROWTH * TRANSPORT_WAITING_MAX +                     \
		TRANSPORT_STATE_SIZE_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct scene {
	struct leg_pair p;
	uint32_t n_sent[2]; /* by the client, by the server */
	bool is_changed; /* the attacker or a hostile peer has done something */
};

static size_t
make_message(uint32_t i, uint8_t payload[3000])
{
	size_t len = MESSAGE_MIN + i * 37 % 2900;

	payload_fill(payload, len, 94, i);
	return len;
}

static void
send_message(struct scene *s, int side)
{
	struct leg *l = side == 0 ? &s->p.client : &s->p.server;
	uint8_t payload[3000];
	size_t len = make_message(s->n_sent[side], payload);

	if (transport_send(l->t, span_of(payload, len)) == OK)
		s->n_sent[side]++;
}

static void
move(struct scene *s, int side, size_t n)
{
	struct leg *from = side == 0 ? &s->p.client : &s->p.server;
	struct leg *to = side == 0 ? &s->p.server : &s->p.client;

	(void)leg_move(from, to, n != 0 ? n : SIZE_MAX);
	leg_take(to);
}

static void
flip(struct scene *s, int side, size_t at)
{
	struct buf *out = transport_out(side == 0 ? s->p.client.t : s->p.server.t);

	if (out->len == 0)
		return;
	out->data[out->head + at / 8 % out->len] ^= (uint8_t)(1 << at % 8);
	s->is_changed = true;
}

static void
drop(struct scene *s, int side, size_t n)
{
	struct buf *out = transport_out(side == 0 ? s->p.client.t : s->p.server.t);

	buf_consume(out, n < out->len ? n : out->len);
	s->is_changed = true;
}

static void
insert(struct scene *s, int side, uint8_t byte, size_t n)
{
	struct leg *to = side == 0 ? &s->p.server : &s->p.client;

	for (size_t i = 0; i < n; i++)
		assert(buf_append(&to->in, &byte, 1) == OK);
	s->is_changed = true;
}

static void
move_house(struct leg *l)
{
	struct transport *copy;
	struct buf state;

	buf_init(&state, STATE_MAX);
	if (transport_state_write(l->t, &state) == OK) {
		assert(transport_state_read(buf_span(&state), &l->config, &copy) == OK);
		transport_free(l->t);
		l->t = copy;
	}
	buf_clear(&state);
}

static void
rekey(struct leg *l)
{
	enum err e = transport_rekey(l->t);

	assert(e == OK || e == ERR_LIMIT);
}

static void
inject(struct scene *s, struct leg *l, uint8_t type, size_t len)
{
	uint8_t payload[MESSAGE_MIN - 1] = {type};

	if (l->t->state == TRANSPORT_DEAD)
		return;
	s->is_changed = true;
	if (transport_out(l->t)->len < TRANSPORT_OUT_MAX / 2)
		leg_inject(l, span_of(payload, 1 + len % (sizeof(payload) - 1)));
}

static void
act(struct scene *s, const uint8_t a[3])
{
	int side = a[0] & 1;
	struct leg *l = side == 0 ? &s->p.client : &s->p.server;
	size_t n = (size_t)a[1] << 8 | a[2];

	switch (a[0] / 2 % 9) {
	case 0:
	case 1:
		move(s, side, n);
		break;
	case 2:
		send_message(s, side);
		break;
	case 3:
		rekey(l);
		break;
	case 4:
		move_house(l);
		break;
	case 5:
		flip(s, side, n);
		break;
	case 6:
		drop(s, side, n);
		break;
	case 7:
		insert(s, side, a[1], a[2]);
		break;
	default:
		inject(s, l, a[1], a[2]);
	}
}

/* What l got is what was sent: all, or the beginning. */
static void
check_got(struct leg *l, uint32_t n_sent, bool all)
{
	struct wire_reader r = {0};
	uint8_t payload[3000];
	struct span got;
	uint32_t i = 0;

	while (leg_next_got(l, &r, &got)) {
		size_t len;

		if (got.len < MESSAGE_MIN)
			continue;
		assert(i < n_sent);
		len = make_message(i++, payload);
		assert(span_equal(got, span_of(payload, len)));
	}
	assert(!all || i == n_sent);
}

static void
check_end(struct scene *s)
{
	if (!s->is_changed) {
		assert(s->p.client.err == OK && s->p.server.err == OK);
		assert(s->p.client.n_keys == s->p.server.n_keys && s->p.client.n_keys > 0);
	}
	check_got(&s->p.server, s->n_sent[0], !s->is_changed);
	check_got(&s->p.client, s->n_sent[1], !s->is_changed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* One of each layout, and what is agreed on when all is offered; the bits are 0, 1, 5 and 6 of the first byte. */
	static const struct suite layouts[16] = {
		[0] = {"chacha20-poly1305@openssh.com", NULL},
		[1] = {"aes256-gcm@openssh.com", NULL},
		[2] = {"aes128-gcm@openssh.com", NULL},
		[4] = {"aes128-ctr", "hmac-sha2-256"},
		[5] = {"aes192-ctr", "hmac-sha2-512"},
		[6] = {"aes256-ctr", "hmac-sha2-256-etm@openssh.com"},
		[7] = {"aes128-ctr", "hmac-sha2-512-etm@openssh.com"},
		[8] = {"aes256-ctr", NULL},
	};
	const struct suite *suite;
	struct scene s = {.is_changed = false};
	struct leg_options o;

	if (size == 0)
		return 0;
	suite = &layouts[(data[0] & 3) | (data[0] >> 3 & 12)];
	o = (struct leg_options){.ciphers = suite->cipher,
		.macs = suite->mac,
		.client_is_plain = (data[0] & 4) != 0,
		.server_is_plain = (data[0] & 8) != 0};
	leg_pair_begin(&s.p, &o);
	leg_pair_set_phase(&s.p, TRANSPORT_PHASE_CONNECTION);
	if ((data[0] & 16) != 0)
		leg_pair_run(&s.p);
	for (size_t i = 0; i < ACTS_MAX && 1 + i * 3 + 2 < size; i++)
		act(&s, data + 1 + i * 3);
	leg_pair_run(&s.p);
	check_end(&s);
	leg_pair_end(&s.p);
	return 0;
}
