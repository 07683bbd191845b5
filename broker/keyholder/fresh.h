/*
 * That a session id is new: no exchange hash becomes one twice, and none that a gate kept from earlier.
 *
 * All of an exchange hash but our host key is what the gate says it is, so a gate in wrong hands could show an old exchange
 * again, and with it a signature that a user made in it.  Therefore each gate is told a word, which changes with the time
 * and is the gate's own, and must begin its KEXINIT's cookie with it.  An old exchange shows an old word; and the hashes
 * are remembered for as long as their word counts.
 */
#ifndef BROKER_KEYHOLDER_FRESH_H
#define BROKER_KEYHOLDER_FRESH_H

#include "broker/keyholder/keys.h"
#include "broker/role/role.h"
#include "common/ssh/kex.h"
#include "common/ssh/kexinit.h"
#include "common/table.h"

/* How long a word is the newest one. */
#define FRESH_PERIOD_S 60
/* Exchanges of one gate that are remembered. */
#define FRESH_SEEN_MAX 65536

/* What one gate has shown.  Embedded by its owner. */
struct fresh {
	struct table seen; /* in the order of time */
};

/* Where and when. */
struct fresh_query {
	const struct keys *keys;
	const struct role_peer *gate;
	uint64_t now_s; /* of a clock that never goes back */
	uint32_t login_grace_s;
};

/* Errors of table_init. */
MUST_CHECK enum err fresh_init(struct fresh *f);
void fresh_clear(struct fresh *f);

/* The gate's word of this moment: the same from any keyholder with the same keys.  ERR_CRYPTO. */
MUST_CHECK enum err fresh_word(const struct fresh_query *q, uint8_t out[KEXINIT_COOKIE_START_SIZE]);

/*
 * May hash, of an exchange with this KEXINIT of ours, be a session id?  From then on it may not.  ERR_TIMEOUT: its word is
 * no word of late.  ERR_EXISTS: it was seen.  ERR_LIMIT: too many were.  ERR_NOMEM, ERR_CRYPTO.
 */
MUST_CHECK enum err fresh_admit(struct fresh *f, const struct fresh_query *q, struct span kexinit,
	const struct kex_hash *hash);

#endif
