/*
 * Both roles of the transport against OpenSSH: each algorithm alone, logged in, with data both ways and key exchanges that
 * either side begins.
 */
#include "tests/lib/leg_pair.h"
#include "tests/lib/peer_program.h"
#include "tests/lib/ssh_talk.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_SIZE 65536
#define DATA_SIZE ((size_t)512 * 1024)

struct algorithms {
	const char *kex;
	const char *host_key;
	const char *cipher;
	const char *mac; /* NULL: the cipher needs none, and gets the default */
};

/* Each algorithm alone, and each only once or twice: what they do together is tested in memory. */
static const struct algorithms cases[] = {
	{"curve25519-sha256", "ssh-ed25519", "chacha20-poly1305@openssh.com", NULL},
	{"curve25519-sha256@libssh.org", "rsa-sha2-512", "aes256-gcm@openssh.com", NULL},
	{"ecdh-sha2-nistp256", "ecdsa-sha2-nistp256", "aes128-gcm@openssh.com", NULL},
	{"ecdh-sha2-nistp384", "ecdsa-sha2-nistp384", "aes256-gcm@openssh.com", NULL},
	{"ecdh-sha2-nistp521", "ecdsa-sha2-nistp521", "aes128-gcm@openssh.com", NULL},
	{"curve25519-sha256", "rsa-sha2-256", "chacha20-poly1305@openssh.com", NULL},
	{"diffie-hellman-group14-sha256", "ssh-ed25519", "aes128-ctr", "hmac-sha2-256"},
	{"diffie-hellman-group16-sha512", "ssh-ed25519", "aes256-ctr", "hmac-sha2-512"},
	{"diffie-hellman-group14-sha256", "rsa-sha2-512", "aes192-ctr",
		"hmac-sha2-256-etm@openssh.com"},
	{"diffie-hellman-group16-sha512", "ecdsa-sha2-nistp256", "aes128-ctr",
		"hmac-sha2-512-etm@openssh.com"},
	{"curve25519-sha256", "ssh-ed25519", "aes192-ctr", "hmac-sha2-512"},
	{"curve25519-sha256", "ssh-ed25519", "aes256-ctr", "hmac-sha2-256-etm@openssh.com"},
};

/* For the peer's configuration: one MAC where one is needed, else one that must not matter. */
static const char *
mac_of(const struct algorithms *a)
{
	return a->mac != NULL ? a->mac : "hmac-sha2-256";
}

static void
print_log(const struct peer_folder *f)
{
	static char log[LOG_SIZE];

	peer_folder_read(f, "log", log, sizeof(log));
	(void)fprintf(stderr, "%s\n", log);
}

static const struct privkey *
user_key(void)
{
	return leg_host_key("ssh-ed25519");
}

/* The configuration of an sshd that speaks these algorithms alone and knows our key. */
static void
write_sshd_files(const struct peer_folder *f, const struct algorithms *a, const char *rekey_limit)
{
	struct buf line = {0};
	char text[2048];

	peer_folder_write_key(f, "host_key", leg_host_key(a->host_key));
	cr_assert_eq(pubkey_write_line(privkey_public(user_key()), &line), OK);
	peer_folder_write(f, "authorized_keys", buf_span(&line), false);
	buf_clear(&line);
	(void)snprintf(text, sizeof(text),
		"HostKey %s/host_key\nAuthorizedKeysFile %s/authorized_keys\nStrictModes no\n"
		"UsePAM no\nPermitRootLogin prohibit-password\nPrintMotd no\nLogLevel DEBUG2\n"
		"KexAlgorithms %s\nHostKeyAlgorithms %s\nCiphers %s\nMACs %s\nRekeyLimit %s\n",
		f->path, f->path, a->kex, a->host_key, a->cipher, mac_of(a), rekey_limit);
	peer_folder_write(f, "sshd_config", span_str(text), false);
}

/*
 * Log in to sshd and send bytes through cat there; returns how many key exchanges that took: how often it is time for one
 * again depends on how the bytes happen to arrive.
 */
static size_t
talk_to_sshd(const struct algorithms *a, const char *rekey_limit, size_t rekey_every)
{
	struct talk k = {.config = {.role = TRANSPORT_CLIENT,
				 .kex = a->kex,
				 .host_keys = a->host_key,
				 .ciphers = a->cipher,
				 .macs = a->mac},
		.user_key = user_key(),
		.user = peer_user(),
		.n_bytes = DATA_SIZE,
		.rekey_every = rekey_every};
	struct peer_folder f;
	size_t n_keys;
	pid_t pid;
	bool ok;

	peer_folder_make(&f);
	write_sshd_files(&f, a, rekey_limit);
	k.host_key_expected = pubkey_blob(privkey_public(leg_host_key(a->host_key)));
	k.fd = peer_start_sshd(&f, &pid);
	ok = talk_run(&k);
	(void)close(k.fd);
	(void)peer_wait(pid);
	if (!ok)
		print_log(&f);
	peer_folder_remove(&f);
	cr_assert(ok, "%s %s %s %s: %s", a->kex, a->host_key, a->cipher, mac_of(a), k.failure);
	cr_assert_str_eq(transport_host_key_alg(k.t), a->host_key);
	n_keys = k.n_keys;
	talk_end(&k);
	return n_keys;
}

Test(openssh, sshd_takes_us_with_each_algorithm)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_eq(talk_to_sshd(&cases[i], "default", 0), 1);
}

Test(openssh, sshd_rekeys_while_data_flows)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_geq(talk_to_sshd(&cases[i], "64K", 0), 2);
}

Test(openssh, we_rekey_an_sshd_while_data_flows)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_geq(talk_to_sshd(&cases[i], "default", 50000), 2);
}

Test(openssh, we_and_an_sshd_rekey_at_once)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_geq(talk_to_sshd(&cases[i], "16K", 16000), 2);
}

static void
write_data(const struct peer_folder *f)
{
	static uint8_t data[DATA_SIZE];

	payload_fill(data, sizeof(data), 0, 7);
	peer_folder_write(f, "data", span_of(data, sizeof(data)), false);
}

static bool
data_came_back(const struct peer_folder *f)
{
	static char data[DATA_SIZE + 1], back[DATA_SIZE + 2];

	peer_folder_read(f, "data", data, sizeof(data));
	peer_folder_read(f, "back", back, sizeof(back));
	return memcmp(data, back, DATA_SIZE) == 0;
}

/* The stock ssh, without any file of the machine's or the user's. */
static pid_t
start_ssh(const struct peer_folder *f, const struct algorithms *a, unsigned port, const char *rekey)
{
	char options[9][160], user[64];
	char *argv[] = {"/usr/bin/ssh", "-vv", "-F", "none", "-T", "-o", options[0], "-o",
		options[1], "-o", options[2], "-o", options[3], "-o", options[4], "-o", options[5],
		"-o", options[6], "-o", options[7], "-o", options[8], "-o", "BatchMode=yes", user,
		"cat", NULL};

	(void)snprintf(options[0], sizeof(options[0]), "KexAlgorithms=%s", a->kex);
	(void)snprintf(options[1], sizeof(options[1]), "HostKeyAlgorithms=%s", a->host_key);
	(void)snprintf(options[2], sizeof(options[2]), "Ciphers=%s", a->cipher);
	(void)snprintf(options[3], sizeof(options[3]), "RekeyLimit=%s", rekey);
	(void)snprintf(
		options[4], sizeof(options[4]), "UserKnownHostsFile=%s/known_hosts", f->path);
	(void)snprintf(options[5], sizeof(options[5]), "Port=%u", port);
	(void)snprintf(options[6], sizeof(options[6]), "StrictHostKeyChecking=yes");
	(void)snprintf(options[7], sizeof(options[7]), "IdentityAgent=none");
	(void)snprintf(options[8], sizeof(options[8]), "MACs=%s", mac_of(a));
	(void)snprintf(user, sizeof(user), "someone@127.0.0.1");
	return peer_start(f, argv, "data", "back");
}

static void
write_known_hosts(const struct peer_folder *f, const struct privkey *key, unsigned port)
{
	struct buf line = {0};
	char host[64];

	(void)snprintf(host, sizeof(host), "[127.0.0.1]:%u ", port);
	cr_assert_eq(buf_append(&line, host, strlen(host)), OK);
	cr_assert_eq(pubkey_write_line(privkey_public(key), &line), OK);
	cr_assert_eq(buf_append(&line, "\n", 1), OK);
	peer_folder_write(f, "known_hosts", buf_span(&line), false);
	buf_clear(&line);
}

/* Have the stock ssh send a file through our cat; returns how many key exchanges that took. */
static size_t
ssh_talks_to_us(const struct algorithms *a, const char *rekey_limit, size_t rekey_every)
{
	struct talk k = {.config = {.role = TRANSPORT_SERVER,
				 .kex = a->kex,
				 .host_keys = a->host_key,
				 .ciphers = a->cipher,
				 .macs = a->mac},
		.host_key = leg_host_key(a->host_key),
		.rekey_every = rekey_every};
	struct peer_folder f;
	int listener, status;
	unsigned port;
	size_t n_keys;
	pid_t pid;
	bool ok, came_back;

	peer_folder_make(&f);
	write_data(&f);
	listener = peer_listen(&port);
	write_known_hosts(&f, k.host_key, port);
	pid = start_ssh(&f, a, port, rekey_limit);
	k.fd = peer_accept(listener);
	(void)close(listener);
	ok = talk_run(&k);
	(void)close(k.fd);
	status = peer_wait(pid);
	if (!ok || status != 0)
		print_log(&f);
	came_back = data_came_back(&f);
	peer_folder_remove(&f);
	cr_assert(ok && status == 0, "%s %s %s %s: %s, ssh's status is %d", a->kex, a->host_key,
		a->cipher, mac_of(a), k.failure, status);
	cr_assert(came_back);
	n_keys = k.n_keys;
	talk_end(&k);
	return n_keys;
}

Test(openssh, ssh_takes_us_with_each_algorithm)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_eq(ssh_talks_to_us(&cases[i], "default", 0), 1);
}

Test(openssh, ssh_rekeys_while_data_flows)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_geq(ssh_talks_to_us(&cases[i], "64K", 0), 2);
}

Test(openssh, we_rekey_an_ssh_while_data_flows)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_geq(ssh_talks_to_us(&cases[i], "default", 50000), 2);
}

Test(openssh, we_and_an_ssh_rekey_at_once)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_geq(ssh_talks_to_us(&cases[i], "16K", 16000), 2);
}
