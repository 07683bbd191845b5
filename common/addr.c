/*
 * An IPv4 or IPv6 address with a port.
 */
#include "common/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>

#define PORT_MAX 65535

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static struct addr
from_ipv4(const void *ip, uint16_t port)
{
	struct addr a = {.family = 4, .port = port};

	memcpy(a.ip, ip, 4);
	return a;
}

/*
 * A dual-stack listener sees IPv4 clients as ::ffff:a.b.c.d: held as IPv4, so that one client is
 * one address in every limit, log and from= pattern.
 */
static struct addr
from_ipv6(const uint8_t ip[16], uint16_t port)
{
	struct addr a = {.family = 6, .port = port};

	if (memcmp(ip, mapped_prefix, sizeof(mapped_prefix)) == 0)
		return from_ipv4(ip + sizeof(mapped_prefix), port);
	memcpy(a.ip, ip, 16);
	return a;
}

enum err
addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct addr *out)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (len >= sizeof(in) && sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		*out = from_ipv4(&in.sin_addr, ntohs(in.sin_port));
		return OK;
	}
	if (len >= sizeof(in6) && sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		*out = from_ipv6(in6.sin6_addr.s6_addr, ntohs(in6.sin6_port));
		return OK;
	}
	return ERR_UNSUPPORTED;
}

socklen_t
addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};

	assert(a->family == 4 || a->family == 6);
	memset(out, 0, sizeof(*out));
	if (a->family == 4) {
		memcpy(&in.sin_addr, a->ip, 4);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, a->ip, 16);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

enum err
addr_parse_ip(const char *text, struct addr *out)
{
	uint8_t ip[16];

	if (inet_pton(AF_INET, text, ip) == 1) {
		*out = from_ipv4(ip, 0);
		return OK;
	}
	if (inet_pton(AF_INET6, text, ip) == 1) {
		*out = from_ipv6(ip, 0);
		return OK;
	}
	return ERR_FORMAT;
}

/* Digits only, no sign, no leading zero, at most 65535. */
static enum err
parse_port(const char *text, bool allow_0, uint16_t *out)
{
	unsigned port = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return ERR_FORMAT;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return ERR_FORMAT;
		port = port * 10 + (unsigned)(*p - '0');
		if (port > PORT_MAX)
			return ERR_FORMAT;
	}
	if (port == 0 && !allow_0)
		return ERR_FORMAT;
	*out = (uint16_t)port;
	return OK;
}

/* The address before the last colon, without its brackets, as a C string. */
static enum err
copy_host(const char *text, const char *colon, char out[ADDR_TEXT_SIZE], bool *bracketed)
{
	size_t len = (size_t)(colon - text);

	*bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
	if (*bracketed) {
		text++;
		len -= 2;
	}
	if (len >= ADDR_TEXT_SIZE)
		return ERR_FORMAT;
	memcpy(out, text, len);
	out[len] = '\0';
	return OK;
}

enum err
addr_parse(const char *text, bool allow_port_0, struct addr *out)
{
	const char *colon = strrchr(text, ':');
	char host[ADDR_TEXT_SIZE];
	struct addr a;
	bool bracketed;

	if (colon == NULL || copy_host(text, colon, host, &bracketed) != OK ||
		addr_parse_ip(host, &a) != OK || parse_port(colon + 1, allow_port_0, &a.port) != OK)
		return ERR_FORMAT;
	/* Without brackets "::1:22" could be an address without a port. */
	if (bracketed != (strchr(host, ':') != NULL))
		return ERR_FORMAT;
	*out = a;
	return OK;
}

const char *
addr_ip_text(const struct addr *a, char out[ADDR_TEXT_SIZE])
{
	int family = a->family == 4 ? AF_INET : AF_INET6;

	if (a->family == 0 || inet_ntop(family, a->ip, out, ADDR_TEXT_SIZE) == NULL)
		memcpy(out, "-", 2);
	return out;
}

const char *
addr_text(const struct addr *a, char out[ADDR_TEXT_SIZE])
{
	char ip[ADDR_TEXT_SIZE];

	if (a->family == 0)
		return addr_ip_text(a, out);
	addr_ip_text(a, ip);
	(void)snprintf(
		out, ADDR_TEXT_SIZE, a->family == 4 ? "%.45s:%u" : "[%.45s]:%u", ip, a->port);
	return out;
}

bool
addr_same_ip(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}
