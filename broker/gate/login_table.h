/*
 * The logins of a gate: new ones, the messages that are for one of them, and their end.
 */
#ifndef BROKER_GATE_LOGIN_TABLE_H
#define BROKER_GATE_LOGIN_TABLE_H

#include "broker/gate/login.h"

/*
 * Logins beyond limits.unauthenticated_max: half of these for newcomers, for whom the director may make room, the other half
 * for those who are told why they are not served.
 */
#define LOGIN_TABLE_REFUSALS_MAX 64

struct login_table;

/* All borrowed for the table's life. */
struct login_table_params {
	struct event_base *base;
	const struct config *config;
	struct gate_links *links;
	const struct transport_config *client_transport;
	const char *banner; /* NULL: none */
	size_t logins_max; /* refusals included */
};

/* *out is owned. */
MUST_CHECK enum err login_table_new(
	const struct login_table_params *params, struct login_table **out);
/* Closes all of them.  NULL does nothing. */
void login_table_free(struct login_table *t);

/*
 * A client has connected.  Takes fd, also on failure.  One beyond limits.unauthenticated_max is left to the director, if
 * that can be asked, or told so; one beyond logins_max is closed: all are OK.  Anything else: this process lacks something.
 */
MUST_CHECK enum err login_table_add(struct login_table *t, int fd, const struct addr *client);

/* False: it is no message for a login, and was not looked at. */
bool login_table_on_message(
	struct login_table *t, const struct role_peer *peer, struct ipc_message *m);
void login_table_on_link_up(struct login_table *t, const struct role_peer *peer);
void login_table_on_link_down(struct login_table *t, const struct role_peer *peer);

/* Tell the director of limits that were reached since the last time; to be called every LIMIT_REPORT_INTERVAL_MS. */
void login_table_report(struct login_table *t);

size_t login_table_count(const struct login_table *t);
/* Borrowed until the next turn of the loop; NULL when it is over. */
struct login *login_table_find(const struct login_table *t, uint64_t id);

#endif
