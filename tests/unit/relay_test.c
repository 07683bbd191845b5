/*
 * broker/relay: bytes and order through a relayed connection, with real SSH peers at both ends.
 */
#include "tests/lib/relay_rig.h"

#include "broker/relay/connection.h"
#include "broker/relay/process.h"
#include "common/ssh/wire.h"

#include <criterion/criterion.h>

Test(relay, a_packet_arrives_as_it_was_sent)
{
	struct rig *r = rig_open(NULL);
	struct span got;

	rig_send_text(rig_ssh(r),
		"\x5e"
		"hello",
		6);
	rig_run(r);
	cr_assert(rig_next(rig_node(r), &got));
	cr_assert(span_is(got, "\x5ehello"));
	rig_send_text(rig_node(r),
		"\x5e"
		"world",
		6);
	rig_run(r);
	/* The first packet for the client announces the broker's host keys. */
	cr_assert(rig_next(rig_ssh(r), &got));
	cr_assert_eq(got.ptr[0], SSH_MSG_GLOBAL_REQUEST);
	cr_assert(rig_next(rig_ssh(r), &got));
	cr_assert(span_is(got, "\x5eworld"));
	rig_free(r);
}
