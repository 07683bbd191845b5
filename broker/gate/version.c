/*
 * The identification strings that we show.
 */
#include "broker/gate/version.h"

/* libssh reads a version number behind the name, and has no unix sockets for an OpenSSH without one. */
#define AS_OPENSSH "SSH-2.0-OpenSSH_9.9 sshbroker_" SSHBROKER_VERSION

const char *
version_for_client(void)
{
	return AS_OPENSSH;
}

const char *
version_for_node(struct span client_ident)
{
	static const char openssh[] = "SSH-2.0-OpenSSH";

	if (client_ident.len >= sizeof(openssh) - 1 &&
		memcmp(client_ident.ptr, openssh, sizeof(openssh) - 1) == 0)
		return AS_OPENSSH;
	return "SSH-2.0-sshbroker_" SSHBROKER_VERSION;
}
