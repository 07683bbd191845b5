/*
 * The inside of struct login, shared by the login*.c files only.
 *
 *	login.c		life, states, the client leg
 *	login_auth.c	the client's requests, and what is done for each
 *	login_node.c	placement, the node's answers, the next node when one fails
 *	login_handover.c	the end of a good login
 *	login_table.c	all logins
 */
#ifndef BROKER_GATE_LOGIN_IMPL_H
#define BROKER_GATE_LOGIN_IMPL_H

#include "broker/gate/login.h"
#include "broker/gate/login_leg.h"
#include "broker/gate/node_leg.h"
#include "common/ssh/auth_msg.h"
#include "common/ssh/key.h"
#include "common/table.h"

/*
 *	KEX --> AUTH --> PLACE --> DIAL --> OFFER --> PROVE --> ANSWER --> HAND_OVER --> OVER
 *
 * AUTH is the client's turn.  Each request of the client's walks from there as far as it needs, and back; when the node
 * fails before anything secret went to it, the walk begins again at PLACE with the next one.
 */
enum login_state {
	LOGIN_OVER = 0,
	LOGIN_KEX, /* until the client asks for ssh-userauth */
	LOGIN_AUTH, /* the client's turn */
	LOGIN_PLACE, /* the director is to name a node */
	LOGIN_DIAL, /* the node leg is being made */
	LOGIN_OFFER, /* the keyholder is to make a certificate */
	LOGIN_PROVE, /* the keyholder is to check the user's signature and sign ours */
	LOGIN_ANSWER, /* the node is to answer */
	LOGIN_HAND_OVER, /* a relay is to take it */
	LOGIN_CLOSING, /* the client reads our goodbye */
	LOGIN_STATE_COUNT
};

/* Partial successes by key that can be shown again to another node. */
#define LOGIN_PROOFS_MAX 4
/* Banners that are remembered so that a second node's copy is not shown, and what all of a login's may have. */
#define LOGIN_BANNERS_MAX 8
#define LOGIN_BANNER_BYTES_MAX ((size_t)256 * 1024)
/*
 * Requests per limits.auth_tries_max: one that brings a question, or word that a key is good, fails nowhere and costs the
 * node and the keyholder as much as one that does.
 */
#define LOGIN_REQUESTS_PER_TRY 4
/* What is said to the client: a text of another role's, and the connection's id. */
#define LOGIN_TEXT_MAX (MSG_TEXT_MAX + 32)

/* A certificate made for the user's key, for the present node. */
struct login_offer {
	struct buf key; /* the user's key blob; empty: no offer */
	char client_algorithm[AUTH_NAME_MAX + 1];
	struct buf certificate;
	char algorithm[AUTH_NAME_MAX + 1]; /* of the certificate */
};

struct login {
	const struct login_env *env;
	struct table_entry entry; /* by id; login_table.c's */
	struct login *next; /* in the list of those that are over */
	uint64_t id;
	char id_text[CONN_ID_TEXT_SIZE];
	struct addr client_addr;
	enum login_state state;
	struct login_leg *client;
	struct event *grace; /* the whole login */
	struct event *step_timer; /* the present state */
	struct event *later; /* the hand-over, outside of callbacks */

	struct transport_exchange exchange; /* while the client leg waits for its signature */
	bool wants_signature;
	struct sign_turn turn; /* with the keyholder, for it */
	uint32_t request; /* number of the last question to the keyholder */

	char *user; /* NULL before the first request */
	bool service_accepted;
	bool banner_shown;
	struct buf payload; /* the client's request that is being worked on */
	bool kbdint_open; /* the node has asked the user something */
	bool secret_sent; /* a password or an answer went to the present node */
	unsigned n_requests, n_failures;
	struct buf methods; /* what can continue, filtered */

	struct node_leg *node;
	bool node_is_lost; /* the next request needs another one */
	bool node_ready;
	bool node_open; /* it let the user in by "none" */
	bool node_has_answered; /* a request other than the first "none" */
	uint32_t attempt;
	struct buf excluded; /* names of nodes that failed */
	struct login_offer offer;

	struct buf proofs[LOGIN_PROOFS_MAX]; /* signed requests that brought partial success */
	size_t n_proofs;
	size_t n_replayed; /* of them, to the present node */
	struct buf banners[LOGIN_BANNERS_MAX];
	size_t n_banners;
	size_t n_old_banners; /* of them, those of nodes before the present one */
	size_t n_banner_bytes;

	char method[64]; /* what let the user in: "publickey", or "publickey+password" */
	char fingerprint[KEY_FINGERPRINT_SIZE];

	struct role_peer relay; /* while it is being handed over */
	bool handing_over;
};

/* Change the state; starts the state's timer. */
void login_set_state(struct login *l, enum login_state state);
/* A limit was reached. */
void login_hit(const struct login *l, enum limit limit);
/* False: its end has begun, and nothing more may be done for it. */
bool login_is_alive(const struct login *l);
/* Something of our own failed. */
void login_fail_internal(struct login *l, enum err e, const char *what);
/* End without words: the client is gone, or gone to a relay. */
void login_finish(struct login *l, const char *why);

/* login_auth.c */

/* A packet of the authentication protocol from the client, in its turn. */
void login_on_auth_packet(struct login *l, struct span payload);
/* Take the next step for the request that is being worked on. */
void login_work(struct login *l);
/* The request is answered: it is the client's turn. */
void login_answer_failure(struct login *l, bool partial);
void login_send_client(struct login *l, struct span payload);
/* The request that goes to the node now: one replayed, or the client's. */
struct span login_current_payload(const struct login *l);
bool login_is_replaying(const struct login *l);
void login_drop_offer(struct login *l);
/* login_node.c */

void login_place(struct login *l);
void login_send_node(struct login *l, struct span payload);
void login_node_lost(
	struct login *l, enum node_failure cause, enum ssh_disconnect code, const char *text);

/* login_handover.c */

/* The node let the user in: tell the client, and go. */
void login_succeed(struct login *l);
/* Try to hand over now. */
void login_hand_over(struct login *l);

#endif
