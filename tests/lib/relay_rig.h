/*
 * A relay process's inside on a bench: two real SSH peers on sockets, "ssh" and "node", a connection handed over between
 * them, and the test at the other ends of the links to gate, director and keyholder.  The test owns the clock.
 *
 * Failures of the bench itself abort the test.
 */
#ifndef TESTS_LIB_RELAY_RIG_H
#define TESTS_LIB_RELAY_RIG_H

#include "broker/messages/messages.h"
#include "common/ipc/ipc.h"
#include "common/ssh/key.h"
#include "common/ssh/transport.h"

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
	bool is_stalled; /* reads nothing */
	bool is_keeping; /* payloads go to got; else they are only counted and hashed */
	bool rekeys; /* begins key exchanges when its keys are used up */
	uint64_t hash; /* over all payloads, in order */
	size_t read_max; /* bytes per turn; 0: all there is */
};

struct rig_options {
	const char *limits; /* inside of the JSON object "limits"; NULL: defaults */
	const char *other; /* more members of the configuration, with a comma behind; NULL: none */
	const char *ssh_cipher, *node_cipher; /* NULL: all */
	uint64_t ssh_rekey_bytes, node_rekey_bytes; /* of the peers; 0: as the cipher says */
	bool is_tcp; /* loopback TCP instead of socket pairs */
	int socket_bytes; /* socket buffers; 0: as they are */
	bool is_plain; /* no strict key exchange and no ext-info */
	bool has_no_keyholder; /* until rig_link_keyholder() */
	bool has_no_host_keys; /* the keyholder announces none */
};

struct process;
struct connection;
struct rig;

/* Everything up to the hand-over, not handed over yet.  Owned. */
struct rig *rig_new(const struct rig_options *options);
/* With one connection handed over and taken. */
struct rig *rig_open(const struct rig_options *options);
void rig_free(struct rig *r);

struct rig_peer *rig_ssh(struct rig *r);
struct rig_peer *rig_node(struct rig *r);
struct process *rig_process(struct rig *r);
/* NULL when it is over. */
struct connection *rig_connection(struct rig *r);
uint64_t rig_id(const struct rig *r);

/* Hand over what rig_new() made; what the peers have sent before is handed over undecrypted. */
void rig_hand_over(struct rig *r);
/* Send the relay a message from the gate, with the sockets or without. */
void rig_send_as_gate(struct rig *r, uint16_t type, struct span body, bool with_fds);
void rig_link_director(struct rig *r);
void rig_link_keyholder(struct rig *r);
void rig_drop_keyholder(struct rig *r);
void rig_send_as_director(struct rig *r, uint16_t type, struct span body);
/* The keyholder keeps requests to itself until told otherwise; then it answers them. */
void rig_hold_signatures(struct rig *r, bool hold);

/* What came over the links. */
size_t rig_n_messages(const struct rig *r, uint16_t type);
/* The body of the last message of this type; empty: there was none.  Borrowed until the next one comes. */
struct span rig_last_message(const struct rig *r, uint16_t type);

/* Let everybody work until nothing moves any more. */
void rig_run(struct rig *r);
/* One turn of everybody; returns whether anything moved. */
bool rig_turn(struct rig *r);
/* Let time pass, then look at all connections as their timers would, and rig_run(). */
void rig_pass(struct rig *r, uint64_t ms);

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

/* The next payload that the peer got and kept, taken off.  False: none.  Borrowed until the next call. */
bool rig_next(struct rig_peer *p, struct span *out);

#endif
