/*
 * The name of a client's address, for from= patterns where sshd has UseDNS.
 */
#ifndef DEPLOY_NODE_PRINCIPALS_HOST_NAME_H
#define DEPLOY_NODE_PRINCIPALS_HOST_NAME_H

#include "common/addr.h"

#include <netdb.h>

/*
 * The name that the address has by reverse lookup, if that name leads back to the address; else the address.  Asks DNS
 * and takes as long as that takes.
 */
void host_name_lookup(const struct addr *a, char out[NI_MAXHOST]);

#endif
