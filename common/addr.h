/*
 * An IPv4 or IPv6 address with a port.
 */
#ifndef COMMON_ADDR_H
#define COMMON_ADDR_H

#include "common/err.h"
#include "common/span.h"

#include <sys/socket.h>

/* "[ffff:...]:65535" and the NUL. */
#define ADDR_TEXT_SIZE 64

/*
 * Plain data.  An IPv4-mapped IPv6 address is always held as IPv4.  A scope ("%eth0") is not kept,
 * nor accepted in text.
 */
struct addr {
	uint8_t family; /* 0 (none), 4 or 6 */
	uint8_t ip[16]; /* the first 4 bytes for IPv4; the rest is zero */
	uint16_t port;
};

/* ERR_UNSUPPORTED: neither AF_INET nor AF_INET6. */
MUST_CHECK enum err addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct addr *out);
/* Fills *out and returns its length.  a has an address. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out);

/*
 * "10.0.0.1:22", "[::1]:22".  ERR_FORMAT: not such an address with a port (1-65535, or 0 where
 * allow_port_0).
 */
MUST_CHECK enum err addr_parse(const char *text, bool allow_port_0, struct addr *out);
/* The address alone, "10.0.0.1" or "::1"; out->port is 0. */
MUST_CHECK enum err addr_parse_ip(const char *text, struct addr *out);

/* As addr_parse reads it; "-" for none. */
const char *addr_text(const struct addr *a, char out[ADDR_TEXT_SIZE]);
/* The address alone; "-" for none. */
const char *addr_ip_text(const struct addr *a, char out[ADDR_TEXT_SIZE]);
bool addr_same_ip(const struct addr *a, const struct addr *b);

#endif
