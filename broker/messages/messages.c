/*
 * The field tables of all messages between roles.
 */
#include "broker/messages/messages.h"

#include <stddef.h>

const struct message_field msg_conn_fields[] = {
	FIELD(msg_conn, conn, FIELD_U64),
	FIELDS_END,
};

const struct message_field msg_accepted_fields[] = {
	FIELD(msg_accepted, conn, FIELD_U64),
	FIELD(msg_accepted, client, FIELD_ADDR),
	FIELDS_END,
};

const struct message_field msg_place_fields[] = {
	FIELD(msg_place, conn, FIELD_U64),
	FIELD(msg_place, attempt, FIELD_U32),
	FIELD_MAX(msg_place, user, FIELD_TEXT, MSG_USER_MAX),
	FIELD_MAX(msg_place, excluded, FIELD_TEXT, MSG_TEXT_MAX),
	FIELD(msg_place, authenticated, FIELD_BOOL),
	FIELDS_END,
};

const struct message_field msg_node_failed_fields[] = {
	FIELD(msg_node_failed, conn, FIELD_U64),
	FIELD(msg_node_failed, attempt, FIELD_U32),
	FIELD(msg_node_failed, cause, FIELD_U8),
	FIELD_MAX(msg_node_failed, text, FIELD_TEXT, MSG_TEXT_MAX),
	FIELDS_END,
};

const struct message_field msg_node_methods_fields[] = {
	FIELD(msg_node_methods, conn, FIELD_U64),
	FIELD_MAX(msg_node_methods, node, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_node_methods, methods, FIELD_TEXT, MSG_METHODS_MAX),
	FIELDS_END,
};

const struct message_field msg_ended_fields[] = {
	FIELD(msg_ended, conn, FIELD_U64),
	FIELD_MAX(msg_ended, text, FIELD_TEXT, MSG_TEXT_MAX),
	FIELDS_END,
};

const struct message_field msg_placed_fields[] = {
	FIELD(msg_placed, conn, FIELD_U64),
	FIELD(msg_placed, attempt, FIELD_U32),
	FIELD_MAX(msg_placed, node, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_placed, identity, FIELD_TEXT, MSG_NODE_MAX),
	FIELD(msg_placed, address, FIELD_ADDR),
	FIELD_MAX(msg_placed, host_keys, FIELD_BYTES, MSG_KEY_MAX),
	FIELD_MAX(msg_placed, why, FIELD_TEXT, MSG_TEXT_MAX),
	FIELDS_END,
};

const struct message_field msg_not_placed_fields[] = {
	FIELD(msg_not_placed, conn, FIELD_U64),
	FIELD(msg_not_placed, attempt, FIELD_U32),
	FIELD(msg_not_placed, reason, FIELD_U8),
	FIELD_MAX(msg_not_placed, text, FIELD_TEXT, MSG_TEXT_MAX),
	FIELDS_END,
};

const struct message_field msg_refuse_fields[] = {
	FIELD(msg_refuse, conn, FIELD_U64),
	FIELD_MAX(msg_refuse, text, FIELD_TEXT, MSG_TEXT_MAX),
	FIELD(msg_refuse, spares_success, FIELD_BOOL),
	FIELDS_END,
};

const struct message_field msg_known_methods_fields[] = {
	FIELD_MAX(msg_known_methods, methods, FIELD_TEXT, MSG_METHODS_MAX),
	FIELDS_END,
};

const struct message_field msg_connection_fields[] = {
	FIELD(msg_connection, conn, FIELD_U64),
	FIELD(msg_connection, started_at_ms, FIELD_U64),
	FIELD_MAX(msg_connection, user, FIELD_TEXT, MSG_USER_MAX),
	FIELD_MAX(msg_connection, node, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_connection, node_identity, FIELD_TEXT, MSG_NODE_MAX),
	FIELD(msg_connection, client, FIELD_ADDR),
	FIELD(msg_connection, node_addr, FIELD_ADDR),
	FIELD_MAX(msg_connection, method, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_connection, fingerprint, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_connection, client_ident, FIELD_TEXT, MSG_USER_MAX),
	FIELD_MAX(msg_connection, client_cipher, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_connection, node_cipher, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_connection, why, FIELD_TEXT, MSG_TEXT_MAX),
	FIELDS_END,
};

const struct message_field msg_hand_over_fields[] = {
	FIELD_MAX(msg_hand_over, connection, FIELD_BYTES, MSG_KEY_MAX),
	FIELD_MAX(msg_hand_over, client_state, FIELD_BYTES, MSG_STATE_MAX),
	FIELD_MAX(msg_hand_over, node_state, FIELD_BYTES, MSG_STATE_MAX),
	FIELD_MAX(msg_hand_over, client_bytes, FIELD_BYTES, MSG_PACKET_MAX * 2),
	FIELD_MAX(msg_hand_over, node_bytes, FIELD_BYTES, MSG_PACKET_MAX * 2),
	FIELDS_END,
};

const struct message_field msg_handed_over_fields[] = {
	FIELD(msg_handed_over, conn, FIELD_U64),
	FIELD(msg_handed_over, taken, FIELD_BOOL),
	FIELDS_END,
};

const struct message_field msg_counters_fields[] = {
	FIELD(msg_counters, conn, FIELD_U64),
	FIELD(msg_counters, bytes_from_client, FIELD_U64),
	FIELD(msg_counters, bytes_from_node, FIELD_U64),
	FIELD(msg_counters, n_channels, FIELD_U32),
	FIELD(msg_counters, n_rekeys, FIELD_U32),
	FIELD(msg_counters, idle_ms, FIELD_U64),
	FIELDS_END,
};

const struct message_field msg_connection_ended_fields[] = {
	FIELD(msg_connection_ended, conn, FIELD_U64),
	FIELD(msg_connection_ended, cause, FIELD_U8),
	FIELD_MAX(msg_connection_ended, text, FIELD_TEXT, MSG_TEXT_MAX),
	FIELD(msg_connection_ended, bytes_from_client, FIELD_U64),
	FIELD(msg_connection_ended, bytes_from_node, FIELD_U64),
	FIELDS_END,
};

const struct message_field msg_limit_use_fields[] = {
	FIELD(msg_limit_use, limit, FIELD_U8),
	FIELD(msg_limit_use, has_now, FIELD_BOOL),
	FIELD(msg_limit_use, n_hits, FIELD_U64),
	FIELD(msg_limit_use, now, FIELD_U64),
	FIELD(msg_limit_use, max, FIELD_U64),
	FIELDS_END,
};

const struct message_field msg_end_connection_fields[] = {
	FIELD(msg_end_connection, conn, FIELD_U64),
	FIELD(msg_end_connection, code, FIELD_U32),
	FIELD_MAX(msg_end_connection, text, FIELD_TEXT, MSG_TEXT_MAX),
	FIELDS_END,
};

const struct message_field msg_kex_sign_fields[] = {
	FIELD(msg_kex_sign, conn, FIELD_U64),
	FIELD(msg_kex_sign, request, FIELD_U32),
	FIELD_MAX(msg_kex_sign, method, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_kex_sign, host_key_alg, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_kex_sign, client_ident, FIELD_TEXT, MSG_USER_MAX),
	FIELD_MAX(msg_kex_sign, server_ident, FIELD_TEXT, MSG_USER_MAX),
	FIELD_MAX(msg_kex_sign, client_kexinit, FIELD_BYTES, MSG_PACKET_MAX),
	FIELD_MAX(msg_kex_sign, server_kexinit, FIELD_BYTES, MSG_PACKET_MAX),
	FIELD_MAX(msg_kex_sign, client_public, FIELD_BYTES, MSG_KEY_MAX),
	FIELD_MAX(msg_kex_sign, server_public, FIELD_BYTES, MSG_KEY_MAX),
	FIELD_MAX(msg_kex_sign, secret, FIELD_BYTES, MSG_KEY_MAX),
	FIELDS_END,
};

const struct message_field msg_kex_signed_fields[] = {
	FIELD(msg_kex_signed, conn, FIELD_U64),
	FIELD(msg_kex_signed, request, FIELD_U32),
	FIELD(msg_kex_signed, err, FIELD_U8),
	FIELD_MAX(msg_kex_signed, host_key, FIELD_BYTES, MSG_KEY_MAX),
	FIELD_MAX(msg_kex_signed, signature, FIELD_BYTES, MSG_KEY_MAX),
	FIELDS_END,
};

const struct message_field msg_offer_fields[] = {
	FIELD(msg_offer, conn, FIELD_U64),
	FIELD(msg_offer, request, FIELD_U32),
	FIELD(msg_offer, client, FIELD_ADDR),
	FIELD(msg_offer, source, FIELD_ADDR),
	FIELD_MAX(msg_offer, user, FIELD_TEXT, MSG_USER_MAX),
	FIELD_MAX(msg_offer, node, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_offer, node_identity, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_offer, algorithm, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_offer, key, FIELD_BYTES, MSG_KEY_MAX),
	FIELDS_END,
};

const struct message_field msg_offered_fields[] = {
	FIELD(msg_offered, conn, FIELD_U64),
	FIELD(msg_offered, request, FIELD_U32),
	FIELD(msg_offered, err, FIELD_U8),
	FIELD_MAX(msg_offered, algorithm, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_offered, certificate, FIELD_BYTES, MSG_KEY_MAX),
	FIELDS_END,
};

const struct message_field msg_prove_fields[] = {
	FIELD(msg_prove, conn, FIELD_U64),
	FIELD(msg_prove, request, FIELD_U32),
	FIELD_MAX(msg_prove, client_request, FIELD_BYTES, MSG_PACKET_MAX),
	FIELD_MAX(msg_prove, node_session_id, FIELD_BYTES, MSG_NODE_MAX),
	FIELDS_END,
};

const struct message_field msg_proved_fields[] = {
	FIELD(msg_proved, conn, FIELD_U64),
	FIELD(msg_proved, request, FIELD_U32),
	FIELD(msg_proved, err, FIELD_U8),
	FIELD_MAX(msg_proved, algorithm, FIELD_TEXT, MSG_NODE_MAX),
	FIELD_MAX(msg_proved, certificate, FIELD_BYTES, MSG_KEY_MAX),
	FIELD_MAX(msg_proved, signature, FIELD_BYTES, MSG_KEY_MAX),
	FIELDS_END,
};

const struct message_field msg_hostkeys_prove_fields[] = {
	FIELD(msg_hostkeys_prove, conn, FIELD_U64),
	FIELD(msg_hostkeys_prove, request, FIELD_U32),
	FIELD_MAX(msg_hostkeys_prove, keys, FIELD_BYTES, MSG_KEY_MAX),
	FIELDS_END,
};

const struct message_field msg_hostkeys_proved_fields[] = {
	FIELD(msg_hostkeys_proved, conn, FIELD_U64),
	FIELD(msg_hostkeys_proved, request, FIELD_U32),
	FIELD(msg_hostkeys_proved, err, FIELD_U8),
	FIELD_MAX(msg_hostkeys_proved, signatures, FIELD_BYTES, MSG_KEY_MAX),
	FIELDS_END,
};

const struct message_field msg_conn_moved_fields[] = {
	FIELD(msg_conn_moved, conn, FIELD_U64),
	FIELD(msg_conn_moved, relay, FIELD_U32),
	FIELD(msg_conn_moved, relay_pid, FIELD_U32),
	FIELDS_END,
};

const struct message_field msg_host_keys_fields[] = {
	FIELD_MAX(msg_host_keys, algorithms, FIELD_TEXT, MSG_METHODS_MAX),
	FIELD_MAX(msg_host_keys, keys, FIELD_BYTES, MSG_KEY_MAX),
	FIELDS_END,
};

const struct message_field msg_kex_word_fields[] = {
	FIELD_MAX(msg_kex_word, word, FIELD_BYTES, MSG_WORD_MAX),
	FIELDS_END,
};

static const char *const causes[END_COUNT] = {
	[END_NONE] = "none",
	[END_CLIENT_DISCONNECT] = "client-disconnect",
	[END_NODE_DISCONNECT] = "node-disconnect",
	[END_CLIENT_CLOSED] = "client-closed",
	[END_NODE_CLOSED] = "node-closed",
	[END_CLIENT_LOST] = "client-lost",
	[END_NODE_LOST] = "node-lost",
	[END_CLIENT_PROTOCOL] = "client-protocol",
	[END_NODE_PROTOCOL] = "node-protocol",
	[END_ADMIN] = "admin",
	[END_SHUTDOWN] = "shutdown",
	[END_LIMIT] = "limit",
	[END_INTERNAL] = "internal",
};

const char *
end_cause_name(enum end_cause cause)
{
	return (unsigned)cause < END_COUNT ? causes[cause] : "unknown";
}
