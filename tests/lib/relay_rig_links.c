/*
 * The test's ends of the links of a relay process on a bench.
 */
#include "common/ssh/wire.h"
#include "tests/lib/exchange.h"
#include "tests/lib/relay_rig_impl.h"

#include <stdio.h>

/* --- the keyholder --- */

static void
answer_kex_sign(struct rig *r, struct span body)
{
	struct msg_kex_sign m;
	const struct privkey *key = rig_key(RIG_KEY_BROKER);
	struct msg_kex_signed answer;
	struct transport_exchange x;
	struct buf signature = {0}, b = {0};
	char alg[KEXINIT_NAME_SIZE];

	rig_must(message_decode(msg_kex_sign_fields, body, &m) == OK, "reading KEX_SIGN");
	(void)snprintf(alg, sizeof(alg), "%.*s", (int)m.host_key_alg.len,
		(const char *)m.host_key_alg.ptr);
	x = (struct transport_exchange){.method = kex_by_name(m.method),
		.host_key_alg = alg,
		.transcript = {.client_ident = m.client_ident,
			.server_ident = m.server_ident,
			.client_kexinit = m.client_kexinit,
			.server_kexinit = m.server_kexinit,
			.client_public = m.client_public,
			.server_public = m.server_public,
			.secret = m.secret}};
	rig_must(exchange_sign(&x, key, key, &signature) == OK, "signing");
	answer = (struct msg_kex_signed){.conn = m.conn,
		.request = m.request,
		.host_key = pubkey_blob(privkey_public(key)),
		.signature = buf_span(&signature)};
	rig_must(message_encode(msg_kex_signed_fields, &answer, &b) == OK, "writing KEX_SIGNED");
	rig_must(ipc_send(r->keyholder.ipc, MSG_KEX_SIGNED, buf_span(&b), NULL, 0) == OK,
		"sending KEX_SIGNED");
	buf_clear(&signature);
	buf_clear(&b);
}

static void
answer_hostkeys_prove(struct rig *r, struct span body)
{
	static const char signatures[] = "\0\0\0\5proof";
	struct msg_hostkeys_prove m;
	struct msg_hostkeys_proved answer;
	struct buf b = {0};

	rig_must(message_decode(msg_hostkeys_prove_fields, body, &m) == OK,
		"reading HOSTKEYS_PROVE");
	answer = (struct msg_hostkeys_proved){.conn = m.conn,
		.request = m.request,
		.signatures = span_of(signatures, sizeof(signatures) - 1)};
	rig_must(message_encode(msg_hostkeys_proved_fields, &answer, &b) == OK, "writing");
	rig_must(ipc_send(r->keyholder.ipc, MSG_HOSTKEYS_PROVED, buf_span(&b), NULL, 0) == OK,
		"sending HOSTKEYS_PROVED");
	buf_clear(&b);
}

static void
answer_as_keyholder(struct rig *r, uint16_t type, struct span body)
{
	if (type == MSG_KEX_SIGN)
		answer_kex_sign(r, body);
	if (type == MSG_HOSTKEYS_PROVE)
		answer_hostkeys_prove(r, body);
}

void
rig_hold_signatures(struct rig *r, bool hold)
{
	struct wire_reader reader;
	struct buf kept = {0};
	struct span body;
	uint16_t type;

	r->holds_signatures = hold;
	if (hold)
		return;
	buf_take(&kept, &r->kept);
	reader = wire_reader_of(buf_span(&kept));
	while (wire_left(&reader) > 0) {
		rig_must(
			wire_get_u16(&reader, &type) == OK && wire_get_string(&reader, &body) == OK,
			"reading a kept request");
		answer_as_keyholder(r, type, body);
	}
	buf_clear(&kept);
}

static void
send_host_keys(struct rig *r)
{
	struct buf keys = {0}, b = {0};
	struct msg_host_keys m = {.algorithms = span_str("ssh-ed25519")};

	if (!r->options.has_no_host_keys)
		rig_must(wire_put_string(
				 &keys, pubkey_blob(privkey_public(rig_key(RIG_KEY_BROKER)))) == OK,
			"packing keys");
	m.keys = buf_span(&keys);
	rig_must(message_encode(msg_host_keys_fields, &m, &b) == OK, "writing HOST_KEYS");
	rig_must(ipc_send(r->keyholder.ipc, MSG_HOST_KEYS, buf_span(&b), NULL, 0) == OK,
		"sending HOST_KEYS");
	buf_clear(&keys);
	buf_clear(&b);
}

/* --- links --- */

static void
note(struct buf *log, uint16_t type, struct span body)
{
	rig_must(wire_put_u16(log, type) == OK && wire_put_string(log, body) == OK,
		"noting a message");
}

static void
on_message(void *arg, struct ipc_message *m)
{
	struct rig_end *end = arg;
	struct rig *r = end->rig;

	r->is_quiet = false;
	note(&end->log, m->type, m->body);
	if (end != &r->keyholder)
		return;
	if (r->holds_signatures)
		note(&r->kept, m->type, m->body);
	else
		answer_as_keyholder(r, m->type, m->body);
}

static void
on_closed(void *arg, enum err why)
{
	struct rig_end *end = arg;

	(void)why;
	end->rig->is_quiet = false;
	ipc_free(end->ipc);
	end->ipc = NULL;
}

void
rig_link_end(struct rig *r, struct rig_end *end, enum role_kind kind)
{
	struct role_peer peer = {.kind = kind, .pid = 1};
	int fds[2];

	ipc_free(end->ipc);
	end->ipc = NULL;
	rig_must(ipc_pair(fds) == OK, "making a pair");
	rig_must(ipc_new(r->base, fds[0], on_message, on_closed, end, &end->ipc) == OK, "a link");
	links_add(&r->process->links, &peer, fds[1]);
}

void
rig_link_director(struct rig *r)
{
	rig_link_end(r, &r->director, ROLE_DIRECTOR);
}

void
rig_link_keyholder(struct rig *r)
{
	rig_link_end(r, &r->keyholder, ROLE_KEYHOLDER);
	send_host_keys(r);
}

void
rig_drop_keyholder(struct rig *r)
{
	ipc_free(r->keyholder.ipc);
	r->keyholder.ipc = NULL;
	rig_run(r);
}

void
rig_send_as_director(struct rig *r, uint16_t type, struct span body)
{
	rig_must(ipc_send(r->director.ipc, type, body, NULL, 0) == OK, "sending as director");
}

static const struct rig_end *
end_for(const struct rig *r, uint16_t type)
{
	if (type == MSG_HANDED_OVER)
		return &r->gate;
	return type >= MSG_KEX_SIGN ? &r->keyholder : &r->director;
}

static size_t
look_up(const struct rig *r, uint16_t type, struct span *last)
{
	struct wire_reader reader = wire_reader_of(buf_span(&end_for(r, type)->log));
	struct span body;
	uint16_t found;
	size_t n = 0;

	while (wire_left(&reader) > 0) {
		rig_must(wire_get_u16(&reader, &found) == OK &&
				wire_get_string(&reader, &body) == OK,
			"reading a message back");
		if (found == type) {
			n++;
			*last = body;
		}
	}
	return n;
}

size_t
rig_n_messages(const struct rig *r, uint16_t type)
{
	struct span last;

	return look_up(r, type, &last);
}

struct span
rig_last_message(const struct rig *r, uint16_t type)
{
	struct span last = span_of(NULL, 0);

	(void)look_up(r, type, &last);
	return last;
}
