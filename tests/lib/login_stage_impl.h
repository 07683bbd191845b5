/*
 * Inside a stage for logins: what its two files share.
 */
#ifndef TESTS_LIB_LOGIN_STAGE_IMPL_H
#define TESTS_LIB_LOGIN_STAGE_IMPL_H

#include "tests/lib/login_stage.h"

void stage_socket_pair(int fds[2]);
/* The keyholder's part without its process, with fresh keys. */
void stage_make_keyholder(struct stage *s);

#endif
