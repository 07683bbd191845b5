/*
 * common/ssh/kexinit: what is written and parsed, and what follows from two offers.
 */
#include "common/ssh/kexinit.h"

#include <criterion/criterion.h>

#define AES128 "aes128-gcm@openssh.com"
#define AES256 "aes256-gcm@openssh.com"
#define CHACHA "chacha20-poly1305@openssh.com"

static void
offer(const char *kex, const char *host_keys, const char *ciphers, struct buf *b,
	struct kexinit *out)
{
	struct kexinit_offer o = {.kex = kex, .host_keys = host_keys, .ciphers = ciphers};

	buf_reset(b);
	cr_assert_eq(kexinit_write(&o, b), OK);
	cr_assert_eq(kexinit_parse(buf_span(b), out), OK);
}

Test(kexinit, what_is_written_is_parsed)
{
	struct buf b = {0}, again = {0};
	struct kexinit k;

	offer("a,b", "c", "d,e", &b, &k);
	cr_assert(span_is(k.lists[KEXINIT_KEX], "a,b"));
	cr_assert(span_is(k.lists[KEXINIT_HOST_KEY], "c"));
	cr_assert(span_is(k.lists[KEXINIT_CIPHER_C2S], "d,e"));
	cr_assert(span_is(k.lists[KEXINIT_CIPHER_S2C], "d,e"));
	cr_assert(span_is(k.lists[KEXINIT_COMPRESSION_C2S], "none"));
	cr_assert_not(k.first_kex_follows);
	offer("a,b", "c", "d,e", &again, &k);
	cr_assert_neq(memcmp(b.data + 1, again.data + 1, 16), 0, "cookies must differ");
	buf_clear(&b);
	buf_clear(&again);
}

Test(kexinit, every_cut_and_every_byte_more_is_refused)
{
	struct buf b = {0};
	struct kexinit k;

	offer("a,b", "c", "d,e", &b, &k);
	for (size_t len = 0; len < b.len; len++)
		cr_assert_eq(kexinit_parse(span_of(b.data, len), &k), ERR_FORMAT);
	cr_assert_eq(buf_append(&b, "", 1), OK);
	cr_assert_eq(kexinit_parse(buf_span(&b), &k), ERR_FORMAT);
	buf_clear(&b);
}

Test(kexinit, lists_that_reach_past_the_end_are_refused)
{
	struct buf b = {0};
	struct kexinit k;

	offer("a,b", "c", "d,e", &b, &k);
	/* The first list's length. */
	for (uint32_t len = 4; len < 40; len++) {
		wire_poke_u32(b.data + 17, len);
		cr_assert_eq(kexinit_parse(buf_span(&b), &k), ERR_FORMAT, "%u", len);
	}
	wire_poke_u32(b.data + 17, UINT32_MAX);
	cr_assert_eq(kexinit_parse(buf_span(&b), &k), ERR_FORMAT);
	buf_clear(&b);
}

Test(kexinit, the_order_of_the_client_decides)
{
	static const struct {
		const char *client[3], *server[3];
		enum kex_method method;
		const char *host_key;
		enum cipher_kind cipher;
		bool guess_was_wrong;
	} cases[] = {
		{{"curve25519-sha256,ecdh-sha2-nistp256", "ssh-ed25519", CHACHA "," AES128},
			{"ecdh-sha2-nistp256,curve25519-sha256", "ssh-ed25519", AES128 "," CHACHA},
			KEX_CURVE25519, "ssh-ed25519", CIPHER_CHACHA20_POLY1305, true},
		{{"curve25519-sha256", "ssh-ed25519,rsa-sha2-256", AES256},
			{"curve25519-sha256", "rsa-sha2-256,ssh-ed25519", AES256}, KEX_CURVE25519,
			"ssh-ed25519", CIPHER_AES256_GCM, true},
		{{"curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com", "ssh-ed25519",
			 AES256},
			{"curve25519-sha256,kex-strict-s-v00@openssh.com", "ssh-ed25519", AES256},
			KEX_CURVE25519, "ssh-ed25519", CIPHER_AES256_GCM, false},
		/* A peer that has our own pseudo-algorithm in its list, and lists with empty names. */
		{{"ext-info-c,,curve25519-sha256@libssh.org", ",ssh-ed25519", ",," AES256},
			{"ext-info-c,curve25519-sha256@libssh.org,", "ssh-ed25519,", AES256 ","},
			KEX_CURVE25519, "ssh-ed25519", CIPHER_AES256_GCM, true},
		{{"curve25519-sha256", ",ssh-ed25519", ",," AES256},
			{"curve25519-sha256", ",,ssh-ed25519", ",," AES256}, KEX_CURVE25519,
			"ssh-ed25519", CIPHER_AES256_GCM, false},
		/* Methods that both have but we do not are passed over. */
		{{"sntrup761x25519-sha512@openssh.com,ecdh-sha2-nistp521", "rsa-sha2-512", AES128},
			{"sntrup761x25519-sha512@openssh.com,ecdh-sha2-nistp521", "rsa-sha2-512",
				AES128},
			KEX_ECDH_P521, "rsa-sha2-512", CIPHER_AES128_GCM, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf a = {0}, b = {0};
		struct kexinit client, server;
		struct kex_choice c;
		const char *missing;

		offer(cases[i].client[0], cases[i].client[1], cases[i].client[2], &a, &client);
		offer(cases[i].server[0], cases[i].server[1], cases[i].server[2], &b, &server);
		cr_assert_eq(kexinit_choose(&client, &server, &c, &missing), OK, "case %zu", i);
		cr_assert_eq(c.method, cases[i].method, "case %zu", i);
		cr_assert_str_eq(c.host_key_alg, cases[i].host_key);
		cr_assert_eq(c.c2s.kind, cases[i].cipher);
		cr_assert_eq(c.s2c.kind, cases[i].cipher);
		cr_assert_eq(c.guess_was_wrong, cases[i].guess_was_wrong, "case %zu", i);
		buf_clear(&a);
		buf_clear(&b);
	}
}

Test(kexinit, what_is_missing_is_named)
{
	static const struct {
		const char *client[3];
		const char *missing;
	} cases[] = {
		{{"diffie-hellman-group1-sha1", "ssh-ed25519", AES128}, "key exchange method"},
		{{"kex-strict-s-v00@openssh.com", "ssh-ed25519", AES128}, "key exchange method"},
		{{"", "ssh-ed25519", AES128}, "key exchange method"},
		{{"curve25519-sha256", "ssh-rsa", AES128}, "host key algorithm"},
		{{"curve25519-sha256", "", AES128}, "host key algorithm"},
		{{"curve25519-sha256", "ssh-ed25519", "3des-cbc,none"},
			"cipher from client to server"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf a = {0}, b = {0};
		struct kexinit client, server;
		struct kex_choice c;
		const char *missing = "";

		offer(cases[i].client[0], cases[i].client[1], cases[i].client[2], &a, &client);
		offer("curve25519-sha256,kex-strict-s-v00@openssh.com", "ssh-ed25519",
			AES128 "," AES256, &b, &server);
		cr_assert_eq(kexinit_choose(&client, &server, &c, &missing), ERR_NO_MATCH);
		cr_assert_str_eq(missing, cases[i].missing);
		buf_clear(&a);
		buf_clear(&b);
	}
}

Test(kexinit, macs_are_chosen_where_the_cipher_needs_one)
{
	static const struct {
		const char *ciphers[2], *macs[2]; /* to the server, to the client */
		struct cipher_suite c2s, s2c;
		const char *missing; /* NULL: none */
	} cases[] = {
		{{AES128, AES128}, {"", "x"}, {CIPHER_AES128_GCM, MAC_NONE},
			{CIPHER_AES128_GCM, MAC_NONE}, NULL},
		{{"aes256-ctr", AES128}, {"x,hmac-sha2-512", ""}, {CIPHER_AES256_CTR, MAC_SHA2_512},
			{CIPHER_AES128_GCM, MAC_NONE}, NULL},
		{{"aes192-ctr", "aes128-ctr"},
			{"hmac-sha2-256,hmac-sha2-256-etm@openssh.com",
				"hmac-sha2-512-etm@openssh.com,hmac-sha2-256"},
			{CIPHER_AES192_CTR, MAC_SHA2_256}, {CIPHER_AES128_CTR, MAC_SHA2_512_ETM},
			NULL},
		{{"aes192-ctr", AES128}, {"hmac-sha1", ""}, {0}, {0}, "MAC from client to server"},
		{{AES128, "aes192-ctr"}, {"hmac-sha2-256", "none"}, {0}, {0},
			"MAC from server to client"},
		{{"aes192-ctr", AES128}, {"", "hmac-sha2-256"}, {0}, {0},
			"MAC from client to server"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf a = {0}, b = {0};
		struct kexinit client, server;
		struct kex_choice c;
		const char *missing = "";
		enum err want = cases[i].missing == NULL ? OK : ERR_NO_MATCH;

		offer("curve25519-sha256", "ssh-ed25519", AES128, &a, &client);
		offer("curve25519-sha256", "ssh-ed25519", cipher_names(), &b, &server);
		client.lists[KEXINIT_CIPHER_C2S] = span_str(cases[i].ciphers[0]);
		client.lists[KEXINIT_CIPHER_S2C] = span_str(cases[i].ciphers[1]);
		client.lists[KEXINIT_MAC_C2S] = span_str(cases[i].macs[0]);
		client.lists[KEXINIT_MAC_S2C] = span_str(cases[i].macs[1]);
		cr_assert_eq(kexinit_choose(&client, &server, &c, &missing), want, "case %zu", i);
		if (want == OK)
			cr_assert(c.c2s.kind == cases[i].c2s.kind &&
					c.c2s.mac == cases[i].c2s.mac &&
					c.s2c.kind == cases[i].s2c.kind &&
					c.s2c.mac == cases[i].s2c.mac,
				"case %zu", i);
		else
			cr_assert_str_eq(missing, cases[i].missing);
		buf_clear(&a);
		buf_clear(&b);
	}
}

Test(kexinit, each_direction_and_compression_is_looked_at)
{
	struct buf a = {0}, b = {0};
	struct kexinit client, server;
	struct kex_choice c;
	const char *missing = "";

	offer("curve25519-sha256", "ssh-ed25519", AES128, &a, &client);
	offer("curve25519-sha256", "ssh-ed25519", AES128 "," AES256, &b, &server);
	client.lists[KEXINIT_CIPHER_S2C] = span_str(AES256);
	cr_assert_eq(kexinit_choose(&client, &server, &c, &missing), OK);
	cr_assert(c.c2s.kind == CIPHER_AES128_GCM && c.s2c.kind == CIPHER_AES256_GCM);
	client.lists[KEXINIT_CIPHER_S2C] = span_str("aes256-ctr");
	cr_assert_eq(kexinit_choose(&client, &server, &c, &missing), ERR_NO_MATCH);
	cr_assert_str_eq(missing, "cipher from server to client");
	client.lists[KEXINIT_CIPHER_S2C] = span_str(AES256);
	/* What the peer has for MACs does not count with these ciphers, and languages never do. */
	client.lists[KEXINIT_MAC_C2S] = span_str("");
	client.lists[KEXINIT_LANGUAGE_C2S] = span_str("de");
	cr_assert_eq(kexinit_choose(&client, &server, &c, &missing), OK);
	for (int list = KEXINIT_COMPRESSION_C2S; list <= KEXINIT_COMPRESSION_S2C; list++) {
		struct kexinit other = client;

		other.lists[list] = span_str("zlib");
		cr_assert_eq(kexinit_choose(&other, &server, &c, &missing), ERR_NO_MATCH);
		cr_assert_str_eq(missing, "compression method");
	}
	buf_clear(&a);
	buf_clear(&b);
}

/* A list as long as a packet may be costs time in proportion, not squared. */
Test(kexinit, the_longest_lists_are_searched_quickly, .timeout = 5)
{
	static char list[250000];
	struct buf a = {0}, b = {0};
	struct kexinit client, server;
	struct kex_choice c;
	const char *missing;

	memset(list, ',', sizeof(list) - 1);
	for (size_t i = 0; i < sizeof(list) - 1; i += 2)
		list[i] = 'x';
	offer(list, "ssh-ed25519", AES128, &a, &client);
	offer("curve25519-sha256", "ssh-ed25519", AES128, &b, &server);
	cr_assert_eq(kexinit_choose(&client, &server, &c, &missing), ERR_NO_MATCH);
	cr_assert_eq(kexinit_choose(&server, &client, &c, &missing), ERR_NO_MATCH);
	buf_clear(&a);
	buf_clear(&b);
}
