/*
 * The request for a host key signature.
 */
#include "broker/messages/sign_request.h"

struct msg_kex_sign
sign_request_of(uint64_t conn, uint32_t request, const struct transport_exchange *exchange)
{
	const struct kex_transcript *t = &exchange->transcript;

	return (struct msg_kex_sign){
		.conn = conn,
		.request = request,
		.method = span_str(kex_method_name(exchange->method)),
		.host_key_alg = span_str(exchange->host_key_alg),
		.client_ident = t->client_ident,
		.server_ident = t->server_ident,
		.client_kexinit = t->client_kexinit,
		.server_kexinit = t->server_kexinit,
		.client_public = t->client_public,
		.server_public = t->server_public,
		.secret = t->secret,
	};
}
