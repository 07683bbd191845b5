/*
 * broker/director/connections, users, nodes: what relays announce is kept as it was said, counted, and gone without a
 * trace when it ends.
 */
#include "broker/director/connections.h"

#include "common/ssh/wire.h"
#include "tests/lib/pool_config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define MAX 4

static struct nodes nodes;
static struct users users;
static struct connections connections;
static struct relay *const relay_a = (struct relay *)(uintptr_t)8,
			   *const relay_b = (struct relay *)(uintptr_t)16;

static void
build(void)
{
	char *key = (char *)(uintptr_t)POOL_CONFIG_HOST_KEY;
	struct config_node c = {
		.weight = 1, .address = (char *)(uintptr_t) "::1", .host_keys = {&key, 1}};

	cr_assert_eq(nodes_init(&nodes), OK);
	for (unsigned i = 0; i < 2; i++) {
		c.name = (char *)(uintptr_t)(i == 0 ? "n1" : "n2");
		cr_assert_eq(nodes_add(&nodes, &c), OK);
	}
	cr_assert_eq(users_init(&users, 2 * MAX), OK);
	cr_assert_eq(connections_init(&connections, MAX, &users, &nodes), OK);
}

static void
demolish(void)
{
	connections_clear(&connections);
	users_clear(&users);
	nodes_clear(&nodes);
}

static struct node *
node(const char *name)
{
	return nodes_find(&nodes, span_str(name));
}

static enum err
add(uint64_t id, const char *user, const char *at, struct relay *relay)
{
	struct msg_connection m = {.conn = id,
		.user = span_str(user),
		.node = span_str(at),
		.started_at_ms = 1000 + id,
		.why = span_str("because")};

	return connections_add(&connections, &m, relay);
}

static void
assert_counts(const char *name, uint32_t n_users, uint32_t n_connections)
{
	cr_assert_eq(node(name)->n_users, n_users, "%s: %u users", name, node(name)->n_users);
	cr_assert_eq(node(name)->n_connections, n_connections);
}

TestSuite(connections, .init = build, .fini = demolish);

Test(connections, facts_are_copied_from_the_message)
{
	char user[] = "ann", ident[] = "SSH-2.0-x";
	struct msg_connection m = {.conn = 7,
		.user = span_str(user),
		.node = span_str("n1"),
		.client_ident = span_str(ident),
		.client = {.family = 4, .ip = {192, 0, 2, 1}, .port = 5}};
	const struct connection *c;

	cr_assert_eq(connections_add(&connections, &m, relay_a), OK);
	memset(user, 'x', sizeof(user));
	memset(ident, 'x', sizeof(ident));
	c = connections_find(&connections, 7);
	cr_assert(span_is(c->facts.user, "ann"));
	cr_assert(span_is(c->facts.client_ident, "SSH-2.0-x"));
	cr_assert(addr_same_ip(&c->facts.client, &m.client));
	cr_assert_eq(c->relay, relay_a);
}

Test(connections, an_id_is_there_once_and_the_maximum_holds)
{
	cr_assert_eq(add(1, "ann", "n1", relay_a), OK);
	cr_assert_eq(add(1, "bob", "n2", relay_b), ERR_EXISTS);
	cr_assert_null(users_find(&users, span_str("bob")));
	for (uint64_t id = 2; id <= MAX; id++)
		cr_assert_eq(add(id, "ann", "n1", relay_a), OK);
	cr_assert_eq(add(MAX + 1, "bob", "n2", relay_a), ERR_LIMIT);
	cr_assert_null(users_find(&users, span_str("bob")));
	assert_counts("n1", 1, MAX);
	assert_counts("n2", 0, 0);
}

Test(connections, the_counts_follow_and_the_user_goes_with_the_last_one)
{
	const struct user *ann;

	cr_assert_eq(add(3, "ann", "n1", relay_a), OK);
	cr_assert_eq(add(1, "ann", "n1", relay_a), OK);
	cr_assert_eq(add(2, "ann", "n2", relay_b), OK);
	ann = users_find(&users, span_str("ann"));
	cr_assert_eq(ann->n_connections, 3);
	cr_assert_eq(ann->since_ms, 1001);
	assert_counts("n1", 1, 2);
	assert_counts("n2", 1, 1);
	connections_remove(&connections, connections_find(&connections, 3));
	assert_counts("n1", 1, 1);
	connections_remove(&connections, connections_find(&connections, 1));
	assert_counts("n1", 0, 0);
	connections_remove(&connections, connections_find(&connections, 2));
	assert_counts("n2", 0, 0);
	cr_assert_null(users_find(&users, span_str("ann")));
}

Test(connections, one_on_a_node_that_the_pool_does_not_have_is_kept_with_its_user)
{
	const struct user *ann;

	cr_assert_eq(add(1, "ann", "gone", relay_a), OK);
	ann = users_find(&users, span_str("ann"));
	cr_assert_eq(ann->n_connections, 1);
	cr_assert_null(ann->presences);
	connections_remove(&connections, connections_find(&connections, 1));
	cr_assert_null(users_find(&users, span_str("ann")));
}

Test(connections, those_of_a_relay_go_with_it_and_only_those)
{
	cr_assert_eq(add(1, "ann", "n1", relay_a), OK);
	cr_assert_eq(add(2, "ann", "n2", relay_b), OK);
	cr_assert_eq(add(3, "bob", "n1", relay_a), OK);
	connections_remove_relay(&connections, relay_a);
	cr_assert_eq(connections.by_id.n, 1);
	cr_assert_not_null(connections_find(&connections, 2));
	assert_counts("n1", 0, 0);
	assert_counts("n2", 1, 1);
}

Test(connections, a_reservation_and_a_connection_of_a_user_count_as_one_user)
{
	struct user *ann;

	cr_assert_eq(users_reserve(&users, span_str("ann"), node("n1"), &ann), OK);
	cr_assert_eq(node_load(node("n1")), 1);
	cr_assert_eq(add(1, "ann", "n1", relay_a), OK);
	cr_assert_eq(node_load(node("n1")), 1);
	cr_assert_eq(node("n1")->n_users_reserved, 0);
	users_release(&users, ann, node("n1"));
	assert_counts("n1", 1, 1);
	cr_assert_eq(node("n1")->n_reservations, 0);
}

Test(connections, a_node_is_taken_once_with_its_keys_packed)
{
	char *keys[] = {(char *)(uintptr_t)POOL_CONFIG_HOST_KEY,
		(char *)(uintptr_t)POOL_CONFIG_HOST_KEY " node"};
	char *bad = (char *)(uintptr_t) "ssh-ed25519 AAAA";
	struct config_node c = {.name = (char *)(uintptr_t) "n3",
		.address = (char *)(uintptr_t) "::1",
		.weight = 1,
		.host_keys = {keys, 2}};

	cr_assert_eq(nodes_add(&nodes, &c), OK);
	/* Two strings of one ed25519 blob, which is 51 bytes. */
	cr_assert_eq(node("n3")->host_keys.len, 2 * (4 + 51));
	cr_assert_str_eq(node("n3")->identity, "n3");
	cr_assert_eq(nodes_add(&nodes, &c), ERR_EXISTS);
	c.name = (char *)(uintptr_t) "n4";
	c.host_keys = (struct config_list){&bad, 1};
	cr_assert_neq(nodes_add(&nodes, &c), OK);
	cr_assert_null(node("n4"));
}

Test(connections, methods_are_learned_once_and_never_forgotten)
{
	static const struct {
		const char *node, *said, *known;
		bool is_new;
	} steps[] = {
		{"n1", "publickey", "publickey", true},
		{"n1", "publickey", "publickey", false},
		{"n2", "publickey,password", "publickey,password", true},
		{"n1", "", "publickey,password", false},
		{"n1", "a b,\033[2J,,\x7f", "publickey,password", false},
		{"n1", "keyboard-interactive", "publickey,keyboard-interactive,password", true},
		{"n2", "none", "publickey,keyboard-interactive,password,none", true},
	};
	char known[MSG_METHODS_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		cr_assert_eq(node_learn_methods(node(steps[i].node), span_str(steps[i].said)),
			steps[i].is_new, "step %zu", i);
		cr_assert_str_eq(nodes_known_methods(&nodes, known), steps[i].known);
	}
}

/* A gate in wrong hands could otherwise leave no room for those that clients have. */
Test(connections, no_gate_can_fill_the_methods_with_what_nobody_can_use)
{
	char known[MSG_METHODS_MAX + 1], name[16];

	for (unsigned i = 0; i < MSG_METHODS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "method%u", i);
		cr_assert_not(node_learn_methods(node("n1"), span_str(name)));
	}
	cr_assert(node_learn_methods(node("n1"), span_str("keyboard-interactive,password")));
	cr_assert_str_eq(nodes_known_methods(&nodes, known), "keyboard-interactive,password");
}

/* With a node that lies all the room would be taken, and nobody on the others could log in. */
Test(connections, names_that_one_node_invents_push_out_no_method_of_others)
{
	char known[MSG_METHODS_MAX + 1], name[16];

	for (unsigned i = 0; i < MSG_METHODS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "method%u", i);
		(void)node_learn_methods(node("n1"), span_str(name));
	}
	(void)node_learn_methods(node("n2"), span_str("publickey,keyboard-interactive"));
	(void)nodes_known_methods(&nodes, known);
	cr_assert(wire_namelist_has(span_str(known), span_str("publickey")), "%s", known);
	cr_assert(
		wire_namelist_has(span_str(known), span_str("keyboard-interactive")), "%s", known);
	cr_assert(!wire_namelist_has(span_str(known), span_str("password")), "%s", known);
}
