/*
 * One client's login, from the accepted socket to the hand-over to a relay.
 */
#ifndef BROKER_GATE_LOGIN_H
#define BROKER_GATE_LOGIN_H

#include "broker/gate/gate_links.h"
#include "broker/messages/limits.h"
#include "broker/messages/sign_turns.h"
#include "common/addr.h"
#include "common/config/config.h"
#include "common/ssh/transport.h"

struct login;

/* What all logins of a gate count together, and where they wait for each other. */
struct login_counts {
	struct sign_turns turns;
	size_t n_closing; /* those that say goodbye */
	size_t closing_max; /* more of them are not waited for */
	struct limit_report limits;
};

void login_counts_init(struct login_counts *c, size_t closing_max);

/* What all logins of a gate share.  Borrowed for their lives. */
struct login_env {
	struct event_base *base;
	const struct config *config;
	struct gate_links *links;
	const struct transport_config *client_transport;
	struct login_counts *counts;
	const char *banner; /* shown before the first answer; NULL: none */
	const char *known_methods; /* what nodes answered to "none" so far; "" when unknown */
	/* The login is over, handed over or ended; free it later, not within this call. */
	void (*on_over)(void *arg, struct login *l);
	void *arg;
};

/* Takes fd, also on failure.  *out is owned. */
MUST_CHECK enum err login_new(const struct login_env *env, int fd, uint64_t id,
	const struct addr *client, struct login **out);
void login_free(struct login *l);

uint64_t login_id(const struct login *l);

/* A list of logins that are over. */
void login_push(struct login **list, struct login *l);
/* The list is not empty. */
struct login *login_pop(struct login **list);

/* End it with words to the client; the connection id is added to text. */
void login_refuse(struct login *l, enum ssh_disconnect code, const char *text);

/* Answers from the director; fd is taken. */
void login_on_placed(struct login *l, const struct msg_placed *m, int fd);
void login_on_not_placed(struct login *l, const struct msg_not_placed *m);
void login_on_refuse(struct login *l, const struct msg_refuse *m);
/* Answers from the keyholder. */
void login_on_kex_signed(struct login *l, const struct msg_kex_signed *m);
void login_on_offered(struct login *l, const struct msg_offered *m);
void login_on_proved(struct login *l, const struct msg_proved *m);
/* Answer from a relay. */
void login_on_handed_over(
	struct login *l, const struct role_peer *relay, const struct msg_handed_over *m);

/* A link is there (again): ask for what is still unanswered. */
void login_on_link_up(struct login *l, const struct role_peer *peer);
void login_on_link_down(struct login *l, const struct role_peer *peer);

#endif
