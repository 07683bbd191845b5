/*
 * common/ssh/auth_msg: every parser over the same payload; what parses must come back the same when it is written.
 */
#include "common/ssh/auth_msg.h"
#include "common/ssh/message.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_request(struct span payload)
{
	struct auth_request rq, again;
	struct buf b;

	buf_init(&b, payload.len + 64);
	if (auth_request_parse(payload, &rq) == OK) {
		/* A boolean may have been any non-zero byte, so the bytes may differ, but never what they say. */
		assert(auth_request_write(&rq, &b) == OK);
		assert(auth_request_parse(buf_span(&b), &again) == OK);
		assert(b.len <= payload.len && again.kind == rq.kind);
		assert(span_equal(again.user, rq.user) && span_equal(again.key, rq.key));
		assert(span_equal(again.password, rq.password));
		assert(span_equal(again.signature, rq.signature));
		buf_reset(&b);
		if (rq.kind == AUTH_PUBLICKEY)
			assert(auth_signed_data(span_str("id"), &rq, &b) == OK);
	}
	buf_clear(&b);
}

static void
try_answers(struct span payload)
{
	struct auth_failure failure;
	struct auth_banner banner;
	struct auth_pk_ok ok;
	struct auth_changereq changereq;
	struct auth_info_request info;
	struct span service;
	uint32_t n;

	if (auth_failure_parse(payload, &failure) == OK)
		assert(failure.methods.len + 6 == payload.len);
	if (auth_banner_parse(payload, &banner) == OK)
		assert(banner.text.len + banner.language.len + 9 == payload.len);
	if (auth_pk_ok_parse(payload, &ok) == OK)
		assert(ok.algorithm.len + ok.key.len + 9 == payload.len);
	if (auth_changereq_parse(payload, &changereq) == OK)
		assert(changereq.prompt.len + changereq.language.len + 9 == payload.len);
	if (auth_info_request_parse(payload, &info) == OK)
		assert(info.n_prompts <= AUTH_PROMPTS_MAX);
	if (auth_info_response_parse(payload, &n) == OK)
		assert(n <= AUTH_PROMPTS_MAX && n * 4 + 5 <= payload.len);
	if (auth_service_parse(SSH_MSG_SERVICE_ACCEPT, payload, &service) == OK)
		assert(service.len + 5 == payload.len);
	if (auth_success_parse(payload) == OK)
		assert(payload.len == 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span payload = span_of(data, size);

	try_request(payload);
	try_answers(payload);
	return 0;
}
