/* SPDX-License-Identifier: MIT */
#pragma once
/* Takes the events of the daemon's history into the record. */
#include <stdint.h>

#include "libclient/history/picture.h"
#include "libclient/history/ring.h"
#include "libclient/recorder/store.h"

struct recorder {
        const char *shm;
        struct store store;
        struct picture picture;
        struct ring ring;
        struct block_header header; /* what the next block says beside the picture */
        int64_t written_ns, looked_ns;
        uint64_t events, lost, damaged_bytes;
};

/* Opens the record and continues it. Returns 0, or after a message 1. */
int recorder_begin(struct recorder *recorder, const char *shm, const char *directory,
                   uint64_t max_bytes, int64_t max_age_ns);
/* Takes what there is. 0, or after a message 1: it cannot go on. */
int recorder_turn(struct recorder *recorder, int64_t now_ns);
/* Writes what is not written yet. */
void recorder_end(struct recorder *recorder);
