/*
 * The inside of struct transport, shared by transport.c, transport_kex.c and transport_state.c only.
 */
#ifndef COMMON_SSH_TRANSPORT_IMPL_H
#define COMMON_SSH_TRANSPORT_IMPL_H

#include "common/ssh/transport.h"

/*
 *	IDENT --> KEXINIT --> KEX --> (SIGN) --> NEWKEYS --> OPEN
 *	                       ^                              |
 *	                       +--- the peer's next KEXINIT --+
 *	any --> DEAD
 */
enum transport_state {
	TRANSPORT_DEAD = 0,
	TRANSPORT_IDENT, /* the peer's identification is due */
	TRANSPORT_KEXINIT, /* the peer's first KEXINIT is due */
	TRANSPORT_KEX, /* the method's message is due */
	TRANSPORT_SIGN, /* server: our reply waits for its signature */
	TRANSPORT_NEWKEYS, /* the peer's NEWKEYS is due */
	TRANSPORT_OPEN, /* what may arrive depends on the phase */
	TRANSPORT_STATE_COUNT
};

/* What lives only while a key exchange runs. */
struct exchange {
	struct buf own_kexinit;
	struct buf peer_kexinit;
	struct buf peer_public;
	struct buf secret;
	struct kex *kex;
	struct kex_choice choice;
	struct cipher *next_in; /* for the peer's NEWKEYS */
	bool skip_next; /* the peer guessed, and wrongly */
	bool has_late_data; /* the peer sends data all the same */
};

#define HOST_KEY_HASH_LEN 32
#define SIG_ALGS_MAX 1024

struct transport {
	const struct transport_config *config;
	enum transport_state state;
	enum transport_phase phase;
	struct packet_stream in;
	struct packet_stream sealed; /* the other direction */
	enum compression compression_in; /* as negotiated; in use from authentication on */
	enum compression compression_out;
	struct compress *inflate; /* owned; while in use */
	struct compress *deflate;
	struct buf inflated; /* the last packet's payload, until the next step */
	struct buf out;
	bool plain_in; /* a key exchange from before authentication ends without compression: so until its NEWKEYS */
	bool plain_out; /* and so until that of ours, and for what waits since then */
	struct buf waiting; /* (u32 length, payload) each, for after our NEWKEYS */
	size_t waiting_plain; /* so many bytes of it are from before authentication, and so not to be compressed */
	struct exchange *exchange; /* from our or the peer's KEXINIT to the peer's NEWKEYS */
	bool clear; /* no KEXINIT of ours is unanswered by our NEWKEYS */
	bool strict;
	bool peer_takes_ext_info;
	bool peer_has_ping;
	unsigned n_early_exchanges;
	size_t need;
	size_t prelude;
	char *own_ident; /* owned; written out, so that another build can read the state back */
	char *peer_ident;
	char *sig_algs;
	enum kex_method method;
	char host_key_alg[KEXINIT_NAME_SIZE];
	uint8_t host_key_hash[HOST_KEY_HASH_LEN]; /* client: the key of the first exchange */
	struct kex_hash session_id;
	struct transport_failure failure;
};

/*
 * End the leg because of err e: remember why, send SSH_MSG_DISCONNECT, return e.  The text speaks to the peer's user.
 */
MUST_CHECK enum err transport_fail(
	struct transport *t, enum err e, enum ssh_disconnect code, const char *text);

/* Set the maximums of the empty queues as the configuration says. */
void transport_init_queues(struct transport *t);

/* Seal now, whatever the key exchange is at. */
MUST_CHECK enum err transport_seal_now(struct transport *t, struct span payload);
MUST_CHECK enum err transport_seal_now_at(
	struct transport *t, struct span payload, uint8_t *at, size_t *size);
/* Seal what waited; after our NEWKEYS. */
MUST_CHECK enum err transport_flush_waiting(struct transport *t);

/*
 * Compression (transport_compress.c).  A stream begins with the first packet that needs it; NEWKEYS ends it, and the next
 * packet begins another (RFC 4253 section 6.2).
 */
void transport_restart_inflate(struct transport *t);
void transport_restart_deflate(struct transport *t);
/* Put the inflated payload in the place of the packet's.  Errors are final (transport_fail). */
MUST_CHECK enum err transport_inflate(struct transport *t, struct packet *p);

/*
 * A key exchange under way, in the written form of a leg (transport_state_kex.c).  Reading sets the state, too; ERR_FORMAT:
 * malformed, or no state that a leg can be in.
 */
MUST_CHECK enum err transport_exchange_write(const struct transport *t, struct buf *out);
MUST_CHECK enum err transport_exchange_read(struct wire_reader *r, struct transport *t);

/* Key exchange (transport_kex.c).  The payloads are whole packets of that type; errors are final (transport_fail). */
MUST_CHECK enum err transport_send_kexinit(struct transport *t);
MUST_CHECK enum err transport_on_kexinit(struct transport *t, const struct packet *p);
MUST_CHECK enum err transport_on_kex_init(
	struct transport *t, struct span payload, struct transport_event *event);
MUST_CHECK enum err transport_on_kex_reply(struct transport *t, struct span payload);
MUST_CHECK enum err transport_on_newkeys(
	struct transport *t, struct span payload, struct transport_event *event);
MUST_CHECK enum err transport_on_ext_info(struct transport *t, struct span payload);
/* What both KEXINITs, which t->exchange has, come to.  Errors are final (transport_fail). */
MUST_CHECK enum err transport_choose(struct transport *t, const struct kexinit *peer);
void transport_exchange_free(struct exchange *x);

#endif
