/*
 * A certificate's structure without its cryptography: for the parser, the minter's own check, and
 * the fuzzer (whose signatures hardly ever verify).  Not for anybody else: what was only walked is
 * not proved.
 */
#ifndef COMMON_SSH_CERT_INTERNAL_H
#define COMMON_SSH_CERT_INTERNAL_H

#include "common/ssh/cert.h"

#define CERT_NAME_SUFFIX "-cert-v01@openssh.com"

struct cert_walk {
	struct cert_fields fields;
	struct span key_fields; /* the certified key's blob without its type */
	struct span ca_blob;
	struct span signed_part;
	struct span signature;
};

/* Take blob apart; all spans borrow from it.  ERR_FORMAT, ERR_UNSUPPORTED as cert_parse. */
MUST_CHECK enum err cert_walk(struct span blob, struct cert_walk *out);

#endif
