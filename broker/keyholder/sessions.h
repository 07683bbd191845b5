/*
 * What the keyholder remembers of each client connection: whose it is, its session id, and the offers made in it.
 */
#ifndef BROKER_KEYHOLDER_SESSIONS_H
#define BROKER_KEYHOLDER_SESSIONS_H

#include "broker/keyholder/fresh.h"
#include "broker/messages/messages.h"
#include "broker/role/role.h"
#include "common/ssh/cert.h"
#include "common/ssh/kex.h"
#include "common/ssh/kexinit.h"
#include "common/ssh/key.h"

/*
 * A user's key that the node was or will be asked about, and the key pair that stands for it there.  Owned by its
 * session; the private half lives from OFFER to the one signature of PROVE.
 */
struct offer {
	struct offer *next;
	struct pubkey *key; /* the user's */
	struct cert *cert; /* the user's certificate for it; NULL: the plain key was shown */
	/*
	 * NULL where the certificate that was offered is not the final one: what nobody has the private half of, nobody
	 * can sign with.
	 */
	struct privkey *ephemeral;
	struct sk_details proved; /* what the security key said with the proof */
	uint8_t facts_flags; /* of the certificate that is minted next: enum facts_flag */
	struct addr client;
	struct addr source; /* ours on the node leg */
	char user[MSG_USER_MAX];
	char algorithm[KEXINIT_NAME_SIZE]; /* as the client names it */
	char node[CONFIG_NODE_NAME_MAX + 1]; /* identity */
};

/* A key that logged in, and where. */
struct spent_key {
	struct spent_key *next;
	char fingerprint[KEY_FINGERPRINT_SIZE];
	char node[CONFIG_NODE_NAME_MAX + 1];
};

/* Owned by the table. */
struct session {
	struct table_entry entry; /* by conn */
	uint64_t conn;
	struct role_peer owner;
	struct role_peer moved_by; /* the gate that made it a relay's; kind 0 before */
	uint64_t begun_at_s; /* steady, as core's clock has it */
	struct kex_hash id; /* the first exchange hash */
	const struct privkey *host_key; /* that signed it; borrowed from the keys */
	char host_key_alg[KEXINIT_NAME_SIZE]; /* of the latest exchange */
	struct addr client; /* as the first offer said; family 0 before */
	struct offer *offers; /* the living */
	struct spent_key *spent;
	unsigned n_offers; /* made so far */
	unsigned n_wrong; /* proofs that did not verify */
};

struct sessions;

/* How many connections the table remembers. */
struct sessions_limits {
	size_t per_gate_max; /* in login at one gate: none can take the place of another's */
	size_t relayed_max; /* the oldest are forgotten beyond it */
};

/* *out is owned.  Errors of table_init. */
MUST_CHECK enum err sessions_new(const struct sessions_limits *limits, struct sessions **out);
/* Wipes all.  NULL does nothing. */
void sessions_free(struct sessions *s);
size_t sessions_count(const struct sessions *s);

/* Borrowed until it is forgotten; NULL when unknown. */
struct session *sessions_find(const struct sessions *s, uint64_t conn);
/* As sessions_find, for somebody.  ERR_NOT_FOUND: unknown.  ERR_PROTO: it is another's. */
MUST_CHECK enum err sessions_get(const struct sessions *s, uint64_t conn,
	const struct role_peer *asker, struct session **out);
/* *out is borrowed, zero but for conn and owner, a gate.  ERR_LIMIT, ERR_NOMEM.  conn is unknown so far. */
MUST_CHECK enum err sessions_add(
	struct sessions *s, uint64_t conn, const struct role_peer *owner, struct session **out);
/*
 * It is this relay's from now on.  Where relays have more than they may the oldest of theirs is forgotten: its host keys
 * can no longer be proved to its client, but it goes on.  ERR_NOMEM.
 */
MUST_CHECK enum err sessions_move(
	struct sessions *s, struct session *session, const struct role_peer *relay);
/* What is known of the exchanges of a gate that has had a session.  Borrowed until sessions_forget_all_of; or NULL. */
struct fresh *sessions_fresh_of(const struct sessions *s, const struct role_peer *gate);
/* Wipes and frees session. */
void sessions_forget(struct sessions *s, struct session *session);
/* The same for all that peer owns, and all else that is known of it.  Returns how many. */
size_t sessions_forget_all_of(struct sessions *s, const struct role_peer *peer);

bool role_peer_equal(const struct role_peer *a, const struct role_peer *b);

/* The blob that the client shows: of its key, or of its certificate.  Borrowed. */
struct span offer_shown(const struct offer *offer);
/* The living offer for this user, key or certificate, and algorithm, or NULL. */
struct offer *session_find_offer(
	const struct session *session, struct span user, struct span key, struct span algorithm);
/* Takes offer. */
void session_add_offer(struct session *session, struct offer *offer);
/* Wipe this one; NULL does nothing. */
void session_drop_offer(struct session *session, struct offer *offer);
/* Wipe this one and all others for its key. */
void session_drop_offers_like(struct session *session, struct offer *offer);
/* Wipe the offers that are not for this node (NULL: all). */
void session_drop_offers_elsewhere(struct session *session, const char *node);
/* NULL does nothing. */
void offer_free(struct offer *offer);

bool session_has_spent(const struct session *session, const struct pubkey *key, const char *node);
/* ERR_NOMEM. */
MUST_CHECK enum err session_spend(
	struct session *session, const struct pubkey *key, const char *node);

#endif
