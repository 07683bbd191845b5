/*
 * A role process for tests of what starts, links and stops roles: it reports what happens to it.
 *
 * Reports are datagrams to the socket named in the environment: "WHAT SELF PID PEER NUMBER".
 *	inherited	NUMBER descriptors that it should not have
 *	fds		NUMBER sockets that it serves
 *	up		it runs
 *	heard		PEER, the process NUMBER, said its name over a link
 *	config		it got another configuration, with login_grace_s NUMBER
 *	stop, drain, orphaned
 */
#ifndef TESTS_LIB_ROLE_PROCESS_H
#define TESTS_LIB_ROLE_PROCESS_H

#define ROLE_PROCESS_REPORTS "ROLE_PROCESS_REPORTS"
/* The name of a role that cannot start, of one that ignores STOP. */
#define ROLE_PROCESS_FAIL "ROLE_PROCESS_FAIL"
#define ROLE_PROCESS_STUBBORN "ROLE_PROCESS_STUBBORN"

/* What the program does when it is started as "--role NAME".  Returns the exit code. */
int role_process_main(const char *name);

#endif
