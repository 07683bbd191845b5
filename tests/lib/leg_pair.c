/*
 * Two legs joined in memory.
 */
#include "tests/lib/leg_pair.h"

#include "tests/lib/exchange.h"

#include "common/ssh/transport_impl.h"

#include <stdio.h>
#include <stdlib.h>

#define PAIR_MAX ((size_t)64 << 20)
#define ROUNDS_MAX 1000000

static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "leg pair: %s failed\n", what);
	abort();
}

const struct privkey *
leg_host_key(const char *sigalg)
{
	static struct privkey *keys[KEY_TYPE_COUNT];
	enum key_type type = sigalg_key_type(span_str(sigalg));

	must(type != KEY_NONE, "finding the host key's type");
	if (keys[type] == NULL)
		must(privkey_generate(type, KEY_RSA_BITS_MIN, &keys[type]) == OK, "making a key");
	return keys[type];
}

static bool
host_key_ok(void *arg, struct span host_key)
{
	struct leg *l = arg;

	l->n_host_keys++;
	return !l->is_strange_key && span_equal(host_key, l->host_key_seen);
}

static void
leg_begin(struct leg *l, enum transport_role role, const struct leg_options *o)
{
	const char *alg = o->host_key_alg != NULL ? o->host_key_alg : "ssh-ed25519";
	const struct privkey *key = leg_host_key(alg);

	*l = (struct leg){.config = {.role = role,
				  .ident = role == TRANSPORT_CLIENT ? "SSH-2.0-pair_client one two"
								    : "SSH-2.0-pair_server",
				  .kex = o->kex,
				  .host_keys = alg,
				  .ciphers = o->ciphers,
				  .compression = o->compression,
				  .macs = o->macs,
				  .rekey_bytes = o->rekey_bytes,
				  .waiting_max = o->waiting_max}};
	l->host_key_seen = pubkey_blob(privkey_public(key));
	if (role == TRANSPORT_SERVER) {
		l->host_key = key;
	} else {
		l->config.host_key_ok = host_key_ok;
		l->config.host_key_arg = l;
	}
	buf_init(&l->in, PAIR_MAX);
	buf_init(&l->got, PAIR_MAX);
	must(transport_new(&l->config, &l->t) == OK, "transport_new");
}

/* Begin anew, as an implementation that knows no pseudo-algorithms. */
static void
make_plain(struct leg *l)
{
	struct kexinit_offer offer = {.kex = l->config.kex != NULL ? l->config.kex : kex_names(),
		.host_keys = l->config.host_keys,
		.ciphers = l->config.ciphers != NULL ? l->config.ciphers : cipher_names(),
		.macs = l->config.macs};
	struct exchange *x = l->t->exchange;

	buf_clear(&l->t->out);
	buf_clear(&x->own_kexinit);
	packet_stream_clear(&l->t->sealed);
	must(buf_append(&l->t->out, l->config.ident, strlen(l->config.ident)) == OK &&
			buf_append(&l->t->out, "\n", 1) == OK &&
			kexinit_write(&offer, &x->own_kexinit) == OK &&
			transport_seal_now(l->t, buf_span(&x->own_kexinit)) == OK,
		"making a plain KEXINIT");
}

void
leg_pair_begin(struct leg_pair *p, const struct leg_options *options)
{
	static const struct leg_options none;

	memset(p, 0, sizeof(*p));
	leg_begin(&p->client, TRANSPORT_CLIENT, options != NULL ? options : &none);
	leg_begin(&p->server, TRANSPORT_SERVER, options != NULL ? options : &none);
	if (options != NULL && options->client_is_plain)
		make_plain(&p->client);
	if (options != NULL && options->server_is_plain)
		make_plain(&p->server);
}

static void
leg_end(struct leg *l)
{
	transport_free(l->t);
	buf_clear(&l->in);
	buf_clear(&l->got);
}

void
leg_pair_end(struct leg_pair *p)
{
	leg_end(&p->client);
	leg_end(&p->server);
	memset(p, 0, sizeof(*p));
}

void
leg_pair_set_phase(struct leg_pair *p, enum transport_phase phase)
{
	transport_set_phase(p->client.t, phase);
	transport_set_phase(p->server.t, phase);
}

void
leg_pair_open(struct leg_pair *p, const struct leg_options *options, enum transport_phase phase)
{
	leg_pair_begin(p, options);
	leg_pair_run(p);
	must(p->client.err == OK && p->server.err == OK, "the first key exchange");
	must(p->client.n_keys == 1 && p->server.n_keys == 1, "the first key exchange");
	leg_pair_set_phase(p, phase);
}

size_t
leg_move(struct leg *from, struct leg *to, size_t max)
{
	struct buf *out = transport_out(from->t);
	size_t n = out->len < max ? out->len : max;

	if (n == 0)
		return 0;
	must(buf_append(&to->in, buf_span(out).ptr, n) == OK, "moving bytes");
	buf_consume(out, n);
	return n;
}

void
leg_sign(struct leg *l, const struct transport_exchange *x, const struct privkey *key)
{
	l->err = exchange_answer(l->t, x, key, key);
}

static void
note_event(struct leg *l, const struct transport_event *event)
{
	switch (event->kind) {
	case TRANSPORT_EVENT_PACKET:
		l->n_packets++;
		must(wire_put_string(&l->got, event->packet.payload) == OK, "keeping a packet");
		break;
	case TRANSPORT_EVENT_SIGN:
		if (l->host_key != NULL)
			leg_sign(l, &event->exchange, l->host_key);
		break;
	case TRANSPORT_EVENT_KEYS:
		l->n_keys++;
		break;
	case TRANSPORT_EVENT_UNIMPLEMENTED:
		l->n_unimplemented++;
		l->unimplemented = event->number;
		break;
	case TRANSPORT_EVENT_DISCONNECT:
		l->disconnect = event->number;
		(void)snprintf(l->text, sizeof(l->text), "%.*s", (int)event->text.len,
			(const char *)event->text.ptr);
		break;
	case TRANSPORT_EVENT_NONE:
		break;
	}
}

enum err
leg_step(struct leg *l, struct transport_event *event)
{
	uint8_t *bytes = l->in.data != NULL ? l->in.data + l->in.head : NULL;
	size_t used = 0;
	enum err e;

	e = transport_step(l->t, bytes, l->in.len, &used, event);
	if (e != OK) {
		if (e != ERR_AGAIN && l->err == OK)
			l->err = e;
		return e;
	}
	must(used > 0 && used <= l->in.len, "taking something");
	note_event(l, event);
	buf_consume(&l->in, used);
	return OK;
}

void
leg_take(struct leg *l)
{
	struct transport_event event;

	while (l->in.len > 0 && leg_step(l, &event) == OK)
		;
}

static size_t
next_cut(struct leg_pair *p)
{
	static const size_t sizes[] = {1, 2, 3, 5, 7, 16, 21, 4, 64, 333, 1, 8192, 31, 100000};

	if (p->cut == CUT_NOT)
		return SIZE_MAX;
	if (p->cut == CUT_SINGLE_BYTES)
		return 1;
	p->seed = p->seed * 1664525 + 1013904223;
	return sizes[(p->seed >> 16) % ARRAY_LEN(sizes)];
}

void
leg_pair_run(struct leg_pair *p)
{
	for (size_t i = 0; i < ROUNDS_MAX; i++) {
		size_t n = leg_move(&p->client, &p->server, next_cut(p));

		leg_take(&p->server);
		n += leg_move(&p->server, &p->client, next_cut(p));
		leg_take(&p->client);
		if (n == 0)
			return;
	}
	must(false, "coming to rest");
}

void
leg_inject(struct leg *from, struct span payload)
{
	must(transport_seal_now(from->t, payload) == OK, "sealing a packet");
}

void
leg_inject_type(struct leg *from, uint8_t type)
{
	leg_inject(from, span_of(&type, 1));
}

void
payload_fill(uint8_t *payload, size_t len, uint8_t type, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		payload[i] = (uint8_t)(seed >> 24);
	}
	payload[0] = type;
}

bool
leg_next_got(struct leg *l, struct wire_reader *r, struct span *out)
{
	if (r->at == NULL)
		*r = wire_reader_of(buf_span(&l->got));
	if (wire_left(r) == 0)
		return false;
	must(wire_get_string(r, out) == OK, "reading a packet back");
	return true;
}
