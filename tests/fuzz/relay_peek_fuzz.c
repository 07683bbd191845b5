/*
 * broker/relay's looks into messages, and the order of replies under any sequence of requests and answers.
 */
#include "broker/relay/ledger.h"
#include "broker/relay/peek.h"
#include "broker/relay/requests.h"
#include "broker/relay/seqmap.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_peeks(struct span payload)
{
	struct peek_global_request m, again;
	struct buf b;

	buf_init(&b, payload.len + 64);
	if (peek_global_request(payload, &m) == OK) {
		assert(peek_write_global_request(&m, &b) == OK);
		assert(b.len == payload.len);
		assert(peek_global_request(buf_span(&b), &again) == OK);
		assert(span_equal(m.name, again.name) && span_equal(m.data, again.data));
		assert(m.want_reply == again.want_reply);
		buf_reset(&b);
	}
	if (peek_write_pong(payload, &b) == OK)
		assert(b.len == payload.len);
	buf_clear(&b);
}

/* The asker must get exactly one answer to each of its requests, in order: the queue says how many are owed. */
static void
try_order(const uint8_t *data, size_t size)
{
	struct requests q = {0};
	size_t n_owed = 0, n_given = 0;
	enum request_reply reply;
	struct span answer;
	uint32_t seq, found;
	struct seqmap map = {0};
	struct ledger ledger = {0};

	for (size_t i = 0; i < size; i++) {
		seq = data[i] >> 3;
		switch (data[i] % 8) {
		case 0:
		case 1:
		case 2:
			assert(requests_add(&q, (enum request_kind)(data[i] % 8), &seq, NULL) ==
				OK);
			n_owed += data[i] % 8 != REQUEST_OWN;
			break;
		case 3:
			assert(requests_reply(&q, span_of(&data[i], 1), &reply) == OK);
			n_given += reply == REQUEST_PASS;
			break;
		case 4:
			assert(requests_answer(&q, seq, span_of(&data[i], 1)) == OK);
			break;
		case 5:
			while (requests_next(&q, &answer)) {
				requests_sent(&q);
				n_given++;
			}
			break;
		case 6:
			seqmap_add(&map, seq, data[i]);
			if (seqmap_find(&map, seq, &found))
				assert(found == data[i]);
			break;
		case 7:
			ledger_see(&ledger, seq % 2, data[i] >> 1);
			assert(ledger.n_closing[SIDE_CLIENT] == 0 ||
				ledger.n_closing[SIDE_NODE] == 0);
			break;
		}
		assert(n_given <= n_owed && q.n_own <= q.n && q.n <= size);
	}
	requests_clear(&q);
	assert(q.n == 0 && q.n_held == 0 && q.last == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_peeks(span_of(data, size));
	try_order(data, size);
	return 0;
}
