/*
 * The from= option of authorized_keys.
 *
 * One pattern decides who may log in: where sshd has a peculiarity, this has the same one.
 */
#include "deploy/node/principals/from_match.h"

#include "common/attr.h"
#include "common/err.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* sshd's own limits on one entry: of addresses, and of patterns. */
#define ADDRESS_SIZE 64
#define PATTERN_SIZE 1024
#define MASK_MAX 128

struct ip {
	int family;
	uint8_t bytes[16];
};

enum listed { LISTED_INVALID = 0, LISTED_NEGATED, LISTED_NO, LISTED_YES };

bool
from_match_pattern(const char *text, const char *pattern)
{
	const char *star = NULL, *tried = NULL;

	/* After a failure, the last star takes one character more: no recursion, and no exponential time. */
	while (*text != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			tried = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star + 1;
			text = ++tried;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

/* Addresses as the C library reads them, without asking anybody; "10.1" is 10.0.0.1 to sshd, too. */
static bool
parse_ip(const char *text, struct ip *out)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (getaddrinfo(text, NULL, &hints, &found) != 0)
		return false;
	*out = (struct ip){.family = found->ai_family};
	if (found->ai_family == AF_INET) {
		memcpy(&in, found->ai_addr, sizeof(in));
		memcpy(out->bytes, &in.sin_addr, 4);
	} else if (found->ai_family == AF_INET6) {
		memcpy(&in6, found->ai_addr, sizeof(in6));
		memcpy(out->bytes, &in6.sin6_addr, 16);
	}
	freeaddrinfo(found);
	return out->family == AF_INET || out->family == AF_INET6;
}

static unsigned
bits_of(const struct ip *ip)
{
	return ip->family == AF_INET ? 32 : 128;
}

static bool
bit(const struct ip *ip, unsigned i)
{
	return (ip->bytes[i / 8] >> (7 - i % 8) & 1) != 0;
}

/* ERR_NOT_FOUND: neither an address nor a network.  ERR_FORMAT: a network that cannot be. */
static enum err
parse_network(const char *text, struct ip *out, unsigned *mask)
{
	char copy[ADDRESS_SIZE], *slash, *end;
	unsigned long n = 0;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return ERR_NOT_FOUND;
	slash = strchr(copy, '/');
	if (slash != NULL) {
		*slash++ = '\0';
		n = strtoul(slash, &end, 10);
		if (*slash < '0' || *slash > '9' || *end != '\0' || n > MASK_MAX)
			return ERR_NOT_FOUND;
	}
	if (!parse_ip(copy, out))
		return ERR_NOT_FOUND;
	*mask = slash != NULL ? (unsigned)n : bits_of(out);
	if (*mask > bits_of(out))
		return ERR_FORMAT;
	for (unsigned i = *mask; i < bits_of(out); i++) {
		if (bit(out, i))
			return ERR_FORMAT;
	}
	return OK;
}

static bool
is_within(const struct ip *ip, const struct ip *network, unsigned mask)
{
	if (ip->family != network->family)
		return false;
	for (unsigned i = 0; i < mask; i++) {
		if (bit(ip, i) != bit(network, i))
			return false;
	}
	return true;
}

static enum listed
match_entry(const char *entry, const char *text, const struct ip *ip)
{
	bool negated = *entry == '!', found;
	struct ip network;
	unsigned mask;
	enum err e;

	if (negated)
		entry++;
	if (*entry == '\0')
		return LISTED_INVALID;
	e = parse_network(entry, &network, &mask);
	if (e == ERR_FORMAT)
		return LISTED_INVALID;
	found = e == OK ? is_within(ip, &network, mask) : from_match_pattern(text, entry);
	if (!found)
		return LISTED_NO;
	return negated ? LISTED_NEGATED : LISTED_YES;
}

/* The patterns as addresses.  sshd looks at an entry only if none before it was negated and matched. */
static enum listed
match_addresses(const char *patterns, const char *text)
{
	char *copy = strdup(patterns), *rest = copy, *entry;
	enum listed result = LISTED_NO;
	struct ip ip;

	if (copy == NULL || !parse_ip(text, &ip)) {
		free(copy);
		return LISTED_INVALID;
	}
	while ((entry = strsep(&rest, ",")) != NULL) {
		enum listed one = match_entry(entry, text, &ip);

		if (one == LISTED_INVALID || one == LISTED_NEGATED) {
			result = one;
			break;
		}
		if (one == LISTED_YES)
			result = one;
	}
	free(copy);
	return result;
}

/* Take the next entry off *patterns, in lower case where asked; false when it is longer than sshd takes. */
static bool
take_pattern(const char **patterns, bool lower, char out[PATTERN_SIZE])
{
	size_t len = strcspn(*patterns, ",");

	if (len >= PATTERN_SIZE - 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = (*patterns)[i];

		out[i] = lower ? (char)tolower((unsigned char)c) : c;
	}
	out[len] = '\0';
	*patterns += len + ((*patterns)[len] == ',' ? 1 : 0);
	return true;
}

static enum listed
match_names(const char *patterns, const char *text, bool lower)
{
	enum listed result = LISTED_NO;
	char one[PATTERN_SIZE];

	while (*patterns != '\0') {
		bool negated = *patterns == '!';

		if (negated)
			patterns++;
		if (!take_pattern(&patterns, lower, one))
			return LISTED_NO;
		if (!from_match_pattern(text, one))
			continue;
		if (negated)
			return LISTED_NEGATED;
		result = LISTED_YES;
	}
	return result;
}

bool
from_match_list(const char *text, const char *patterns)
{
	return match_names(patterns, text, false) == LISTED_YES;
}

enum from_match
from_match(const char *patterns, const char *ip, const char *host)
{
	enum listed by_address = match_addresses(patterns, ip), by_name;
	char lower[NI_MAXHOST];

	if (by_address == LISTED_INVALID)
		return FROM_MATCH_INVALID;
	if (by_address == LISTED_NEGATED)
		return FROM_MATCH_NO;
	(void)snprintf(lower, sizeof(lower), "%s", host);
	for (char *c = lower; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	by_name = match_names(patterns, lower, true);
	if (by_name == LISTED_NEGATED)
		return FROM_MATCH_NO;
	return by_address == LISTED_YES || by_name == LISTED_YES ? FROM_MATCH_YES : FROM_MATCH_NO;
}

/* As long as sshd takes them, and of the characters that it takes. */
static bool
is_plain_network(const char *text)
{
	return *text != '\0' && strlen(text) <= INET6_ADDRSTRLEN + 3 &&
		text[strspn(text, "0123456789abcdefABCDEF.:/")] == '\0';
}

enum from_match
from_match_networks(const char *networks, const char *ip)
{
	char *copy = strdup(networks), *rest = copy, *entry;
	enum from_match result = FROM_MATCH_NO;
	struct ip client, network;
	unsigned mask;

	if (copy == NULL || !parse_ip(ip, &client))
		result = FROM_MATCH_INVALID;
	while (result != FROM_MATCH_INVALID && (entry = strsep(&rest, ",")) != NULL) {
		if (!is_plain_network(entry) || parse_network(entry, &network, &mask) != OK)
			result = FROM_MATCH_INVALID;
		else if (is_within(&client, &network, mask))
			result = FROM_MATCH_YES;
	}
	free(copy);
	return result;
}
