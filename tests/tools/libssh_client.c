/*
 * libssh-client: a client made of libssh's public API, one action per connection, for tests of what such clients see.
 */
#include <errno.h>
#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h> /* ssh_send_keepalive() stands there */
#include <libssh/sftp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define STREAMS_MAX 64
#define CHUNK 32768
#define IDLE_WAIT_MS                                                                               \
	5 /* libssh's events do not see our own descriptors: look at them as often as this */
#define FAILED 255

/* One channel, and where its bytes come from and go to; -1 is nowhere. */
struct stream {
	ssh_channel channel;
	struct ssh_channel_callbacks_struct callbacks;
	struct client *client;
	int in, out, err;
	bool in_ended, out_ended, is_closed, is_over;
	size_t n_received;
};

struct client {
	ssh_session s;
	ssh_event event;
	struct ssh_callbacks_struct callbacks;
	struct stream streams[STREAMS_MAX];
	size_t n_streams, n_over;
	const char *key, *password, *answer; /* how to log in */
	const char *signal, *report_path, *term,
		*agent; /* signal: to send after the first output */
	FILE *report;
	long long keepalive_ms,
		asked_at; /* how often to ask for a sign of life, and when that was done last */
};

/* What can be said as NAME=VALUE and is an option of libssh, of one direction or of both. */
static const struct {
	const char *name;
	int options[2];
} settings[] = {
	{"host", {SSH_OPTIONS_HOST, -1}},
	{"port", {SSH_OPTIONS_PORT_STR, -1}},
	{"user", {SSH_OPTIONS_USER, -1}},
	{"known_hosts", {SSH_OPTIONS_KNOWNHOSTS, SSH_OPTIONS_GLOBAL_KNOWNHOSTS}},
	{"kex", {SSH_OPTIONS_KEY_EXCHANGE, -1}},
	{"host_key", {SSH_OPTIONS_HOSTKEYS, -1}},
	{"cipher", {SSH_OPTIONS_CIPHERS_C_S, SSH_OPTIONS_CIPHERS_S_C}},
	{"mac", {SSH_OPTIONS_HMAC_C_S, SSH_OPTIONS_HMAC_S_C}},
	{"compression", {SSH_OPTIONS_COMPRESSION_C_S, SSH_OPTIONS_COMPRESSION_S_C}},
};

/* A failure is an exit status, with words. */
static void
need(bool ok, const char *what, void *error)
{
	if (ok)
		return;
	(void)fprintf(stderr, "libssh-client: %s: %s\n", what,
		error != NULL ? ssh_get_error(error) : strerror(errno));
	_exit(FAILED);
}

static long long
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static unsigned
number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	errno = EINVAL;
	need(*text != '\0' && *end == '\0' && n <= INT32_MAX, text, NULL);
	return (unsigned)n;
}

static void
write_all(int fd, const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno == EPIPE)
			return; /* nobody wants it any more */
		need(done > 0, "write", NULL);
		bytes += done;
		n -= (size_t)done;
	}
}

/* Streams: bytes between channels and descriptors. */

static size_t
stream_id(const struct stream *t)
{
	return (size_t)(t - t->client->streams);
}

static void
on_exit_status(ssh_session s, ssh_channel channel, int status, void *arg)
{
	const struct stream *t = arg;

	(void)s;
	(void)channel;
	(void)fprintf(t->client->report, "status %zu %d\n", stream_id(t), status);
}

static void
on_exit_signal(ssh_session s, ssh_channel channel, const char *name, int core, const char *words,
	const char *language, void *arg)
{
	const struct stream *t = arg;

	(void)s;
	(void)channel;
	(void)language;
	(void)fprintf(
		t->client->report, "signal %zu %s %d %s\n", stream_id(t), name, core != 0, words);
}

static void
on_close(ssh_session s, ssh_channel channel, void *arg)
{
	(void)s;
	(void)channel;
	((struct stream *)arg)->is_closed = true;
}

static struct stream *
stream_add(struct client *c, ssh_channel channel, int in, int out)
{
	struct stream *t = &c->streams[c->n_streams];

	errno = ENOSPC;
	need(c->n_streams < STREAMS_MAX, "too many channels", NULL);
	need(channel != NULL, "a channel", c->s);
	c->n_streams++;
	*t = (struct stream){.channel = channel, .client = c, .in = in, .out = out, .err = 2};
	t->callbacks = (struct ssh_channel_callbacks_struct){.userdata = t,
		.channel_exit_status_function = on_exit_status,
		.channel_exit_signal_function = on_exit_signal,
		.channel_close_function = on_close};
	ssh_callbacks_init(&t->callbacks);
	need(ssh_set_channel_callbacks(channel, &t->callbacks) == SSH_OK, "callbacks", c->s);
	return t;
}

/* It may be written in parts while keys change; an end of the channel meanwhile is seen later. */
static bool
write_channel(struct stream *t, const uint8_t *bytes, uint32_t n)
{
	uint32_t done = 0;

	while (done < n && !t->is_closed) {
		int part = ssh_channel_write(t->channel, bytes + done, n - done);

		need(part >= 0 || t->is_closed, "write to a channel", t->client->s);
		done += part > 0 ? (uint32_t)part : 0;
	}
	return true;
}

/* Never more than the peer has room for: a write that waits would keep us from reading. */
static bool
carry_in(struct stream *t)
{
	struct pollfd p = {.fd = t->in, .events = POLLIN};
	uint32_t room = ssh_channel_window_size(t->channel);
	uint8_t bytes[CHUNK];
	ssize_t n;

	if (t->in_ended || room == 0 || poll(&p, 1, 0) != 1)
		return false;
	n = read(t->in, bytes, room < sizeof(bytes) ? room : sizeof(bytes));
	if (n > 0)
		return write_channel(t, bytes, (uint32_t)n);
	t->in_ended = true;
	(void)ssh_channel_send_eof(t->channel);
	return true;
}

static bool
carry_out(struct stream *t, int fd, int is_stderr)
{
	uint8_t bytes[CHUNK];
	int n = ssh_channel_read_nonblocking(t->channel, bytes, sizeof(bytes), is_stderr);

	if (n <= 0)
		return false;
	t->n_received += (size_t)n;
	if (fd >= 0)
		write_all(fd, bytes, (size_t)n);
	return true;
}

/* The end of what the peer sends, and of the channel. */
static void
carry_end(struct stream *t)
{
	if (!t->is_closed && !ssh_channel_is_eof(t->channel))
		return;
	if (!t->out_ended && t->in > STDERR_FILENO)
		(void)shutdown(t->out, SHUT_WR); /* a socket */
	t->out_ended = true;
	if (!t->is_closed)
		return;
	(void)ssh_channel_close(t->channel);
	if (t->in > STDERR_FILENO)
		(void)close(t->in);
	t->is_over = true;
	t->client->n_over++;
}

static bool
stream_carry(struct stream *t)
{
	bool moved = !t->is_closed && carry_in(t);

	moved = carry_out(t, t->out, 0) || moved;
	moved = carry_out(t, t->err, 1) || moved;
	if (!moved)
		carry_end(t);
	return moved;
}

static void
ask_for_life(struct client *c)
{
	if (c->keepalive_ms == 0 || now_ms() - c->asked_at < c->keepalive_ms)
		return;
	c->asked_at = now_ms();
	/* Comes back when it was answered. */
	need(ssh_send_keepalive(c->s) == SSH_OK, "keepalive", c->s);
	(void)fprintf(c->report, "alive\n");
}

static void
turn(struct client *c)
{
	bool moved = false;

	for (size_t i = 0; i < c->n_streams; i++)
		if (!c->streams[i].is_over)
			moved = stream_carry(&c->streams[i]) || moved;
	need(ssh_event_dopoll(c->event, moved ? 0 : IDLE_WAIT_MS) != SSH_ERROR, "the connection",
		c->s);
	ask_for_life(c);
}

static void
carry_all(struct client *c)
{
	while (c->n_over < c->n_streams)
		turn(c);
}

/* Logging in. */

static bool
set_option(struct client *c, const char *name, size_t len, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		if (strlen(settings[i].name) != len || memcmp(settings[i].name, name, len) != 0)
			continue;
		for (size_t j = 0; j < 2 && settings[i].options[j] >= 0; j++)
			need(ssh_options_set(c->s, (enum ssh_options_e)settings[i].options[j],
				     value) == SSH_OK,
				name, c->s);
		return true;
	}
	return false;
}

static bool
set_own(struct client *c, const char *name, size_t len, const char *value)
{
	const struct {
		const char *name;
		const char **place;
	} own[] = {{"key", &c->key}, {"password", &c->password}, {"answer", &c->answer},
		{"report", &c->report_path}, {"signal", &c->signal}, {"term", &c->term},
		{"agent", &c->agent}};

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (strlen(own[i].name) == len && memcmp(own[i].name, name, len) == 0) {
			*own[i].place = value;
			return true;
		}
	return false;
}

static void
set(struct client *c, const char *word)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] == '=' ? word + len + 1 : "";
	uint64_t bytes;

	if (set_option(c, word, len, value) || set_own(c, word, len, value))
		return;
	errno = EINVAL;
	if (strncmp(word, "rekey_bytes=", len + 1) == 0) {
		bytes = number(value);
		need(ssh_options_set(c->s, SSH_OPTIONS_REKEY_DATA, &bytes) == SSH_OK, word, c->s);
	} else if (strncmp(word, "keepalive_ms=", len + 1) == 0) {
		c->keepalive_ms = number(value);
	} else {
		need(false, word, NULL);
	}
}

static int
try_key(const struct client *c)
{
	ssh_key key = NULL;
	int result;

	need(ssh_pki_import_privkey_file(c->key, NULL, NULL, NULL, &key) == SSH_OK, c->key, c->s);
	result = ssh_userauth_try_publickey(c->s, NULL, key);
	if (result == SSH_AUTH_SUCCESS)
		result = ssh_userauth_publickey(c->s, NULL, key);
	ssh_key_free(key);
	return result;
}

/* Every question gets the same answer. */
static int
try_answers(const struct client *c)
{
	int result = ssh_userauth_kbdint(c->s, NULL, NULL);

	while (result == SSH_AUTH_INFO) {
		int n = ssh_userauth_kbdint_getnprompts(c->s);

		for (int i = 0; i < n; i++)
			need(ssh_userauth_kbdint_setanswer(c->s, (unsigned)i, c->answer) >= 0,
				"an answer", c->s);
		result = ssh_userauth_kbdint(c->s, NULL, NULL);
	}
	return result;
}

static void
log_in(struct client *c)
{
	int result = ssh_userauth_none(c->s, NULL);

	if (c->key != NULL)
		result = try_key(c);
	if (c->key == NULL || result == SSH_AUTH_PARTIAL)
		result = c->password != NULL ? ssh_userauth_password(c->s, NULL, c->password)
					     : try_answers(c);
	if (result == SSH_AUTH_DENIED || result == SSH_AUTH_PARTIAL)
		(void)fprintf(c->report, "denied\n");
	need(result == SSH_AUTH_SUCCESS, "login", c->s);
}

static void
report_algorithms(const struct client *c)
{
	ssh_key key = NULL;

	need(ssh_get_server_publickey(c->s, &key) == SSH_OK, "host key", c->s);
	(void)fprintf(c->report, "chosen %s %s %s %s %s %s\n", ssh_get_kex_algo(c->s),
		ssh_key_type_to_char(ssh_key_type(key)), ssh_get_cipher_out(c->s),
		ssh_get_cipher_in(c->s), ssh_get_hmac_out(c->s), ssh_get_hmac_in(c->s));
	ssh_key_free(key);
}

static void
start(struct client *c)
{
	c->report = fopen(c->report_path != NULL ? c->report_path : "/dev/null", "w");
	need(c->report != NULL, "report", NULL);
	(void)setvbuf(c->report, NULL, _IOLBF, 0);
	need(ssh_connect(c->s) == SSH_OK, "connect", c->s);
	need(ssh_session_is_known_server(c->s) == SSH_KNOWN_HOSTS_OK, "the host key", c->s);
	log_in(c);
	report_algorithms(c);
	c->event = ssh_event_new();
	need(c->event != NULL && ssh_event_add_session(c->event, c->s) == SSH_OK, "events", c->s);
}

/* Actions. */

static struct stream *
open_session(struct client *c, int in, int out)
{
	ssh_channel channel = ssh_channel_new(c->s);

	need(channel != NULL && ssh_channel_open_session(channel) == SSH_OK, "a session", c->s);
	return stream_add(c, channel, in, out);
}

static void
exec(struct client *c, const struct stream *t, const char *command)
{
	need(ssh_channel_request_exec(t->channel, command) == SSH_OK, "exec", c->s);
}

/* run COMMAND [NAME=VALUE...]: with this environment. */
static void
do_run(struct client *c, char **words)
{
	struct stream *t = open_session(c, STDIN_FILENO, STDOUT_FILENO);

	for (char **w = words + 1; *w != NULL; w++) {
		char *value = strchr(*w, '=');

		errno = EINVAL;
		need(value != NULL, *w, NULL);
		*value = '\0';
		if (ssh_channel_request_env(t->channel, *w, value + 1) != SSH_OK)
			(void)fprintf(c->report, "refused %s\n", *w);
	}
	exec(c, t, words[0]);
	while (c->signal != NULL && t->n_received == 0)
		turn(c);
	if (c->signal != NULL)
		need(ssh_channel_request_send_signal(t->channel, c->signal) == SSH_OK, "signal",
			c->s);
	carry_all(c);
}

/* channels COMMAND...: all at once; the output of the n-th goes to REPORT.n. */
static void
do_channels(struct client *c, char **words)
{
	char path[512];

	for (size_t i = 0; words[i] != NULL; i++) {
		struct stream *t = open_session(c, -1, -1);

		(void)snprintf(path, sizeof(path), "%s.%zu", c->report_path, i);
		t->out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		need(t->out >= 0, path, NULL);
	}
	for (size_t i = 0; words[i] != NULL; i++)
		exec(c, &c->streams[i], words[i]);
	carry_all(c);
}

/* terminal COLUMNS ROWS COLUMNS ROWS COMMAND: of the second size after the first output. */
static void
do_terminal(struct client *c, char **words)
{
	struct stream *t = open_session(c, -1, STDOUT_FILENO);

	need(ssh_channel_request_pty_size(
		     t->channel, c->term, (int)number(words[0]), (int)number(words[1])) == SSH_OK,
		"pty", c->s);
	exec(c, t, words[4]);
	while (t->n_received == 0 && !t->is_over)
		turn(c);
	need(ssh_channel_change_pty_size(
		     t->channel, (int)number(words[2]), (int)number(words[3])) == SSH_OK,
		"resize", c->s);
	carry_all(c);
}

static void
upload(sftp_session sftp, ssh_session s, const char *from, const char *to)
{
	sftp_file file = sftp_open(sftp, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	uint8_t bytes[CHUNK];
	ssize_t n;

	need(fd >= 0, from, NULL);
	need(file != NULL, to, s);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		need(sftp_write(file, bytes, (size_t)n) == n, "sftp write", s);
	need(n == 0 && sftp_close(file) == SSH_OK, "sftp close", s);
	(void)close(fd);
}

static void
download(sftp_session sftp, ssh_session s, const char *from, const char *to)
{
	sftp_file file = sftp_open(sftp, from, O_RDONLY, 0);
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint8_t bytes[CHUNK];
	ssize_t n;

	need(fd >= 0, to, NULL);
	need(file != NULL, from, s);
	while ((n = sftp_read(file, bytes, sizeof(bytes))) > 0)
		write_all(fd, bytes, (size_t)n);
	need(n == 0 && sftp_close(file) == SSH_OK, "sftp read", s);
	(void)close(fd);
}

/* copy LOCAL REMOTE BACK: there and back by SFTP. */
static void
do_copy(struct client *c, char **words)
{
	sftp_session sftp = sftp_new(c->s);

	need(sftp != NULL && sftp_init(sftp) == SSH_OK, "sftp", c->s);
	upload(sftp, c->s, words[0], words[1]);
	download(sftp, c->s, words[1], words[2]);
	sftp_free(sftp);
}

/* reach HOST PORT, reach PATH: standard input and output are at that end. */
static void
do_reach(struct client *c, char **words)
{
	ssh_channel channel = ssh_channel_new(c->s);
	int result = SSH_ERROR;

	if (channel != NULL && words[1] != NULL)
		result = ssh_channel_open_forward(
			channel, words[0], (int)number(words[1]), "127.0.0.1", 4711);
	else if (channel != NULL)
		result = ssh_channel_open_forward_unix(channel, words[0], "127.0.0.1", 4711);
	need(result == SSH_OK, "forward", c->s);
	(void)stream_add(c, channel, STDIN_FILENO, STDOUT_FILENO);
	carry_all(c);
}

static int
connect_to(const struct sockaddr *a, socklen_t len)
{
	int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	need(fd >= 0 && connect(fd, a, len) == 0, "connecting", NULL);
	return fd;
}

static int
connect_to_port(unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr = {htonl(INADDR_LOOPBACK)},
		.sin_port = htons((uint16_t)port)};

	return connect_to((struct sockaddr *)&a, sizeof(a));
}

/* listen ADDRESS PORT N: forward a port that the node chooses to ours, for N connections. */
static void
do_listen(struct client *c, char **words)
{
	int port = 0;

	need(ssh_channel_listen_forward(c->s, words[0], 0, &port) == SSH_OK, "listen", c->s);
	(void)printf("%d\n", port);
	(void)fflush(stdout);
	while (c->n_over < number(words[2])) {
		char *originator = NULL;
		ssh_channel channel = ssh_channel_open_forward_port(
			c->s, 1, &(int){0}, &originator, &(int){0});

		if (channel != NULL) {
			int fd = connect_to_port(number(words[1]));

			(void)stream_add(c, channel, fd, fd);
			ssh_string_free_char(originator);
		}
		turn(c);
	}
	need(ssh_channel_cancel_forward(c->s, words[0], port) == SSH_OK, "cancel", c->s);
}

/* Somebody on the node talks to the agent. */
static ssh_channel
on_agent_open(ssh_session s, void *arg)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = ((struct client *)arg)->agent;
	ssh_channel channel = ssh_channel_new(s);
	int fd;

	need(path != NULL && strlen(path) < sizeof(a.sun_path), "agent=PATH", NULL);
	memcpy(a.sun_path, path, strlen(path) + 1);
	fd = connect_to((struct sockaddr *)&a, sizeof(a));
	return stream_add(arg, channel, fd, fd)->channel;
}

/* agent COMMAND: run it with our agent at hand. */
static void
do_agent(struct client *c, char **words)
{
	struct stream *t = open_session(c, STDIN_FILENO, STDOUT_FILENO);

	c->callbacks = (struct ssh_callbacks_struct){
		.userdata = c, .channel_open_request_auth_agent_function = on_agent_open};
	ssh_callbacks_init(&c->callbacks);
	need(ssh_set_callbacks(c->s, &c->callbacks) == SSH_OK, "callbacks", c->s);
	need(ssh_channel_request_auth_agent(t->channel) == SSH_OK, "agent", c->s);
	exec(c, t, words[0]);
	carry_all(c);
}

static const struct {
	const char *name;
	int words_min;
	void (*act)(struct client *c, char **words);
} actions[] = {{"run", 1, do_run}, {"channels", 1, do_channels}, {"terminal", 5, do_terminal},
	{"copy", 3, do_copy}, {"reach", 1, do_reach}, {"listen", 3, do_listen},
	{"agent", 1, do_agent}};

static void
act(struct client *c, int n, char **words)
{
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (strcmp(actions[i].name, words[0]) == 0 && n > actions[i].words_min) {
			actions[i].act(c, words + 1);
			return;
		}
	errno = EINVAL;
	need(false, words[0], NULL);
}

/* libssh-client NAME=VALUE... -- ACTION WORDS */
int
main(int argc, char **argv)
{
	struct client c = {.s = ssh_new(), .term = "xterm"};
	bool process_config = false;
	int i;

	need(c.s != NULL, "ssh_new", NULL);
	need(ssh_options_set(c.s, SSH_OPTIONS_PROCESS_CONFIG, &process_config) == SSH_OK, "options",
		c.s);
	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		set(&c, argv[i]);
	errno = EINVAL;
	need(i + 1 < argc, "libssh-client NAME=VALUE... -- ACTION WORDS", NULL);
	start(&c);
	act(&c, argc - i - 1, argv + i + 1);
	ssh_event_free(c.event);
	ssh_disconnect(c.s);
	ssh_free(c.s);
	(void)fclose(c.report);
	return 0;
}
