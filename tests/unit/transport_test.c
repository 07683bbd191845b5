/*
 * common/ssh/transport: both roles against each other in memory.
 */
#include "common/ssh/transport.h"

#include "tests/lib/leg_pair.h"

#include <criterion/criterion.h>

static const char *const kexes[] = {"curve25519-sha256", "curve25519-sha256@libssh.org",
	"ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521"};
static const char *const ciphers[] = {
	"chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com"};
static const char *const host_keys[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256"};

static void
exchange_works(const struct leg_options *o)
{
	struct leg_pair p;

	leg_pair_begin(&p, o);
	leg_pair_run(&p);
	cr_assert_eq(p.client.err, OK, "%s %s %s: %s", o->kex, o->ciphers, o->host_key_alg,
		transport_failure(p.client.t)->text);
	cr_assert_eq(p.server.err, OK, "%s %s %s: %s", o->kex, o->ciphers, o->host_key_alg,
		transport_failure(p.server.t)->text);
	cr_assert_eq(p.client.n_keys, 1);
	cr_assert_eq(p.server.n_keys, 1);
	leg_pair_end(&p);
}

Test(transport, each_algorithm_with_each_other)
{
	for (size_t i = 0; i < ARRAY_LEN(kexes); i++) {
		for (size_t j = 0; j < ARRAY_LEN(ciphers); j++) {
			for (size_t k = 0; k < ARRAY_LEN(host_keys); k++) {
				struct leg_options o = {.kex = kexes[i],
					.ciphers = ciphers[j],
					.host_key_alg = host_keys[k]};

				exchange_works(&o);
			}
		}
	}
}

/* A KEXINIT of a client that speaks what we speak, and more, with this first method and guess. */
static void
inject_kexinit(struct leg *l, const char *kex, bool guess)
{
	struct kexinit_offer offer = {
		.kex = kex, .host_keys = "ssh-ed25519", .ciphers = "aes128-gcm@openssh.com"};
	struct buf b = {0};

	cr_assert_eq(kexinit_write(&offer, &b), OK);
	b.data[b.head + b.len - 5] = guess;
	leg_inject(l, buf_span(&b));
	buf_clear(&b);
}

/* A server that has got the identification of a client, and whose own first bytes are out of the way. */
static void
begin_with_ident(struct leg_pair *p)
{
	leg_pair_begin(p, NULL);
	leg_move(&p->client, &p->server, strlen(p->client.config.ident) + 2);
	leg_take(&p->server);
	buf_clear(transport_out(p->client.t));
	leg_move(&p->server, &p->client, SIZE_MAX);
	buf_reset(&p->client.in);
}

Test(transport, a_wrong_guess_is_skipped_whatever_its_method)
{
	static const uint8_t guesses[] = {30, 32, 34, 49};

	for (size_t i = 0; i < ARRAY_LEN(guesses); i++) {
		struct leg_pair p;

		begin_with_ident(&p);
		inject_kexinit(
			&p.client, "sntrup761x25519-sha512@openssh.com,curve25519-sha256", true);
		leg_inject_type(&p.client, guesses[i]);
		leg_move(&p.client, &p.server, SIZE_MAX);
		leg_take(&p.server);
		cr_assert_eq(p.server.err, OK, "type %u", guesses[i]);
		leg_inject_type(&p.client, guesses[i]);
		leg_move(&p.client, &p.server, SIZE_MAX);
		leg_take(&p.server);
		cr_assert_neq(p.server.err, OK, "only one packet is skipped");
		leg_pair_end(&p);
	}
}

Test(transport, answers_that_nobody_reads_end_the_leg)
{
	struct leg_pair p;

	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	for (size_t i = 0; i < TRANSPORT_OUT_MAX / 16 && p.server.err == OK; i++) {
		leg_inject_type(&p.client, 200);
		leg_move(&p.client, &p.server, SIZE_MAX);
		leg_take(&p.server);
	}
	cr_assert_eq(p.server.err, ERR_LIMIT);
	cr_assert_eq(transport_failure(p.server.t)->code, SSH_DISCONNECT_BY_APPLICATION);
	cr_assert_leq(transport_out(p.server.t)->len, TRANSPORT_OUT_MAX);
	leg_pair_end(&p);
}

Test(transport, nothing_but_the_exchange_is_sent_before_the_first_keys)
{
	struct leg_pair p;
	uint8_t ignore[5] = {SSH_MSG_IGNORE};

	leg_pair_begin(&p, NULL);
	cr_assert_eq(transport_send(p.client.t, span_of(ignore, sizeof(ignore))), OK);
	cr_assert_eq(transport_send(p.server.t, span_of(ignore, sizeof(ignore))), OK);
	leg_pair_run(&p);
	cr_assert(p.client.err == OK && p.server.err == OK);
	cr_assert(transport_is_strict(p.client.t) && transport_is_strict(p.server.t));
	leg_pair_end(&p);
}

Test(transport, a_kex_list_that_is_too_long_is_refused_and_not_cut)
{
	char kex[2000];
	struct transport_config config = {
		.role = TRANSPORT_CLIENT, .ident = "SSH-2.0-x", .kex = kex};
	struct transport *t;

	memset(kex, 'k', sizeof(kex) - 1);
	kex[sizeof(kex) - 1] = '\0';
	cr_assert_eq(transport_new(&config, &t), ERR_LIMIT);
}

Test(transport, a_dead_leg_keeps_nothing_waiting)
{
	struct leg_pair p;
	uint8_t data[100] = {94};

	leg_pair_open(&p, NULL, TRANSPORT_PHASE_CONNECTION);
	cr_assert_eq(transport_rekey(p.server.t), OK);
	cr_assert_eq(transport_send(p.server.t, span_of(data, sizeof(data))), OK);
	cr_assert_gt(transport_n_waiting(p.server.t), 0);
	transport_disconnect(p.server.t, SSH_DISCONNECT_BY_APPLICATION, "bye");
	cr_assert_eq(transport_n_waiting(p.server.t), 0);
	leg_pair_run(&p);
	cr_assert_eq(p.client.disconnect, SSH_DISCONNECT_BY_APPLICATION);
	cr_assert_str_eq(p.client.text, "bye");
	leg_pair_end(&p);
}

Test(transport, host_keys_default_to_all)
{
	struct leg_pair p;

	leg_pair_begin(&p, NULL);
	leg_pair_end(&p);
	p.client.config = (struct transport_config){.role = TRANSPORT_CLIENT, .ident = "SSH-2.0-x"};
	cr_assert_eq(transport_new(&p.client.config, &p.client.t), OK);
	cr_assert_not_null(memmem(transport_out(p.client.t)->data, transport_out(p.client.t)->len,
		sigalg_names(), strlen(sigalg_names())));
	transport_free(p.client.t);
}
