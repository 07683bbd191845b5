/*
 * broker/director/logins, users, sources: what is counted while people log in, and that nothing is left when they go.
 */
#include "broker/director/logins.h"

#include "tests/lib/pool_config.h"

#include <criterion/criterion.h>
#include <string.h>

#define MAX 8

static struct nodes nodes;
static struct users users;
static struct logins logins;
static struct gate *const gate_a = (struct gate *)(uintptr_t)8,
			  *const gate_b = (struct gate *)(uintptr_t)16;

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
	cr_assert_eq(logins_init(&logins, MAX, &users), OK);
}

static void
demolish(void)
{
	logins_clear(&logins);
	users_clear(&users);
	nodes_clear(&nodes);
}

static struct node *
node(const char *name)
{
	return nodes_find(&nodes, span_str(name));
}

static struct addr
addr_of(const char *text)
{
	struct addr a;

	cr_assert_eq(addr_parse_ip(text, &a), OK);
	return a;
}

static struct login *
add(uint64_t id, const char *from)
{
	struct addr client = addr_of(from);
	struct login *login = NULL;

	cr_assert_eq(logins_add(&logins, id, &client, gate_a, 1000, &login), OK);
	return login;
}

static void
place(struct login *login, const char *user, const char *at)
{
	cr_assert_eq(login_set_user(login, span_str(user)), OK);
	cr_assert_eq(login_hold(&logins, login, node(at)), OK);
	login_become(&logins, login, LOGIN_DIALLING, 1000);
	login_become(&logins, login, LOGIN_PLACED, 1000);
}

TestSuite(logins, .init = build, .fini = demolish);

Test(logins, only_the_gate_that_announced_a_login_finds_it)
{
	struct login *login = add(5, "192.0.2.1"), *twin;

	cr_assert_eq(logins_find(&logins, 5, gate_a), login);
	cr_assert_null(logins_find(&logins, 5, gate_b));
	cr_assert_null(logins_find(&logins, 6, gate_a));
	cr_assert_eq(logins_add(&logins, 5, &login->client, gate_b, 1000, &twin), ERR_EXISTS);
	cr_assert_eq(logins_n_unauthenticated(&logins), 1);
	cr_assert_eq(sources_count(&logins.sources, &login->client), 1);
}

Test(logins, the_maximum_holds_and_a_refused_login_counts_nowhere)
{
	struct addr client = addr_of("192.0.2.1");
	struct login *login;

	for (uint64_t id = 1; id <= MAX; id++)
		add(id, "192.0.2.1");
	cr_assert_eq(logins_add(&logins, 99, &client, gate_a, 1, &login), ERR_LIMIT);
	cr_assert_eq(sources_count(&logins.sources, &client), MAX);
	logins_remove(&logins, logins_find_any(&logins, 3));
	cr_assert_eq(logins_add(&logins, 99, &client, gate_a, 1, &login), OK);
}

Test(logins, sources_are_addresses_or_ipv6_networks)
{
	static const struct {
		const char *ask;
		uint32_t n;
	} cases[] = {{"192.0.2.1", 2}, {"192.0.2.2", 1}, {"192.0.2.3", 0}, {"2001:db8:0:1::9", 2},
		{"2001:db8:0:2::1", 1}, {"2001:db8:0:3::1", 0}};

	add(1, "192.0.2.1");
	add(2, "192.0.2.1");
	add(3, "192.0.2.2");
	add(4, "2001:db8:0:1::1");
	add(5, "2001:db8:0:1:ffff::2");
	add(6, "2001:db8:0:2::1");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct addr a = addr_of(cases[i].ask);

		cr_assert_eq(sources_count(&logins.sources, &a), cases[i].n, "%s", cases[i].ask);
	}
	cr_assert_eq(sources_largest(&logins.sources), 2);
	while (logins.by_id.first != NULL)
		logins_remove(&logins, TABLE_OWNER(logins.by_id.first, struct login, entry));
	cr_assert_eq(logins.sources.by_key.n, 0);
	cr_assert_eq(sources_largest(&logins.sources), 0);
}

Test(logins, a_placed_login_is_a_dial_until_it_proves_and_a_reservation_until_it_ends)
{
	struct login *login = add(1, "192.0.2.1");

	place(login, "ann", "n1");
	cr_assert_eq(node("n1")->n_dials, 1);
	cr_assert_eq(node("n1")->n_reservations, 1);
	cr_assert_eq(node("n1")->n_users_reserved, 1);
	cr_assert(login_prove(&logins, login));
	cr_assert_not(login_prove(&logins, login));
	login_become(&logins, login, LOGIN_AUTHENTICATED, 1000);
	cr_assert_eq(node("n1")->n_dials, 0);
	cr_assert_eq(node("n1")->n_reservations, 1);
	cr_assert_eq(logins_n_unauthenticated(&logins), 0);
	cr_assert_eq(logins.sources.by_key.n, 0);
	logins_remove(&logins, login);
	cr_assert_eq(node("n1")->n_reservations, 0);
	cr_assert_eq(node_load(node("n1")), 0);
	cr_assert_null(users_find(&users, span_str("ann")));
}

Test(logins, release_tells_whether_a_dial_became_free_and_may_be_repeated)
{
	struct login *login = add(1, "192.0.2.1"), *proved = add(2, "192.0.2.1");

	cr_assert_not(login_release(&logins, login));
	place(login, "ann", "n2");
	cr_assert(login_release(&logins, login));
	cr_assert_not(login_release(&logins, login));
	cr_assert_eq(node("n2")->n_dials, 0);
	/* What a user has proved elsewhere does not make it less of a dial. */
	proved->has_proved = true;
	place(proved, "ann", "n2");
	cr_assert_eq(node("n2")->n_dials, 1);
	cr_assert(login_prove(&logins, proved));
	cr_assert_not(login_release(&logins, proved));
	cr_assert_eq(node("n2")->n_reservations, 0);
}

Test(logins, states_follow_the_arrows_and_keep_their_order)
{
	static const struct {
		enum login_state from, to;
		bool may;
	} cases[] = {
		{LOGIN_ACCEPTED, LOGIN_WAITING, true},
		{LOGIN_ACCEPTED, LOGIN_DIALLING, true},
		{LOGIN_ACCEPTED, LOGIN_AUTHENTICATED, true},
		{LOGIN_ACCEPTED, LOGIN_PLACED, false},
		{LOGIN_WAITING, LOGIN_ACCEPTED, true},
		{LOGIN_WAITING, LOGIN_DIALLING, true},
		{LOGIN_WAITING, LOGIN_AUTHENTICATED, false},
		{LOGIN_WAITING, LOGIN_PLACED, false},
		{LOGIN_DIALLING, LOGIN_PLACED, true},
		{LOGIN_DIALLING, LOGIN_ACCEPTED, true},
		{LOGIN_DIALLING, LOGIN_AUTHENTICATED, false},
		{LOGIN_PLACED, LOGIN_ACCEPTED, true},
		{LOGIN_PLACED, LOGIN_AUTHENTICATED, true},
		{LOGIN_PLACED, LOGIN_WAITING, false},
		{LOGIN_AUTHENTICATED, LOGIN_ACCEPTED, false},
		{LOGIN_AUTHENTICATED, LOGIN_PLACED, false},
	};
	struct login *first = add(1, "192.0.2.1"), *second = add(2, "192.0.2.1");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct login login = {.state = cases[i].from};

		cr_assert_eq(login_may_become(&login, cases[i].to), cases[i].may, "case %zu", i);
	}
	login_become(&logins, second, LOGIN_WAITING, 2000);
	login_become(&logins, first, LOGIN_WAITING, 3000);
	cr_assert_eq(logins.by_state[LOGIN_WAITING].first, second);
	cr_assert_eq(logins.by_state[LOGIN_WAITING].last, first);
	cr_assert_eq(logins.by_state[LOGIN_WAITING].n, 2);
	cr_assert_eq(logins.by_state[LOGIN_ACCEPTED].n, 0);
	logins_remove(&logins, second);
	cr_assert_eq(logins.by_state[LOGIN_WAITING].first, first);
}

Test(logins, failed_nodes_are_remembered_once_and_not_without_end)
{
	static struct node many[LOGIN_FAILED_MAX + 5];
	struct login *login = add(1, "192.0.2.1");

	login_exclude(login, &many[0]);
	login_exclude(login, &many[0]);
	cr_assert_eq(login->n_failed, 1);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		login_exclude(login, &many[i]);
	cr_assert_eq(login->n_failed, LOGIN_FAILED_MAX);
}

Test(logins, a_user_name_may_change_between_placements_and_be_empty)
{
	struct login *login = add(1, "192.0.2.1");

	place(login, "", "n1");
	cr_assert_not_null(users_find(&users, span_str("")));
	(void)login_release(&logins, login);
	cr_assert_eq(login_set_user(login, span_str("bob")), OK);
	cr_assert_eq(login_hold(&logins, login, node("n2")), OK);
	cr_assert_not_null(users_find(&users, span_str("bob")));
	cr_assert_null(users_find(&users, span_str("")));
}
