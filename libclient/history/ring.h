/* SPDX-License-Identifier: MIT */
#pragma once
/* Reads the history segment (shm/history.h): which events it still holds, and how many were
 * lost. It is read and not mapped, as all segments are. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/history.h"

struct ring {
        int fd;            /* -1: closed */
        uint64_t id;       /* history_segment.ring */
        uint64_t position; /* of the next event to read */
        uint8_t boot_id[16];
        struct id_layout layout;
};
#define RING_NONE ((struct ring){ .fd = -1 })

/* From position 0 on. -EPROTO: of another version; -ENODATA: no such segment; -errno. */
int ring_open(struct ring *ret, const char *shm);
void ring_close(struct ring *ring);
/* A newer segment has its name. */
bool ring_is_replaced(const struct ring *ring);

/* The next events, at most `max`; *ret_lost is how many were overwritten before them. Returns
 * how many, or -errno. */
int ring_read(struct ring *ring, struct history_event *ret, size_t max, uint64_t *ret_lost);
