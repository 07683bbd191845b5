/*
 * The server's signature over a key exchange.
 */
#include "tests/lib/exchange.h"

enum err
exchange_sign(const struct transport_exchange *x, const struct privkey *shown,
	const struct privkey *signer, struct buf *signature)
{
	struct kex_transcript transcript = x->transcript;
	struct kex_hash hash;
	enum err e;

	transcript.host_key = pubkey_blob(privkey_public(shown));
	e = kex_exchange_hash(x->method, &transcript, &hash);
	if (e != OK)
		return e;
	return privkey_sign(
		signer, span_str(x->host_key_alg), span_of(hash.bytes, hash.len), signature);
}

enum err
exchange_answer(struct transport *t, const struct transport_exchange *x,
	const struct privkey *shown, const struct privkey *signer)
{
	struct buf signature = {0};
	enum err e = exchange_sign(x, shown, signer, &signature);

	if (e == OK)
		e = transport_signed(t, pubkey_blob(privkey_public(shown)), buf_span(&signature));
	buf_clear(&signature);
	return e;
}
