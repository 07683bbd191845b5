/*
 * broker/keyholder: what captured gates and relays can say, in any order, on top of honest logins.
 *
 * Input: steps of {u8 who, u8 what, u16 length, bytes}.  what is a message number with the bytes as its body, or one of
 * the honest steps of gate 0 below.  The cookie of a KEX_SIGN gets the asker's word, which no input could guess.  Every
 * request has one answer of the right form, and no proof is ever given but for the honest step that signs.
 */
#include "broker/keyholder/requests.h"
#include "common/ssh/auth_msg.h"

#include <assert.h>

#define STEP_HEADER_SIZE 4
#define SESSIONS_MAX 8
#define KEXINIT_MAX 1024
#define HONEST_CONN 1

enum { STEP_HONEST_KEX = 1, STEP_HONEST_OFFER = 2, STEP_HONEST_PROOF = 3, STEP_LATER = 4 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made once: only what is remembered of connections changes between inputs. */
static struct keys *keys;
static struct privkey *user;
static char node_name[] = "alpha";
static struct config_node node = {.name = node_name, .identity = node_name};
static struct config_pool pool = {.nodes = {&node, 1}};
static struct config config = {.pools = {&pool, 1},
	.limits = {.auth_tries_max = 3, .login_grace_s = 120},
	.certificate = {.lifetime_s = 120, .backdate_s = 300}};
static const struct role_peer peers[] = {
	{ROLE_GATE, 0, 1}, {ROLE_GATE, 1, 2}, {ROLE_RELAY, 0, 3}, {ROLE_RELAY, 1, 4}};

static uint64_t
now_s(void *arg)
{
	return *(uint64_t *)arg;
}

static bool
is_linked(void *arg, const struct role_peer *peer)
{
	(void)arg;
	return peer->pid < 4;
}

static struct privkey *
ed25519(void)
{
	struct privkey *key = NULL;

	assert(privkey_generate(KEY_ED25519, 0, &key) == OK);
	return key;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct privkey *host[] = {ed25519()};
	struct config_list no_preference = {NULL, 0};

	(void)argc;
	(void)argv;
	user = ed25519();
	assert(keys_new(host, 1, ed25519(), &no_preference, &keys) == OK);
	return 0;
}

static void
check_reply(uint16_t type, struct reply *r)
{
	union {
		struct msg_kex_signed kex_signed;
		struct msg_offered offered;
		struct msg_proved proved;
		struct msg_hostkeys_proved hostkeys_proved;
	} m;
	static const struct message_field *const fields[] = {
		[MSG_KEX_SIGN] = msg_kex_signed_fields,
		[MSG_OFFER] = msg_offered_fields,
		[MSG_PROVE] = msg_proved_fields,
		[MSG_HOSTKEYS_PROVE] = msg_hostkeys_proved_fields,
	};

	assert(r->type == type + 1);
	assert(message_decode(fields[type], buf_span(&r->body), &m) == OK);
}

/* Hand a message in; returns what the answer says. */
static enum err
hand_in(struct core *c, const struct role_peer *peer, uint16_t type, struct span body)
{
	struct reply r = {0};
	enum err e = requests_handle(c, peer, type, body, &r);

	if (r.type != 0)
		check_reply(type, &r);
	else
		assert(type == MSG_CONN_MOVED || type == MSG_CONN_FORGET || e != OK);
	e = e == OK ? r.err : e;
	/* At two gates, and at the relays. */
	assert(sessions_count(c->sessions) <= 3 * SESSIONS_MAX);
	if (peer->kind == ROLE_RELAY && (type == MSG_OFFER || type == MSG_PROVE))
		assert(e != OK);
	reply_clear(&r);
	return e;
}

/* The same message as an honest gate would have sent it. */
static struct msg_kex_sign
with_word(const struct core *c, const struct role_peer *peer, const struct msg_kex_sign *m,
	uint8_t kexinit[KEXINIT_MAX])
{
	struct fresh_query q = core_fresh_query(c, peer);
	struct msg_kex_sign out = *m;
	size_t start = 1 + KEXINIT_COOKIE_START_SIZE;
	size_t rest = m->server_kexinit.len > 0 ? m->server_kexinit.len - 1 : 0;

	if (m->server_kexinit.len == 0 || start + rest > KEXINIT_MAX)
		return out;
	kexinit[0] = m->server_kexinit.ptr[0];
	assert(fresh_word(&q, kexinit + 1) == OK);
	memcpy(kexinit + start, m->server_kexinit.ptr + 1, rest);
	out.server_kexinit = span_of(kexinit, start + rest);
	return out;
}

static void
hand_in_kex(struct core *c, const struct role_peer *peer, struct span body)
{
	uint8_t kexinit[KEXINIT_MAX];
	bool was_known, is_new;
	struct msg_kex_sign m;
	struct buf fresh = {0};

	if (message_decode(msg_kex_sign_fields, body, &m) != OK) {
		(void)hand_in(c, peer, MSG_KEX_SIGN, body);
		return;
	}
	was_known = sessions_find(c->sessions, m.conn) != NULL;
	m = with_word(c, peer, &m, kexinit);
	assert(message_encode(msg_kex_sign_fields, &m, &fresh) == OK);
	(void)hand_in(c, peer, MSG_KEX_SIGN, buf_span(&fresh));
	buf_clear(&fresh);
	/* What made a connection makes no second one. */
	is_new = !was_known && sessions_find(c->sessions, m.conn) != NULL;
	m.conn = ~m.conn;
	if (!is_new || sessions_find(c->sessions, m.conn) != NULL)
		return;
	assert(message_encode(msg_kex_sign_fields, &m, &fresh) == OK);
	assert(hand_in(c, peer, MSG_KEX_SIGN, buf_span(&fresh)) != OK);
	buf_clear(&fresh);
}

static enum err
honest(struct core *c, uint16_t type, const struct message_field *fields, const void *message)
{
	struct buf body = {0};
	enum err e = message_encode(fields, message, &body);

	assert(e == OK);
	e = hand_in(c, &peers[0], type, buf_span(&body));
	buf_clear(&body);
	return e;
}

static void
honest_kex(struct core *c)
{
	static const uint8_t kexinit[] = {20}, secret[] = {0, 0, 0, 1, 1}, public[32] = {9};
	struct msg_kex_sign m = {
		.conn = HONEST_CONN,
		.method = span_str("curve25519-sha256"),
		.host_key_alg = span_str("ssh-ed25519"),
		.client_ident = span_str("SSH-2.0-a"),
		.server_ident = span_str("SSH-2.0-b"),
		.client_kexinit = span_of(kexinit, sizeof(kexinit)),
		.server_kexinit = span_of(kexinit, sizeof(kexinit)),
		.client_public = span_of(public, sizeof(public)),
		.server_public = span_of(public, sizeof(public)),
		.secret = span_of(secret, sizeof(secret)),
	};

	uint8_t fresh[KEXINIT_MAX];

	m = with_word(c, &peers[0], &m, fresh);
	(void)honest(c, MSG_KEX_SIGN, msg_kex_sign_fields, &m);
}

static void
honest_offer(struct core *c)
{
	struct msg_offer m = {
		.conn = HONEST_CONN,
		.client = {.family = 4, .ip = {192, 0, 2, 1}, .port = 1},
		.source = {.family = 4, .ip = {192, 0, 2, 2}, .port = 2},
		.user = span_str("alice"),
		.node = span_str(node_name),
		.node_identity = span_str(node_name),
		.algorithm = span_str("ssh-ed25519"),
		.key = pubkey_blob(privkey_public(user)),
	};

	(void)honest(c, MSG_OFFER, msg_offer_fields, &m);
}

static void
honest_proof(struct core *c)
{
	const struct session *session = sessions_find(c->sessions, HONEST_CONN);
	struct auth_request rq = {
		.user = span_str("alice"),
		.service = span_str(AUTH_SERVICE_CONNECTION),
		.kind = AUTH_PUBLICKEY,
		.has_signature = true,
		.algorithm = span_str("ssh-ed25519"),
		.key = pubkey_blob(privkey_public(user)),
	};
	struct buf data = {0}, signature = {0}, payload = {0};
	struct msg_prove m = {.conn = HONEST_CONN};

	if (session == NULL)
		return;
	assert(auth_signed_data(span_of(session->id.bytes, session->id.len), &rq, &data) == OK);
	assert(privkey_sign(user, rq.algorithm, buf_span(&data), &signature) == OK);
	rq.signature = buf_span(&signature);
	assert(auth_request_write(&rq, &payload) == OK);
	m.client_request = buf_span(&payload);
	m.node_session_id = span_str("01234567890123456789012345678901");
	(void)honest(c, MSG_PROVE, msg_prove_fields, &m);
	buf_clear(&data);
	buf_clear(&signature);
	buf_clear(&payload);
}

static void
step(struct core *c, uint64_t *now, const uint8_t *header, struct span body)
{
	const struct role_peer *peer = &peers[header[0] % ARRAY_LEN(peers)];

	switch (header[1]) {
	case STEP_HONEST_KEX:
		honest_kex(c);
		break;
	case STEP_HONEST_OFFER:
		honest_offer(c);
		break;
	case STEP_HONEST_PROOF:
		honest_proof(c);
		break;
	case MSG_KEX_SIGN:
		hand_in_kex(c, peer, body);
		break;
	case STEP_LATER:
		*now += 60;
		break;
	case MSG_PROVE:
		/* Nobody but the honest client can sign for these sessions. */
		assert(hand_in(c, peer, MSG_PROVE, body) != OK);
		break;
	default:
		(void)hand_in(c, peer, header[1], body);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sessions_limits limits = {SESSIONS_MAX, SESSIONS_MAX};
	uint64_t now = 1750000000;
	struct core c = {.config = &config,
		.keys = keys,
		.clock = {now_s, now_s, &now},
		.is_linked = is_linked};

	assert(sessions_new(&limits, &c.sessions) == OK);
	while (size >= STEP_HEADER_SIZE) {
		size_t len = (size_t)data[2] << 8 | data[3];
		const uint8_t *header = data;

		data += STEP_HEADER_SIZE;
		size -= STEP_HEADER_SIZE;
		len = len < size ? len : size;
		step(&c, &now, header, span_of(data, len));
		data += len;
		size -= len;
	}
	sessions_free(c.sessions);
	return 0;
}
