/*
 * One leg of a relayed connection: a socket, the SSH transport on it, and what neither of them has taken yet.
 */
#ifndef BROKER_RELAY_LEG_H
#define BROKER_RELAY_LEG_H

#include "broker/relay/keepalive.h"
#include "broker/relay/seqmap.h"
#include "broker/relay/side.h"
#include "common/buf.h"
#include "common/ssh/transport.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/uio.h>

/* Pieces in one write, besides what waits already. */
#define LEG_PIECES_MAX 64

struct connection;
struct leg;

typedef void (*leg_fn)(struct leg *l);

/* Who is told that the socket can be read or written.  Static data. */
struct leg_callbacks {
	leg_fn on_readable;
	leg_fn on_writable;
};

/* Embedded in a connection. */
struct leg {
	struct connection *connection;
	const struct leg_callbacks *callbacks;
	enum side side;
	int fd; /* -1: closed */
	struct transport *transport; /* owned */
	/*
	 * Received and not decrypted: the beginning of a packet that needs need bytes, or (need is 0) whole packets that
	 * the other leg has no room for.
	 */
	struct buf left;
	size_t need;
	uint64_t
		begun_at; /* when the packet that is not complete began to come; 0: there is none */
	struct event readable, writable;
	bool is_reading; /* the loop is asked for readable */
	bool is_waiting; /* the loop is asked for writable */
	bool is_blocked; /* the socket takes nothing more until then */
	bool is_eof; /* nothing more can be read */
	bool is_broken; /* nothing can be written */
	uint64_t broken_at; /* when that was noticed; 0: not yet */
	bool is_deaf; /* what it says is not relayed any more */
	bool is_told; /* our last word is in transport_out() */
	bool is_shut; /* and has been written, and the socket shut down for writing */
	uint64_t shut_at;
	bool is_overdue; /* its key exchange took too long */
	bool was_paused; /* not read for some time since the last look of keepalive */
	bool was_clear; /* transport_is_clear() when last seen */
	bool rekey_is_own; /* the key exchange under way was our idea */
	uint64_t rekey_at; /* when it began; 0: none runs */
	int error; /* errno of what broke it; 0: none */
	struct keepalive keepalive;
	struct seqmap sent; /* the other leg's packets among those that went out here */
	uint32_t n_pings; /* PINGs of the other leg's peer that this leg's peer has not answered */
};

/*
 * Takes fd (a stream socket) and transport, also on failure.  left_max bounds what the leg keeps undecrypted.  ERR_IO.
 */
MUST_CHECK enum err leg_open(struct leg *l, struct event_base *base, int fd,
	struct transport *transport, size_t left_max);
/* Closes the socket; the transport stays, for what others still want to know. */
void leg_close(struct leg *l);
/* Closes and frees all; a zeroed leg (with fd -1) too. */
void leg_clear(struct leg *l);

static inline bool
leg_is_open(const struct leg *l)
{
	return l->fd >= 0;
}

/* Ask the loop for readable, or not. */
void leg_want_read(struct leg *l, bool wanted);

/* One read.  ERR_AGAIN: nothing is there.  ERR_CLOSED: nothing will come any more (is_eof is set, error if there was). */
MUST_CHECK enum err leg_receive(struct leg *l, uint8_t *at, size_t room, size_t *n);

/*
 * Write what waits in transport_out() and then the pieces (at most LEG_PIECES_MAX, pieces[0] is left free for the
 * former).  What the socket does not take is kept in transport_out().  A socket that fails is marked broken, which is no
 * error here.  ERR_LIMIT, ERR_NOMEM: bytes could not be kept, the leg's stream is spoilt.
 */
MUST_CHECK enum err leg_write(struct leg *l, struct iovec *pieces, size_t n);
/* Write what waits, if the socket may take it. */
void leg_flush(struct leg *l);

/* Everything has been written: tell the peer that there is no more. */
void leg_shut(struct leg *l);

/* Is there something in left that transport_step() could take? */
static inline bool
leg_has_packets(const struct leg *l)
{
	return l->left.len > 0 && l->left.len >= l->need;
}

/* Bytes for the peer that the socket has not taken. */
static inline size_t
leg_queued(const struct leg *l)
{
	return transport_out(l->transport)->len + transport_n_waiting(l->transport);
}

#endif
