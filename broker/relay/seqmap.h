/*
 * Which packet of the other leg a sent packet was: the short log that SSH_MSG_UNIMPLEMENTED is mapped with.
 *
 * UNIMPLEMENTED names the sequence number that we sent; whoever wrote the packet knows it by the number that he sent.
 * Relayed packets mostly follow each other on both legs, so the log holds runs of them.
 */
#ifndef BROKER_RELAY_SEQMAP_H
#define BROKER_RELAY_SEQMAP_H

#include <stdbool.h>
#include <stdint.h>

#define SEQMAP_RUNS 8

struct seqmap_run {
	uint32_t sent; /* the first packet's number on the leg that it went out on */
	uint32_t received; /* and on the leg that it came from */
	uint32_t n;
};

/* Embedded; zeroed it is empty.  Old runs make room for new ones. */
struct seqmap {
	struct seqmap_run runs[SEQMAP_RUNS];
	uint8_t next;
	/* The last packets that wait for the end of a key exchange, as far back as they came without a gap. */
	uint32_t waiting_first;
	uint32_t n_waiting;
};

/* A packet that was received as number received goes out as number sent. */
void seqmap_add(struct seqmap *m, uint32_t sent, uint32_t received);

/* One that waits for keys.  Its number is known when seqmap_sent_waiting() is called. */
void seqmap_add_waiting(struct seqmap *m, uint32_t received);

/*
 * The packets that waited went out, right before number next, and only the numbers under the new keys count from here
 * on.
 */
void seqmap_sent_waiting(struct seqmap *m, uint32_t next);

/* The numbers of the leg that the packets came from have begun anew, or mean nothing any more. */
void seqmap_forget(struct seqmap *m);

/* Which packet of the other leg was sent as this number?  False: not one that is remembered. */
bool seqmap_find(const struct seqmap *m, uint32_t sent, uint32_t *received);

#endif
