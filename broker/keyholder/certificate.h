/*
 * The certificate that stands for a user's key on one node.
 */
#ifndef BROKER_KEYHOLDER_CERTIFICATE_H
#define BROKER_KEYHOLDER_CERTIFICATE_H

#include "broker/keyholder/core.h"

/* The signature algorithm name under which it is used. */
#define CERTIFICATE_ALGORITHM "ssh-ed25519-cert-v01@openssh.com"

/*
 * Append a certificate for offer's ephemeral key, dated now.  Its only principal is FACTS_PRINCIPAL: never a user name,
 * or a node without our helper would open a full shell past the command= of the user's key.  Where the user showed a
 * certificate, it permits no more than that one and is valid no longer; ERR_DENIED: then it would never be valid.
 */
MUST_CHECK enum err certificate_mint(
	const struct core *c, uint64_t conn, const struct offer *offer, struct buf *out);

#endif
