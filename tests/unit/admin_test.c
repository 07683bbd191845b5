/*
 * broker/admin: real HTTP over a real unix socket to a director with things to show.
 */
#include "broker/admin/routes.h"

#include "tests/lib/director_rig.h"
#include "tests/lib/scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define GUARD_S 20
#define ANSWER_MAX ((size_t)8 << 20)

static struct scratch scratch;
static struct director_rig_end gate, relay;
static char socket_path[SCRATCH_PATH_SIZE];
static struct buf answer = {.max = ANSWER_MAX}; /* the last one, with a NUL behind */

static struct sockaddr_un
socket_address(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	cr_assert_lt(strlen(socket_path), sizeof(sun.sun_path));
	(void)strcpy(sun.sun_path, socket_path);
	return sun;
}

static void
start(void)
{
	struct sockaddr_un sun;

	scratch_init(&scratch);
	(void)scratch_path(&scratch, "admin.sock", socket_path);
	sun = socket_address();
	rig.admin_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(rig.admin_fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(rig.admin_fd, 64), 0);
	director_rig_start("++", "");
	director_rig_link(&gate, ROLE_GATE, 0);
	director_rig_link(&relay, ROLE_RELAY, 0);
}

static void
stop(void)
{
	int fd = rig.admin_fd;

	director_rig_unlink(&gate);
	director_rig_unlink(&relay);
	director_rig_stop();
	close(fd);
	buf_clear(&answer);
	scratch_clear(&scratch);
}

/* --- HTTP --- */

static int
open_client(void)
{
	struct sockaddr_un sun = socket_address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

/* Write all of text while the director reads. */
static void
send_text(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EPIPE)
			return;
		cr_assert(n > 0 || errno == EAGAIN);
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		cr_assert_eq(event_base_loop(rig.base, EVLOOP_NONBLOCK), 0);
	}
}

/* Read until the director closes. */
static void
read_answer(int fd)
{
	time_t give_up_at = time(NULL) + GUARD_S;
	char chunk[65536];
	ssize_t n = -1;

	buf_reset(&answer);
	while (n != 0) {
		cr_assert_leq(time(NULL), give_up_at);
		cr_assert_eq(event_base_loop(rig.base, EVLOOP_NONBLOCK), 0);
		n = recv(fd, chunk, sizeof(chunk), 0);
		if (n < 0 && errno == ECONNRESET)
			break;
		cr_assert(n >= 0 || errno == EAGAIN);
		if (n > 0)
			cr_assert_eq(buf_append(&answer, chunk, (size_t)n), OK);
		else
			usleep(1000);
	}
	cr_assert_eq(buf_append(&answer, "", 1), OK);
	close(fd);
}

static const char *
answer_text(void)
{
	return (const char *)buf_span(&answer).ptr;
}

/* The status of the answer to one request. */
static int
request_raw(const char *text)
{
	int status = 0, fd = open_client();

	send_text(fd, text, strlen(text));
	read_answer(fd);
	cr_assert_eq(sscanf(answer_text(), "HTTP/1.1 %d", &status), 1, "%s", answer_text());
	return status;
}

static int
request(const char *method, const char *path)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
		"%s %s HTTP/1.1\r\nHost: broker\r\nConnection: close\r\n\r\n", method, path);
	return request_raw(text);
}

/* The JSON body of the last answer; owned. */
static cJSON *
body(void)
{
	const char *at = strstr(answer_text(), "\r\n\r\n");
	cJSON *json;

	cr_assert_not_null(at);
	cr_assert_not_null(strstr(answer_text(), "Content-Type: application/json\r\n"));
	json = cJSON_ParseWithOpts(at + 4, NULL, 1);
	cr_assert_not_null(json, "%s", at);
	cr_assert_eq(cJSON_GetObjectItem(json, "version")->valuedouble, 1);
	return json;
}

static cJSON *
get(const char *path)
{
	cr_assert_eq(request("GET", path), 200, "%s", answer_text());
	return body();
}

static double
number(const cJSON *o, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);

	cr_assert(cJSON_IsNumber(item), "%s", name);
	return item->valuedouble;
}

static const char *
string(const cJSON *o, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);

	cr_assert(cJSON_IsString(item), "%s", name);
	return item->valuestring;
}

static bool
is_null(const cJSON *o, const char *name)
{
	return cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(o, name));
}

static const cJSON *
member(const cJSON *o, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);

	cr_assert_not_null(item, "%s", name);
	return item;
}

static const cJSON *
element(const cJSON *o, const char *list, int i)
{
	const cJSON *item = cJSON_GetArrayItem(member(o, list), i);

	cr_assert_not_null(item, "%s[%d]", list, i);
	return item;
}

/* --- things to show --- */

static void
announce(uint64_t conn, const char *user, const char *node)
{
	struct msg_connection m = {.conn = conn,
		.started_at_ms = 1700000000000,
		.user = span_str(user),
		.node = span_str(node),
		.client = {.family = 4, .ip = {192, 0, 2, 1}, .port = 50000},
		.method = span_str("publickey"),
		.fingerprint = span_str("SHA256:abc"),
		.client_ident = span_str("SSH-2.0-OpenSSH_9.2\033[2J"),
		.client_cipher = span_str("aes256-gcm@openssh.com"),
		.why = span_str("fewest users per weight: 0/100 of 2 nodes")};

	director_rig_send(&relay, MSG_CONNECTION, msg_connection_fields, &m);
	director_rig_run();
}

TestSuite(admin, .init = start, .fini = stop, .timeout = 60);

Test(admin, status_tells_roles_counts_and_limits)
{
	static const char *const limits[] = {"limits.unauthenticated_max",
		"limits.unauthenticated_per_source_max", "limits.node_dials_unauthenticated_max",
		"limits.node_connect_timeout_ms", "limits.node_tries_max", "limits.connections_max",
		"limits.placement_wait_s", "limits.handover_timeout_s", "limits.login_grace_s",
		"limits.auth_tries_max", "limits.node_login_timeout_ms", "limits.queue_bytes_max",
		"limits.queue_bytes_total_max", "limits.relay_mark_bytes",
		"limits.global_requests_max", "keepalive.misses_max", "rekey.timeout_s"};
	struct msg_accepted m = {.conn = 9, .client = {.family = 4, .ip = {192, 0, 2, 1}}};
	cJSON *json;

	director_rig_send(&gate, MSG_ACCEPTED, msg_accepted_fields, &m);
	announce(1, "ann", "n1");
	json = get("/v1/status");
	cr_assert_str_eq(string(json, "software"), "sshbroker " SSHBROKER_VERSION);
	cr_assert_gt(number(json, "started_at_ms"), 1.6e12);
	cr_assert_eq(number(json, "uptime_s"), 0);
	cr_assert_eq(number(member(json, "roles"), "gates"), 1);
	cr_assert_eq(number(member(json, "roles"), "relays"), 1);
	cr_assert_eq(number(member(json, "counts"), "connections"), 1);
	cr_assert_eq(number(member(json, "counts"), "unauthenticated"), 1);
	cr_assert_eq(number(member(json, "counts"), "nodes"), 2);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		const cJSON *limit = element(json, "limits", (int)i);

		cr_assert_str_eq(string(limit, "name"), limits[i]);
		cr_assert_gt(number(limit, "max"), 0);
		cr_assert_eq(number(limit, "hits"), 0);
	}
	cr_assert_eq(number(element(json, "limits", 0), "now"), 1);
	cr_assert_eq(number(element(json, "limits", 1), "now"), 1);
	cr_assert(is_null(element(json, "limits", 3), "now"));
	cr_assert_eq(number(element(json, "limits", 5), "now"), 2);
	cJSON_Delete(json);
}

static void
tell_limit(struct director_rig_end *end, struct msg_limit_use m)
{
	director_rig_send(end, MSG_LIMIT_USE, msg_limit_use_fields, &m);
	director_rig_run();
}

static void
assert_limit(enum limit limit, const char *name, double now, double max, double hits)
{
	cJSON *json = get("/v1/status");
	const cJSON *o = element(json, "limits", (int)limit);

	cr_assert_str_eq(string(o, "name"), name);
	cr_assert_eq(number(o, "hits"), hits, "%s: %g", name, number(o, "hits"));
	if (now < 0)
		cr_assert(is_null(o, "now"));
	else
		cr_assert_eq(number(o, "now"), now, "%s: %g", name, number(o, "now"));
	if (max < 0)
		cr_assert(is_null(o, "max"));
	else
		cr_assert_eq(number(o, "max"), max, "%s: %g", name, number(o, "max"));
	cJSON_Delete(json);
}

Test(admin, limits_of_gates_and_relays_are_shown_and_outlive_them)
{
	assert_limit(LIMIT_GATE_GOODBYES, "gate.goodbyes_max", -1, -1, 0);
	tell_limit(&gate,
		(struct msg_limit_use){
			.limit = LIMIT_GATE_GOODBYES, .has_now = true, .now = 3, .max = 64});
	tell_limit(&gate, (struct msg_limit_use){.limit = LIMIT_CONNECTIONS, .n_hits = 2});
	tell_limit(&relay, (struct msg_limit_use){.limit = LIMIT_CONNECTIONS, .n_hits = 5});
	tell_limit(&relay,
		(struct msg_limit_use){
			.limit = LIMIT_QUEUE_BYTES_TOTAL, .has_now = true, .now = 70000});
	assert_limit(LIMIT_GATE_GOODBYES, "gate.goodbyes_max", 3, 64, 0);
	assert_limit(LIMIT_CONNECTIONS, "limits.connections_max", 0, 20000, 7);
	assert_limit(LIMIT_QUEUE_BYTES_TOTAL, "limits.queue_bytes_total_max", 70000, 268435456, 0);
	/* A counter goes on from what was told last, and does not go back with its process. */
	tell_limit(&relay, (struct msg_limit_use){.limit = LIMIT_CONNECTIONS, .n_hits = 6});
	director_rig_unlink(&relay);
	director_rig_run();
	assert_limit(LIMIT_CONNECTIONS, "limits.connections_max", 0, 20000, 8);
	assert_limit(LIMIT_QUEUE_BYTES_TOTAL, "limits.queue_bytes_total_max", -1, 268435456, 0);
}

Test(admin, a_limit_that_is_none_is_ignored)
{
	tell_limit(&gate, (struct msg_limit_use){.limit = LIMIT_COUNT, .n_hits = 9});
	tell_limit(&gate, (struct msg_limit_use){.limit = 255, .n_hits = 9});
	cr_assert_eq(rig.state->n_ignored, 2);
}

Test(admin, nodes_tell_what_is_on_them_and_what_failed)
{
	struct node *n2 = nodes_find(&rig.state->nodes, span_str("n2"));
	const cJSON *node;
	cJSON *json;

	announce(1, "ann", "n1");
	node_note_failure(n2, NODE_FAILURE_HOST_KEY, NODE_REPORTER_ALL, rig.state->now_ms);
	(void)node_learn_methods(n2, span_str("publickey,password"));
	director_rig_pass_ms(5000);
	json = get("/v1/nodes");
	node = element(json, "nodes", 0);
	cr_assert_str_eq(string(node, "name"), "n1");
	cr_assert_str_eq(string(node, "address"), "127.0.0.1");
	cr_assert_eq(number(node, "weight"), 100);
	cr_assert_eq(number(node, "users"), 1);
	cr_assert_eq(number(node, "connections"), 1);
	cr_assert(is_null(node, "last_failure"));
	node = element(json, "nodes", 1);
	cr_assert_str_eq(string(member(node, "last_failure"), "cause"), "wrong host key");
	cr_assert_eq(number(member(node, "last_failure"), "age_s"), 5);
	cr_assert(cJSON_IsTrue(member(node, "failed_lately")));
	cr_assert_str_eq(cJSON_GetArrayItem(member(node, "methods"), 1)->valuestring, "password");
	cJSON_Delete(json);
}

Test(admin, users_and_connections_tell_who_is_where_and_why)
{
	struct msg_counters counters = {.conn = 2,
		.bytes_from_client = 5000000000,
		.bytes_from_node = 7,
		.n_channels = 3,
		.idle_ms = 1500};
	const cJSON *c;
	cJSON *json;

	announce(1, "ann", "n1");
	announce(2, "ann", "gone");
	director_rig_send(&relay, MSG_COUNTERS, msg_counters_fields, &counters);
	director_rig_run();
	director_rig_pass_ms(1000);
	json = get("/v1/users");
	c = element(json, "users", 0);
	cr_assert_str_eq(string(c, "user"), "ann");
	cr_assert_eq(number(c, "connections"), 2);
	cr_assert_eq(number(c, "since_ms"), 1700000000000);
	cr_assert_str_eq(string(element(c, "nodes", 0), "node"), "n1");
	cr_assert_eq(number(element(c, "nodes", 0), "connections"), 1);
	cJSON_Delete(json);
	json = get("/v1/connections");
	c = element(json, "connections", 0);
	cr_assert_str_eq(string(c, "id"), "000000000001");
	cr_assert_str_eq(string(c, "client"), "192.0.2.1:50000");
	cr_assert_str_eq(string(c, "client_software"), "SSH-2.0-OpenSSH_9.2\\x1b[2J");
	cr_assert_str_eq(string(c, "why"), "fewest users per weight: 0/100 of 2 nodes");
	cr_assert(is_null(c, "node_address"));
	cr_assert(is_null(c, "bytes_from_client"));
	cr_assert_gt(number(c, "duration_s"), 0);
	cr_assert(cJSON_IsFalse(member(c, "relay_lost")));
	c = element(json, "connections", 1);
	cr_assert_eq(number(c, "bytes_from_client"), 5000000000);
	cr_assert_eq(number(c, "channels"), 3);
	cr_assert_eq(number(c, "idle_s"), 2);
	cJSON_Delete(json);
}

Test(admin, text_that_is_no_utf8_makes_sound_json)
{
	cJSON *json;

	announce(1, "a\xff\xc3\x28\"\\\n", "n1");
	json = get("/v1/users");
	cr_assert_not_null(strstr(string(element(json, "users", 0), "user"), "\\xff"));
	cJSON_Delete(json);
}

Test(admin, ten_thousand_connections_are_listed_whole)
{
	struct msg_connection m = {.user = span_str("ann"),
		.node = span_str("n1"),
		.client_ident = span_str("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3")};
	cJSON *json;

	for (m.conn = 1; m.conn <= 10000; m.conn++)
		cr_assert_eq(connections_add(&rig.state->connections, &m, rig.state->relays), OK);
	json = get("/v1/connections");
	cr_assert_eq(cJSON_GetArraySize(member(json, "connections")), 10000);
	cJSON_Delete(json);
}

Test(admin, routes_are_the_help)
{
	const struct route *route;
	const cJSON *item;
	cJSON *json = get("/v1/routes");

	cJSON_ArrayForEach (item, member(json, "routes")) {
		const char *path = string(item, "path");

		cr_assert_eq(routes_find(string(item, "method"), path, &route), ROUTE_FOUND);
		cr_assert_eq(request("GET", path), 200);
		cr_assert_gt(strlen(string(item, "help")), 5);
		cr_assert_str_eq(string(item, "role"), "viewer");
	}
	cr_assert_geq(cJSON_GetArraySize(member(json, "routes")), 5);
	cJSON_Delete(json);
}

Test(admin, what_is_not_there_is_a_json_error)
{
	static const struct {
		const char *method, *path;
		int status;
		const char *code;
	} cases[] = {
		{"GET", "/", 404, "not_found"},
		{"GET", "/v1", 404, "not_found"},
		{"GET", "/v1/status/", 404, "not_found"},
		{"GET", "/v1/../v1/status", 404, "not_found"},
		{"GET", "/v1/statu%73", 404, "not_found"},
		{"POST", "/v1/status", 405, "method_not_allowed"},
		{"DELETE", "/v1/users", 405, "method_not_allowed"},
		{"PATCH", "/v1/users", 405, "method_not_allowed"},
		{"POST", "/v2/status", 404, "not_found"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cJSON *json;

		cr_assert_eq(request(cases[i].method, cases[i].path), cases[i].status, "%s %s",
			cases[i].method, cases[i].path);
		json = body();
		cr_assert_str_eq(string(member(json, "error"), "code"), cases[i].code);
		cr_assert_gt(strlen(string(member(json, "error"), "message")), 5);
		cJSON_Delete(json);
	}
	cr_assert_eq(request("GET", "/v1/status?a=b&c"), 200);
}

Test(admin, requests_beyond_the_limits_are_refused)
{
	static char big[200 * 1024];
	int n, status;

	n = snprintf(big, sizeof(big),
		"POST /v1/status HTTP/1.1\r\nHost: b\r\nConnection: close\r\n"
		"Content-Length: %u\r\n\r\n",
		65 * 1024);
	memset(big + n, 'x', 65 * 1024);
	status = request_raw(big);
	cr_assert(status >= 400 && status < 500, "%d", status);
	n = snprintf(big, sizeof(big), "GET /v1/status HTTP/1.1\r\nX: ");
	memset(big + n, 'x', 20 * 1024);
	(void)strcpy(big + n + 20 * 1024, "\r\n\r\n");
	status = request_raw(big);
	cr_assert(status >= 400 && status < 500, "%d", status);
	cr_assert_eq(request("GET", "/v1/status"), 200);
}

Test(admin, one_connection_can_ask_twice)
{
	static const char twice[] =
		"GET /v1/status HTTP/1.1\r\nHost: b\r\n\r\n"
		"GET /v1/nodes HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n";

	cr_assert_eq(request_raw(twice), 200);
	cr_assert_not_null(strstr(answer_text(), "\"software\""));
	cr_assert_not_null(strstr(answer_text(), "\"nodes\":[{"));
}

Test(admin, more_connections_than_slots_wait_and_are_served_later)
{
	int fds[100];

	/* They connect and say nothing: 32 take the slots, the others wait in the backlog. */
	for (size_t i = 0; i < 60; i++)
		fds[i] = open_client();
	director_rig_run();
	for (size_t i = 0; i < 60; i++)
		close(fds[i]);
	cr_assert_eq(request("GET", "/v1/status"), 200);
	/* Others close in the middle of a request, or of an answer. */
	for (size_t i = 0; i < 100; i++) {
		int fd = open_client();

		send_text(fd, "GET /v1/status HTTP/1.1\r\n\r\n", i % 28);
		close(fd);
		director_rig_run();
	}
	cr_assert_eq(request("GET", "/v1/status"), 200);
}

static unsigned n_complaints;

static void
on_complaint(int severity, const char *text)
{
	(void)severity;
	(void)text;
	n_complaints++;
}

/* No descriptor is free from here on; returns what was allowed. */
static rlim_t
use_up_descriptors(void)
{
	struct rlimit files;
	int next = dup(STDERR_FILENO);
	rlim_t before;

	close(next);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	before = files.rlim_cur;
	files.rlim_cur = (rlim_t)next;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	return before;
}

Test(admin, without_descriptors_it_rests_and_serves_later)
{
	static const char text[] = "GET /v1/status HTTP/1.0\r\n\r\n";
	struct rlimit files;
	int fd = open_client();

	event_set_log_callback(on_complaint);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = use_up_descriptors();
	for (unsigned i = 0; i < 50; i++)
		cr_assert_eq(event_base_loop(rig.base, EVLOOP_NONBLOCK), 0);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	cr_assert_eq(n_complaints, 0);
	send_text(fd, text, strlen(text));
	read_answer(fd);
	cr_assert_not_null(strstr(answer_text(), "\"software\""));
}

Test(admin, a_connection_that_lives_too_long_is_shut_down)
{
	int fd = open_client();

	send_text(fd, "GET /v1", 7);
	director_rig_run();
	director_rig_pass_ms(60001);
	read_answer(fd);
	cr_assert_eq(answer.len, 1);
}
