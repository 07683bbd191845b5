/*
 * common/config: what is accepted, what is refused and in which words, and that code, example, schema and manual agree.
 */
#include "common/config/config.h"

#include "common/config/config_schema.h"
#include "common/config/config_table.h"
#include "common/file.h"
#include "common/json/json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define FILE_NAME "/etc/sshbroker/sshbroker.json"
#define NODE_KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAi8VEK+wPy3F1eeA/h9BHTkXjD/3rFLfEioWhy74J+Q"
#define NODE(name, more)                                                                           \
	"{\"name\": \"" name "\", \"address\": \"192.0.2.1\", \"host_keys\": [\"" NODE_KEY         \
	"\"]" more "}"
#define KEYS "\"host_keys\": [\"host_key\"], \"user_ca_key\": \"/keys/ca\""
#define POOLS "\"pools\": [{\"name\": \"p\", \"nodes\": [" NODE("n", "") "]}]"
/* A sound configuration with more keys, and one with other nodes. */
#define WITH(more) "{" KEYS ", " POOLS ", " more "}"
#define WITH_NODES(nodes) "{" KEYS ", \"pools\": [{\"name\": \"p\", \"nodes\": [" nodes "]}]}"

#define U10(n)                                                                                     \
	"\"u" n "0\":1,\"u" n "1\":1,\"u" n "2\":1,\"u" n "3\":1,\"u" n "4\":1,\"u" n              \
	"5\":1,\"u" n "6\":1,\"u" n "7\":1,\"u" n "8\":1,\"u" n "9\":1"
/* A node with a hundred keys that there are not. */
#define MANY_UNKNOWN                                                                               \
	"{" U10("0") "," U10("1") "," U10("2") "," U10("3") "," U10("4") "," U10("5") "," U10(     \
		"6") "," U10("7") "," U10("8") "," U10("9") "}"

static struct config *
parse_sound(const char *text)
{
	struct config *c = NULL;
	struct buf errors = {0};
	enum err e = config_parse(span_str(text), FILE_NAME, &c, &errors);

	cr_assert_eq(e, OK, "%.*s", (int)errors.len, (const char *)buf_span(&errors).ptr);
	cr_assert_eq(errors.len, 0);
	return c;
}

/* The errors of a text, as a string that is owned; "" when it is sound. */
static char *
parse_errors(const char *text)
{
	struct config *c = NULL;
	struct buf errors = {0};
	enum err e = config_parse(span_str(text), FILE_NAME, &c, &errors);
	char *out = strndup(errors.len > 0 ? (const char *)buf_span(&errors).ptr : "", errors.len);

	cr_assert_eq(e == OK, errors.len == 0);
	cr_assert_eq(e == OK, c != NULL);
	config_free(c);
	buf_clear(&errors);
	return out;
}

Test(config, an_error_names_file_line_path_found_and_expected)
{
	static const char text[] = "// three nodes\n"
				   "{\n"
				   "\t\"host_keys\": [\"host_key\"],\n"
				   "\t\"user_ca_key\": \"ca\",\n"
				   "\t\"pools\": [{\n"
				   "\t\t\"name\": \"p\",\n"
				   "\t\t\"nodes\": [\n"
				   "\t\t\t" NODE("a",
					   "") ",\n"
					       "\t\t\t" NODE("b",
						       "") ",\n"
							   "\t\t\t{\n"
							   "\t\t\t\t\"name\": \"c\",\n"
							   "\t\t\t\t\"address\": \"192.0.2.3\",\n"
							   "\t\t\t\t// not a port:\n"
							   "\t\t\t\t\"port\": 70000,\n"
							   "\t\t\t\t\"host_keys\": [\"" NODE_KEY
							   "\"]\n"
							   "\t\t\t}\n"
							   "\t\t]\n"
							   "\t}]\n"
							   "}\n";
	char *errors = parse_errors(text);

	cr_assert_str_eq(
		errors, FILE_NAME ":14: pools[0].nodes[2].port: 70000 is not a port (1-65535)\n");
	free(errors);
}

Test(config, all_errors_are_found_in_the_order_of_the_file)
{
	char *errors = parse_errors("{\n\"log\": {\"level\": \"loud\"},\n\"rekey\": 7,\n"
				    "\"limits\": {\n\"login_grace_s\": 0,\n\"auth_trys_max\": 3},\n"
				    "\"user_ca_key\": \"ca\"}");

	cr_assert_str_eq(errors,
		FILE_NAME
		":1: host_keys: is missing. Private host keys that clients see. The first of each "
		"type is used; all are announced, so that clients learn the next one before it is. "
		"Relative paths begin at the folder of this file.\n" //
		FILE_NAME ":1: pools: is missing. The pools of nodes. Exactly one for now.\n" //
		FILE_NAME ":2: log.level: \"loud\" is not one of \"error\", \"warn\", \"info\", "
		"\"debug\"\n" //
		FILE_NAME ":3: rekey: is a group of keys: { ... }\n" //
		FILE_NAME ":5: limits.login_grace_s: 0 is not a number of seconds (1-3600)\n" //
		FILE_NAME ":6: limits.auth_trys_max: unknown key, the nearest is "
		"\"limits.auth_tries_max\"\n");
	free(errors);
}

Test(config, no_more_than_the_maximum_of_errors_is_shown_and_the_rest_counted)
{
	char text[8192] = "{";
	char *at = text + 1, *errors, *last;
	size_t n = 0;

	for (unsigned i = 0; i < CONFIG_ERRORS_MAX + 4; i++)
		at += sprintf(at, "\"unknown%u\": 0, ", i);
	stpcpy(at, KEYS ", " POOLS "}");
	errors = parse_errors(text);
	for (const char *p = errors; *p != '\0'; p++)
		n += *p == '\n';
	cr_assert_eq(n, CONFIG_ERRORS_MAX + 1);
	last = strstr(errors, FILE_NAME ": and 4 more errors\n");
	cr_assert(last != NULL && strchr(last, '\n')[1] == '\0');
	free(errors);
}

/* Looking for the line of each takes a walk through the text.  What is counted is the work, not what others do. */
Test(config, countless_errors_in_a_large_file_take_no_time)
{
	static const struct rlimit cpu = {.rlim_cur = 20, .rlim_max = 20};
	struct config *c = NULL;
	struct buf text = {.max = CONFIG_SIZE_MAX}, errors = {0};

	cr_assert_eq(setrlimit(RLIMIT_CPU, &cpu), 0);
	cr_assert_eq(buf_append_span(&text, span_str("{ \"pools\": [{ \"nodes\": [")), OK);
	for (unsigned i = 0; i < 1000; i++)
		cr_assert_eq(
			buf_append_span(&text, span_str(i > 0 ? "," MANY_UNKNOWN : MANY_UNKNOWN)),
			OK);
	cr_assert_eq(buf_append_span(&text, span_str("]}]}")), OK);
	cr_assert_eq(config_parse(buf_span(&text), FILE_NAME, &c, &errors), ERR_FORMAT);
	buf_clear(&text);
	buf_clear(&errors);
}

struct mistake {
	const char *text;
	const char *says;
};

/* Each text has one mistake, which is one line. */
static void
expect_mistakes(const struct mistake *mistakes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *errors = parse_errors(mistakes[i].text);

		cr_expect_not_null(strstr(errors, mistakes[i].says), "expected %s\ngot %s",
			mistakes[i].says, errors);
		cr_expect_eq(strchr(errors, '\n'), errors + strlen(errors) - 1, "%s", errors);
		free(errors);
	}
}

Test(config, what_is_no_object_is_refused_in_words)
{
	static const struct mistake mistakes[] = {
		{"[]", ":1: the configuration is an object"},
		{"{\"a\": 1,}", ":1: a comma must not stand before \"}\""},
	};

	expect_mistakes(mistakes, ARRAY_LEN(mistakes));
}

Test(config, a_value_of_another_kind_is_refused_in_words)
{
	static const struct mistake mistakes[] = {
		{WITH("\"limits\": {\"login_grace_s\": \"60\"}"),
			"limits.login_grace_s: \"60\" (a text) found, expected a number of seconds "
			"(1-3600)"},
		{WITH("\"limits\": {\"login_grace_s\": [60]}"),
			"limits.login_grace_s: a list found, expected a number of seconds"},
		{WITH("\"limits\": {\"login_grace_s\": true}"),
			"limits.login_grace_s: true found, expected a number of seconds"},
		{WITH("\"limits\": {\"login_grace_s\": null}"),
			"limits.login_grace_s: null found, expected a number of seconds"},
		{WITH("\"run_dir\": 5"), "run_dir: 5 (a number) found, expected a path"},
		{WITH("\"run_dir\": {\"a\": 1}"), "run_dir: an object found, expected a path"},
		{WITH("\"listen\": \"0.0.0.0:22\""),
			"listen: \"0.0.0.0:22\" (a text) found, expected a list of entries that "
			"are each an "
			"IP address and port, like 0.0.0.0:22 or [::]:22"},
		{WITH_NODES("7"), "pools[0].nodes[0]: 7 (a number) found, expected an object"},
		{WITH("\"log\": []"), "log: is a group of keys"},
	};

	expect_mistakes(mistakes, ARRAY_LEN(mistakes));
}

Test(config, a_number_out_of_range_is_refused_in_words)
{
	static const struct mistake mistakes[] = {
		{WITH("\"limits\": {\"login_grace_s\": 1.5}"), "1.5 is not a number of seconds"},
		{WITH("\"limits\": {\"login_grace_s\": -1}"), "-1 is not a number of seconds"},
		{WITH("\"limits\": {\"login_grace_s\": 1e999}"),
			"1e999 is not a number of seconds"},
		{WITH("\"limits\": {\"login_grace_s\": 3601}"), "3601 is not a number of seconds"},
		{WITH("\"rekey\": {\"bytes_max\": 65535}"),
			"65535 is not a number of bytes (0 or 65536-1099511627776)"},
		{WITH_NODES(NODE("a", ", \"weight\": 0")),
			"pools[0].nodes[0].weight: 0 is not a number (1-10000)"},
	};

	expect_mistakes(mistakes, ARRAY_LEN(mistakes));
}

Test(config, a_list_with_too_few_or_twice_the_same_is_refused_in_words)
{
	static const struct mistake mistakes[] = {
		{WITH("\"listen\": []"), "listen: 0 entries found, expected 1-16"},
		{WITH("\"listen\": [\"1.1.1.1:1\", 3]"), "listen[1]: 3 (a number) found, expected"},
		{WITH("\"algorithms\": {\"ciphers\": [\"aes256-gcm@openssh.com\", "
		      "\"aes256-gcm@openssh.com\"]}"),
			"algorithms.ciphers[1]: stands in the list already"},
		{WITH("\"listen\": [\"0.0.0.0:22\", \"[::]:22\", \"10.0.0.1:22\"]"),
			"listen[2]: 10.0.0.1:22 is one of the addresses of listen[0]"},
		{WITH("\"listen\": [\"[::1]:22\", \"[::]:22\"]"),
			"listen[1]: [::]:22 has listen[0] among its addresses"},
		{WITH("\"roles\": {\"gate_user\": \"x\", \"keyholder_user\": \"x\"}"),
			"roles.gate_user: \"x\" is roles.keyholder_user already: each role"},
		{WITH("\"roles\": {\"relay_user\": \"sshbroker-gate\"}"),
			"roles.relay_user: \"sshbroker-gate\" is roles.gate_user already: each "
			"role"},
		{WITH("\"listen\": [\"[::1]:22\", \"[0::1]:22\"]"),
			"listen[1]: [::1]:22 is listen[0] already"},
		{WITH_NODES(""), "pools[0].nodes: 0 entries found, expected 1-1024"},
	};

	expect_mistakes(mistakes, ARRAY_LEN(mistakes));
}

Test(config, a_text_that_does_not_mean_anything_is_refused_in_words)
{
	static const struct mistake mistakes[] = {
		{WITH("\"listen\": [\"localhost:22\"]"),
			"listen[0]: \"localhost:22\" is not an IP address and port"},
		{WITH("\"listen\": [\"0.0.0.0:70000\"]"),
			"\"0.0.0.0:70000\" is not an IP address and port"},
		{WITH("\"run_dir\": \"\""), "run_dir: \"\" is not a path"},
		{WITH("\"run_dir\": \"a\\nb\""), "run_dir: \"a\\nb\" is not a path"},
		{WITH("\"admin\": {\"mode\": \"rw\"}"), "admin.mode: \"rw\" is not an octal mode"},
		{WITH("\"admin\": {\"mode\": \"4755\"}"), "\"4755\" is not an octal mode"},
		{WITH("\"admin\": {\"mode\": 660}"),
			"660 (a number) found, expected an octal mode"},
		{WITH("\"admin\": {\"group\": \"-g\"}"), "\"-g\" is not a group name or number"},
		{WITH("\"roles\": {\"gate_user\": \"4294967295\"}"),
			"\"4294967295\" is not a user name or number"},
		{WITH("\"roles\": {\"gate_user\": \"a b\"}"),
			"\"a b\" is not a user name or number"},
		{WITH("\"certificate\": {\"source_addresses\": [\"10.0.0.1/24\"]}"),
			"certificate.source_addresses[0]: \"10.0.0.1/24\" is not an IP address or "
			"network"},
		{WITH("\"certificate\": {\"source_addresses\": [\"10.0.0.0/33\"]}"), "10.0.0.0/33"},
		{WITH("\"certificate\": {\"source_addresses\": [\"10.0.0.0/\"]}"),
			"is not an IP address"},
		{WITH("\"certificate\": {\"source_addresses\": [\"host\"]}"),
			"is not an IP address"},
		{WITH("\"algorithms\": {\"kex\": [\"diffie-hellman-group1-sha1\"]}"),
			"algorithms.kex[0]: \"diffie-hellman-group1-sha1\" is not one of "
			"\"curve25519-sha256\""},
		{WITH("\"auth\": {\"system_users\": \"maybe\"}"),
			"auth.system_users: \"maybe\" is not one of \"refuse\", \"allow\""},
		{WITH_NODES(NODE("a b", "")),
			"pools[0].nodes[0].name: \"a b\" is not a name of letters, digits"},
		{WITH_NODES(NODE(
			 "12345678901234567890123456789012345678901234567890123456789012345", "")),
			"pools[0].nodes[0].name: 65 characters found, expected 1-64"},
	};

	expect_mistakes(mistakes, ARRAY_LEN(mistakes));
}

Test(config, a_node_without_sound_name_address_and_keys_is_refused_in_words)
{
	static const struct mistake mistakes[] = {
		{WITH_NODES("{\"name\": \"a\", \"address\": \"10.0.0.300\", \"host_keys\": "
			    "[\"" NODE_KEY "\"]}"),
			"address: \"10.0.0.300\" is not an IP address or host name"},
		{WITH_NODES("{\"name\": \"a\", \"address\": \"a..b\", \"host_keys\": [\"" NODE_KEY
			    "\"]}"),
			"address: \"a..b\" is not an IP address or host name"},
		{WITH_NODES("{\"name\": \"a\", \"address\": \"-a\", \"host_keys\": [\"" NODE_KEY
			    "\"]}"),
			"address: \"-a\" is not an IP address or host name"},
		{WITH_NODES("{\"name\": \"a\", \"address\": \"h\", \"host_keys\": [\"ssh-ed25519 "
			    "AAAA\"]}"),
			"host_keys[0]: \"ssh-ed25519 AAAA\" is not a public key as in a .pub file"},
		{WITH_NODES("{\"name\": \"a\", \"address\": \"h\", \"host_keys\": [\"h " NODE_KEY
			    "\"]}"),
			"is not a public key"},
		{WITH_NODES("{\"name\": \"a\", \"host_keys\": [\"" NODE_KEY "\"]}"),
			"pools[0].nodes[0].address: is missing. Where its sshd is"},
		{WITH_NODES(NODE("a", "") ", " NODE("a", "")),
			"pools[0].nodes[1].name: \"a\" is the name of nodes[0] already"},
		{WITH_NODES(NODE("a", "") ", " NODE("b", ", \"identity\": \"a\"")),
			"pools[0].nodes[1].identity: \"a\" is the identity of nodes[0] already"},
	};

	expect_mistakes(mistakes, ARRAY_LEN(mistakes));
}

Test(config, an_unknown_key_is_refused_and_the_nearest_told)
{
	static const struct mistake mistakes[] = {
		{WITH("\"lissten\": []"), "lissten: unknown key, the nearest is \"listen\""},
		{WITH("\"login_grace_s\": 3"),
			"login_grace_s: unknown key, the nearest is \"limits.login_grace_s\""},
		{WITH("\"Banner\": \"x\""), "Banner: unknown key, the nearest is \"banner\""},
		{WITH("\"log\": {\"$schema\": \"x\"}"), "log.$schema: unknown key"},
		{WITH_NODES(NODE("a", ", \"prot\": 22")),
			"pools[0].nodes[0].prot: unknown key, the nearest is \"port\""},
	};

	expect_mistakes(mistakes, ARRAY_LEN(mistakes));
}

Test(config, numbers_that_do_not_fit_each_other_are_refused_in_words)
{
	static const struct mistake mistakes[] = {
		{WITH("\"roles\": {\"restart_delay_ms\": 31000}"),
			"roles.restart_delay_ms: 31000 is more than roles.restart_delay_max_ms "
			"(30000)"},
		{WITH("\"limits\": {\"relay_mark_bytes\": 2097152}"),
			"limits.relay_mark_bytes: 2097152 is more than limits.queue_bytes_max "
			"(1048576)"},
		{WITH("\"limits\": {\"queue_bytes_total_max\": 1048576, \"queue_bytes_max\": "
		      "1048577}"),
			"limits.queue_bytes_max: 1048577 is more than "
			"limits.queue_bytes_total_max"},
	};

	expect_mistakes(mistakes, ARRAY_LEN(mistakes));
}

Test(config, a_hostile_text_cannot_steer_the_terminal_that_shows_its_errors)
{
	char *errors = parse_errors(WITH("\"run_dir\": \"\x7f\xc2\x9b 31m\""));

	cr_assert_not_null(strstr(errors, "run_dir: "));
	for (const char *p = errors; *p != '\0'; p++)
		cr_assert(*p == '\n' || (*p >= ' ' && *p < 0x7f), "%s", errors);
	free(errors);
}

Test(config, values_arrive_in_their_members)
{
	struct config *c = parse_sound(WITH(
		"\"$schema\": \"sshbroker.schema.json\","
		"\"listen\": [\"127.0.0.1:0\", \"[::1]:2222\"], \"run_dir\": \"../run\","
		"\"admin\": {\"mode\": \"600\", \"group\": \"4\"},"
		"\"roles\": {\"gates\": 64, \"relay_user\": \"nobody\"},"
		"\"limits\": {\"relay_read_bytes\": 4096, \"queue_bytes_total_max\": "
		"1099511627776},"
		"\"keepalive\": {\"node_interval_s\": 0}, \"rekey\": {\"bytes_max\": 65536},"
		"\"certificate\": {\"source_addresses\": [\"10.0.0.0/8\", \"::/0\", \"10.1.2.3\"]},"
		"\"auth\": {\"system_users\": \"allow\", \"allowed_system_users\": [\"root\"]},"
		"\"algorithms\": {\"kex\": [\"ecdh-sha2-nistp521\", \"curve25519-sha256\"]},"
		"\"log\": {\"level\": \"debug\"}"));

	cr_expect_str_eq(c->file, FILE_NAME);
	cr_expect_eq(c->listen.n, 2);
	cr_expect(c->listen.items[0].family == 4 && c->listen.items[0].port == 0);
	cr_expect(c->listen.items[1].family == 6 && c->listen.items[1].port == 2222);
	cr_expect_eq(c->host_keys.n, 1);
	cr_expect_str_eq(c->host_keys.items[0], "/etc/sshbroker/host_key");
	cr_expect_str_eq(c->user_ca_key, "/keys/ca");
	cr_expect_str_eq(c->run_dir, "/etc/sshbroker/../run");
	cr_expect_str_eq(c->admin.socket, "/etc/sshbroker/../run/admin.sock");
	cr_expect_eq(c->admin.mode, 0600);
	cr_expect_str_eq(c->admin.group, "4");
	cr_expect_eq(c->roles.gates, 64);
	cr_expect_str_eq(c->roles.relay_user, "nobody");
	cr_expect_eq(c->limits.relay_read_bytes, 4096);
	cr_expect_eq(c->limits.queue_bytes_total_max, (uint64_t)1 << 40);
	cr_expect_eq(c->keepalive.node_interval_s, 0);
	cr_expect_eq(c->rekey.bytes_max, 65536);
	cr_expect_eq(c->certificate.source_addresses.n, 3);
	cr_expect_str_eq(c->certificate.source_addresses.items[1], "::/0");
	cr_expect_eq(c->auth.system_users, CONFIG_SYSTEM_USERS_ALLOW);
	cr_expect_str_eq(c->auth.allowed_system_users.items[0], "root");
	cr_expect_eq(c->algorithms.kex.n, 2);
	cr_expect_str_eq(c->algorithms.kex.items[0], "ecdh-sha2-nistp521");
	cr_expect_eq(c->log.level, LOG_LEVEL_DEBUG);
	config_free(c);
}

Test(config, what_is_left_out_has_its_default)
{
	struct config *c = parse_sound("{" KEYS ", " POOLS "}");
	const struct config_node *node = &c->pools.items[0].nodes.items[0];

	cr_expect_eq(c->listen.n, 2);
	cr_expect(c->listen.items[0].family == 4 && c->listen.items[0].port == 22);
	cr_expect_str_eq(c->run_dir, "/run/sshbroker");
	cr_expect_str_eq(c->admin.socket, "/run/sshbroker/admin.sock");
	cr_expect_eq(c->admin.mode, 0660);
	cr_expect_null(c->admin.group);
	cr_expect_null(c->banner);
	cr_expect_str_eq(c->roles.keyholder_user, "sshbroker-keyholder");
	cr_expect_eq(c->limits.login_grace_s, 120);
	cr_expect_eq(c->limits.queue_bytes_total_max, (uint64_t)256 << 20);
	cr_expect_eq(c->algorithms.ciphers.n, 0);
	cr_expect_eq(c->auth.system_users, CONFIG_SYSTEM_USERS_REFUSE);
	cr_expect_eq(c->log.level, LOG_LEVEL_INFO);
	cr_expect_str_eq(c->pools.items[0].name, "p");
	cr_expect_str_eq(node->identity, "n");
	cr_expect_eq(node->port, 22);
	cr_expect_eq(node->weight, 100);
	cr_expect_eq(node->users_max, 0);
	cr_expect_str_eq(node->host_keys.items[0], NODE_KEY);
	config_free(c);
}

Test(config, relative_paths_stay_relative_to_a_relative_file)
{
	struct config *c = NULL;
	struct buf errors = {0};

	cr_assert_eq(config_parse(span_str("{" KEYS ", " POOLS "}"), "c.json", &c, &errors), OK);
	cr_assert_str_eq(c->host_keys.items[0], "host_key");
	config_free(c);
}

Test(config, host_names_and_addresses_of_nodes)
{
	static const struct {
		const char *address;
		bool ok;
	} cases[] = {
		{"10.0.0.1", true},
		{"fd00::1", true},
		{"node-1", true},
		{"node_1.example.org", true},
		{"node.example.org.", true},
		{"3com.example", true},
		{"fd00::zz", false},
		{"10.0.0", false},
		{"..", false},
		{".", false},
		{"a/b", false},
		{"a-.example", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[1024];
		char *errors;

		snprintf(text, sizeof(text),
			WITH_NODES(
				"{\"name\": \"n\", \"address\": \"%s\", \"host_keys\": [\"" NODE_KEY
				"\"]}"),
			cases[i].address);
		errors = parse_errors(text);
		cr_expect_eq(errors[0] == '\0', cases[i].ok, "%s: %s", cases[i].address, errors);
		free(errors);
	}
}

Test(config, keys_of_one_group_stand_together)
{
	const struct config_scope *scope = config_root_scope();

	for (size_t i = 1; i < scope->n; i++) {
		const char *path = scope->keys[i].path;
		size_t group = strcspn(path, ".");

		if (path[group] == '\0' || strncmp(path, scope->keys[i - 1].path, group + 1) == 0)
			continue;
		for (size_t j = 0; j < i; j++)
			cr_expect_neq(strncmp(path, scope->keys[j].path, group + 1), 0, "%s", path);
	}
}

/* The file at a path below the source folder; cleared by the caller. */
static struct buf
read_source(const char *path)
{
	char whole[1024];
	struct buf text = {0};

	snprintf(whole, sizeof(whole), "%s/%s", SSHBROKER_SOURCE_DIR, path);
	cr_assert_eq(file_read(whole, &text), OK, "%s", whole);
	cr_assert_eq(buf_append(&text, "", 1), OK);
	buf_truncate(&text, text.len - 1);
	return text;
}

/*
 * Call fn with each key of a scope and those of the scopes below, with its path in the example ("pools[0].nodes[0].").
 */
static void
each_key(const struct config_scope *scope, const char *prefix,
	void (*fn)(const struct config_key *key, const char *path, void *arg), void *arg)
{
	for (size_t i = 0; i < scope->n; i++) {
		const struct config_key *key = &scope->keys[i];
		char path[CONFIG_PATH_SIZE];

		snprintf(path, sizeof(path), "%s%s", prefix, key->path);
		fn(key, path, arg);
		if (config_type_info(key->type)->form != CONFIG_FORM_OBJECT)
			continue;
		snprintf(path, sizeof(path), "%s%s[0].", prefix, key->path);
		each_key(config_object_scope(key->type), path, fn, arg);
	}
}

static void
expect_default_in_example(const struct config_key *key, const char *path, void *arg)
{
	const struct json_doc *d = arg;
	struct span value;
	cJSON *shown, *def;

	if (key->def == CONFIG_ABSENT)
		return;
	cr_expect(json_find(d, path, &value), "the example lacks %s", path);
	if (key->def[0] == '\0')
		return;
	shown = cJSON_ParseWithLength((const char *)value.ptr, value.len);
	def = cJSON_Parse(key->def);
	cr_expect(cJSON_Compare(shown, def, true), "%s: the default is %s", path, key->def);
	cJSON_Delete(shown);
	cJSON_Delete(def);
}

/* A key without default may stand in a comment. */
static void
expect_mentioned(const struct config_key *key, const char *path, void *arg)
{
	const char *dot = strrchr(key->path, '.');
	char quoted[CONFIG_PATH_SIZE];

	snprintf(quoted, sizeof(quoted), "\"%s\":", dot != NULL ? dot + 1 : key->path);
	cr_expect_not_null(strstr(arg, quoted), "the example lacks %s", path);
}

Test(config, the_example_is_sound_and_shows_every_key_with_its_default)
{
	struct buf text = read_source("config/sshbroker.json");
	struct json_doc d;
	struct json_error why;
	struct config *c = parse_sound((const char *)buf_span(&text).ptr);

	config_free(c);
	cr_assert_eq(json_parse(buf_span(&text), &d, &why), OK);
	each_key(config_root_scope(), "", expect_default_in_example, &d);
	each_key(config_root_scope(), "", expect_mentioned, text.data + text.head);
	json_clear(&d);
	buf_clear(&text);
}

/* In the manual a key is ".It Cm path", and numbers tell their range and default. */
static void
expect_in_manual(const struct config_key *key, const char *path, void *arg)
{
	char entry[CONFIG_PATH_SIZE], range[80], def[80];
	const char *at, *end;

	(void)path;
	snprintf(entry, sizeof(entry), "\n.It Cm %s\n", key->path);
	at = strstr(arg, entry);
	cr_expect_not_null(at, "the manual lacks %s", key->path);
	if (at == NULL || config_type_info(key->type)->form != CONFIG_FORM_NUMBER)
		return;
	end = strstr(at + 1, "\n.It Cm ");
	snprintf(range, sizeof(range), "rom %llu to %llu.\n", (unsigned long long)key->min,
		(unsigned long long)key->max);
	snprintf(def, sizeof(def), "Default:\n.Ql %s .\n", key->def);
	for (const char *const *text = (const char *const[]){range, def, NULL}; *text != NULL;
		text++) {
		const char *found = strstr(at, *text);

		cr_expect(found != NULL && (end == NULL || found < end), "%s in the manual: %s",
			key->path, *text);
	}
}

Test(config, the_manual_describes_every_key)
{
	struct buf text = read_source("deploy/man/sshbroker.json.5");

	each_key(config_root_scope(), "", expect_in_manual, text.data + text.head);
	buf_clear(&text);
}

Test(config, the_committed_schema_is_the_one_of_the_keys)
{
	struct buf committed = read_source("config/sshbroker.schema.json");
	struct buf made = {0};

	cr_assert_eq(config_schema_write(&made), OK);
	if (!span_equal(buf_span(&made), buf_span(&committed))) {
		FILE *f = fopen("sshbroker.schema.json", "w");

		if (f != NULL) {
			fwrite(buf_span(&made).ptr, 1, made.len, f);
			fclose(f);
		}
		cr_assert_fail(
			"the schema is old: copy sshbroker.schema.json from here to config/");
	}
	buf_clear(&made);
	buf_clear(&committed);
}
