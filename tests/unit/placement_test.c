/*
 * broker/director/placement: where a login goes, as scenarios over nodes and users without sockets or clock.
 */
#include "broker/director/placement.h"

#include "tests/lib/pool_config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define DIALS_MAX 4

/* A pool, its users, and numbers drawn from a list instead of at random. */
struct world {
	struct nodes nodes;
	struct users users;
	uint32_t draws[8];
	size_t n_drawn;
	uint64_t now_ms;
	bool ignore_reservations;
};

static struct world w;

static uint32_t
draw(void *arg, uint32_t n)
{
	(void)arg;
	return w.draws[w.n_drawn++ % ARRAY_LEN(w.draws)] % n;
}

/* Nodes n1, n2, ... with these weights. */
static void
build(const uint32_t *weights, size_t n, uint32_t users_max)
{
	char name[24];
	char *key = (char *)(uintptr_t)POOL_CONFIG_HOST_KEY, *address = (char *)(uintptr_t) "::1";

	w.now_ms = 1000000;
	cr_assert_eq(nodes_init(&w.nodes), OK);
	cr_assert_eq(users_init(&w.users, 1000), OK);
	for (size_t i = 0; i < n; i++) {
		struct config_node c = {.name = name,
			.address = address,
			.weight = weights[i],
			.users_max = users_max,
			.host_keys = {&key, 1}};

		(void)snprintf(name, sizeof(name), "n%zu", i + 1);
		cr_assert_eq(nodes_add(&w.nodes, &c), OK);
	}
}

static void
build_equal(size_t n)
{
	static const uint32_t weights[] = {100, 100, 100, 100};

	build(weights, n, 0);
}

static void
demolish(void)
{
	users_clear(&w.users);
	nodes_clear(&w.nodes);
	w = (struct world){0};
}

static struct node *
node(const char *name)
{
	struct node *found = nodes_find(&w.nodes, span_str(name));

	cr_assert_not_null(found, "%s", name);
	return found;
}

static struct user *
connect_user(const char *user, const char *to, uint64_t at_ms)
{
	struct user *u = NULL;

	cr_assert_eq(users_connect(&w.users, span_str(user), node(to), at_ms, &u), OK);
	return u;
}

static struct user *
reserve(const char *user, const char *to)
{
	struct user *u = NULL;

	cr_assert_eq(users_reserve(&w.users, span_str(user), node(to), &u), OK);
	return u;
}

static struct placement
choose_without(const char *user, struct node *const *excluded, size_t n_excluded)
{
	struct placement_query q = {.nodes = &w.nodes,
		.user = users_find(&w.users, span_str(user)),
		.excluded = excluded,
		.n_excluded = n_excluded,
		.now_ms = w.now_ms,
		.dials_max = DIALS_MAX,
		.ignore_reservations = w.ignore_reservations,
		.random_below = draw};
	struct placement p;

	placement_choose(&q, &p);
	cr_assert(p.result == PLACEMENT_WAIT || (p.result == PLACEMENT_NODE) == (p.node != NULL));
	cr_assert_gt(strlen(p.why), 0);
	return p;
}

static struct placement
choose(const char *user)
{
	return choose_without(user, NULL, 0);
}

static void
assert_chosen(const struct placement *p, const char *name, const char *why)
{
	cr_assert_eq(p->result, PLACEMENT_NODE, "%s", p->why);
	cr_assert_str_eq(p->node->name, name);
	cr_assert_str_eq(p->why, why);
}

TestSuite(placement, .fini = demolish);

Test(placement, a_user_with_connections_goes_where_most_of_them_are)
{
	struct placement p;

	build_equal(3);
	connect_user("ann", "n2", 10);
	connect_user("ann", "n3", 20);
	connect_user("ann", "n3", 5);
	p = choose("ann");
	assert_chosen(&p, "n3", "you have 2 connections there");
}

Test(placement, of_nodes_with_equally_many_the_newest_connection_decides)
{
	struct placement p;

	build_equal(3);
	connect_user("ann", "n1", 10);
	connect_user("ann", "n3", 30);
	connect_user("ann", "n2", 20);
	p = choose("ann");
	assert_chosen(&p, "n3", "you have 1 connection there");
}

Test(placement, connections_come_before_reservations_and_load)
{
	struct placement p;

	build_equal(2);
	connect_user("ann", "n1", 10);
	connect_user("bob", "n1", 10);
	connect_user("cat", "n1", 10);
	reserve("ann", "n2");
	reserve("ann", "n2");
	p = choose("ann");
	assert_chosen(&p, "n1", "you have 1 connection there");
}

Test(placement, two_first_logins_land_together)
{
	struct placement p;

	build_equal(3);
	w.draws[0] = 1;
	p = choose("ann");
	cr_assert_eq(p.result, PLACEMENT_NODE);
	reserve("ann", p.node->name);
	/* Any other node would have fewer users now. */
	for (unsigned i = 0; i < 3; i++) {
		struct placement again = choose("ann");

		assert_chosen(&again, p.node->name, "you are logging in there just now");
	}
	p = choose("bob");
	cr_assert_str_neq(p.node->name, choose("ann").node->name);
}

Test(placement, what_was_reserved_and_released_pins_nobody)
{
	struct user *u;
	struct placement p;

	build_equal(2);
	connect_user("bob", "n1", 1);
	u = reserve("ann", "n1");
	cr_assert_str_eq(choose("ann").node->name, "n1");
	users_release(&w.users, u, node("n1"));
	cr_assert_null(users_find(&w.users, span_str("ann")));
	p = choose("ann");
	assert_chosen(&p, "n2", "fewest users per weight: 0/100 of 2 nodes");
}

Test(placement, reservations_can_be_ignored_but_connections_cannot)
{
	build_equal(2);
	reserve("ann", "n1");
	connect_user("bob", "n1", 1);
	w.ignore_reservations = true;
	cr_assert_str_eq(choose("ann").node->name, "n2");
	cr_assert_str_eq(choose("bob").node->name, "n1");
}

Test(placement, fewest_users_per_weight_win)
{
	static const struct {
		uint32_t weights[3];
		unsigned n_users[3]; /* with connections */
		unsigned n_reserved[3];
		const char *expected;
	} cases[] = {
		{{100, 100, 100}, {1, 0, 1}, {0, 0, 0}, "n2"},
		{{100, 100, 100}, {1, 1, 0}, {0, 0, 2}, "n1"},
		{{100, 100, 100}, {0, 0, 0}, {1, 1, 0}, "n3"},
		{{100, 200, 100}, {1, 1, 1}, {0, 0, 0}, "n2"},
		{{100, 200, 300}, {1, 2, 2}, {0, 0, 0}, "n3"},
		{{100, 200, 300}, {1, 1, 2}, {0, 0, 0}, "n2"},
		{{10000, 1, 1}, {9999, 1, 1}, {0, 0, 0}, "n1"},
		{{1, 1, 2}, {0, 1, 0}, {1, 0, 1}, "n3"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		build(cases[i].weights, 3, 0);
		for (unsigned n = 0; n < 3; n++) {
			struct node *at = nodes_first(&w.nodes);

			for (unsigned k = 0; k < n; k++)
				at = nodes_next(at);
			at->n_users = cases[i].n_users[n];
			at->n_users_reserved = cases[i].n_reserved[n];
		}
		cr_assert_str_eq(choose("ann").node->name, cases[i].expected, "case %zu", i);
		demolish();
	}
}

Test(placement, a_user_counts_once_per_node)
{
	build_equal(2);
	for (unsigned i = 0; i < 5; i++) {
		connect_user("ann", "n1", i);
		reserve("ann", "n1");
	}
	connect_user("bob", "n2", 1);
	reserve("cat", "n2");
	cr_assert_eq(node_load(node("n1")), 1);
	cr_assert_eq(node_load(node("n2")), 2);
	cr_assert_str_eq(choose("dan").node->name, "n1");
}

Test(placement, ties_go_to_the_one_with_fewer_connections_of_two_drawn)
{
	build_equal(4);
	node("n1")->n_connections = 9;
	node("n2")->n_connections = 5;
	node("n3")->n_connections = 7;
	node("n4")->n_connections = 1;
	/* First and second of the four, then of the three that are left. */
	w.draws[0] = 0;
	w.draws[1] = 0;
	cr_assert_str_eq(choose("ann").node->name, "n2");
	w.n_drawn = 0;
	w.draws[0] = 2;
	w.draws[1] = 0;
	cr_assert_str_eq(choose("ann").node->name, "n3");
	w.n_drawn = 0;
	w.draws[0] = 1;
	w.draws[1] = 2;
	cr_assert_str_eq(choose("ann").node->name, "n4");
}

Test(placement, every_tied_node_can_be_drawn)
{
	unsigned n_chosen[3] = {0};

	build_equal(3);
	for (uint32_t first = 0; first < 3; first++) {
		for (uint32_t second = 0; second < 2; second++) {
			w.n_drawn = 0;
			w.draws[0] = first;
			w.draws[1] = second;
			n_chosen[choose("ann").node->name[1] - '1']++;
		}
	}
	cr_assert(n_chosen[0] == 2 && n_chosen[1] == 2 && n_chosen[2] == 2);
}

Test(placement, nodes_that_failed_this_login_are_never_chosen)
{
	struct node *failed[3];
	struct placement p;

	build_equal(3);
	connect_user("ann", "n1", 1);
	reserve("ann", "n2");
	failed[0] = node("n1");
	failed[1] = node("n2");
	failed[2] = node("n3");
	p = choose_without("ann", failed, 1);
	assert_chosen(&p, "n2", "you are logging in there just now");
	p = choose_without("ann", failed, 2);
	assert_chosen(&p, "n3", "fewest users per weight: 0/100 of 1 node, 2 not serving");
	p = choose_without("ann", failed, 3);
	cr_assert_eq(p.result, PLACEMENT_NONE);
}

Test(placement, a_node_that_failed_lately_comes_last_but_still_comes)
{
	struct node *failed[1];
	struct placement p;

	build_equal(3);
	failed[0] = node("n3");
	connect_user("bob", "n2", 1);
	connect_user("cat", "n2", 1);
	node_note_failure(node("n1"), NODE_FAILURE_TIMEOUT, NODE_REPORTER_ALL, w.now_ms);
	p = choose_without("ann", failed, 1);
	assert_chosen(&p, "n2",
		"fewest users per weight: 2/100 of 2 nodes, 1 not serving, 1 failed lately");
	node_note_failure(node("n2"), NODE_FAILURE_TIMEOUT, NODE_REPORTER_ALL, w.now_ms);
	cr_assert_str_eq(choose_without("ann", failed, 1).node->name, "n1");
	/* What a user has there weighs more than a failure. */
	cr_assert_str_eq(choose("bob").node->name, "n2");
}

Test(placement, a_failure_is_forgotten_with_time_or_success)
{
	build_equal(2);
	connect_user("bob", "n2", 1);
	node_note_failure(node("n1"), NODE_FAILURE_REFUSED, NODE_REPORTER_ALL, w.now_ms);
	cr_assert_str_eq(choose("ann").node->name, "n2");
	w.now_ms += NODES_FAILURE_HOLD_MS - 1;
	cr_assert_str_eq(choose("ann").node->name, "n2");
	w.now_ms += 1;
	cr_assert_str_eq(choose("ann").node->name, "n1");
	node_note_failure(node("n1"), NODE_FAILURE_REFUSED, NODE_REPORTER_ALL, w.now_ms);
	node_note_success(node("n1"));
	cr_assert_str_eq(choose("ann").node->name, "n1");
}

Test(placement, a_full_node_takes_only_those_who_are_there)
{
	static const uint32_t weights[] = {100, 100};
	struct placement p;

	build(weights, 2, 2);
	connect_user("ann", "n1", 1);
	reserve("bob", "n1");
	cr_assert(!node_is_full(node("n1")) && node_is_reserved(node("n1")));
	cr_assert_str_eq(choose("ann").node->name, "n1");
	cr_assert_str_eq(choose("bob").node->name, "n1");
	cr_assert_str_eq(choose("cat").node->name, "n2");
	reserve("cat", "n2");
	reserve("dan", "n2");
	/* Who is on the way may be a stranger: wait and see. */
	cr_assert_eq(choose("eve").result, PLACEMENT_WAIT);
	connect_user("bob", "n1", 1);
	cr_assert(node_is_full(node("n1")));
	connect_user("cat", "n2", 1);
	connect_user("dan", "n2", 1);
	p = choose("eve");
	cr_assert_eq(p.result, PLACEMENT_FULL);
	cr_assert_str_eq(p.why, "no node may have another user, 2 full");
}

Test(placement, a_node_at_its_cap_of_dials_is_passed_by_those_who_have_nothing_there)
{
	struct placement p;

	build_equal(2);
	node("n1")->n_dials = DIALS_MAX;
	connect_user("bob", "n2", 1);
	connect_user("cat", "n2", 1);
	p = choose("ann");
	assert_chosen(&p, "n2", "fewest users per weight: 2/100 of 1 node, 1 busy with logins");
	node("n2")->n_dials = DIALS_MAX;
	p = choose("ann");
	cr_assert_eq(p.result, PLACEMENT_WAIT);
}

Test(placement, who_is_pinned_waits_for_the_node)
{
	build_equal(2);
	connect_user("ann", "n1", 1);
	reserve("bob", "n1");
	node("n1")->n_dials = DIALS_MAX;
	cr_assert_eq(choose("ann").result, PLACEMENT_WAIT);
	cr_assert_eq(choose("bob").result, PLACEMENT_WAIT);
	cr_assert_str_eq(choose("bob").node->name, "n1");
	w.ignore_reservations = true;
	cr_assert_eq(choose("ann").result, PLACEMENT_WAIT);
	cr_assert_str_eq(choose("bob").node->name, "n2");
}

Test(placement, who_has_proved_something_is_under_no_cap)
{
	struct placement_query q;
	struct placement p;

	build_equal(1);
	node("n1")->n_dials = DIALS_MAX + 1;
	q = (struct placement_query){.nodes = &w.nodes, .now_ms = w.now_ms, .random_below = draw};
	placement_choose(&q, &p);
	cr_assert_eq(p.result, PLACEMENT_NODE);
}

Test(placement, a_hundred_users_spread_by_weight)
{
	static const uint32_t weights[] = {100, 200, 100};
	char name[16];

	build(weights, 3, 0);
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "user%u", i);
		w.draws[0] = i;
		connect_user(name, choose(name).node->name, i);
	}
	cr_assert_eq(node("n1")->n_users, 25);
	cr_assert_eq(node("n2")->n_users, 50);
	cr_assert_eq(node("n3")->n_users, 25);
}
