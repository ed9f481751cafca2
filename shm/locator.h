/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The file SOCKET.shm beside the daemon's socket: where its shared memory is. The tools
 * find the segments of a daemon with it that is dead or does not answer. Pure: text in
 * and out.
 *
 *   shm /sfshm
 *   clock DEVICE INODE GENERATION
 *   boot BOOT_ID
 *
 * A daemon on another socket may have taken over the segments since, or made others under
 * the same name: file and generation of the clock segment tell.
 */
#include <stddef.h>
#include <stdint.h>

#include "shm/wire.h"

#define LOCATOR_SUFFIX ".shm"
#define LOCATOR_SIZE 512 /* the text, with a NUL */

struct locator {
        char shm[WIRE_STATUS_SHM]; /* daemon.shm, NUL-terminated */
        uint64_t clock_device;
        uint64_t clock_inode;
        uint32_t generation;
        uint8_t boot_id[16];
};

/* The text's length. */
size_t locator_format(const struct locator *locator, char ret[LOCATOR_SIZE]);
/* 0, or -EBADMSG: the `length` bytes are not exactly such a text. */
int locator_parse(const char *text, size_t length, struct locator *ret);
