/*
 * What a minted certificate tells the node's helper about the real user: the extension
 * FACTS_EXTENSION.
 */
#ifndef COMMON_FACTS_H
#define COMMON_FACTS_H

#include "common/addr.h"
#include "common/buf.h"
#include "common/conn_id.h"
#include "common/err.h"
#include "common/span.h"

#define FACTS_EXTENSION "facts-v1@sshbroker"

/*
 * The longest node identity or login name, and the longest key or certificate (base64 of it must
 * fit one argv string).
 */
#define FACTS_NAME_MAX 255
#define FACTS_KEY_MAX ((size_t)32 * 1024)

/* The only principal that a minted certificate ever carries. */
#define FACTS_PRINCIPAL "sshbroker-v1"

/* Room for more: bits that a reader does not know make it refuse the facts. */
enum facts_flag {
	FACTS_TOUCH_VERIFIED = 1 << 0, /* sk- keys: the user touched the key */
	FACTS_PIN_VERIFIED = 1 << 1, /* sk- keys: the user gave the PIN */
	FACTS_NOT_FINAL = 1 << 2, /* made for an unsigned query; never signed with */
	FACTS_WEBAUTHN = 1 << 3, /* sk- keys: the signature is one that a browser made */
};

/*
 * Plain data.  After facts_parse the spans borrow from the bytes parsed.  Every part must be there:
 * names are not empty and have no control characters (they go into C strings, environments and log
 * lines), the client has an address.
 */
struct facts {
	uint64_t conn_id;
	struct addr client; /* the user's own address and port */
	struct span node; /* the identity of the one node that this is for */
	struct span user; /* the login name as the user typed it */
	struct span node_user; /* the login name on the node */
	struct span key; /* blob of the user's own key or certificate */
	uint8_t flags;
};

/*
 * Append the extension's data (a version byte first).  ERR_FORMAT: a part is missing, too long, or
 * not allowed.  Errors of buf_append; out is unchanged on failure.
 */
MUST_CHECK enum err facts_write(const struct facts *f, struct buf *out);
/*
 * ERR_UNSUPPORTED: another version or an unknown flag.  ERR_FORMAT: malformed, trailing bytes, or
 * what facts_write refuses.
 */
MUST_CHECK enum err facts_parse(struct span data, struct facts *out);

#endif
