/*
 * Limits of a role process.
 */
#include "broker/role/harden.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_CHECKER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_CHECKER 1
#endif
#endif
#ifndef HAS_LEAK_CHECKER
#define HAS_LEAK_CHECKER 0
#endif

enum err
harden_against_debuggers(void)
{
	return prctl(PR_SET_DUMPABLE, HAS_LEAK_CHECKER, 0, 0, 0) == 0 ? OK : ERR_IO;
}

enum err
harden_process(void)
{
	struct rlimit no_core = {0, 0}, files;

	if (setrlimit(RLIMIT_CORE, &no_core) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0)
		return ERR_IO;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		return ERR_IO;
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return ERR_IO;
	return harden_against_debuggers();
}
