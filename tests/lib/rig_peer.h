/*
 * An SSH peer of a relay under test: a transport on a socket, and what has come of it.
 */
#ifndef TESTS_LIB_RIG_PEER_H
#define TESTS_LIB_RIG_PEER_H

#include "common/ssh/key.h"
#include "common/ssh/transport.h"

/* Whose host key. */
enum rig_key { RIG_KEY_BROKER = 0, RIG_KEY_NODE = 1 };

/* A peer of the broker: a transport on a socket, and what has come of it. */
struct rig_peer {
	struct transport *t;
	struct transport_config config;
	int fd; /* -1: closed */
	struct buf in; /* received, not taken */
	struct buf got; /* the payloads of the packets that came, a string each */
	size_t n_packets;
	uint64_t n_payload; /* bytes of them */
	size_t n_keys; /* key exchanges since the hand-over */
	size_t n_unimplemented;
	uint32_t unimplemented;
	uint32_t disconnect; /* the code of SSH_MSG_DISCONNECT; 0: none came */
	char text[256];
	bool is_eof; /* the broker closed or shut its end */
	bool is_reset;
	bool said_goodbye; /* takes nothing that comes */
	bool is_stalled; /* reads nothing */
	bool is_silent; /* writes nothing */
	bool is_keeping; /* payloads go to got; else they are only counted and hashed */
	bool rekeys; /* begins key exchanges when its keys are used up */
	uint64_t hash; /* over all payloads, in order */
	size_t read_max; /* bytes per turn; 0: all there is */
	bool is_cut; /* writes in odd pieces */
	uint32_t cut_seed;
	size_t bulk_left; /* packets that are still to be sent, as fast as they are taken */
	size_t bulk_len;
	uint32_t bulk_seed;
	uint64_t sent_hash; /* over all payloads that rig_send() was given */
	uint64_t n_sent;
};

/* The same key each time.  Static. */
const struct privkey *rig_key(enum rig_key which);
/* Answer TRANSPORT_EVENT_SIGN. */
void rig_sign_for(struct transport *t, const struct transport_exchange *x, enum rig_key key);
/* End the test unless ok. */
void rig_must(bool ok, const char *what);

/* Make the transport of a zeroed peer whose config is filled in. */
void rig_peer_begin(struct rig_peer *p);
void rig_peer_end(struct rig_peer *p);
/* Read, take, write.  Returns whether anything moved. */
bool rig_peer_turn(struct rig_peer *p);

/* Send a payload from a peer; waits for its keys if it must. */
void rig_send(struct rig_peer *p, struct span payload);
void rig_send_text(struct rig_peer *p, const char *payload, size_t len);
/* A payload of len bytes of this type, with content that follows from seed. */
void rig_send_filled(struct rig_peer *p, uint8_t type, size_t len, uint32_t seed);
/* Begin a key exchange. */
void rig_rekey(struct rig_peer *p);
/* SSH_MSG_DISCONNECT. */
void rig_disconnect(struct rig_peer *p, uint32_t code, const char *text);
/* Close the socket as it is; what was sent and not written is lost. */
void rig_close(struct rig_peer *p);
/* Write what was sent, then say that no more will come. */
void rig_shut(struct rig_peer *p);

/* Send n packets of len bytes of channel data, as fast as they are taken. */
void rig_bulk(struct rig_peer *p, size_t n, size_t len);

/* The next payload that the peer got and kept, taken off.  False: none.  Borrowed until the next call. */
bool rig_next(struct rig_peer *p, struct span *out);

#endif
