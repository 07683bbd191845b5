/*
 * The SSH peers on a stage for logins (tests/lib/login_stage.h): a client, and nodes that answer by themselves what every
 * node answers, each in its manner.
 *
 * What fails of a peer itself ends the test.
 */
#ifndef TESTS_LIB_STAGE_PEER_H
#define TESTS_LIB_STAGE_PEER_H

#include "common/ssh/key.h"
#include "common/ssh/transport.h"

#define STAGE_KEEP_MAX ((size_t)64 << 20)

/* A peer on a socket: a transport, and what has come of it. */
struct stage_peer {
	struct transport *t;
	int fd; /* -1: closed */
	struct buf in;
	struct buf got; /* the payloads that came and were not taken, a string each */
	struct buf last; /* the one that stage_next() gave out */
	size_t n_keys; /* complete key exchanges */
	uint32_t disconnect; /* the code that came */
	char text[1024]; /* and its text */
	bool is_eof; /* the gate closed */
	bool is_stalled; /* reads nothing */
};

/* Where a node gives up all by itself. */
enum stage_death {
	STAGE_LIVES = 0,
	STAGE_DIES_AT_ONCE,
	STAGE_DIES_AFTER_IDENT,
	STAGE_DIES_IN_KEX, /* after the first packet that it gets */
	STAGE_DIES_AFTER_KEX,
	STAGE_DIES_AT_SERVICE,
	STAGE_DIES_AT_NONE,
};

/* How a node behaves; set it before it is placed. */
struct stage_manner {
	enum stage_death death;
	bool has_wrong_key;
	bool has_wrong_signature;
	bool is_mute; /* connected, and says nothing */
	bool is_open; /* "none" lets everybody in */
	const char *garbage; /* is what it sends instead of SSH */
	const char *banner; /* before its answer to "none" */
	const char *methods; /* NULL: publickey,password,keyboard-interactive */
};

struct stage_node {
	struct stage_peer peer;
	struct stage_manner manner;
	char name[16];
	uint32_t attempt; /* that it was placed for */
};

/* End the test unless ok. */
void stage_must(bool ok, const char *what);
/* The host key that nodes show.  Static. */
const struct privkey *stage_node_key(void);

/* Takes fd.  There is no transport yet. */
void stage_peer_init(struct stage_peer *p, int fd);
void stage_peer_clear(struct stage_peer *p);
/* What the transport of a peer in this role is made with.  Static: peers may move. */
const struct transport_config *stage_peer_config(enum transport_role role);
void stage_peer_send(struct stage_peer *p, struct span payload);
/* Take what has come; n is the node that the peer is, NULL: none. */
void stage_peer_take(struct stage_peer *p, struct stage_node *n);
/* Read, take, write.  Returns whether anything moved. */
bool stage_peer_turn(struct stage_peer *p, struct stage_node *n);
/* The next payload that came.  False: none.  Borrowed until the next call. */
bool stage_next(struct stage_peer *p, struct span *out);

/* The node is there, in its manner.  Takes fd. */
void stage_node_begin(struct stage_node *n, int fd);

#endif
