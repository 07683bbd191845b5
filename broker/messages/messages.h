/*
 * What the roles say to each other: the numbers and structs of all messages (those between the supervisor and the
 * others are in control.h).
 *
 * Each struct has a field table (NAME_fields) for message_encode() and message_decode().  Spans borrow: when encoding from
 * the caller, when decoding from the body.  Every sender may be compromised: the receiver checks what it acts on.
 */
#ifndef BROKER_MESSAGES_MESSAGES_H
#define BROKER_MESSAGES_MESSAGES_H

#include "broker/messages/codec.h"
#include "common/addr.h"
#include "common/conn_id.h"

enum message_type {
	/* 1 to 31 are control.h's. */

	/* gate -> director */
	MSG_ACCEPTED =
		32, /* struct msg_accepted: a client connected; counted until MSG_ENDED or MSG_AUTHENTICATED */
	MSG_PLACE = 33, /* struct msg_place: choose a node for this user and dial it */
	MSG_NODE_FAILED = 34, /* struct msg_node_failed: the placed node did not serve */
	MSG_NODE_METHODS =
		35, /* struct msg_node_methods: what the placed node answered to "none" */
	MSG_AUTHENTICATED =
		36, /* struct msg_conn: the node let the user in; a relay will announce the connection */
	MSG_ENDED = 37, /* struct msg_ended: over before the hand-over */

	/* director -> gate */
	MSG_PLACED =
		48, /* struct msg_placed + 1 fd: the connected, non-blocking socket to the node */
	MSG_NOT_PLACED = 49, /* struct msg_not_placed: nobody can serve the user */
	MSG_REFUSE = 50, /* struct msg_refuse: a limit is reached, end this connection and say so */
	MSG_KNOWN_METHODS =
		51, /* struct msg_known_methods: what "none" is answered with; sent at link and on change */

	/* gate -> relay */
	MSG_HAND_OVER = 64, /* struct msg_hand_over + 2 fds: client socket, node socket */
	/* relay -> gate */
	MSG_HANDED_OVER = 65, /* struct msg_handed_over: it is the relay's now, or not */

	/* relay -> director */
	MSG_CONNECTION =
		80, /* struct msg_connection: new here, or announced again to a new director */
	MSG_COUNTERS = 81, /* struct msg_counters */
	MSG_CONNECTION_ENDED = 82, /* struct msg_connection_ended */
	/* gate or relay -> director */
	MSG_LIMIT_USE = 83, /* struct msg_limit_use: it has changed; each at most once a second */
	/* director -> relay */
	MSG_END_CONNECTION = 88, /* struct msg_end_connection: end it with this text */

	/* gate or relay -> keyholder; each answered by the number after it */
	MSG_KEX_SIGN = 96, /* struct msg_kex_sign */
	MSG_KEX_SIGNED = 97, /* struct msg_kex_signed */
	MSG_OFFER = 98, /* struct msg_offer; gates only */
	MSG_OFFERED = 99, /* struct msg_offered */
	MSG_PROVE = 100, /* struct msg_prove; gates only */
	MSG_PROVED = 101, /* struct msg_proved */
	MSG_HOSTKEYS_PROVE = 102, /* struct msg_hostkeys_prove */
	MSG_HOSTKEYS_PROVED = 103, /* struct msg_hostkeys_proved */
	/* gate -> keyholder */
	MSG_CONN_MOVED = 104, /* struct msg_conn_moved: a relay holds it from now on */
	/* gate or relay -> keyholder */
	MSG_CONN_FORGET = 105, /* struct msg_conn: it is over */
	/* keyholder -> gate or relay, once on each link, before any answer */
	MSG_HOST_KEYS = 112, /* struct msg_host_keys */
	/* keyholder -> gate, before that and whenever it changes */
	MSG_KEX_WORD = 113, /* struct msg_kex_word */
};

/* Maximums of what the messages carry, in bytes. */
#define MSG_USER_MAX 256
#define MSG_NODE_MAX 128
#define MSG_TEXT_MAX 512
#define MSG_WORD_MAX 64
#define MSG_METHODS_MAX 512

/* The authentication methods that work through two legs. */
#define MSG_METHODS_CARRIED "publickey,password,keyboard-interactive"
/* In a list of what a node answered to it: the node let somebody in by it. */
#define MSG_METHOD_NONE "none"
#define MSG_KEY_MAX 65536
#define MSG_PACKET_MAX ((size_t)256 * 1024)
#define MSG_STATE_MAX ((size_t)1536 * 1024)

/* A message that names a connection and says no more. */
struct msg_conn {
	uint64_t conn;
};

struct msg_accepted {
	uint64_t conn;
	struct addr client;
};

struct msg_place {
	uint64_t conn;
	uint32_t attempt; /* 1, 2, ...: one more for each node that failed */
	struct span user; /* the login name as typed */
	struct span excluded; /* node names that failed this connection, comma-separated */
	bool authenticated; /* has the user proved anything yet? */
};

/* Why a node did not serve.  The director judges health by it. */
enum node_failure {
	NODE_FAILURE_NONE = 0,
	NODE_FAILURE_CLOSED, /* the connection ended early */
	NODE_FAILURE_TIMEOUT,
	NODE_FAILURE_PROTOCOL, /* not SSH, or no common algorithms */
	NODE_FAILURE_HOST_KEY, /* not the configured key */
	NODE_FAILURE_REFUSED, /* dial refused or unreachable */
	NODE_FAILURE_COUNT
};

struct msg_node_failed {
	uint64_t conn;
	uint32_t attempt;
	uint8_t cause; /* enum node_failure */
	struct span text;
};

struct msg_node_methods {
	uint64_t conn;
	struct span node;
	struct span methods; /* as the node said, comma-separated */
};

struct msg_ended {
	uint64_t conn;
	struct span text; /* why, for the log */
};

struct msg_placed {
	uint64_t conn;
	uint32_t attempt;
	struct span node;
	struct span identity;
	struct addr address;
	struct span host_keys; /* packed strings: the node's public key blobs */
	struct span why; /* for people: why this node */
};

enum not_placed {
	NOT_PLACED_NONE = 0,
	NOT_PLACED_NO_NODES, /* none is up, or all failed this connection */
	NOT_PLACED_FULL, /* all are at a limit */
	NOT_PLACED_BUSY, /* too many unauthenticated dials under way */
	NOT_PLACED_COUNT
};

struct msg_not_placed {
	uint64_t conn;
	uint32_t attempt;
	uint8_t reason; /* enum not_placed */
	struct span text; /* for the user */
};

struct msg_refuse {
	uint64_t conn;
	struct span text; /* for the user: which limit; the gate adds the connection id */
	bool spares_success; /* one that its node has let in by now is to go on */
};

struct msg_known_methods {
	struct span methods; /* empty: nothing is known */
};

/* What is known of a logged-in connection; its facts never change. */
struct msg_connection {
	uint64_t conn;
	uint64_t started_at_ms; /* since 1970 */
	struct span user; /* as typed */
	struct span node;
	struct span node_identity;
	struct addr client;
	struct addr node_addr;
	struct span method; /* e.g. publickey */
	struct span fingerprint; /* of the user's key; empty without one */
	struct span client_ident;
	struct span client_cipher;
	struct span node_cipher;
	struct span why;
};

struct msg_hand_over {
	struct span connection; /* an encoded struct msg_connection */
	struct span client_state; /* transport_state_write() */
	struct span node_state;
	struct span client_bytes; /* received, not decrypted */
	struct span node_bytes;
};

struct msg_handed_over {
	uint64_t conn;
	bool taken;
};

struct msg_counters {
	uint64_t conn;
	uint64_t bytes_from_client; /* payload bytes of relayed packets */
	uint64_t bytes_from_node;
	uint32_t n_channels; /* open now */
	uint32_t n_rekeys;
	uint64_t idle_ms; /* since the last relayed packet */
};

/* Why a connection ended. */
enum end_cause {
	END_NONE = 0,
	END_CLIENT_DISCONNECT, /* the client said goodbye */
	END_NODE_DISCONNECT,
	END_CLIENT_CLOSED, /* its socket closed or failed */
	END_NODE_CLOSED,
	END_CLIENT_LOST, /* keepalives unanswered */
	END_NODE_LOST,
	END_CLIENT_PROTOCOL, /* a protocol error of the client's */
	END_NODE_PROTOCOL,
	END_ADMIN,
	END_SHUTDOWN,
	END_LIMIT,
	END_INTERNAL,
	END_COUNT
};
/* "client-disconnect" and so on.  Static. */
const char *end_cause_name(enum end_cause cause);

struct msg_connection_ended {
	uint64_t conn;
	uint8_t cause; /* enum end_cause */
	struct span text;
	uint64_t bytes_from_client;
	uint64_t bytes_from_node;
};

/* What the sender has counted of one limit (limits.h). */
struct msg_limit_use {
	uint8_t limit; /* enum limit */
	bool has_now;
	uint64_t n_hits; /* since the sender's start */
	uint64_t now;
	uint64_t max; /* of a built-in one; 0: not said */
};

struct msg_end_connection {
	uint64_t conn;
	uint32_t code; /* enum ssh_disconnect */
	struct span text;
};

/* Everything of the exchange hash but the host key, which is the keyholder's own. */
struct msg_kex_sign {
	uint64_t conn;
	uint32_t request; /* the asker's own number, in the answer too */
	struct span method; /* KEX name */
	struct span host_key_alg;
	struct span client_ident;
	struct span server_ident;
	struct span client_kexinit;
	struct span server_kexinit;
	struct span client_public; /* as kex_public() has it */
	struct span server_public;
	struct span secret; /* K as mpint: wipe */
};

struct msg_kex_signed {
	uint64_t conn;
	uint32_t request;
	uint8_t err; /* enum err */
	struct span host_key;
	struct span signature;
};

struct msg_offer {
	uint64_t conn;
	uint32_t request;
	struct addr client;
	struct addr source; /* our own address on the node leg */
	struct span user; /* as typed */
	struct span node;
	struct span node_identity;
	struct span algorithm; /* as the client named it */
	struct span key; /* the client's public key blob */
};

struct msg_offered {
	uint64_t conn;
	uint32_t request;
	uint8_t err;
	struct span algorithm; /* for the node leg's request */
	struct span certificate;
};

struct msg_prove {
	uint64_t conn;
	uint32_t request;
	struct span client_request; /* the payload of the client's signed USERAUTH_REQUEST */
	struct span node_session_id;
};

struct msg_proved {
	uint64_t conn;
	uint32_t request;
	uint8_t err; /* ERR_SIGNATURE: the client's signature is wrong */
	struct span algorithm;
	struct span certificate; /* to be used in the request */
	struct span signature;
};

struct msg_hostkeys_prove {
	uint64_t conn;
	uint32_t request;
	struct span keys; /* packed strings: the key blobs that the client names */
};

struct msg_hostkeys_proved {
	uint64_t conn;
	uint32_t request;
	uint8_t err;
	struct span signatures; /* packed strings, in the same order */
};

struct msg_conn_moved {
	uint64_t conn;
	uint32_t relay; /* its index */
	uint32_t relay_pid;
};

struct msg_host_keys {
	struct span algorithms; /* name list for KEXINIT */
	struct span keys; /* packed strings: the public key blobs */
};

/* What the cookie of the gate's KEXINITs begins with from now on. */
struct msg_kex_word {
	struct span word; /* KEXINIT_COOKIE_START_SIZE bytes */
};

extern const struct message_field msg_conn_fields[], msg_accepted_fields[], msg_place_fields[],
	msg_node_failed_fields[], msg_node_methods_fields[], msg_ended_fields[],
	msg_placed_fields[], msg_not_placed_fields[], msg_refuse_fields[],
	msg_known_methods_fields[], msg_connection_fields[], msg_hand_over_fields[],
	msg_handed_over_fields[], msg_counters_fields[], msg_connection_ended_fields[],
	msg_limit_use_fields[], msg_end_connection_fields[], msg_kex_sign_fields[],
	msg_kex_signed_fields[], msg_offer_fields[], msg_offered_fields[], msg_prove_fields[],
	msg_proved_fields[], msg_hostkeys_prove_fields[], msg_hostkeys_proved_fields[],
	msg_conn_moved_fields[], msg_host_keys_fields[], msg_kex_word_fields[];

#endif
