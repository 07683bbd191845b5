/*
 * broker/gate/gate_links: who is linked, and what becomes of descriptors when nobody is.
 */
#include "broker/gate/gate_links.h"

#include "broker/supervisor/fleet.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct event_base *base;
static struct gate_links *links;
static unsigned n_up, n_down;

static void
on_up(void *arg, const struct role_peer *peer)
{
	(void)arg;
	(void)peer;
	n_up++;
}

static void
on_down(void *arg, const struct role_peer *peer)
{
	(void)arg;
	(void)peer;
	n_down++;
}

static void
on_message(void *arg, const struct role_peer *peer, struct ipc_message *m)
{
	(void)arg;
	(void)peer;
	(void)m;
}

static const struct gate_links_events events = {
	.on_up = on_up, .on_down = on_down, .on_message = on_message};

static void
init(void)
{
	base = event_base_new();
	cr_assert(base != NULL);
	cr_assert_eq(gate_links_new(base, &events, NULL, &links), OK);
}

static void
clear(void)
{
	gate_links_free(links);
	event_base_free(base);
}

TestSuite(gate_links, .init = init, .fini = clear);

/* Returns the other end. */
static int
link_to(enum role_kind kind, unsigned index)
{
	struct role_peer peer = {.kind = kind, .index = index};
	int fds[2];

	cr_assert_eq(ipc_pair(fds), OK);
	gate_links_set(links, &peer, fds[0]);
	return fds[1];
}

static bool
is_closed_by_peer(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

Test(gate_links, only_those_that_a_gate_works_with_are_linked)
{
	static const struct role_peer strangers[] = {
		{.kind = ROLE_GATE}, {.kind = ROLE_RELAY, .index = ROLE_RELAYS_MAX}};

	for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
		int fd = link_to(strangers[i].kind, strangers[i].index);

		cr_assert(is_closed_by_peer(fd));
		close(fd);
	}
	cr_assert_eq(n_up, 0);
}

/* After its supervisor died, as many relays as there may be live on, and the new ones have other indexes. */
Test(gate_links, relays_are_linked_besides_those_of_a_former_supervisor)
{
	struct role_peer relay;
	int last = link_to(ROLE_RELAY, CONFIG_RELAYS_MAX + FLEET_ADOPTED_MAX - 1);

	cr_assert(!is_closed_by_peer(last));
	cr_assert_eq(n_up, 1);
	cr_assert_eq(gate_links_choose_relay(links, &relay), OK);
	cr_assert_eq(relay.index, CONFIG_RELAYS_MAX + FLEET_ADOPTED_MAX - 1);
	close(last);
}

Test(gate_links, a_new_link_takes_the_place_of_the_old_one)
{
	int first = link_to(ROLE_DIRECTOR, 0), second = link_to(ROLE_DIRECTOR, 0);

	cr_assert(is_closed_by_peer(first) && !is_closed_by_peer(second));
	cr_assert(n_up == 2 && n_down == 1);
	close(first);
	close(second);
}

Test(gate_links, without_a_link_nothing_is_sent_and_descriptors_are_closed)
{
	struct role_peer relay = {.kind = ROLE_RELAY};
	struct msg_conn conn = {1};
	struct msg_hand_over m = {.connection = span_str("")};
	int fds[2];

	cr_assert_eq(gate_links_to_director(links, MSG_AUTHENTICATED, msg_conn_fields, &conn),
		ERR_CLOSED);
	cr_assert_eq(gate_links_to_keyholder(links, MSG_CONN_FORGET, msg_conn_fields, &conn),
		ERR_CLOSED);
	cr_assert_eq(gate_links_choose_relay(links, &relay), ERR_NOT_FOUND);
	cr_assert_eq(ipc_pair(fds), OK);
	cr_assert_eq(gate_links_hand_over(links, &relay, &m, fds), ERR_CLOSED);
	cr_assert(!is_open(fds[0]) && !is_open(fds[1]));
}

Test(gate_links, what_cannot_be_written_closes_its_descriptors)
{
	static const uint8_t byte;
	struct role_peer relay = {.kind = ROLE_RELAY};
	struct msg_hand_over m = {.node_state = span_of(&byte, MSG_STATE_MAX + 1)};
	int other = link_to(ROLE_RELAY, 0), fds[2];

	cr_assert_eq(ipc_pair(fds), OK);
	cr_assert_eq(gate_links_hand_over(links, &relay, &m, fds), ERR_LIMIT);
	cr_assert(!is_open(fds[0]) && !is_open(fds[1]));
	cr_assert(!is_closed_by_peer(other));
	close(other);
}

Test(gate_links, relays_are_chosen_in_turn_whichever_are_there)
{
	static const unsigned expected[] = {1, 4, 9, 1, 4};
	int fds[] = {link_to(ROLE_RELAY, 1), link_to(ROLE_RELAY, 4), link_to(ROLE_RELAY, 9)};
	struct role_peer relay;

	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		cr_assert_eq(gate_links_choose_relay(links, &relay), OK);
		cr_assert_eq(relay.index, expected[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}
