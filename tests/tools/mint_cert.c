/*
 * mint-cert: a certificate as the broker's keyholder mints them, for tests of a node without a broker.
 */
#include "common/base64.h"
#include "common/facts.h"
#include "common/file.h"
#include "common/ssh/cert.h"
#include "common/ssh/keyfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX ((size_t)64 * 1024)
#define BACKDATE_S 300
#define LIFETIME_S 120

/* The command line. */
struct order {
	const char *ca, *ephemeral, *key; /* files */
	const char *node, *user, *client, *principal, *flags;
};

static int
usage(void)
{
	(void)fprintf(stderr,
		"usage: mint-cert -c CA -e EPHEMERAL.pub -k USER.pub -n NODE -u USER -a "
		"ADDRESS:PORT\n"
		"                 [-p PRINCIPAL] [-f FLAGS]\n"
		"Prints the certificate for EPHEMERAL.pub that says who USER is, signed by the "
		"private key CA.\n");
	return EXIT_FAILURE;
}

static const char **
place_of(struct order *o, int option)
{
	switch (option) {
	case 'c':
		return &o->ca;
	case 'e':
		return &o->ephemeral;
	case 'k':
		return &o->key;
	case 'n':
		return &o->node;
	case 'u':
		return &o->user;
	case 'a':
		return &o->client;
	case 'p':
		return &o->principal;
	case 'f':
		return &o->flags;
	default:
		return NULL;
	}
}

static bool
parse(int argc, char **argv, struct order *o)
{
	int option;

	*o = (struct order){.principal = FACTS_PRINCIPAL, .flags = "0"};
	while ((option = getopt(argc, argv, "c:e:k:n:u:a:p:f:")) != -1) {
		const char **at = place_of(o, option);

		if (at == NULL)
			return false;
		*at = optarg;
	}
	return optind == argc && o->ca != NULL && o->ephemeral != NULL && o->key != NULL &&
		o->node != NULL && o->user != NULL && o->client != NULL;
}

static enum err
read_public(const char *path, struct pubkey **out)
{
	struct buf text;
	enum err e;

	buf_init(&text, FILE_MAX);
	e = file_read(path, &text);
	if (e == OK && text.len > 0 && buf_span(&text).ptr[text.len - 1] == '\n')
		buf_truncate(&text, text.len - 1);
	if (e == OK)
		e = pubkey_parse_line(buf_span(&text), out);
	buf_clear(&text);
	return e;
}

static enum err
write_facts(const struct order *o, struct buf *out)
{
	struct facts f = {.node = span_str(o->node),
		.user = span_str(o->user),
		.node_user = span_str(o->user),
		.flags = (uint8_t)atoi(o->flags)};
	struct pubkey *key = NULL;
	enum err e = read_public(o->key, &key);

	if (e == OK)
		e = addr_parse(o->client, false, &f.client);
	if (e == OK)
		e = conn_id_new(&f.conn_id);
	if (e == OK) {
		f.key = pubkey_blob(key);
		e = facts_write(&f, out);
	}
	pubkey_free(key);
	return e;
}

static enum err
mint(const struct order *o, const struct pubkey *ephemeral, const struct privkey *ca,
	struct span facts, struct buf *out)
{
	const char *const principals[] = {o->principal, NULL};
	const struct cert_option critical[] = {
		{"source-address", span_str("127.0.0.0/8,::1/128"), false},
		{NULL, {NULL, 0}, false}};
	const struct cert_option extensions[] = {{FACTS_EXTENSION, facts, false},
		{"permit-X11-forwarding", {NULL, 0}, true},
		{"permit-agent-forwarding", {NULL, 0}, true},
		{"permit-port-forwarding", {NULL, 0}, true}, {"permit-pty", {NULL, 0}, true},
		{"permit-user-rc", {NULL, 0}, true}, {NULL, {NULL, 0}, false}};
	uint64_t now = (uint64_t)time(NULL);
	char key_id[512];
	struct cert_template t = {.key = ephemeral,
		.serial = 7,
		.kind = CERT_USER,
		.key_id = key_id,
		.principals = principals,
		.valid_after = now - BACKDATE_S,
		.valid_before = now + LIFETIME_S,
		.critical_options = critical,
		.extensions = extensions};

	(void)snprintf(key_id, sizeof(key_id), "sshbroker user=%s client=%s", o->user, o->client);
	return cert_mint(&t, ca, out);
}

static enum err
print(struct span blob)
{
	struct buf line = {0};
	enum err e = buf_append_span(&line, span_str(cert_type_name(KEY_ED25519)));

	if (e == OK)
		e = buf_append(&line, " ", 1);
	if (e == OK)
		e = base64_encode(blob, &line);
	if (e == OK)
		(void)printf("%.*s\n", (int)line.len, (const char *)buf_span(&line).ptr);
	buf_clear(&line);
	return e;
}

int
main(int argc, char **argv)
{
	struct buf facts = {0}, blob = {0};
	struct pubkey *ephemeral = NULL;
	struct privkey *ca = NULL;
	struct order o;
	enum err e;

	if (!parse(argc, argv, &o))
		return usage();
	e = keyfile_load(o.ca, &ca);
	if (e == OK)
		e = read_public(o.ephemeral, &ephemeral);
	if (e == OK)
		e = write_facts(&o, &facts);
	if (e == OK)
		e = mint(&o, ephemeral, ca, buf_span(&facts), &blob);
	if (e == OK)
		e = print(buf_span(&blob));
	if (e != OK)
		(void)fprintf(stderr, "mint-cert: %s\n", err_text(e));
	buf_clear(&facts);
	buf_clear(&blob);
	pubkey_free(ephemeral);
	privkey_free(ca);
	return e == OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
