/*
 * Two legs joined in memory, a client role and a server role: bytes move from one to the other when, and as cut up as, the
 * test wants.  Every failure of the joint itself aborts the test.
 */
#ifndef TESTS_LIB_LEG_PAIR_H
#define TESTS_LIB_LEG_PAIR_H

#include "common/ssh/key.h"
#include "common/ssh/transport.h"

/* One side and what has come of it. */
struct leg {
	struct transport *t;
	struct transport_config config;
	const struct privkey
		*host_key; /* server: signs with it; NULL: signatures are left to the test */
	struct span
		host_key_seen; /* client: the expected key; compared when config.host_key_ok is ours */
	bool is_strange_key; /* client: refuse the host key */
	struct buf in; /* has arrived, not yet taken */
	struct buf got; /* the payloads of the packets that the owner got, a string each */
	size_t n_packets;
	size_t n_keys; /* complete key exchanges */
	size_t n_host_keys; /* times that the host key was asked about */
	size_t n_unimplemented;
	uint32_t unimplemented; /* the last one's number */
	enum err err; /* what transport_step() or transport_signed() failed with */
	uint32_t disconnect; /* the code in the peer's SSH_MSG_DISCONNECT; 0: none has come */
	char text[160]; /* and its text */
};

/* How bytes are cut on their way. */
enum leg_cut { CUT_NOT = 0, CUT_SINGLE_BYTES, CUT_ODD };

struct leg_pair {
	struct leg client;
	struct leg server;
	enum leg_cut cut;
	uint32_t seed; /* of CUT_ODD; any number */
};

/* What the two sides agree on; zero means all that there is, and an ed25519 host key. */
struct leg_options {
	const char *kex;
	const char *ciphers;
	const char *macs;
	const char *host_key_alg;
	const char *compression;
	uint64_t rekey_bytes;
	size_t waiting_max;
	bool client_is_plain; /* without strict key exchange and ext-info */
	bool server_is_plain;
};

/*
 * A fresh pair; nothing has moved yet.  Fill in *p (it must not move afterwards: the legs borrow from it); leg_pair_end()
 * frees all of it.
 */
void leg_pair_begin(struct leg_pair *p, const struct leg_options *options);
void leg_pair_end(struct leg_pair *p);
/* The same, with the first key exchange done and both sides in this phase. */
void leg_pair_open(
	struct leg_pair *p, const struct leg_options *options, enum transport_phase phase);

/* A private key of the type that signs with sigalg; the same one each time.  Static. */
const struct privkey *leg_host_key(const char *sigalg);

/* Move bytes both ways and take them, until nothing moves any more. */
void leg_pair_run(struct leg_pair *p);
void leg_pair_set_phase(struct leg_pair *p, enum transport_phase phase);

/* Move at most max bytes of what from has for its peer; returns how many. */
size_t leg_move(struct leg *from, struct leg *to, size_t max);
/* Take what has arrived, until more is needed or the leg is dead.  A signature that is due is given. */
void leg_take(struct leg *l);
/* Take one line or packet at most; as transport_step(). */
enum err leg_step(struct leg *l, struct transport_event *event);
/* Answer TRANSPORT_EVENT_SIGN with a signature by key. */
void leg_sign(struct leg *l, const struct transport_exchange *x, const struct privkey *key);

/* Seal a payload at once, whatever the state: what a hostile peer would send. */
void leg_inject(struct leg *from, struct span payload);
void leg_inject_type(struct leg *from, uint8_t type);

/* A payload of len bytes that starts with this type and goes on with numbers that follow from seed. */
void payload_fill(uint8_t *payload, size_t len, uint8_t type, uint32_t seed);

/* Take the first of the payloads that came off l->got.  False: there is none.  Borrowed until the next packet comes. */
bool leg_next_got(struct leg *l, struct wire_reader *r, struct span *out);

#endif
