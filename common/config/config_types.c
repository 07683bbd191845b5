/*
 * The types that a configuration value can have.
 */
#include "common/config/config_types.h"

#include "common/ssh/key.h"

#include <ctype.h>
#include <stdlib.h>

#define HOST_LABEL_MAX 63

static bool
is_name_char(char c)
{
	return isalnum((unsigned char)c) || strchr("._-", c) != NULL;
}

static bool
accepts_name(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (!is_name_char(*p))
			return false;
	}
	return true;
}

/* No more than what could be mistaken for an option of a command is kept out of the names. */
static bool
accepts_user(const char *text)
{
	bool number = text[strspn(text, "0123456789")] == '\0';

	/* (uid_t)-1 means "no change" to the kernel. */
	if (number)
		return strlen(text) <= 10 && strtoull(text, NULL, 10) < UINT32_MAX;
	return text[0] != '-' && accepts_name(text);
}

static bool
accepts_path(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	}
	return true;
}

/* One part of a host name between dots.  (RFC 1123 section 2.1; underscores are in use all the same) */
static bool
is_host_label(const char *label, size_t len)
{
	if (len == 0 || len > HOST_LABEL_MAX || label[0] == '-' || label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_name_char(label[i]))
			return false;
	}
	return true;
}

static bool
accepts_host(const char *text)
{
	struct addr ip;
	const char *label = text;

	if (addr_parse_ip(text, &ip) == OK)
		return true;
	/* 10.0.0.300 is a mistyped address, no name: no top-level domain is a number. */
	if (text[strspn(text, "0123456789.")] == '\0')
		return false;
	for (;;) {
		size_t len = strcspn(label, ".");

		if (!is_host_label(label, len))
			return false;
		label += len;
		/* A dot at the end is the root's. */
		if (*label == '\0' || *++label == '\0')
			return true;
	}
}

static bool
accepts_listen(const char *text)
{
	struct addr a;

	return addr_parse(text, true, &a) == OK;
}

static bool
accepts_mode(const char *text)
{
	size_t len = strlen(text);

	return text[strspn(text, "01234567")] == '\0' && (len == 3 || (len == 4 && text[0] == '0'));
}

static bool
accepts_public_key(const char *text)
{
	struct pubkey *key;

	if (pubkey_parse_line(span_str(text), &key) != OK)
		return false;
	pubkey_free(key);
	return true;
}

/* Are all bits of the address after its first n zero?  sshd takes a certificate with such an address for broken. */
static bool
host_bits_are_zero(const struct addr *a, unsigned n)
{
	for (unsigned bit = n; bit < (a->family == 4 ? 32U : 128U); bit++) {
		if ((a->ip[bit / 8] >> (7 - bit % 8)) & 1)
			return false;
	}
	return true;
}

static bool
accepts_network(const char *text)
{
	const char *slash = strchr(text, '/');
	char ip[ADDR_TEXT_SIZE];
	struct addr a;
	unsigned long bits;
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);

	if (len >= sizeof(ip))
		return false;
	memcpy(ip, text, len);
	ip[len] = '\0';
	if (addr_parse_ip(ip, &a) != OK)
		return false;
	if (slash == NULL)
		return true;
	if (slash[1] == '\0' || strlen(slash + 1) > 3 ||
		slash[1 + strspn(slash + 1, "0123456789")] != '\0')
		return false;
	bits = strtoul(slash + 1, NULL, 10);
	return bits <= (a.family == 4 ? 32 : 128) && host_bits_are_zero(&a, (unsigned)bits);
}

/* The place of a word is the value of its enum member. */
static const char *const log_level_words[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
	NULL,
};
static const char *const system_users_words[] = {
	[CONFIG_SYSTEM_USERS_REFUSE] = "refuse",
	[CONFIG_SYSTEM_USERS_ALLOW] = "allow",
	NULL,
};
static const char *const kex_words[] = {"curve25519-sha256", "curve25519-sha256@libssh.org",
	"ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
	"diffie-hellman-group16-sha512", "diffie-hellman-group14-sha256", NULL};
static const char *const cipher_words[] = {"chacha20-poly1305@openssh.com",
	"aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr",
	"aes256-ctr", NULL};
static const char *const mac_words[] = {"hmac-sha2-256-etm@openssh.com",
	"hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512", NULL};
static const char *const signature_words[] = {"ssh-ed25519", "ecdsa-sha2-nistp256",
	"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256", NULL};
static const char *const compression_words[] = {"none", "zlib@openssh.com", NULL};

#define NUMBER(what)                                                                               \
	{                                                                                          \
		.form = CONFIG_FORM_NUMBER, .noun = what                                           \
	}
#define OBJECT(what)                                                                               \
	{                                                                                          \
		.form = CONFIG_FORM_OBJECT, .noun = what                                           \
	}
#define WORD(list)                                                                                 \
	{                                                                                          \
		.form = CONFIG_FORM_TEXT, .words = list                                            \
	}
#define TEXT(what, function, regex)                                                                \
	{                                                                                          \
		.form = CONFIG_FORM_TEXT, .noun = what, .accepts = function, .pattern = regex      \
	}

static const struct config_type_info infos[CONFIG_TYPE_COUNT] = {
	[CONFIG_COUNT] = NUMBER("a number"),
	[CONFIG_PORT] = NUMBER("a port"),
	[CONFIG_SECONDS] = NUMBER("a number of seconds"),
	[CONFIG_MILLISECONDS] = NUMBER("a number of milliseconds"),
	[CONFIG_BYTES] = NUMBER("a number of bytes"),
	[CONFIG_BYTES_OR_0] = NUMBER("a number of bytes"),
	[CONFIG_PATH] = TEXT("a path", accepts_path, NULL),
	[CONFIG_NAME] = TEXT("a name of letters, digits, \".\", \"_\" and \"-\"", accepts_name,
		"^[A-Za-z0-9._-]+$"),
	[CONFIG_HOST] = TEXT("an IP address or host name", accepts_host, "^[A-Za-z0-9:._-]+$"),
	[CONFIG_LISTEN] = TEXT(
		"an IP address and port, like 0.0.0.0:22 or [::]:22", accepts_listen, ":[0-9]+$"),
	[CONFIG_USER] = TEXT(
		"a user name or number", accepts_user, "^[A-Za-z0-9._][A-Za-z0-9._-]*$"),
	[CONFIG_GROUP] = TEXT(
		"a group name or number", accepts_user, "^[A-Za-z0-9._][A-Za-z0-9._-]*$"),
	[CONFIG_MODE] = TEXT("an octal mode, like 0660", accepts_mode, "^0?[0-7]{3}$"),
	[CONFIG_PUBLIC_KEY] = TEXT("a public key as in a .pub file, like ssh-ed25519 AAAA...",
		accepts_public_key, "^(ssh|ecdsa)-[a-z0-9-]+ +AAAA"),
	[CONFIG_NETWORK] = TEXT("an IP address or network, like 10.0.0.4 or 10.0.0.0/24",
		accepts_network, "^[0-9a-fA-F:.]+(/[0-9]+)?$"),
	[CONFIG_LOG_LEVEL] = WORD(log_level_words),
	[CONFIG_SYSTEM_USERS] = WORD(system_users_words),
	[CONFIG_KEX] = WORD(kex_words),
	[CONFIG_CIPHER] = WORD(cipher_words),
	[CONFIG_MAC] = WORD(mac_words),
	[CONFIG_SIGNATURE] = WORD(signature_words),
	[CONFIG_COMPRESSION] = WORD(compression_words),
	[CONFIG_POOL] = OBJECT("an object that describes a pool"),
	[CONFIG_NODE] = OBJECT("an object that describes a node"),
};

const struct config_type_info *
config_type_info(enum config_type type)
{
	return &infos[type];
}

bool
config_type_is_held_as_text(enum config_type type)
{
	switch (type) {
	case CONFIG_LISTEN:
	case CONFIG_MODE:
	case CONFIG_LOG_LEVEL:
	case CONFIG_SYSTEM_USERS:
		return false;
	default:
		return infos[type].form == CONFIG_FORM_TEXT;
	}
}

int
config_word_index(const struct config_type_info *info, const char *text)
{
	for (int i = 0; info->words[i] != NULL; i++) {
		if (strcmp(info->words[i], text) == 0)
			return i;
	}
	return -1;
}
