/*
 * One leg: the SSH transport protocol (RFC 4253) in either role, as bytes in, bytes out and events; it knows no socket.
 *
 * The owner feeds received bytes to transport_step() and writes transport_out() to the peer.  Key exchanges run inside;
 * what needs the outside (a host key signature, the check of a host key) comes as an event or a callback.
 */
#ifndef COMMON_SSH_TRANSPORT_H
#define COMMON_SSH_TRANSPORT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/ssh/kex.h"
#include "common/ssh/kexinit.h"
#include "common/ssh/message.h"
#include "common/ssh/packet.h"

enum transport_role { TRANSPORT_SERVER = 1, TRANSPORT_CLIENT = 2 };

/* What the owner's protocol is at; decides which messages may arrive (with the role and the key exchange). */
enum transport_phase {
	TRANSPORT_PHASE_SERVICE = 0, /* SERVICE_REQUEST or SERVICE_ACCEPT is due */
	TRANSPORT_PHASE_AUTH, /* RFC 4252 */
	TRANSPORT_PHASE_CONNECTION, /* RFC 4254 */
};

/* The longest identification string, without CR LF (RFC 4253 section 4.2: 255 with them). */
#define TRANSPORT_IDENT_MAX 253
/* What a server may send before its identification, in bytes. */
#define TRANSPORT_PRELUDE_MAX 8192
/* Packets that wait for the end of a key exchange, in bytes; config may say less. */
#define TRANSPORT_WAITING_MAX ((size_t)1 << 20)
/* What transport_out() may hold, besides what waiting_max becomes when it is sealed (a small packet grows most). */
#define TRANSPORT_OUT_MAX ((size_t)4 << 20)
#define TRANSPORT_SEALED_GROWTH 17
/* What may be unread by a peer that has not logged in when one more of its messages must be answered by us. */
#define TRANSPORT_UNREAD_MAX ((size_t)64 * 1024)

/* Key exchanges before TRANSPORT_PHASE_CONNECTION: each costs us a signature, and strangers may ask for them. */
#define TRANSPORT_EARLY_EXCHANGES_MAX 10

/*
 * Asked in the first key exchange of a client role: may this be the peer's host key?  Later ones must show the same key.
 * The signature is checked by us, afterwards: what is asked about is claimed and not yet proved.
 */
typedef bool (*transport_host_key_fn)(void *arg, struct span host_key);

/* Borrowed by the transport for its whole life; may serve many. */
struct transport_config {
	enum transport_role role;
	const char *ident; /* ours, without CR LF */
	const char *kex; /* name lists in order of preference; NULL: all that we have */
	const char *host_keys; /* a server should name those that it has keys for */
	const char *ciphers;
	const char *compression; /* NULL: none */
	const uint8_t *cookie_start; /* as in struct kexinit_offer; what it points at may change */
	const char *macs;
	uint64_t rekey_bytes; /* volume per key; 0: as the cipher says */
	size_t waiting_max; /* 0: TRANSPORT_WAITING_MAX */
	transport_host_key_fn host_key_ok; /* client role */
	void *host_key_arg;
};

struct transport;

/* *out is owned.  The identification and the first KEXINIT stand in transport_out() at once. */
MUST_CHECK enum err transport_new(const struct transport_config *config, struct transport **out);
/* Wipes keys and queues. */
void transport_free(struct transport *t);

enum transport_event_kind {
	TRANSPORT_EVENT_NONE = 0, /* bytes were taken, nothing to tell */
	TRANSPORT_EVENT_PACKET, /* a packet for the owner: event.packet */
	TRANSPORT_EVENT_SIGN, /* server: have event.exchange signed, then transport_signed() */
	TRANSPORT_EVENT_KEYS, /* a key exchange is complete, the first one or a later one */
	TRANSPORT_EVENT_UNIMPLEMENTED, /* the peer did not know our packet number event.number */
	TRANSPORT_EVENT_DISCONNECT, /* the peer ended the leg: event.number is the code, event.text */
};

/* What is to be signed.  Borrowed until transport_signed(); the host key is not filled in. */
struct transport_exchange {
	enum kex_method method;
	const char *host_key_alg;
	struct kex_transcript transcript;
};

struct transport_event {
	enum transport_event_kind kind;
	struct packet
		packet; /* inside the bytes that were given; if it was compressed, the payload in memory of the leg */
	struct transport_exchange exchange;
	uint32_t number;
	struct span text; /* inside the bytes that were given; unsanitised */
};

/*
 * Take at most one line or packet from the front of bytes, decrypting in place.  *used is how many bytes were taken.
 * ERR_AGAIN: more bytes are needed, or the leg waits for transport_signed(); nothing was taken.
 * Any other error: the leg is dead, transport_failure() tells why, and transport_out() ends with an SSH_MSG_DISCONNECT
 * where the protocol allows one.
 */
MUST_CHECK enum err transport_step(struct transport *t, uint8_t *bytes, size_t len, size_t *used,
	struct transport_event *event);

/* How many bytes the packet at the front needs, as far as known after ERR_AGAIN; 0 when unknown. */
size_t transport_need(const struct transport *t);
bool transport_waits_for_signature(const struct transport *t);

/*
 * What TRANSPORT_EVENT_SIGN said, once more: for a leg that was read back.  ERR_BAD_STATE: it waits for no signature.
 */
MUST_CHECK enum err transport_to_sign(const struct transport *t, struct transport_exchange *out);

/*
 * Answer to TRANSPORT_EVENT_SIGN: the host key blob and the signature blob.  The exchange goes on.  Errors as
 * transport_step().
 */
MUST_CHECK enum err transport_signed(
	struct transport *t, struct span host_key, struct span signature);

/*
 * Send a packet: sealed into transport_out() at once, or kept in order until the key exchange under way ends.
 * ERR_LIMIT: more than waiting_max would wait; nothing was queued.
 */
MUST_CHECK enum err transport_send(struct transport *t, struct span payload);

/* Would transport_send() seal at once? */
bool transport_is_clear(const struct transport *t);

/*
 * Seal packets past transport_out(), for a relay that writes them itself; in the order of the calls, and only while
 * transport_is_clear().  What transport_out() holds goes first.
 */
bool transport_fits_in_place(
	const struct transport *t, const struct transport *from, const struct packet *p);
MUST_CHECK enum err transport_reseal(struct transport *t, struct packet *p);
size_t transport_sealed_size(const struct transport *t, size_t payload_len);
MUST_CHECK enum err transport_seal_at(
	struct transport *t, struct span payload, uint8_t *at, size_t *size);

/* Bytes for the peer.  The owner consumes what it wrote. */
struct buf *transport_out(struct transport *t);
/* Bytes that wait for the end of a key exchange. */
size_t transport_n_waiting(const struct transport *t);

/* End the leg: SSH_MSG_DISCONNECT with this code and text goes to transport_out(), nothing is taken or sent after it. */
void transport_disconnect(struct transport *t, enum ssh_disconnect code, const char *text);
/* Append that message's payload, for an owner whose leg is to live on after it. */
MUST_CHECK enum err transport_write_disconnect(
	enum ssh_disconnect code, const char *text, struct buf *out);

struct transport_failure {
	enum ssh_disconnect code; /* SSH_DISCONNECT_NONE: alive */
	char text[128];
};
const struct transport_failure *transport_failure(const struct transport *t);

void transport_set_phase(struct transport *t, enum transport_phase phase);

/* Has a key been used so much that transport_rekey() should be called?  */
bool transport_rekey_is_due(const struct transport *t);
/* Begin a key exchange of our own.  Does nothing while one runs.  Errors as transport_step(). */
MUST_CHECK enum err transport_rekey(struct transport *t);
/* Does a key exchange run (ours or the peer's)? */
bool transport_is_rekeying(const struct transport *t);
/* May the peer send packets for the owner now?  Not between its KEXINIT and its NEWKEYS, nor when the leg is dead. */
bool transport_takes_data(const struct transport *t);
/* Has it sent some all the same in the key exchange that runs?  Some peers do, and such packets are taken. */
bool transport_has_late_data(const struct transport *t);

/* Facts; the spans are borrowed and empty before they are known. */
struct span transport_session_id(const struct transport *t);
struct span transport_peer_ident(const struct transport *t);
enum cipher_kind transport_cipher(const struct transport *t, enum cipher_direction direction);
/* Do packets of this direction pass through a compression stream now? */
bool transport_is_compressed(const struct transport *t, enum cipher_direction direction);
enum mac_kind transport_mac(const struct transport *t, enum cipher_direction direction);
enum kex_method transport_kex_method(const struct transport *t);
const char *transport_host_key_alg(const struct transport *t);
/* Sequence number that the next packet to the peer will carry (for the mapping of UNIMPLEMENTED). */
uint32_t transport_next_seq(const struct transport *t);
uint64_t transport_total_bytes(const struct transport *t, enum cipher_direction direction);
bool transport_is_strict(const struct transport *t);
/* From the peer's EXT_INFO. */
struct span transport_server_sig_algs(const struct transport *t);
bool transport_peer_has_ping(const struct transport *t);

#endif
