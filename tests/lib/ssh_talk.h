/*
 * A leg on a socket, with just enough of RFC 4252 and 4254 on it to log in and to move numbers through one channel: for
 * talking to other implementations.
 *
 * The client logs in with a key, has the peer run "cat", sends numbers and expects them back.  The server lets everybody
 * in and is that cat.
 */
#ifndef TESTS_LIB_SSH_TALK_H
#define TESTS_LIB_SSH_TALK_H

#include "common/ssh/key.h"
#include "common/ssh/transport.h"

struct talk {
	/* The caller's. */
	struct transport_config
		config; /* role and lists; the identification and the callback are filled in here */
	int fd; /* connected; the caller closes it */
	const struct privkey *host_key; /* server: signs with it */
	struct span host_key_expected; /* client: its blob; empty: any */
	const struct privkey *user_key; /* client */
	const char *user; /* client */
	size_t n_bytes; /* client: how many go through cat */
	size_t rekey_every; /* begin a key exchange of our own after that many bytes of data; 0: never */
	/* What came of it. */
	struct transport *t;
	size_t n_keys; /* key exchanges, the first included */
	size_t n_echoed; /* bytes that made the whole way */
	bool is_done; /* all came back, the channel was closed by both sides */
	char failure[256]; /* "": none */
	/* Inside. */
	struct buf in;
	struct buf pending; /* server: data that waits for window */
	uint32_t peer_channel;
	uint32_t peer_window;
	uint32_t peer_packet_max;
	size_t n_sent;
	size_t rekeyed_at;
	bool is_running;
	bool got_eof;
	bool said_eof;
	bool said_close;
};

/* Talk until it is done or fails, or for some seconds; true when it is done.  *k is freed with talk_end() then. */
bool talk_run(struct talk *k);
void talk_end(struct talk *k);

#endif
