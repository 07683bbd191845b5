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
#include "tests/lib/rig_peer.h"

struct rig_options {
	const char *limits; /* inside of the JSON object "limits"; NULL: defaults */
	const char *other; /* more members of the configuration, with a comma behind; NULL: none */
	const char *ssh_cipher, *node_cipher; /* NULL: all */
	const char *ssh_mac, *node_mac; /* likewise */
	uint64_t ssh_rekey_bytes, node_rekey_bytes; /* of the peers; 0: as the cipher says */
	bool is_tcp; /* loopback TCP instead of socket pairs */
	int socket_bytes; /* socket buffers; 0: as they are */
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

/* The broker's leg towards that peer, before the hand-over. */
struct transport *rig_leg(struct rig *r, const struct rig_peer *p);

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

#endif
