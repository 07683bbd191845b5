/*
 * The certificate that stands for a user's key on one node.
 */
#include "broker/keyholder/certificate.h"

#include "common/conn_id.h"
#include "common/facts.h"
#include "common/ssh/cert.h"

#include <openssl/rand.h>
#include <stdio.h>

/* A user name with every byte escaped, and the words around it. */
#define KEY_ID_SIZE (MSG_USER_MAX * 4 + 256)
#define ESCAPE_SIZE 4

static bool
is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c != '\0' && strchr("._@+-", c) != NULL);
}

/* The name for a log line, where a space or a quote could be taken for the line's own. */
static const char *
escape_user(const char *user, char out[MSG_USER_MAX * ESCAPE_SIZE])
{
	size_t n = 0;

	for (; *user != '\0'; user++) {
		if (is_plain((uint8_t)*user))
			out[n++] = *user;
		else
			n += (size_t)snprintf(
				out + n, ESCAPE_SIZE + 1, "\\x%02x", (unsigned)(uint8_t)*user);
	}
	out[n] = '\0';
	return out;
}

/* What sshd logs with each login by this certificate. */
static void
write_key_id(uint64_t conn, const struct offer *o, char out[KEY_ID_SIZE])
{
	char user[MSG_USER_MAX * ESCAPE_SIZE], client[ADDR_TEXT_SIZE], id[CONN_ID_TEXT_SIZE];
	char fingerprint[KEY_FINGERPRINT_SIZE];

	key_fingerprint(pubkey_blob(o->key), fingerprint);
	snprintf(out, KEY_ID_SIZE, "sshbroker user=%s client=%s conn=%s key=%s",
		escape_user(o->user, user), addr_text(&o->client, client), conn_id_text(conn, id),
		fingerprint);
}

static enum err
write_facts(uint64_t conn, const struct offer *o, struct buf *out)
{
	struct facts f = {
		.conn_id = conn,
		.client = o->client,
		.node = span_str(o->node),
		.user = span_str(o->user),
		.node_user = span_str(o->user),
		.key = pubkey_blob(o->key),
	};

	return facts_write(&f, out);
}

/* From where the node will see the broker, as a list of addresses and networks. */
static enum err
write_sources(const struct core *c, const struct offer *o, struct buf *out)
{
	const struct config_list *list = &c->config->certificate.source_addresses;
	char text[ADDR_TEXT_SIZE];
	enum err e = OK;

	for (size_t i = 0; i < list->n && e == OK; i++) {
		if (i > 0)
			e = buf_append(out, ",", 1);
		if (e == OK)
			e = buf_append_span(out, span_str(list->items[i]));
	}
	if (list->n == 0)
		e = buf_append_span(out, span_str(addr_ip_text(&o->source, text)));
	return e;
}

static enum err
mint(const struct core *c, const struct offer *o, const char *key_id, struct span sources,
	struct span facts, struct buf *out)
{
	static const char *const principals[] = {FACTS_PRINCIPAL, NULL};
	const struct cert_option critical[] = {
		{"source-address", sources, false}, {NULL, {NULL, 0}, false}};
	/* All that sshd knows: what the user's own key may not do, the node's helper takes away again. */
	const struct cert_option extensions[] = {
		{FACTS_EXTENSION, facts, false},
		{"permit-X11-forwarding", {NULL, 0}, true},
		{"permit-agent-forwarding", {NULL, 0}, true},
		{"permit-port-forwarding", {NULL, 0}, true},
		{"permit-pty", {NULL, 0}, true},
		{"permit-user-rc", {NULL, 0}, true},
		{NULL, {NULL, 0}, false},
	};
	uint64_t now = c->clock.now_s(c->clock.arg), backdate = c->config->certificate.backdate_s;
	struct cert_template t = {
		.key = privkey_public(o->ephemeral),
		.kind = CERT_USER,
		.key_id = key_id,
		.principals = principals,
		.valid_after = now > backdate ? now - backdate : 0,
		.valid_before = now + c->config->certificate.lifetime_s,
		.critical_options = critical,
		.extensions = extensions,
	};

	if (RAND_bytes((uint8_t *)&t.serial, sizeof(t.serial)) != 1)
		return ERR_CRYPTO;
	return cert_mint(&t, keys_user_ca(c->keys), out);
}

enum err
certificate_mint(const struct core *c, uint64_t conn, const struct offer *offer, struct buf *out)
{
	struct buf sources = {0}, facts = {0};
	char key_id[KEY_ID_SIZE];
	enum err e;

	write_key_id(conn, offer, key_id);
	e = write_sources(c, offer, &sources);
	if (e == OK)
		e = write_facts(conn, offer, &facts);
	if (e == OK)
		e = mint(c, offer, key_id, buf_span(&sources), buf_span(&facts), out);
	buf_clear(&facts);
	buf_clear(&sources);
	return e;
}
