/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A socket by number and identity. Programs close descriptors that they do not know
 * (closefrom() when a daemon starts) and reuse the numbers for files of their own. So
 * the library never uses or closes a number without asking the kernel whether it is
 * still the library's socket.
 */
#include <stdbool.h>
#include <stdint.h>

struct own_socket {
        int fd;
        uint64_t cookie; /* SO_COOKIE: unique among all sockets since boot; see own_socket.c */
};
#define OWN_SOCKET_NONE ((struct own_socket){ .fd = -1 })

/* 0 or -errno. */
int own_socket_of(int fd, struct own_socket *ret);
bool own_socket_valid(struct own_socket socket);
/* Closes it if it is still the same socket. */
void own_socket_close(struct own_socket socket);
