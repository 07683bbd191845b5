/*
 * The from= option of authorized_keys: a list of addresses, networks and names, some of them negated.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_FROM_MATCH_H
#define DEPLOY_NODE_PRINCIPALS_FROM_MATCH_H

#include <stdbool.h>

enum from_match {
	FROM_MATCH_INVALID =
		0, /* the list has an empty entry or a network with bits behind its mask: nobody matches */
	FROM_MATCH_NO,
	FROM_MATCH_YES,
};

/*
 * Does a client with this address and host name match the comma-separated patterns?  host is the address again where no
 * name is known.  Decides as sshd does: networks by number, else "*" and "?" patterns against either, and one negated
 * entry that matches ("!") outweighs all others.
 */
enum from_match from_match(const char *patterns, const char *ip, const char *host);

/*
 * Is the client's address within one of the comma-separated addresses and networks of a certificate's source-address?
 * Anything else in the list makes it invalid.
 */
enum from_match from_match_networks(const char *networks, const char *ip);

/* Does text match a pattern with "*" and "?"? */
bool from_match_pattern(const char *text, const char *pattern);
/* Does text match a list of such patterns, none of its negated ones among them? */
bool from_match_list(const char *text, const char *patterns);

#endif
