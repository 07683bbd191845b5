/*
 * The answers of the admin API as text for people.
 */
#include "broker/ctl/reports.h"

#include "broker/ctl/columns.h"
#include "common/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#define TEXT_SIZE 64

/* --- members of an answer --- */

static const cJSON *
member(const cJSON *o, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(o, name);
}

/* NULL: not there, or no text. */
static const char *
text_of(const cJSON *o, const char *name)
{
	return cJSON_GetStringValue(member(o, name));
}

static bool
get_number(const cJSON *o, const char *name, uint64_t *out)
{
	const cJSON *item = member(o, name);

	if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > 1e18)
		return false;
	*out = (uint64_t)item->valuedouble;
	return true;
}

static uint64_t
number_of(const cJSON *o, const char *name)
{
	uint64_t n = 0;

	(void)get_number(o, name, &n);
	return n;
}

static uint64_t
sum(const cJSON *list, const char *name)
{
	const cJSON *item;
	uint64_t n = 0;

	cJSON_ArrayForEach (item, list)
		n += number_of(item, name);
	return n;
}

/* --- cells --- */

static void
add_number(struct columns *c, const cJSON *o, const char *name)
{
	uint64_t n;

	if (get_number(o, name, &n))
		columns_addf(c, "%" PRIu64, n);
	else
		columns_add(c, NULL);
}

/* "5s", "12m30s", "3h05m", "2d04h". */
static const char *
duration_text(uint64_t s, char out[TEXT_SIZE])
{
	static const struct {
		uint64_t s;
		const char *format;
		uint64_t rest;
	} units[] = {
		{86400, "%" PRIu64 "d%02" PRIu64 "h", 3600},
		{3600, "%" PRIu64 "h%02" PRIu64 "m", 60},
		{60, "%" PRIu64 "m%02" PRIu64 "s", 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (s < units[i].s)
			continue;
		(void)snprintf(out, TEXT_SIZE, units[i].format, s / units[i].s,
			s % units[i].s / units[i].rest);
		return out;
	}
	(void)snprintf(out, TEXT_SIZE, "%" PRIu64 "s", s);
	return out;
}

static void
add_duration(struct columns *c, const cJSON *o, const char *name)
{
	char text[TEXT_SIZE];
	uint64_t s;

	columns_add(c, get_number(o, name, &s) ? duration_text(s, text) : NULL);
}

/* "512", "1.5K", "20M". */
static const char *
bytes_text(uint64_t n, char out[TEXT_SIZE])
{
	static const char units[] = "KMGTPE";
	double value = (double)n;
	size_t i = 0;

	if (n < 1024) {
		(void)snprintf(out, TEXT_SIZE, "%" PRIu64, n);
		return out;
	}
	for (value /= 1024; value >= 1024 && units[i + 1] != '\0'; value /= 1024)
		i++;
	(void)snprintf(out, TEXT_SIZE, value < 10 ? "%.1f%c" : "%.0f%c", value, units[i]);
	return out;
}

static void
add_bytes(struct columns *c, const cJSON *o, const char *name)
{
	char text[TEXT_SIZE];
	uint64_t n;

	columns_add(c, get_number(o, name, &n) ? bytes_text(n, text) : NULL);
}

/* A moment in local time. */
static const char *
moment_text(uint64_t ms, char out[TEXT_SIZE])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL || strftime(out, TEXT_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		(void)snprintf(out, TEXT_SIZE, "-");
	return out;
}

static void
add_moment(struct columns *c, const cJSON *o, const char *name)
{
	char text[TEXT_SIZE];
	uint64_t ms;

	columns_add(c, get_number(o, name, &ms) ? moment_text(ms, text) : NULL);
}

static const char *
plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* The line below a table. */
static void PRINTF_LIKE(2, 3) print_total(FILE *out, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vfprintf(out, format, ap);
	va_end(ap);
	(void)fputc('\n', out);
}

/* One report: a list of the answer as a table, with what comes below it. */
struct table_report {
	const char *list;
	const char *if_empty;
	const struct column *columns;
	size_t n_columns;
	void (*add_row)(struct columns *c, const cJSON *item);
	void (*print_total)(const cJSON *list, FILE *out);
};

static enum err
print_table(const struct table_report *r, const cJSON *answer, FILE *out)
{
	const cJSON *list = member(answer, r->list), *item;
	struct columns c;
	enum err e;

	if (cJSON_GetArraySize(list) == 0) {
		(void)fprintf(out, "%s\n", r->if_empty);
		return OK;
	}
	columns_init(&c, r->columns, r->n_columns);
	cJSON_ArrayForEach (item, list)
		r->add_row(&c, item);
	e = columns_print(&c, out);
	columns_clear(&c);
	if (e == OK && r->print_total != NULL)
		r->print_total(list, out);
	return e;
}

/* --- status --- */

static void
add_limit(struct columns *c, const cJSON *limit)
{
	columns_add(c, text_of(limit, "name"));
	add_number(c, limit, "now");
	add_number(c, limit, "max");
	add_number(c, limit, "hits");
}

static enum err
print_limits(const cJSON *answer, FILE *out)
{
	static const struct column columns[] = {
		{"LIMIT", false}, {"NOW", true}, {"MAX", true}, {"REACHED", true}};
	static const struct table_report report = {.list = "limits",
		.if_empty = "No limits are known.",
		.columns = columns,
		.n_columns = ARRAY_LEN(columns),
		.add_row = add_limit};

	return print_table(&report, answer, out);
}

static void
print_head(const cJSON *answer, FILE *out)
{
	const char *software = text_of(answer, "software");
	char safe[COLUMNS_CELL_SIZE], up[TEXT_SIZE], since[TEXT_SIZE];

	(void)fprintf(out, "%s, up %s since %s\n",
		log_printable(
			span_str(software != NULL ? software : "sshbroker"), safe, sizeof(safe)),
		duration_text(number_of(answer, "uptime_s"), up),
		moment_text(number_of(answer, "started_at_ms"), since));
}

static void
print_roles(const cJSON *roles, FILE *out)
{
	uint64_t gates = number_of(roles, "gates"), relays = number_of(roles, "relays");

	(void)fprintf(out, "processes    %" PRIu64 " gate%s, %" PRIu64 " relay%s\n", gates,
		plural(gates), relays, plural(relays));
}

static void
print_counts(const cJSON *counts, FILE *out)
{
	(void)fprintf(out,
		"nodes        %" PRIu64 "\n"
		"users        %" PRIu64 "\n"
		"connections  %" PRIu64 "\n"
		"logging in   %" PRIu64 " (%" PRIu64 " wait for a node)\n",
		number_of(counts, "nodes"), number_of(counts, "users"),
		number_of(counts, "connections"), number_of(counts, "unauthenticated"),
		number_of(counts, "waiting"));
}

enum err
report_status(const cJSON *answer, FILE *out)
{
	print_head(answer, out);
	print_roles(member(answer, "roles"), out);
	print_counts(member(answer, "counts"), out);
	(void)fputc('\n', out);
	return print_limits(answer, out);
}

/* --- nodes --- */

static void
add_last_failure(struct columns *c, const cJSON *node)
{
	const cJSON *failure = member(node, "last_failure");
	char age[TEXT_SIZE];

	if (!cJSON_IsObject(failure)) {
		columns_add(c, NULL);
		return;
	}
	columns_addf(c, "%s, %s ago%s",
		text_of(failure, "cause") != NULL ? text_of(failure, "cause") : "unknown",
		duration_text(number_of(failure, "age_s"), age),
		cJSON_IsTrue(member(failure, "served_since")) ? " (served since)" : "");
}

static void
add_methods(struct columns *c, const cJSON *node)
{
	char text[COLUMNS_CELL_SIZE] = "";
	const cJSON *item;
	size_t len = 0;

	cJSON_ArrayForEach (item, member(node, "methods")) {
		const char *name = cJSON_GetStringValue(item);

		if (name == NULL || len + strlen(name) + 2 > sizeof(text))
			continue;
		(void)snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? "," : "", name);
		len = strlen(text);
	}
	columns_add(c, text);
}

static void
add_node(struct columns *c, const cJSON *node)
{
	const char *address = text_of(node, "address");

	columns_add(c, text_of(node, "name"));
	columns_addf(c, address != NULL && strchr(address, ':') ? "[%s]:%" PRIu64 : "%s:%" PRIu64,
		address != NULL ? address : "-", number_of(node, "port"));
	add_number(c, node, "weight");
	add_number(c, node, "users");
	add_number(c, node, "connections");
	add_number(c, node, "reservations");
	add_number(c, node, "dials");
	add_methods(c, node);
	add_last_failure(c, node);
}

static void
print_nodes_total(const cJSON *list, FILE *out)
{
	uint64_t n = (uint64_t)cJSON_GetArraySize(list), connections = sum(list, "connections"),
		 logins = sum(list, "reservations");

	print_total(out,
		"%" PRIu64 " node%s, %" PRIu64 " connection%s, %" PRIu64 " login%s under way", n,
		plural(n), connections, plural(connections), logins, plural(logins));
}

enum err
report_nodes(const cJSON *answer, FILE *out)
{
	static const struct column columns[] = {{"NODE", false}, {"ADDRESS", false},
		{"WEIGHT", true}, {"USERS", true}, {"CONNECTIONS", true}, {"LOGINS", true},
		{"UNPROVED", true}, {"METHODS", false}, {"LAST FAILURE", false}};
	static const struct table_report report = {.list = "nodes",
		.if_empty = "There are no nodes.",
		.columns = columns,
		.n_columns = ARRAY_LEN(columns),
		.add_row = add_node,
		.print_total = print_nodes_total};

	return print_table(&report, answer, out);
}

/* --- users --- */

/* "n1 (2), n2 (1)", with the connections there. */
static void
add_user_nodes(struct columns *c, const cJSON *user)
{
	char text[COLUMNS_CELL_SIZE] = "";
	const cJSON *item;
	size_t len = 0;

	cJSON_ArrayForEach (item, member(user, "nodes")) {
		const char *name = text_of(item, "node");

		if (name == NULL || len + strlen(name) + 32 > sizeof(text))
			continue;
		(void)snprintf(text + len, sizeof(text) - len, "%s%s (%" PRIu64 ")",
			len > 0 ? ", " : "", name, number_of(item, "connections"));
		len = strlen(text);
	}
	columns_add(c, text);
}

static void
add_user(struct columns *c, const cJSON *user)
{
	columns_add(c, text_of(user, "user"));
	add_number(c, user, "connections");
	add_number(c, user, "reservations");
	add_moment(c, user, "since_ms");
	add_user_nodes(c, user);
}

static void
print_users_total(const cJSON *list, FILE *out)
{
	uint64_t n = (uint64_t)cJSON_GetArraySize(list), connections = sum(list, "connections"),
		 logins = sum(list, "reservations");

	print_total(out,
		"%" PRIu64 " user%s, %" PRIu64 " connection%s, %" PRIu64 " login%s under way", n,
		plural(n), connections, plural(connections), logins, plural(logins));
}

enum err
report_users(const cJSON *answer, FILE *out)
{
	static const struct column columns[] = {{"USER", false}, {"CONNECTIONS", true},
		{"LOGINS", true}, {"SINCE", false}, {"NODES", false}};
	static const struct table_report report = {.list = "users",
		.if_empty = "Nobody is connected.",
		.columns = columns,
		.n_columns = ARRAY_LEN(columns),
		.add_row = add_user,
		.print_total = print_users_total};

	return print_table(&report, answer, out);
}

/* --- connections --- */

static void
add_connection(struct columns *c, const cJSON *connection)
{
	columns_add(c, text_of(connection, "id"));
	columns_add(c, text_of(connection, "user"));
	columns_add(c, text_of(connection, "node"));
	columns_add(c, text_of(connection, "client"));
	add_duration(c, connection, "duration_s");
	add_duration(c, connection, "idle_s");
	add_bytes(c, connection, "bytes_from_client");
	add_bytes(c, connection, "bytes_from_node");
	add_number(c, connection, "channels");
	columns_add(c, text_of(connection, "method"));
	columns_add(c, text_of(connection, "client_software"));
	columns_add(c, text_of(connection, "why"));
}

static void
print_connections_total(const cJSON *list, FILE *out)
{
	uint64_t n = (uint64_t)cJSON_GetArraySize(list);
	char in[TEXT_SIZE], from_node[TEXT_SIZE];

	print_total(out, "%" PRIu64 " connection%s, %s bytes from clients, %s bytes from nodes", n,
		plural(n), bytes_text(sum(list, "bytes_from_client"), in),
		bytes_text(sum(list, "bytes_from_node"), from_node));
}

enum err
report_connections(const cJSON *answer, FILE *out)
{
	static const struct column columns[] = {{"ID", false}, {"USER", false}, {"NODE", false},
		{"CLIENT", false}, {"FOR", true}, {"IDLE", true}, {"FROM CLIENT", true},
		{"FROM NODE", true}, {"CHANNELS", true}, {"METHOD", false}, {"SOFTWARE", false},
		{"WHY", false}};
	static const struct table_report report = {.list = "connections",
		.if_empty = "There are no connections.",
		.columns = columns,
		.n_columns = ARRAY_LEN(columns),
		.add_row = add_connection,
		.print_total = print_connections_total};

	return print_table(&report, answer, out);
}
