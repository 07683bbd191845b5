/*
 * The bytes of config/sshbroker.json, put in when the program is built.
 */
#ifndef BROKER_INIT_CONFIG_EXAMPLE_H
#define BROKER_INIT_CONFIG_EXAMPLE_H

#include <stddef.h>

extern const unsigned char config_example[];
extern const size_t config_example_len;

#endif
