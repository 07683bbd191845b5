/*
 * The CA of the user's certificate among those that the node trusts for all users (TrustedUserCAKeys).
 */
#ifndef DEPLOY_NODE_PRINCIPALS_TRUSTED_CA_H
#define DEPLOY_NODE_PRINCIPALS_TRUSTED_CA_H

#include "deploy/node/principals/verdict.h"

/*
 * If it is one of the CAs of before, and the certificate has a principal that the node's own principals file or command
 * names for this user (the user's name, where there is neither), and nothing speaks against it, then the options are
 * appended to v's out.  Errors as those of search_key().
 */
MUST_CHECK enum err trusted_ca_search(struct verdict *v);

#endif
