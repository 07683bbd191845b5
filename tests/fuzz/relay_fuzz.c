/*
 * A relayed connection between two peers that do anything: it never crashes, keeps what it holds bounded, and is over soon
 * after both have closed.
 */
#include "broker/relay/connection.h"
#include "broker/relay/process.h"
#include "common/log.h"
#include "tests/lib/relay_rig.h"

#include <assert.h>

#define STEPS_MAX 64
#define HELD_MAX ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Messages that end in the peer's own transport say nothing about the relay. */
static bool
may_be_sent(const struct rig_peer *p, struct span payload)
{
	return payload.len > 0 && p->fd >= 0 && !p->said_goodbye && p->disconnect == 0 &&
		transport_failure(p->t)->code == SSH_DISCONNECT_NONE &&
		(payload.ptr[0] == SSH_MSG_UNIMPLEMENTED || payload.ptr[0] >= 50);
}

static void
send_some(struct rig_peer *p, const uint8_t **at, const uint8_t *end)
{
	size_t len = *at < end ? *(*at)++ : 0;
	struct span payload;

	if (len > (size_t)(end - *at))
		len = (size_t)(end - *at);
	payload = span_of(*at, len);
	*at += len;
	if (may_be_sent(p, payload))
		rig_send(p, payload);
}

static void
close_peer(struct rig_peer *p)
{
	p->is_stalled = false;
	if (p->fd >= 0)
		rig_close(p);
}

static void
step(struct rig *r, uint8_t what, const uint8_t **at, const uint8_t *end)
{
	struct rig_peer *p = what & 1 ? rig_ssh(r) : rig_node(r);

	switch (what >> 1 & 7) {
	case 0:
	case 1:
		send_some(p, at, end);
		break;
	case 2:
		rig_pass(r, (uint64_t)(what >> 4) * 10000);
		break;
	case 3:
		p->is_stalled = !p->is_stalled;
		break;
	case 4:
		if (p->disconnect == 0 && !p->said_goodbye && p->fd >= 0)
			rig_rekey(p);
		break;
	case 5:
		rig_hold_signatures(r, (what & 1) != 0);
		break;
	case 6:
		if (may_be_sent(p, span_str("P")))
			rig_bulk(p, what >> 4, 32768);
		break;
	case 7:
		if ((what & 0xf0) == 0xf0)
			close_peer(p);
		break;
	}
	rig_run(r);
	assert(rig_process(r)->n_queued <= HELD_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *end = data + size;
	struct rig *r;

	log_init("fuzz", LOG_LEVEL_ERROR);
	r = rig_open(NULL);
	for (int i = 0; i < STEPS_MAX && at < end; i++) {
		uint8_t what = *at++;

		step(r, what, &at, end);
	}
	close_peer(rig_ssh(r));
	close_peer(rig_node(r));
	rig_run(r);
	rig_pass(r, 600000);
	assert(rig_process(r)->connections.n == 0 && rig_process(r)->n_queued == 0);
	rig_free(r);
	return 0;
}
