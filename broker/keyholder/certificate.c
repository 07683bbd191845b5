/*
 * The certificate that stands for a user's key on one node.
 */
#include "broker/keyholder/certificate.h"

#include "common/conn_id.h"
#include "common/facts.h"
#include "common/ssh/cert_options.h"

#include <openssl/rand.h>
#include <stdio.h>

#define ESCAPE_SIZE 4
/* How much is shown of the id of a user's certificate. */
#define SHOWN_ID_MAX 128
/* A user name and such an id with every byte escaped, and the words around them. */
#define KEY_ID_SIZE ((MSG_USER_MAX + SHOWN_ID_MAX) * ESCAPE_SIZE + 512)

static bool
is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c != '\0' && strchr("._@+-", c) != NULL);
}

/*
 * A name for a log line, where a space or a quote could be taken for the line's own.  out has room for ESCAPE_SIZE bytes
 * for each byte of the name, and one.
 */
static const char *
escape(struct span name, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < name.len; i++) {
		if (is_plain(name.ptr[i]))
			out[n++] = (char)name.ptr[i];
		else
			n += (size_t)snprintf(
				out + n, ESCAPE_SIZE + 1, "\\x%02x", (unsigned)name.ptr[i]);
	}
	out[n] = '\0';
	return out;
}

/* Which certificate the user showed: what sshd would log of it. */
static void
add_user_cert(const struct cert *c, char out[KEY_ID_SIZE])
{
	char id[SHOWN_ID_MAX * ESCAPE_SIZE + 1], ca[KEY_FINGERPRINT_SIZE];
	struct span shown = cert_fields(c)->key_id;
	size_t len = strlen(out);

	if (shown.len > SHOWN_ID_MAX)
		shown.len = SHOWN_ID_MAX;
	key_fingerprint(pubkey_blob(cert_ca_key(c)), ca);
	snprintf(out + len, KEY_ID_SIZE - len, " id=%s serial=%llu ca=%s", escape(shown, id),
		(unsigned long long)cert_fields(c)->serial, ca);
}

/* What sshd logs with each login by this certificate. */
static void
write_key_id(uint64_t conn, const struct offer *o, char out[KEY_ID_SIZE])
{
	char user[MSG_USER_MAX * ESCAPE_SIZE + 1], client[ADDR_TEXT_SIZE], id[CONN_ID_TEXT_SIZE];
	char fingerprint[KEY_FINGERPRINT_SIZE];

	key_fingerprint(pubkey_blob(o->key), fingerprint);
	snprintf(out, KEY_ID_SIZE, "sshbroker user=%s client=%s conn=%s key=%s",
		escape(span_str(o->user), user), addr_text(&o->client, client),
		conn_id_text(conn, id), fingerprint);
	if (o->cert != NULL)
		add_user_cert(o->cert, out);
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
		.key = offer_shown(o),
		.flags = o->facts_flags,
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

/* What the user's certificate leaves of everything; all, where the plain key was shown. */
static enum err
read_user_options(const struct offer *o, struct cert_options *out)
{
	if (o->cert != NULL)
		return cert_options_read(cert_fields(o->cert), out);
	*out = (struct cert_options){0};
	/* What the user's own key may not do, the node's helper takes away again. */
	for (size_t i = 0; i < CERT_PERMIT_COUNT; i++)
		out->permits[i] = true;
	return OK;
}

/* The lists that a template points to. */
struct lists {
	struct cert_option critical[3];
	struct cert_option extensions[CERT_PERMIT_COUNT + 2];
};

/* Both in the order of their names.  What is said of touch and PIN, and of the client's address, is for the helper. */
static void
make_lists(const struct cert_options *user, struct span sources, struct span facts, struct lists *l)
{
	struct cert_option *o = l->critical;

	*l = (struct lists){0};
	if (user->has_command)
		*o++ = (struct cert_option){"force-command", user->command, false};
	*o = (struct cert_option){"source-address", sources, false};
	o = l->extensions;
	*o++ = (struct cert_option){FACTS_EXTENSION, facts, false};
	for (size_t i = 0; i < CERT_PERMIT_COUNT; i++) {
		if (user->permits[i])
			*o++ = (struct cert_option){
				cert_permit_name((enum cert_permit)i), {NULL, 0}, true};
	}
}

/* From backdate to lifetime, and within the time of the user's certificate. */
static enum err
set_validity(const struct core *c, const struct offer *o, struct cert_template *t)
{
	uint64_t now = c->clock.now_s(c->clock.arg), backdate = c->config->certificate.backdate_s;

	t->valid_after = now > backdate ? now - backdate : 0;
	t->valid_before = now + c->config->certificate.lifetime_s;
	if (o->cert == NULL)
		return OK;
	if (cert_fields(o->cert)->valid_after > t->valid_after)
		t->valid_after = cert_fields(o->cert)->valid_after;
	if (cert_fields(o->cert)->valid_before < t->valid_before)
		t->valid_before = cert_fields(o->cert)->valid_before;
	return t->valid_after < t->valid_before ? OK : ERR_DENIED;
}

static enum err
mint(const struct core *c, const struct offer *o, const char *key_id, const struct lists *lists,
	struct buf *out)
{
	static const char *const principals[] = {FACTS_PRINCIPAL, NULL};
	struct cert_template t = {
		.key = privkey_public(o->ephemeral),
		.kind = CERT_USER,
		.key_id = key_id,
		.principals = principals,
		.critical_options = lists->critical,
		.extensions = lists->extensions,
	};
	enum err e = set_validity(c, o, &t);

	if (e != OK)
		return e;
	if (RAND_bytes((uint8_t *)&t.serial, sizeof(t.serial)) != 1)
		return ERR_CRYPTO;
	return cert_mint(&t, keys_user_ca(c->keys), out);
}

enum err
certificate_mint(const struct core *c, uint64_t conn, const struct offer *offer, struct buf *out)
{
	struct buf sources = {0}, facts = {0};
	struct cert_options options;
	char key_id[KEY_ID_SIZE];
	struct lists lists;
	enum err e = read_user_options(offer, &options);

	write_key_id(conn, offer, key_id);
	if (e == OK)
		e = write_sources(c, offer, &sources);
	if (e == OK)
		e = write_facts(conn, offer, &facts);
	if (e == OK) {
		make_lists(&options, buf_span(&sources), buf_span(&facts), &lists);
		e = mint(c, offer, key_id, &lists, out);
	}
	buf_clear(&facts);
	buf_clear(&sources);
	return e;
}
