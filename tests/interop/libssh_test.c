/*
 * Both roles of the transport against libssh, through its public API: each algorithm alone, logged in, with data both ways
 * and key exchanges that either side begins.
 */
#include "tests/lib/leg_pair.h"
#include "tests/lib/peer_program.h"
#include "tests/lib/ssh_talk.h"

#include <criterion/criterion.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATA_SIZE ((size_t)256 * 1024)

struct algorithms {
	const char *kex;
	const char *host_key;
	const char *cipher;
	const char *mac; /* NULL: the cipher needs none, and gets the default */
};

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

/* In the child, where libssh plays the peer: a failure is an exit status, with words. */
static void
need(bool ok, const char *what, void *error)
{
	if (ok)
		return;
	(void)fprintf(
		stderr, "libssh: %s: %s\n", what, error != NULL ? ssh_get_error(error) : "failed");
	_exit(1);
}

static void
set(ssh_session s, enum ssh_options_e option, const void *value)
{
	need(ssh_options_set(s, option, value) == SSH_OK, "setting an option", s);
}

static ssh_session
client_session(const struct algorithms *a, uint64_t rekey_bytes, int fd)
{
	ssh_session s = ssh_new();
	bool process_config = false;

	need(s != NULL, "ssh_new", NULL);
	set(s, SSH_OPTIONS_PROCESS_CONFIG, &process_config);
	set(s, SSH_OPTIONS_HOST, "localhost");
	set(s, SSH_OPTIONS_USER, "someone");
	set(s, SSH_OPTIONS_KEY_EXCHANGE, a->kex);
	set(s, SSH_OPTIONS_HOSTKEYS, a->host_key);
	set(s, SSH_OPTIONS_CIPHERS_C_S, a->cipher);
	set(s, SSH_OPTIONS_CIPHERS_S_C, a->cipher);
	set(s, SSH_OPTIONS_HMAC_C_S, mac_of(a));
	set(s, SSH_OPTIONS_HMAC_S_C, mac_of(a));
	set(s, SSH_OPTIONS_FD, &fd);
	if (rekey_bytes != 0)
		set(s, SSH_OPTIONS_REKEY_DATA, &rekey_bytes);
	return s;
}

/* Send bytes through the peer's cat a piece at a time, and compare. */
static void
echo(ssh_session s, ssh_channel channel)
{
	uint8_t piece[20000], back[sizeof(piece)];

	for (size_t done = 0; done < DATA_SIZE; done += sizeof(piece)) {
		size_t have = 0;

		payload_fill(piece, sizeof(piece), 1, (uint32_t)done);
		need(ssh_channel_write(channel, piece, sizeof(piece)) == sizeof(piece), "write", s);
		while (have < sizeof(back)) {
			int n = ssh_channel_read(
				channel, back + have, (uint32_t)(sizeof(back) - have), 0);

			need(n > 0, "read", s);
			have += (size_t)n;
		}
		need(memcmp(piece, back, sizeof(piece)) == 0, "comparing", NULL);
	}
}

static void
client_in_child(const struct algorithms *a, uint64_t rekey_bytes, int fd)
{
	ssh_session s = client_session(a, rekey_bytes, fd);
	ssh_channel channel;

	need(ssh_connect(s) == SSH_OK, "ssh_connect", s);
	need(ssh_userauth_none(s, NULL) == SSH_AUTH_SUCCESS, "none", s);
	channel = ssh_channel_new(s);
	need(channel != NULL && ssh_channel_open_session(channel) == SSH_OK, "opening", s);
	need(ssh_channel_request_exec(channel, "cat") == SSH_OK, "exec", s);
	echo(s, channel);
	need(ssh_channel_send_eof(channel) == SSH_OK, "eof", s);
	need(ssh_channel_read(channel, &(char){0}, 1, 0) == 0, "the peer's eof", s);
	need(ssh_channel_close(channel) == SSH_OK, "closing", s);
	ssh_channel_free(channel);
	ssh_disconnect(s);
	ssh_free(s);
}

/* Answer messages with yes until one of this type and subtype was answered; *channel is the one that it opened. */
static void
accept_until(ssh_session s, int type, int subtype, ssh_channel *channel)
{
	bool found = false;

	while (!found) {
		ssh_message m = ssh_message_get(s);
		int t = 0;

		need(m != NULL, "a message", s);
		t = ssh_message_type(m);
		found = t == type && (subtype < 0 || ssh_message_subtype(m) == subtype);
		if (t == SSH_REQUEST_AUTH)
			need(ssh_message_auth_reply_success(m, 0) == SSH_OK, "auth", s);
		else if (t == SSH_REQUEST_CHANNEL_OPEN)
			*channel = ssh_message_channel_request_open_reply_accept(m);
		else if (t == SSH_REQUEST_CHANNEL)
			need(ssh_message_channel_request_reply_success(m) == SSH_OK, "yes", s);
		else
			need(ssh_message_reply_default(m) == SSH_OK, "no", s);
		ssh_message_free(m);
	}
}

static ssh_session
server_session(const struct peer_folder *f, const struct algorithms *a, int fd)
{
	ssh_bind b = ssh_bind_new();
	ssh_session s = ssh_new();
	bool process_config = false;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/host_key", f->path);
	need(b != NULL && s != NULL, "ssh_bind_new", NULL);
	need(ssh_bind_options_set(b, SSH_BIND_OPTIONS_PROCESS_CONFIG, &process_config) == 0 &&
			ssh_bind_options_set(b, SSH_BIND_OPTIONS_HOSTKEY, path) == 0 &&
			ssh_bind_options_set(b, SSH_BIND_OPTIONS_KEY_EXCHANGE, a->kex) == 0 &&
			ssh_bind_options_set(b, SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS, a->host_key) ==
				0 &&
			ssh_bind_options_set(b, SSH_BIND_OPTIONS_CIPHERS_C_S, a->cipher) == 0 &&
			ssh_bind_options_set(b, SSH_BIND_OPTIONS_CIPHERS_S_C, a->cipher) == 0 &&
			ssh_bind_options_set(b, SSH_BIND_OPTIONS_HMAC_C_S, mac_of(a)) == 0 &&
			ssh_bind_options_set(b, SSH_BIND_OPTIONS_HMAC_S_C, mac_of(a)) == 0,
		"options", b);
	need(ssh_bind_accept_fd(b, s, fd) == SSH_OK, "ssh_bind_accept_fd", b);
	ssh_bind_free(b);
	return s;
}

static void
server_in_child(
	const struct peer_folder *f, const struct algorithms *a, uint64_t rekey_bytes, int fd)
{
	ssh_session s = server_session(f, a, fd);
	ssh_channel channel = NULL;
	uint8_t bytes[16384];
	int n;

	if (rekey_bytes != 0)
		set(s, SSH_OPTIONS_REKEY_DATA, &rekey_bytes);
	need(ssh_handle_key_exchange(s) == SSH_OK, "ssh_handle_key_exchange", s);
	accept_until(s, SSH_REQUEST_AUTH, -1, &channel);
	accept_until(s, SSH_REQUEST_CHANNEL, SSH_CHANNEL_REQUEST_EXEC, &channel);
	need(channel != NULL, "a channel", s);
	do {
		n = ssh_channel_read(channel, bytes, sizeof(bytes), 0);
		need(n >= 0, "read", s);
		need(ssh_channel_write(channel, bytes, (uint32_t)n) == n, "write", s);
	} while (n > 0);
	need(ssh_channel_send_eof(channel) == SSH_OK, "eof", s);
	need(ssh_channel_close(channel) == SSH_OK, "close", s);
	/* The peer closes, too, and ends the connection. */
	while (ssh_message_get(s) != NULL)
		;
	ssh_channel_free(channel);
	ssh_disconnect(s);
	ssh_free(s);
}

/* Talk to libssh in the other role, in a process of its own; returns how many key exchanges that took. */
static size_t
talk_to_libssh(const struct algorithms *a, enum transport_role role, uint64_t rekey_bytes,
	size_t rekey_every)
{
	struct talk k = {.config = {.role = role,
				 .kex = a->kex,
				 .host_keys = a->host_key,
				 .ciphers = a->cipher,
				 .macs = a->mac},
		.host_key = leg_host_key(a->host_key),
		.user_key = leg_host_key("ssh-ed25519"),
		.user = "someone",
		.n_bytes = DATA_SIZE,
		.rekey_every = rekey_every};
	struct peer_folder f;
	int pair[2], status;
	size_t n_keys;
	pid_t pid;
	bool ok;

	peer_folder_make(&f);
	peer_folder_write_key(&f, "host_key", k.host_key);
	k.host_key_expected = pubkey_blob(privkey_public(k.host_key));
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(pair[0]);
		if (role == TRANSPORT_SERVER)
			client_in_child(a, rekey_bytes, pair[1]);
		else
			server_in_child(&f, a, rekey_bytes, pair[1]);
		_exit(0);
	}
	(void)close(pair[1]);
	k.fd = pair[0];
	ok = talk_run(&k);
	(void)close(k.fd);
	status = peer_wait(pid);
	peer_folder_remove(&f);
	cr_assert(ok && status == 0, "%s %s %s %s: %s, libssh's status is %d", a->kex, a->host_key,
		a->cipher, mac_of(a), k.failure, status);
	n_keys = k.n_keys;
	talk_end(&k);
	return n_keys;
}

Test(libssh, its_client_takes_us_with_each_algorithm)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_eq(talk_to_libssh(&cases[i], TRANSPORT_SERVER, 0, 0), 1);
}

Test(libssh, its_server_takes_us_with_each_algorithm)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_eq(talk_to_libssh(&cases[i], TRANSPORT_CLIENT, 0, 0), 1);
}

Test(libssh, its_client_rekeys_while_data_flows)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_geq(talk_to_libssh(&cases[i], TRANSPORT_SERVER, 65536, 0), 2);
}

Test(libssh, its_server_rekeys_while_data_flows)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_geq(talk_to_libssh(&cases[i], TRANSPORT_CLIENT, 65536, 0), 2);
}

Test(libssh, we_rekey_its_client_while_data_flows)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_geq(talk_to_libssh(&cases[i], TRANSPORT_SERVER, 0, 60000), 2);
}

Test(libssh, we_rekey_its_server_while_data_flows)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_assert_geq(talk_to_libssh(&cases[i], TRANSPORT_CLIENT, 0, 60000), 2);
}
