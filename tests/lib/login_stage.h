/*
 * A stage for logins: a real table of logins on a loop, with real links to a real keyholder (without its process) and to a
 * director and relays that the test plays, a client, and nodes.
 *
 * Nothing here waits: stage_run() lets everybody work until nothing moves, and timers fire when the test says so.  What
 * fails of the stage itself ends the test.
 */
#ifndef TESTS_LIB_LOGIN_STAGE_H
#define TESTS_LIB_LOGIN_STAGE_H

#include "broker/gate/login_table.h"
#include "broker/keyholder/core.h"
#include "common/ssh/auth_msg.h"
#include "tests/lib/stage_peer.h"

#define STAGE_NODES_MAX 6
#define STAGE_RELAYS 2
#define STAGE_SEEN_MAX 512
#define STAGE_TYPE_MAX 128

/* The test's end of a link. */
struct stage_end {
	struct stage *stage;
	struct ipc *ipc; /* NULL: down */
	struct role_peer self;
};

struct stage_message {
	uint16_t type;
	struct buf body;
};

enum stage_relaying { STAGE_TAKES = 0, STAGE_REFUSES, STAGE_SAYS_NOTHING };

struct stage {
	struct event_base *base;
	struct config *config;
	struct gate_links *links;
	struct login_table *table;
	struct transport_config ours; /* of client legs */
	struct core core; /* of the keyholder */
	uint8_t kex_word[KEXINIT_COOKIE_START_SIZE];
	struct keys *keys;
	struct role_peer gate;
	struct stage_end director, keyholder, relays[STAGE_RELAYS];
	struct stage_message seen[STAGE_SEEN_MAX]; /* what came over the links */
	size_t n_seen;
	size_t n_of[STAGE_TYPE_MAX];

	struct stage_peer client;
	uint64_t id; /* of the latest login */
	struct stage_node nodes[STAGE_NODES_MAX];
	size_t n_nodes; /* placed so far */

	bool director_waits; /* does not answer */
	bool keyholder_waits; /* keeps requests until stage_answer_requests() */
	struct buf requests; /* that it keeps: (u16 type, string body) */
	enum stage_relaying relaying;
	struct stage_peer taken[2]; /* the legs as the relay has them: the client's, the node's */
	struct buf connection; /* what came with them */
	int n_fds_before; /* descriptors of this process */
	bool moved;
};

/* limits is the inside of the JSON object "limits", banner is the broker's own (NULL: none).  Owned. */
struct stage *stage_new(const char *limits, const char *banner);
/* Also checks that no descriptor is left. */
void stage_free(struct stage *s);

void stage_run(struct stage *s);
/* The login, or NULL when it is over. */
struct login *stage_login(struct stage *s);

/* A new client connects; nothing has been said yet.  The one before is let go of. */
void stage_accept(struct stage *s);
/* The same, with the key exchange done and ssh-userauth accepted. */
void stage_connect(struct stage *s);
/* Send a payload and let everybody work. */
void stage_say(struct stage *s, struct stage_peer *from, struct span payload);
/* The same with one byte. */
void stage_say_type(struct stage *s, struct stage_peer *from, uint8_t type);
void stage_close(struct stage *s, struct stage_peer *p);
/* The client goes, and nothing is left of it. */
void stage_leave(struct stage *s);
/* Begin a key exchange. */
void stage_rekey(struct stage *s, struct stage_peer *p);

/* The node that was placed last. */
struct stage_node *stage_node(struct stage *s);
/* The director answers the latest MSG_PLACE. */
void stage_place(struct stage *s);
void stage_not_place(struct stage *s, enum not_placed reason, const char *text);
/* The director, the keyholder, a relay say something. */
void stage_tell(struct stage_end *from, uint16_t type, const struct message_field *fields,
	const void *message);
void stage_answer_requests(struct stage *s);

void stage_unlink(struct stage *s, struct stage_end *end);
void stage_link(struct stage *s, struct stage_end *end);
/* The keyholder forgets all, as after a restart, and is linked again. */
void stage_restart_keyholder(struct stage *s);

size_t stage_n(const struct stage *s, enum message_type type);
/* The last message of this type, which must have come; borrows. */
void stage_last(const struct stage *s, enum message_type type, const struct message_field *fields,
	void *message);

/* These timers must be running, and fire now. */
void stage_fire_grace(struct stage *s);
void stage_fire_step(struct stage *s);
bool stage_says_goodbye(struct stage *s);
/* The time for the goodbye is over. */
void stage_fire_goodbye(struct stage *s);
/* For how many seconds, about, does the step's timer run?  0: it does not. */
unsigned stage_step_s(struct stage *s);

#endif
