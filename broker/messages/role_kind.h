/*
 * The kinds of processes that the broker is made of, and how one process is named.
 */
#ifndef BROKER_MESSAGES_ROLE_KIND_H
#define BROKER_MESSAGES_ROLE_KIND_H

#include "common/err.h"

/* Stands in messages: members are never renumbered. */
enum role_kind {
	ROLE_NONE = 0,
	ROLE_SUPERVISOR = 1,
	ROLE_DIRECTOR = 2,
	ROLE_KEYHOLDER = 3,
	ROLE_GATE = 4,
	ROLE_RELAY = 5,
	ROLE_COUNT
};

/* Processes of one kind have indexes below this. */
#define ROLE_INDEX_MAX 1000
/* And relays below this: as many as can be configured, and as many again that former supervisors left. */
#define ROLE_RELAYS_MAX 128

/* "keyholder/999" and the NUL. */
#define ROLE_NAME_SIZE 24

/* "gate"; "none" for what is no kind.  Static. */
const char *role_kind_name(enum role_kind kind);
/* "gate/0".  Returns out. */
const char *role_name(enum role_kind kind, unsigned index, char out[ROLE_NAME_SIZE]);
/* As role_name writes it.  ERR_FORMAT: no such kind (ROLE_NONE neither), no index, an index too large. */
MUST_CHECK enum err role_name_parse(const char *text, enum role_kind *kind, unsigned *index);

#endif
