/*
 * One client's login: its life, its states, and the client leg.
 */
#include "broker/gate/login.h"

#include "broker/gate/login_impl.h"
#include "broker/gate/methods.h"
#include "broker/messages/sign_request.h"
#include "common/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TO(state) (1U << (state))
#define ENDS (TO(LOGIN_CLOSING) | TO(LOGIN_OVER))

/* What a request of the client's can come to from each step; PLACE is where it begins again with another node. */
static const unsigned arrows[LOGIN_STATE_COUNT] = {
	[LOGIN_KEX] = TO(LOGIN_AUTH) | ENDS,
	[LOGIN_AUTH] = TO(LOGIN_PLACE) | TO(LOGIN_DIAL) | TO(LOGIN_OFFER) | TO(LOGIN_PROVE) |
		TO(LOGIN_ANSWER) | ENDS,
	[LOGIN_PLACE] = TO(LOGIN_DIAL) | ENDS,
	[LOGIN_DIAL] = TO(LOGIN_PLACE) | TO(LOGIN_OFFER) | TO(LOGIN_ANSWER) | TO(LOGIN_AUTH) |
		TO(LOGIN_HAND_OVER) | ENDS,
	[LOGIN_OFFER] = TO(LOGIN_PLACE) | TO(LOGIN_PROVE) | TO(LOGIN_ANSWER) | TO(LOGIN_AUTH) |
		ENDS,
	[LOGIN_PROVE] = TO(LOGIN_PLACE) | TO(LOGIN_ANSWER) | TO(LOGIN_AUTH) | ENDS,
	[LOGIN_ANSWER] = TO(LOGIN_PLACE) | TO(LOGIN_OFFER) | TO(LOGIN_ANSWER) | TO(LOGIN_AUTH) |
		TO(LOGIN_HAND_OVER) | ENDS,
	[LOGIN_HAND_OVER] = ENDS,
	[LOGIN_CLOSING] = TO(LOGIN_OVER),
};

static void
ask_signature(struct sign_turn *turn)
{
	struct login *l = turn->owner;
	struct msg_kex_sign m = sign_request_of(l->id, ++l->request, &l->exchange);
	enum err e = gate_links_to_keyholder(l->env->links, MSG_KEX_SIGN, msg_kex_sign_fields, &m);

	/* Without a keyholder the client waits; the next one is asked when it is there. */
	if (e != OK && e != ERR_CLOSED)
		login_fail_internal(l, e, "asking for a host key signature");
}

static void
want_no_signature(struct login *l)
{
	l->wants_signature = false;
	sign_turns_leave(&l->env->counts->turns, &l->turn);
}

void
login_counts_init(struct login_counts *c, size_t closing_max)
{
	*c = (struct login_counts){.closing_max = closing_max};
	sign_turns_init(&c->turns, ask_signature);
	limit_set_max(&c->limits, LIMIT_SIGN_TURNS, SIGN_TURNS_MAX);
	limit_set_max(&c->limits, LIMIT_GATE_GOODBYES, closing_max);
	limit_set_max(&c->limits, LIMIT_GATE_PACKET_BYTES, LOGIN_LEG_CLIENT_IN_MAX);
	limit_set_max(&c->limits, LIMIT_GATE_UNREAD_BYTES, LOGIN_LEG_OUT_MAX);
	limit_set_max(&c->limits, LIMIT_GATE_BANNER_BYTES, LOGIN_BANNER_BYTES_MAX);
	limit_set_max(&c->limits, LIMIT_GATE_KEY_EXCHANGES, TRANSPORT_EARLY_EXCHANGES_MAX);
}

static const char *
state_name(enum login_state state)
{
	static const char *const names[LOGIN_STATE_COUNT] = {
		[LOGIN_OVER] = "over",
		[LOGIN_KEX] = "key exchange",
		[LOGIN_AUTH] = "authentication",
		[LOGIN_PLACE] = "placement",
		[LOGIN_DIAL] = "node login",
		[LOGIN_OFFER] = "certificate",
		[LOGIN_PROVE] = "proof",
		[LOGIN_ANSWER] = "node's answer",
		[LOGIN_HAND_OVER] = "hand-over",
		[LOGIN_CLOSING] = "closing",
	};

	return names[state];
}

/*
 * How long a state may last, in ms; 0: as long as the whole login.  A node that was sent a secret may take its time (PAM
 * does), one that was only asked may not, since another one can be asked instead.
 */
static uint64_t
time_for(const struct login *l)
{
	const struct config *c = l->env->config;

	switch (l->state) {
	case LOGIN_PLACE:
	case LOGIN_OFFER:
	case LOGIN_PROVE:
		return (uint64_t)c->limits.placement_wait_s * 1000;
	case LOGIN_DIAL:
		return c->limits.node_login_timeout_ms;
	case LOGIN_ANSWER:
		return l->secret_sent ? 0 : c->limits.node_login_timeout_ms;
	case LOGIN_HAND_OVER:
		return (uint64_t)c->limits.handover_timeout_s * 1000;
	default:
		return 0;
	}
}

/* The placement itself is bounded by the director, node by node; it answers in the end or is gone. */
static void
start_timer(struct login *l)
{
	uint64_t ms = time_for(l);
	struct timeval tv;

	if (l->state == LOGIN_PLACE)
		ms += (uint64_t)l->env->config->limits.node_connect_timeout_ms *
			l->env->config->limits.node_tries_max;
	tv = (struct timeval){(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
	(void)event_del(l->step_timer);
	if (ms > 0 && event_add(l->step_timer, &tv) != 0)
		log_warn("login id=%s: a timer cannot be set", l->id_text);
}

static void
count_closing(struct login *l, enum login_state state)
{
	if (l->state == LOGIN_CLOSING && state != LOGIN_CLOSING)
		l->env->counts->n_closing--;
	if (l->state != LOGIN_CLOSING && state == LOGIN_CLOSING)
		l->env->counts->n_closing++;
	limit_set_now(&l->env->counts->limits, LIMIT_GATE_GOODBYES, l->env->counts->n_closing);
}

void
login_hit(const struct login *l, enum limit limit)
{
	limit_hit(&l->env->counts->limits, limit);
}

void
login_set_state(struct login *l, enum login_state state)
{
	assert((arrows[l->state] & TO(state)) != 0 || l->state == state);
	count_closing(l, state);
	l->state = state;
	if (!login_is_alive(l))
		want_no_signature(l);
	/* A client is heard in its own turn only, so that its requests are answered in order. */
	if (state != LOGIN_OVER)
		login_leg_hold(l->client, state != LOGIN_KEX && state != LOGIN_AUTH);
	start_timer(l);
}

bool
login_is_alive(const struct login *l)
{
	return l->state != LOGIN_CLOSING && l->state != LOGIN_OVER;
}

static void
forget_elsewhere(struct login *l, const char *why)
{
	struct msg_ended ended = {.conn = l->id, .text = span_of(why, strnlen(why, MSG_TEXT_MAX))};
	struct msg_conn conn = {.conn = l->id};

	/* Where there is no link there is nobody who remembers. */
	if (gate_links_to_director(l->env->links, MSG_ENDED, msg_ended_fields, &ended) != OK)
		log_debug("login id=%s: end not reported, the director is away", l->id_text);
	if (gate_links_to_keyholder(l->env->links, MSG_CONN_FORGET, msg_conn_fields, &conn) != OK)
		log_debug("login id=%s: end not reported, the keyholder is away", l->id_text);
}

static void
log_end(const struct login *l, const char *why)
{
	char addr[ADDR_TEXT_SIZE];

	log_info("login failed: id=%s user=%s from=%s node=%s: %s", l->id_text,
		l->user != NULL ? l->user : "-", addr_text(&l->client_addr, addr),
		l->node != NULL ? node_leg_name(l->node) : "-", why);
}

/* A relay may have the sockets, and take the connection after all; the others would not know of it. */
static void
cut_both(struct login *l)
{
	login_leg_cut(l->client);
	login_leg_cut(node_leg_under(l->node));
}

void
login_finish(struct login *l, const char *why)
{
	if (l->state == LOGIN_OVER)
		return;
	if (l->state != LOGIN_CLOSING) {
		log_end(l, why);
		forget_elsewhere(l, why);
	}
	login_set_state(l, LOGIN_OVER);
	login_leg_stop(l->client);
	if (l->node != NULL)
		login_leg_stop(node_leg_under(l->node));
	if (l->handing_over)
		cut_both(l);
	l->env->on_over(l->env->arg, l);
}

/* However long the text is, the id is there: it is what an administrator will ask for. */
static void
write_words(const struct login *l, const char *text, char words[LOGIN_TEXT_MAX])
{
	snprintf(words, LOGIN_TEXT_MAX, "%.*s (id %s)", MSG_TEXT_MAX, text, l->id_text);
}

/*
 * Both legs are stopped.  The client can be told as long as no relay can have used the keys: nothing may ever be sealed
 * twice with the same counters.
 */
static void
refuse_hand_over(struct login *l, enum ssh_disconnect code, const char *text)
{
	char words[LOGIN_TEXT_MAX];

	write_words(l, text, words);
	if (!l->handing_over)
		login_leg_last_words(l->client, code, words);
	login_finish(l, text);
}

/*
 * A client gets the time to read it.  Those who are refused and stay may be many, and of one address: beyond so many, a
 * client has what the socket takes at once.
 */
static void
say_goodbye(struct login *l, enum ssh_disconnect code, const char *words)
{
	if (l->env->counts->n_closing <= l->env->counts->closing_max) {
		login_leg_disconnect(l->client, code, words);
		return;
	}
	login_hit(l, LIMIT_GATE_GOODBYES);
	login_leg_last_words(l->client, code, words);
	login_finish(l, words);
}

/* The node learns nothing of the client's goodbye: its leg is simply closed with the login. */
void
login_refuse(struct login *l, enum ssh_disconnect code, const char *text)
{
	char words[LOGIN_TEXT_MAX];

	if (!login_is_alive(l))
		return;
	if (l->state == LOGIN_HAND_OVER) {
		refuse_hand_over(l, code, text);
		return;
	}
	write_words(l, text, words);
	log_end(l, text);
	forget_elsewhere(l, text);
	login_set_state(l, LOGIN_CLOSING);
	if (l->node != NULL) {
		login_leg_stop(node_leg_under(l->node));
		login_leg_cut(node_leg_under(l->node));
	}
	say_goodbye(l, code, words);
}

void
login_on_refuse(struct login *l, const struct msg_refuse *m)
{
	char text[MSG_TEXT_MAX + 1];

	if (m->spares_success && l->state == LOGIN_HAND_OVER)
		return;
	log_printable(m->text, text, sizeof(text));
	login_refuse(l, SSH_DISCONNECT_TOO_MANY_CONNECTIONS, text);
}

void
login_fail_internal(struct login *l, enum err e, const char *what)
{
	log_error("login id=%s: %s: %s", l->id_text, what, err_text(e));
	login_refuse(
		l, SSH_DISCONNECT_BY_APPLICATION, "internal error of the broker, please try again");
}

void
login_on_kex_signed(struct login *l, const struct msg_kex_signed *m)
{
	enum err e;

	if (!l->wants_signature || m->request != l->request || l->state == LOGIN_CLOSING)
		return;
	want_no_signature(l);
	if (m->err != OK) {
		login_fail_internal(l, m->err, "host key signature");
		return;
	}
	e = transport_signed(login_leg_transport(l->client), m->host_key, m->signature);
	if (e != OK) {
		login_fail_internal(l, e, "key exchange");
		return;
	}
	login_leg_flush(l->client);
	login_leg_hold(l->client, l->state != LOGIN_KEX && l->state != LOGIN_AUTH);
}

static void
on_service_request(struct login *l, struct span payload)
{
	struct span service;
	struct buf b = {0};
	enum err e;

	if (auth_service_parse(SSH_MSG_SERVICE_REQUEST, payload, &service) != OK) {
		login_refuse(l, SSH_DISCONNECT_PROTOCOL_ERROR, "malformed service request");
		return;
	}
	if (!span_is(service, AUTH_SERVICE_USERAUTH)) {
		login_refuse(l, SSH_DISCONNECT_SERVICE_NOT_AVAILABLE,
			"only the service ssh-userauth can be asked for here");
		return;
	}
	transport_set_phase(login_leg_transport(l->client), TRANSPORT_PHASE_AUTH);
	e = auth_service_write(SSH_MSG_SERVICE_ACCEPT, service, &b);
	if (e == OK)
		e = login_leg_send(l->client, buf_span(&b));
	buf_clear(&b);
	if (e != OK)
		login_fail_internal(l, e, "service accept");
	else
		login_set_state(l, LOGIN_AUTH);
}

static void
on_ping(struct login *l, struct span payload)
{
	struct wire_reader r = wire_reader_of(span_of(payload.ptr + 1, payload.len - 1));
	struct buf b = {0};
	struct span data;
	enum err e;

	if (wire_get_string(&r, &data) != OK || wire_end(&r) != OK) {
		login_refuse(l, SSH_DISCONNECT_PROTOCOL_ERROR, "malformed ping");
		return;
	}
	e = wire_put_u8(&b, SSH_MSG_PONG);
	if (e == OK)
		e = wire_put_string(&b, data);
	if (e == OK)
		e = login_leg_send(l->client, buf_span(&b));
	buf_clear(&b);
	if (e != OK)
		login_fail_internal(l, e, "answer to a ping");
}

static void
on_client_packet(struct login *l, struct span payload)
{
	switch (payload.ptr[0]) {
	case SSH_MSG_PING:
		on_ping(l, payload);
		break;
	case SSH_MSG_PONG:
		break;
	case SSH_MSG_SERVICE_REQUEST:
		on_service_request(l, payload);
		break;
	default:
		login_on_auth_packet(l, payload);
		break;
	}
}

static void
on_sign(struct login *l, const struct transport_event *event)
{
	l->exchange = event->exchange;
	l->wants_signature = true;
	l->turn.owner = l;
	if (sign_turns_enter(&l->env->counts->turns, &l->turn))
		login_hit(l, LIMIT_SIGN_TURNS);
}

static void
on_client_event(void *arg, struct transport_event *event)
{
	struct login *l = arg;
	char text[MSG_TEXT_MAX], why[LOGIN_TEXT_MAX];

	switch (event->kind) {
	case TRANSPORT_EVENT_SIGN:
		on_sign(l, event);
		break;
	case TRANSPORT_EVENT_PACKET:
		on_client_packet(l, event->packet.payload);
		break;
	case TRANSPORT_EVENT_DISCONNECT:
		log_printable(event->text, text, sizeof(text));
		snprintf(why, sizeof(why), "the client disconnected: %s", text);
		login_finish(l, why);
		break;
	default:
		break;
	}
}

static void
on_client_dead(void *arg, enum err why)
{
	struct login *l = arg;
	const struct transport_failure *failure = transport_failure(login_leg_transport(l->client));

	if (why == ERR_CLOSED || why == ERR_IO)
		login_finish(l, "the client closed the connection");
	else
		login_finish(l, failure->text[0] != '\0' ? failure->text : err_text(why));
}

static const struct login_leg_events client_events = {
	.on_event = on_client_event,
	.on_dead = on_client_dead,
};

static void
on_grace(evutil_socket_t fd, short what, void *arg)
{
	struct login *l = arg;

	(void)fd;
	(void)what;
	login_hit(l, LIMIT_LOGIN_GRACE);
	login_refuse(
		l, SSH_DISCONNECT_BY_APPLICATION, "login took too long (limits.login_grace_s)");
}

static void
on_step_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct login *l = arg;
	char text[LOGIN_TEXT_MAX];

	(void)fd;
	(void)what;
	if (l->state == LOGIN_HAND_OVER) {
		login_hit(l, LIMIT_HANDOVER_TIMEOUT);
		login_refuse(l, SSH_DISCONNECT_SERVICE_NOT_AVAILABLE,
			"no relay took the connection (limits.handover_timeout_s)");
		return;
	}
	if (l->state == LOGIN_DIAL || l->state == LOGIN_ANSWER) {
		login_hit(l, LIMIT_NODE_LOGIN_TIMEOUT);
		snprintf(text, sizeof(text), "node %s did not answer in time",
			node_leg_name(l->node));
		login_node_lost(l, NODE_FAILURE_TIMEOUT, SSH_DISCONNECT_NONE, text);
		return;
	}
	login_hit(l, LIMIT_PLACEMENT_WAIT);
	snprintf(text, sizeof(text), "a part of the broker does not answer (%s), please try again",
		state_name(l->state));
	login_refuse(l, SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, text);
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	login_hand_over(arg);
}

static enum err
make_events(struct login *l)
{
	struct timeval grace = {(time_t)l->env->config->limits.login_grace_s, 0};

	l->grace = evtimer_new(l->env->base, on_grace, l);
	l->step_timer = evtimer_new(l->env->base, on_step_timeout, l);
	l->later = event_new(l->env->base, -1, 0, on_later, l);
	if (l->grace == NULL || l->step_timer == NULL || l->later == NULL ||
		event_add(l->grace, &grace) != 0)
		return ERR_NOMEM;
	return OK;
}

enum err
login_new(const struct login_env *env, int fd, uint64_t id, const struct addr *client,
	struct login **out)
{
	struct login *l = calloc(1, sizeof(*l));
	enum err e;

	if (l == NULL) {
		close(fd);
		return ERR_NOMEM;
	}
	l->env = env;
	l->id = id;
	conn_id_text(id, l->id_text);
	l->client_addr = *client;
	l->state = LOGIN_KEX;
	buf_init(&l->payload, LOGIN_LEG_CLIENT_IN_MAX);
	e = login_leg_new(env->base, fd, env->client_transport, &client_events, l, &l->client);
	if (e == OK) {
		login_leg_count(l->client, &env->counts->limits);
		e = make_events(l);
	}
	if (e == OK)
		e = methods_filter(span_str(env->known_methods), &l->methods);
	if (e != OK) {
		login_free(l);
		return e;
	}
	*out = l;
	return OK;
}

static void
free_event(struct event *ev)
{
	if (ev != NULL)
		event_free(ev);
}

void
login_free(struct login *l)
{
	if (l == NULL)
		return;
	want_no_signature(l);
	free_event(l->grace);
	free_event(l->step_timer);
	free_event(l->later);
	login_leg_free(l->client);
	node_leg_free(l->node);
	login_drop_offer(l);
	for (size_t i = 0; i < l->n_proofs; i++)
		buf_clear(&l->proofs[i]);
	for (size_t i = 0; i < l->n_banners; i++)
		buf_clear(&l->banners[i]);
	buf_clear(&l->payload);
	buf_clear(&l->methods);
	buf_clear(&l->excluded);
	free(l->user);
	free(l);
}

uint64_t
login_id(const struct login *l)
{
	return l->id;
}

void
login_push(struct login **list, struct login *l)
{
	l->next = *list;
	*list = l;
}

struct login *
login_pop(struct login **list)
{
	struct login *l = *list;

	*list = l->next;
	return l;
}
