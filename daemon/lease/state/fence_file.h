/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The durable state of the `local` backend: the file `fence` in the state directory. It is
 * text, so that the operator can read it, and exact, so that no torn or damaged file is
 * ever taken for a good one:
 *
 *   sfshm-state 1
 *   machine-id 3d1219c7c4c5404aaa1f6d2a48adfda4
 *   layout 41/10/12
 *   region-bits 0
 *   epoch-unix-ms 1735689600000
 *   workers 0+1                                  first + count
 *   fence-tick 1234567
 *   fence-time 2025-01-01T00:20:34.567Z          for the reader; - when fence-tick is 0
 *   checksum 0123456789abcdef                    FNV-1a 64 of the bytes above this line
 *
 * It is replaced by a rename, never changed in place.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/lease/state/small_file.h"
#include "shm/id.h"
#include "shm/isotime.h"

#define FENCE_FILE_NAME "fence"
#define FENCE_FILE_NEW_NAME "fence.new"
#define FENCE_FILE_TEXT_MAX 512u

struct fence_state {
        uint8_t machine_id[16];
        struct id_layout layout;
        uint32_t worker_first;
        uint32_t worker_count;
        uint64_t fence_tick;
};

/* The text of a state; its length, without the NUL at its end. Pure. */
size_t fence_file_encode(const struct fence_state *state, char text[FENCE_FILE_TEXT_MAX]);

/* Accepts only what fence_file_encode() writes, byte for byte. -EPROTO: of
 * another version; -EBADMSG: empty, torn or damaged. Pure. */
int fence_file_decode(const char *text, size_t size, struct fence_state *ret);

/* -ENOENT: there is no file; else as fence_file_decode(), or the error of reading. */
int fence_file_read(int dir_fd, struct fence_state *ret);

/* As small_file_write(). */
int fence_file_write(int dir_fd, const struct fence_state *state,
                     const struct small_file_calls *calls);

/* "2025-01-01T00:20:34.567Z", or "-" for what does not fit. Returns `text`. */
#define FENCE_TIME_SIZE ISOTIME_SIZE
const char *fence_time(const struct id_layout *layout, uint64_t tick, char text[FENCE_TIME_SIZE]);
