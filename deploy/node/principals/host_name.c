/*
 * The name of a client's address.
 */
#include "deploy/node/principals/host_name.h"

#include <stdio.h>

/* A name that reads as an address would be matched as one. */
static bool
is_numeric(const char *name)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST}, *found;

	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return false;
	freeaddrinfo(found);
	return true;
}

/* Whoever has a network may write any name into its reverse zone: only the name's own zone confirms it. */
static bool
leads_back(const char *name, const struct addr *a)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	bool same = false;

	hints.ai_family = a->family == 4 ? AF_INET : AF_INET6;
	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return false;
	for (const struct addrinfo *i = found; i != NULL && !same; i = i->ai_next) {
		struct addr one;

		same = addr_from_sockaddr(i->ai_addr, i->ai_addrlen, &one) == OK &&
			addr_same_ip(&one, a);
	}
	freeaddrinfo(found);
	return same;
}

void
host_name_lookup(const struct addr *a, char out[NI_MAXHOST])
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, &ss);
	char ip[ADDR_TEXT_SIZE];

	if (getnameinfo((struct sockaddr *)&ss, len, out, NI_MAXHOST, NULL, 0, NI_NAMEREQD) == 0 &&
		!is_numeric(out) && leads_back(out, a))
		return;
	(void)snprintf(out, NI_MAXHOST, "%s", addr_ip_text(a, ip));
}
