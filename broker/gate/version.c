/*
 * The identification strings that we show.
 */
#include "broker/gate/version.h"

const char *
version_for_client(void)
{
	return "SSH-2.0-OpenSSH_sshbroker_" SSHBROKER_VERSION;
}

const char *
version_for_node(struct span client_ident)
{
	static const char openssh[] = "SSH-2.0-OpenSSH";

	if (client_ident.len >= sizeof(openssh) - 1 &&
		memcmp(client_ident.ptr, openssh, sizeof(openssh) - 1) == 0)
		return "SSH-2.0-OpenSSH_sshbroker_" SSHBROKER_VERSION;
	return "SSH-2.0-sshbroker_" SSHBROKER_VERSION;
}
