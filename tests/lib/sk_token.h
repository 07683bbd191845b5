/*
 * A security key in software, for tests that need its signatures without a program that asks for them.
 */
#ifndef TESTS_LIB_SK_TOKEN_H
#define TESTS_LIB_SK_TOKEN_H

#include "common/buf.h"
#include "common/ssh/key.h"

/* Borrowed; soft is an ed25519 or nistp256 key that stands for the one inside. */
struct sk_token {
	const struct privkey *soft;
	const char *application;
	uint8_t flags; /* what it says of its user */
	uint32_t counter;
};

/* The name of its type, which is also that of its signatures.  Static. */
const char *sk_token_type(const struct sk_token *t);
/* Append its public key's blob. */
void sk_token_blob(const struct sk_token *t, struct buf *out);
/* Append its signature over data. */
void sk_token_sign(const struct sk_token *t, struct span data, struct buf *out);
/*
 * Append the signature that a browser would make over client_data, which should hold data as its challenge; extensions
 * are what the key has to say besides.
 */
void sk_token_sign_webauthn(const struct sk_token *t, const char *origin, struct span client_data,
	struct span extensions, struct buf *out);
/* Append the JSON of a browser that asks for data to be signed on a page of origin. */
void sk_token_client_data(struct span data, const char *origin, struct buf *out);

#endif
