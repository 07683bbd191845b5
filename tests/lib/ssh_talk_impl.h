/*
 * Inside a talk: its failures, and the messages that it sends.
 */
#ifndef TESTS_LIB_SSH_TALK_IMPL_H
#define TESTS_LIB_SSH_TALK_IMPL_H

#include "tests/lib/ssh_talk.h"

#define OWN_WINDOW ((uint32_t)256 * 1024)
#define OWN_PACKET_MAX 32768

/* The first failure is kept. */
PRINTF_LIKE(2, 3)
void talk_fail(struct talk *k, const char *format, ...);
bool talk_has_failed(const struct talk *k);
/* Fail unless e is OK. */
void talk_check(struct talk *k, enum err e, const char *what);
/* Messages of a type alone, with a channel number, with a name. */
void talk_send_number(struct talk *k, uint8_t type, uint32_t channel);
void talk_send_name(struct talk *k, uint8_t type, const char *name);
void talk_send_type(struct talk *k, uint8_t type);
/* The client's key, signed. */
void talk_send_login(struct talk *k);
void talk_send_channel_open(struct talk *k);
void talk_send_confirmation(struct talk *k);
/* exec "cat", or the exit-status of our own one. */
void talk_send_request(struct talk *k, bool is_exec);
void talk_send_window(struct talk *k, uint32_t n);
/* Taken off the peer's window, which has room. */
void talk_send_data(struct talk *k, struct span data);

#endif
