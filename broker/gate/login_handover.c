/*
 * The end of a good login: the client is told, both legs are written out, and a relay takes the connection.
 *
 * From USERAUTH_SUCCESS on nothing is decrypted here: what has arrived goes along as it is.
 */
#include "broker/gate/login_impl.h"
#include "common/log.h"
#include "common/ssh/transport_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static const char *
cipher_of(struct login_leg *leg)
{
	return cipher_info(transport_cipher(login_leg_transport(leg), CIPHER_OPEN))->name;
}

static enum err
write_connection(struct login *l, struct buf *out)
{
	struct msg_connection m = {
		.conn = l->id,
		.started_at_ms = now_ms(),
		.user = span_str(l->user),
		.node = span_str(node_leg_name(l->node)),
		.node_identity = span_str(node_leg_identity(l->node)),
		.client = l->client_addr,
		.node_addr = node_leg_addr(l->node),
		.method = span_str(l->method),
		.fingerprint = span_str(l->fingerprint),
		.client_ident = transport_peer_ident(login_leg_transport(l->client)),
		.client_cipher = span_str(cipher_of(l->client)),
		.node_cipher = span_str(cipher_of(node_leg_under(l->node))),
		.why = span_str(node_leg_why(l->node)),
	};

	return message_encode(msg_connection_fields, &m, out);
}

static void
report_success(struct login *l)
{
	struct msg_conn conn = {.conn = l->id};

	if (gate_links_to_director(l->env->links, MSG_AUTHENTICATED, msg_conn_fields, &conn) != OK)
		log_debug("login id=%s: success not reported, the director is away", l->id_text);
}

/*
 * Called while the node's SUCCESS is being handled.  The legs take nothing more; the hand-over itself waits for the next
 * turn of the loop, when that packet has been taken off the node's bytes.
 */
void
login_succeed(struct login *l)
{
	struct buf b = {0};
	enum err e = auth_success_write(&b);

	if (e == OK)
		e = transport_send(login_leg_transport(l->client), buf_span(&b));
	buf_clear(&b);
	if (e != OK) {
		login_fail_internal(l, e, "success message");
		return;
	}
	transport_set_phase(login_leg_transport(l->client), TRANSPORT_PHASE_CONNECTION);
	transport_set_phase(
		login_leg_transport(node_leg_under(l->node)), TRANSPORT_PHASE_CONNECTION);
	buf_clear(&l->payload);
	login_set_state(l, LOGIN_HAND_OVER);
	/* The user has been in time; what is left has a time of its own. */
	(void)event_del(l->grace);
	login_leg_stop(l->client);
	login_leg_stop(node_leg_under(l->node));
	report_success(l);
	event_active(l->later, 0, 0);
}

/* The keyholder hears first, so that it knows the relay when that asks for its first signature. */
static void
report_move(struct login *l)
{
	struct msg_conn_moved m = {
		.conn = l->id, .relay = l->relay.index, .relay_pid = (uint32_t)l->relay.pid};

	if (gate_links_to_keyholder(l->env->links, MSG_CONN_MOVED, msg_conn_moved_fields, &m) != OK)
		log_debug("login id=%s: move not reported, the keyholder is away", l->id_text);
}

static enum err
send_to_relay(struct login *l, const struct msg_hand_over *m)
{
	int fds[2];

	/* Ours stay open until the relay says that it has them. */
	fds[0] = fcntl(login_leg_fd(l->client), F_DUPFD_CLOEXEC, 0);
	fds[1] = fcntl(login_leg_fd(node_leg_under(l->node)), F_DUPFD_CLOEXEC, 0);
	if (fds[0] >= 0 && fds[1] >= 0)
		return gate_links_hand_over(l->env->links, &l->relay, m, fds);
	if (fds[0] >= 0)
		close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return ERR_IO;
}

static enum err
write_and_send(struct login *l)
{
	struct buf connection = {0}, client = {0}, node = {0};
	struct msg_hand_over m;
	enum err e;

	buf_init(&client, MSG_STATE_MAX);
	buf_init(&node, MSG_STATE_MAX);
	e = write_connection(l, &connection);
	if (e == OK)
		e = transport_state_write(login_leg_transport(l->client), &client);
	if (e == OK)
		e = transport_state_write(login_leg_transport(node_leg_under(l->node)), &node);
	m = (struct msg_hand_over){
		.connection = buf_span(&connection),
		.client_state = buf_span(&client),
		.node_state = buf_span(&node),
		.client_bytes = login_leg_received(l->client),
		.node_bytes = login_leg_received(node_leg_under(l->node)),
	};
	if (e == OK)
		e = send_to_relay(l, &m);
	buf_clear(&connection);
	buf_clear(&client);
	buf_clear(&node);
	return e;
}

/* ERR_CLOSED: its link is dead, though we have not been told yet; nothing was sent. */
static enum err
try_relay(struct login *l)
{
	enum err e;

	report_move(l);
	e = write_and_send(l);
	l->handing_over = e == OK;
	return e;
}

/* Without a relay it waits for one, as long as the state may last. */
void
login_hand_over(struct login *l)
{
	enum err e = ERR_CLOSED;

	if (l->state != LOGIN_HAND_OVER || l->handing_over)
		return;
	for (unsigned i = 0; i < CONFIG_RELAYS_MAX && e == ERR_CLOSED; i++) {
		if (gate_links_choose_relay(l->env->links, &l->relay) != OK)
			return;
		e = try_relay(l);
	}
	if (e != OK && e != ERR_CLOSED)
		login_fail_internal(l, e, "hand-over");
}

void
login_on_handed_over(
	struct login *l, const struct role_peer *relay, const struct msg_handed_over *m)
{
	char addr[ADDR_TEXT_SIZE];

	if (l->state != LOGIN_HAND_OVER || !l->handing_over || relay->index != l->relay.index)
		return;
	l->handing_over = false;
	if (!m->taken) {
		login_finish(l, "the relay did not take the connection");
		return;
	}
	log_info("login: id=%s user=%s from=%s node=%s method=%s key=%s: %s", l->id_text, l->user,
		addr_text(&l->client_addr, addr), node_leg_name(l->node), l->method,
		l->fingerprint[0] != '\0' ? l->fingerprint : "-", node_leg_why(l->node));
	/* It is the relay's to report from here on. */
	l->state = LOGIN_OVER;
	l->env->on_over(l->env->arg, l);
}

/*
 * A relay that dies with a connection on its way may have used the keys already: nothing may ever be sealed with the same
 * counters again, so there is no second try with another relay.
 */
void
login_on_link_down(struct login *l, const struct role_peer *peer)
{
	if (peer->kind == ROLE_RELAY && l->handing_over && l->relay.index == peer->index)
		login_finish(l, "the relay died while it took the connection");
}
