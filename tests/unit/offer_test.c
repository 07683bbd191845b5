/*
 * broker/keyholder/offer and certificate: who is offered what, and what the certificate says.
 */
#include "broker/keyholder/offer.h"

#include "common/base64.h"
#include "common/facts.h"
#include "common/ssh/cert.h"
#include "common/ssh/keyfile.h"
#include "tests/lib/keyholder_world.h"
#include "tests/lib/scratch.h"
#include "tests/lib/vector.h"

#include <criterion/criterion.h>

static struct keyholder_world w;

static void
init(void)
{
	world_init(&w);
	world_connect(&w, &world_gate_a, 1);
}

static void
clear(void)
{
	world_clear(&w);
}

TestSuite(offer, .init = init, .fini = clear);

static struct msg_offer
usual(void)
{
	return world_offer_of(1, w.user, "ssh-ed25519");
}

static enum err
offer(const struct msg_offer *m)
{
	return world_offer(&w, &world_gate_a, m, NULL);
}

/* The certificate that m is offered. */
static struct cert *
offered(const struct msg_offer *m)
{
	struct buf blob = {0};
	struct cert *c;

	cr_assert_eq(world_offer(&w, &world_gate_a, m, &blob), OK);
	cr_assert_eq(cert_parse(buf_span(&blob), &c), OK);
	buf_clear(&blob);
	return c;
}

Test(offer, the_certificate_is_for_our_principal_alone_and_for_a_fresh_key)
{
	struct msg_offer m = usual();
	struct cert *a = offered(&m), *b = offered(&m);
	const struct cert_fields *f = cert_fields(a);
	struct span principals = f->principals, principal;

	cr_assert(pubkey_equal(cert_ca_key(a), privkey_public(keys_user_ca(w.keys))));
	cr_assert_eq(f->kind, CERT_USER);
	cr_assert_eq(f->type, KEY_ED25519);
	cr_assert(cert_next_string(&principals, &principal));
	cr_assert(span_is(principal, FACTS_PRINCIPAL));
	cr_assert_not(cert_next_string(&principals, &principal));
	cr_assert_not(pubkey_equal(cert_key(a), cert_key(b)));
	cr_assert_neq(cert_fields(a)->serial, cert_fields(b)->serial);
	cert_free(a);
	cert_free(b);
}

Test(offer, the_certificate_is_valid_from_backdate_to_lifetime)
{
	struct msg_offer m = usual();
	struct cert *c = offered(&m);

	cr_assert_eq(cert_fields(c)->valid_after, WORLD_NOW - 300);
	cr_assert_eq(cert_fields(c)->valid_before, WORLD_NOW + 120);
	cert_free(c);
	w.now = 10;
	c = offered(&m);
	cr_assert_eq(cert_fields(c)->valid_after, 0);
	cert_free(c);
}

Test(offer, the_certificate_permits_what_a_plain_key_permits)
{
	static const char *const names[] = {FACTS_EXTENSION, "permit-X11-forwarding",
		"permit-agent-forwarding", "permit-port-forwarding", "permit-pty",
		"permit-user-rc"};
	struct msg_offer m = usual();
	struct cert *c = offered(&m);
	struct span list = cert_fields(c)->extensions, name, data;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cr_assert(cert_next_option(&list, &name, &data));
		cr_assert(span_is(name, names[i]));
		cr_assert(i == 0 || data.len == 0);
	}
	cr_assert_not(cert_next_option(&list, &name, &data));
	cert_free(c);
}

static void
assert_sources(const struct msg_offer *m, const char *want)
{
	struct cert *c = offered(m);
	struct span list = cert_fields(c)->critical_options, name, data;

	cr_assert_eq(cert_find_option(list, "source-address", &data), OK);
	cr_assert(span_is(data, want), "%.*s", (int)data.len, (const char *)data.ptr);
	cr_assert(cert_next_option(&list, &name, &data));
	cr_assert_not(cert_next_option(&list, &name, &data));
	cert_free(c);
}

Test(offer, the_certificate_is_bound_to_the_brokers_address)
{
	static char first[] = "192.0.2.0/24", second[] = "2001:db8::1";
	static char *items[] = {first, second};
	struct msg_offer m = usual();

	assert_sources(&m, "10.0.0.1");
	m.source = (struct addr){.family = 6, .ip = {0x20, 1, 0xd, 0xb8, [15] = 9}};
	assert_sources(&m, "2001:db8::9");
	w.config.certificate.source_addresses = (struct config_list){items, 2};
	assert_sources(&m, "192.0.2.0/24,2001:db8::1");
	/* What the gate says does not matter then. */
	m.source.family = 0;
	assert_sources(&m, "192.0.2.0/24,2001:db8::1");
}

Test(offer, the_facts_are_those_of_the_offer)
{
	struct msg_offer m = usual();
	struct cert *c = offered(&m);
	struct span data;
	struct facts f;

	cr_assert_eq(cert_find_option(cert_fields(c)->extensions, FACTS_EXTENSION, &data), OK);
	cr_assert_eq(facts_parse(data, &f), OK);
	cr_assert_eq(f.conn_id, 1);
	cr_assert(addr_same_ip(&f.client, &m.client) && f.client.port == m.client.port);
	cr_assert(span_is(f.node, WORLD_ALPHA));
	cr_assert(span_is(f.user, "alice") && span_is(f.node_user, "alice"));
	cr_assert(span_equal(f.key, m.key));
	cr_assert_eq(f.flags, 0);
	cert_free(c);
}

Test(offer, the_key_id_is_one_line_that_a_name_cannot_forge)
{
	struct msg_offer m = usual();
	char fingerprint[KEY_FINGERPRINT_SIZE], want[512];
	struct cert *c;

	m.user = span_str("a b\"(=\\\xc3\xa4");
	key_fingerprint(m.key, fingerprint);
	snprintf(want, sizeof(want),
		"sshbroker user=a\\x20b\\x22\\x28\\x3d\\x5c\\xc3\\xa4 client=203.0.113.7:51234 "
		"conn=000000000001 key=%s",
		fingerprint);
	c = offered(&m);
	cr_assert(span_is(cert_fields(c)->key_id, want), "%.*s vs %s",
		(int)cert_fields(c)->key_id.len, (const char *)cert_fields(c)->key_id.ptr, want);
	cert_free(c);
}

Test(offer, the_longest_name_fits)
{
	char name[256];
	struct msg_offer m = usual();

	memset(name, '\\', sizeof(name));
	m.user = span_of(name, 255);
	cert_free(offered(&m));
	m.user = span_of(name, 256);
	cr_assert_eq(offer(&m), ERR_FORMAT);
}

Test(offer, names_that_cannot_be_one_are_refused)
{
	static const char *const bad[] = {"", "a\nb", "a\tb", "\x7f", "root:", "alice:skey", ":"};
	struct msg_offer m = usual();

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		m.user = span_str(bad[i]);
		cr_assert_eq(offer(&m), ERR_FORMAT, "%s", bad[i]);
	}
}

Test(offer, system_users_are_refused_unless_allowed)
{
	static char root[] = "root";
	static char *items[] = {root};
	struct msg_offer m = usual();

	m.user = span_str("root");
	cr_assert_eq(offer(&m), ERR_DENIED);
	w.config.auth.allowed_system_users = (struct config_list){items, 1};
	cr_assert_eq(offer(&m), OK);
	m.user = span_str("www-data");
	cr_assert_eq(offer(&m), ERR_DENIED);
	w.config.auth.system_users = CONFIG_SYSTEM_USERS_ALLOW;
	cr_assert_eq(offer(&m), OK);
}

Test(offer, only_configured_nodes_get_certificates)
{
	struct msg_offer m = usual();

	m.node_identity = span_str("id-gamma");
	cr_assert_eq(offer(&m), ERR_DENIED);
	m.node_identity = span_str("alpha");
	cr_assert_eq(offer(&m), ERR_DENIED);
	m.node_identity = span_str(WORLD_BETA);
	cr_assert_eq(offer(&m), ERR_DENIED);
	m.node = span_str("beta");
	cr_assert_eq(offer(&m), OK);
}

Test(offer, a_connection_has_one_client)
{
	struct msg_offer m = usual();

	cr_assert_eq(offer(&m), OK);
	m.client.port++;
	cr_assert_eq(offer(&m), ERR_DENIED);
	m.client.port--;
	m.client.ip[3]++;
	cr_assert_eq(offer(&m), ERR_DENIED);
	m.client.family = 0;
	cr_assert_eq(offer(&m), ERR_FORMAT);
	m = usual();
	m.source.family = 0;
	cr_assert_eq(offer(&m), ERR_FORMAT);
}

Test(offer, the_algorithm_must_be_one_of_ours_and_the_keys)
{
	static const struct {
		const char *algorithm;
		enum err want;
	} cases[] = {
		{"ssh-ed25519", OK},
		{"ssh-rsa", ERR_UNSUPPORTED},
		{"ssh-dss", ERR_UNSUPPORTED},
		{"rsa-sha2-512", ERR_UNSUPPORTED}, /* not for this key */
		{"ecdsa-sha2-nistp256", ERR_UNSUPPORTED},
		{"ssh-ed25519-cert-v01@openssh.com", ERR_UNSUPPORTED},
		{"sk-ssh-ed25519@openssh.com", ERR_UNSUPPORTED},
		{"sk-ecdsa-sha2-nistp256@openssh.com", ERR_UNSUPPORTED},
		{"ssh-ed25519 ", ERR_UNSUPPORTED},
		{"", ERR_UNSUPPORTED},
	};
	struct msg_offer m = usual();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		m.algorithm = span_str(cases[i].algorithm);
		cr_assert_eq(offer(&m), cases[i].want, "%s", cases[i].algorithm);
	}
}

static void
assert_refused(const char *file, const char *algorithm, enum err want)
{
	struct msg_offer m = usual();
	struct buf blob = {0};

	vector_read_blob(file, &blob);
	m.key = buf_span(&blob);
	m.algorithm = span_str(algorithm);
	cr_assert_eq(offer(&m), want, "%s", file);
	buf_clear(&blob);
}

Test(offer, weak_and_strange_keys_are_refused)
{
	struct msg_offer m = usual();

	assert_refused("rsa1024.pub", "rsa-sha2-512", ERR_KEY);
	assert_refused("ed25519-cert.pub", "ssh-ed25519", ERR_UNSUPPORTED);
	assert_refused(
		"ed25519-cert.pub", "ecdsa-sha2-nistp256-cert-v01@openssh.com", ERR_UNSUPPORTED);
	assert_refused("ed25519-cert.pub", "ssh-rsa-cert-v01@openssh.com", ERR_UNSUPPORTED);
	assert_refused("ed25519.pub", "ssh-ed25519-cert-v01@openssh.com", ERR_UNSUPPORTED);
	assert_refused("host-cert.pub", "ssh-ed25519-cert-v01@openssh.com", ERR_FORMAT);
	assert_refused("dsa.pub", "ssh-ed25519", ERR_UNSUPPORTED);
	m.key.len--;
	cr_assert_eq(offer(&m), ERR_FORMAT);
	m.key.len = 0;
	cr_assert_eq(offer(&m), ERR_FORMAT);
}

Test(offer, offers_are_bounded_per_connection)
{
	struct msg_offer m = usual();

	for (unsigned i = 0; i < offers_max(&w.config); i++)
		cr_assert_eq(offer(&m), OK);
	cr_assert_eq(offer(&m), ERR_LIMIT);
	world_connect(&w, &world_gate_a, 2);
	m.conn = 2;
	cr_assert_eq(offer(&m), OK);
}

Test(offer, the_same_key_again_replaces_the_offer)
{
	struct msg_offer m = usual();
	struct session *session = sessions_find(w.core.sessions, 1);

	cr_assert_eq(offer(&m), OK);
	cr_assert_eq(offer(&m), OK);
	cr_assert_null(session->offers->next);
	m = world_offer_of(1, w.user_ecdsa, "ecdsa-sha2-nistp256");
	cr_assert_eq(offer(&m), OK);
	cr_assert_not_null(session->offers->next);
}

Test(offer, only_the_connections_own_gate_may_ask)
{
	struct msg_offer m = usual();

	cr_assert_eq(world_offer(&w, &world_gate_b, &m, NULL), ERR_PROTO);
	cr_assert_eq(world_offer(&w, &world_relay_a, &m, NULL), ERR_PROTO);
	m.conn = 99;
	cr_assert_eq(offer(&m), ERR_NOT_FOUND);
}

Test(offer, another_process_of_the_gates_name_is_another_gate)
{
	struct role_peer next = world_gate_a;
	struct msg_offer m = usual();

	next.pid++;
	cr_assert_eq(world_offer(&w, &next, &m, NULL), ERR_PROTO);
}

/* What ssh-keygen makes of it. */
Test(offer, openssh_reads_the_certificate)
{
	static const char *const lines[] = {"user certificate", "sshbroker-v1", "Valid: from",
		"source-address 10.0.0.1", "facts-v1@sshbroker UNKNOWN OPTION", "permit-pty",
		"permit-user-rc", "permit-X11-forwarding", "permit-agent-forwarding",
		"permit-port-forwarding", "sshbroker user=alice client=203.0.113.7:51234 conn="};
	struct msg_offer m = usual();
	struct buf blob = {0}, line = {0}, out = {0};
	struct scratch dir;

	scratch_init(&dir);
	cr_assert_eq(world_offer(&w, &world_gate_a, &m, &blob), OK);
	cr_assert_eq(buf_append_span(&line, span_str("ssh-ed25519-cert-v01@openssh.com ")), OK);
	cr_assert_eq(base64_encode(buf_span(&blob), &line), OK);
	cr_assert_eq(buf_append(&line, "\n", 1), OK);
	scratch_write(&dir, "id-cert.pub", buf_span(&line), 0600);
	cr_assert_eq(scratch_run(&dir, "ssh-keygen -L -f id-cert.pub", &out), 0);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		cr_assert_not_null(strstr((const char *)buf_span(&out).ptr, lines[i]), "%s in %s",
			lines[i], (const char *)buf_span(&out).ptr);
	buf_clear(&blob);
	buf_clear(&line);
	buf_clear(&out);
	scratch_clear(&dir);
}
