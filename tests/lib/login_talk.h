/*
 * What client and nodes say and hear in tests of logins (tests/lib/login_stage.h), in one line each.
 *
 * All of it is about one stage; what does not go as it says fails the test.
 */
#ifndef TESTS_LIB_LOGIN_TALK_H
#define TESTS_LIB_LOGIN_TALK_H

#include "broker/gate/login_impl.h"
#include "tests/lib/keyholder_world.h"
#include "tests/lib/login_stage.h"

#define ALL_METHODS "publickey,password,keyboard-interactive"
/* The limits of the stage. */
#define TINY_LIMITS "\"auth_tries_max\": 3, \"node_tries_max\": 3, \"unauthenticated_max\": 2"

extern struct stage *stage;
extern struct privkey *stage_user, *stage_user_rsa, *stage_user_ecdsa;

/* For TestSuite(); in between, they make everything anew. */
void talk_init(void);
void talk_clear(void);
void talk_again(void);

/* What the client says */
struct auth_request request_of(enum auth_method kind);
void client_says_request(const struct auth_request *rq);
void client_says_none(void);
void client_says_password(const char *password);
void client_says_kbdint(void);
void client_asks_about_key(const struct privkey *key, const char *algorithm);
struct world_request signed_by(const struct privkey *key, const char *algorithm);
void client_signs_request(const struct world_request *rq);
void client_signs(const struct privkey *key, const char *algorithm);
void client_answers(unsigned n);

/* What the client hears */
void client_hears_nothing(void);
void client_hears(uint8_t type);
void client_hears_failure(const char *methods, bool partial);
void client_hears_banner(const char *text);
/* The reason, and who to ask about it. */
void client_hears_goodbye(uint32_t code, const char *text);
/* Both are told that it is over, and only once. */
void all_are_told_once(void);

/* What the node hears and says */
void node_hears_nothing(void);
/* The spans borrow until the node hears something else. */
struct auth_request node_hears(enum auth_method kind);
void node_hears_type(uint8_t type);
/* A certificate in place of a key of the user's: asked about, proved. */
void node_hears_query(void);
void node_hears_signature(void);
/* Clears payload. */
void node_says(struct buf *payload);
void node_says_failure(const char *methods, bool partial);
void node_says_success(void);
void node_says_banner(const char *text);
void node_says_pk_ok(void);
void node_asks(unsigned n_prompts);
void node_asks_for_new_password(void);
void node_disconnects(enum ssh_disconnect code, const char *text);
void know_methods(const char *methods);

/* Arrangements */
/* LOGIN_OVER when there is none. */
enum login_state state(void);
/* Give or take what a busy machine needs. */
bool step_lasts(unsigned seconds);
/* A client that has a node, and whose turn it is. */
void begin(void);
/* The client has asked "none"; the answer is the test's to hear. */
void begin_on(const struct stage_manner *manner);
/* The client knows of its success, and a relay has both legs. */
void relay_has_it(const char *method);
/* Whatever one end says now, the relay hears and can say too. */
void relay_carries_on(void);
/* A login that stays in this state; the relay will say nothing. */
void reach(enum login_state wanted);

#endif
