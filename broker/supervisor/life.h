/*
 * One role process, from its start to its end: what the fleet does to each of its slots.
 */
#ifndef BROKER_SUPERVISOR_LIFE_H
#define BROKER_SUPERVISOR_LIFE_H

#include "broker/supervisor/slot.h"

/* Start a process in an empty or waiting slot.  What fails is logged and tried again later. */
void life_start(struct slot *s);
/* The slot is that of a relay of a former supervisor, connected to by its socket of that name.  Takes fd. */
void life_adopt(struct slot *s, pid_t pid, const char *name, int fd);

/* Tell it to stop; it is killed when it takes too long. */
void life_stop(struct slot *s);
void life_kill(struct slot *s);
/* Its link is gone or of no use: without it the process is as good as dead, and ends soon.  An adopted one is let go. */
void life_drop_link(struct slot *s);

/* Its process is no more. */
void life_ended(struct slot *s);
/* The timer of a slot. */
void life_on_timer(evutil_socket_t fd, short what, void *arg);

#endif
