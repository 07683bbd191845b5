/*
 * A keyholder without links, the gates and relays that ask it, and clients that sign.
 */
#ifndef TESTS_LIB_KEYHOLDER_WORLD_H
#define TESTS_LIB_KEYHOLDER_WORLD_H

#include "broker/keyholder/core.h"
#include "broker/messages/messages.h"
#include "tests/lib/sk_token.h"

#define WORLD_NOW 1750000000
/* The nodes' identities, as the requests name them; their names are these without "id-". */
#define WORLD_ALPHA "id-alpha"
#define WORLD_BETA "id-beta"
#define WORLD_TRIES_MAX 3
/* At one gate, and at all relays. */
#define WORLD_SESSIONS_MAX 16
#define WORLD_KEXINIT_SIZE 64

/* The gates and relays that there are. */
extern const struct role_peer world_gate_a, world_gate_b, world_relay_a, world_relay_b;

/* Embedded by its owner, who may change config, now and is_linked. */
struct keyholder_world {
	struct core core;
	struct config config;
	struct config_pool pool;
	struct config_node nodes[2];
	struct keys *keys;
	uint64_t now;
	bool is_linked; /* what the keyholder believes of every relay */
	struct privkey *user; /* ed25519 */
	struct privkey *user_rsa;
	struct privkey *user_ecdsa;
};

/* What fails here aborts the test. */
void world_init(struct keyholder_world *w);
void world_clear(struct keyholder_world *w);

/* A whole message and its answer, as on a link. */
struct world_call {
	uint16_t type;
	const struct message_field *fields;
	const void *message;
	uint16_t answer_type;
	const struct message_field *answer_fields;
	void *answer; /* its spans borrow from keep */
	struct buf keep;
};
/* Returns the error in the answer, which must be there. */
enum err world_ask(
	struct keyholder_world *w, const struct role_peer *peer, struct world_call *call);

/* A transcript of no meaning; seed tells them apart. */
struct msg_kex_sign world_transcript(uint64_t conn, const char *algorithm, uint8_t seed);
/* The same with a KEXINIT as a gate makes it at this moment: with its word, and no other connection's. */
struct msg_kex_sign world_freshened(const struct keyholder_world *w, const struct role_peer *peer,
	const struct msg_kex_sign *m, uint8_t kexinit[WORLD_KEXINIT_SIZE]);
/* KEX_SIGN of it as it is.  On OK the signature is right, and *hash (may be NULL) is what it covers. */
enum err world_kex_sign_exactly(struct keyholder_world *w, const struct role_peer *peer,
	const struct msg_kex_sign *m, struct kex_hash *hash);
/* The same of it freshened. */
enum err world_kex_sign(struct keyholder_world *w, const struct role_peer *peer,
	const struct msg_kex_sign *m, struct kex_hash *hash);
/* The same for conn, with ssh-ed25519 and the seed 1. */
struct kex_hash world_connect(
	struct keyholder_world *w, const struct role_peer *peer, uint64_t conn);

/* An OFFER of key for alice at node alpha, to be changed. */
struct msg_offer world_offer_of(uint64_t conn, const struct privkey *key, const char *algorithm);
/* The certificate that is offered is appended to certificate (may be NULL). */
enum err world_offer(struct keyholder_world *w, const struct role_peer *peer,
	const struct msg_offer *m, struct buf *certificate);

/* What a client signs, to be changed. */
struct world_request {
	const struct privkey *key; /* signs, and is the key in the request */
	const struct sk_token *token; /* signs in key's place if not NULL */
	const struct pubkey *claims; /* the key in the request if not NULL */
	struct span shown; /* the key or certificate in the request if not empty */
	const char *user;
	const char *service;
	const char *algorithm;
	struct span session_id;
	struct span host_key; /* makes it hostbound if not empty */
	const char *
		signs_user; /* what the signature covers if not NULL: another user, service, algorithm */
	const char *signs_service;
	const char *signs_algorithm;
};
struct world_request world_request_of(
	const struct privkey *key, const char *algorithm, const struct kex_hash *session_id);
/* Append the payload of the signed USERAUTH_REQUEST. */
void world_write_request(const struct world_request *rq, struct buf *out);

/* The session id of every node leg. */
struct span world_node_session_id(void);
/*
 * PROVE of this payload.  On OK the certificate and the signature are appended (may be NULL), and were checked: the
 * signature is the certified key's over alice's request to the node.
 */
enum err world_prove(struct keyholder_world *w, const struct role_peer *peer, uint64_t conn,
	struct span payload, struct buf *certificate);
/* The same for a request of the client's. */
enum err world_prove_request(struct keyholder_world *w, const struct role_peer *peer, uint64_t conn,
	const struct world_request *rq);

#endif
