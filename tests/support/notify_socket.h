/* SPDX-License-Identifier: MIT */
#pragma once
/* What a service manager gives a service to tell it something: $NOTIFY_SOCKET. */
#include <stdbool.h>
#include <stddef.h>

/* Binds one with a name of its own and sets the variable; its descriptor. */
int notify_socket_new(void);
/* The next message, as a string; false: there is none. */
bool notify_socket_next(int fd, char *ret, size_t size);
/* How many of the messages that have come are "WATCHDOG=1"; takes all. */
unsigned notify_socket_pings(int fd);
