/*
 * The identification strings that we show.
 *
 * OpenSSH sends eow@openssh.com and no-more-sessions@openssh.com only to a peer whose software version begins with
 * "OpenSSH", and what it sends is for the far end, which is OpenSSH on a node.  So the client leg always says OpenSSH,
 * and the node leg does when the client is one.
 * The number behind that is of a version that has what the broker has, and that no client knows a bug of; what the broker
 * is stands in the comment.
 */
#ifndef BROKER_GATE_VERSION_H
#define BROKER_GATE_VERSION_H

#include "common/span.h"

/* To clients.  Static, without CR LF. */
const char *version_for_client(void);
/* To a node, for a client with this identification.  Static. */
const char *version_for_node(struct span client_ident);

#endif
