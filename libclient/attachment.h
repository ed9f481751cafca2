/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An attachment: what one HELLO obtained. Private data, clock segment, grants page and
 * cursors page lie in one reserved range of addresses, each at a fixed distance, so
 * that the hot path reaches all of them from one pointer.
 *
 *   0        64 KiB    128 KiB   192 KiB   256 KiB
 *   | private | clock   | grants  | cursors |
 *
 * An attachment stays mapped until its handle is closed, since a thread may sleep in
 * the middle of the hot path for any length of time.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "libclient/own_socket.h"
#include "shm/clock.h"
#include "shm/pages.h"
#include "shm/wire.h"

#define ATTACHMENT_PART (UINT32_C(64) << 10)
#define HINT_NONE UINT64_MAX /* no cursor has this key: its closed bit is set */

/*
 * What this process knows of a lane, on a cache line of its own. `key` is the cursor's
 * tick and slot, at offset 0, that a slow path found valid, or HINT_NONE. It is stored
 * (release) after slot_read() and loaded (acquire) by the hot path: this is the
 * "happened before" of slot_span_at(). It is only a hint: a wrong one costs a slow call
 * or a wasted position.
 */
struct lane_hint {
        _Atomic uint64_t key;
        _Atomic uint64_t span; /* of that slot: counts remain possible after a new grant */
        uint8_t reserved[112];
};
_Static_assert(sizeof(struct lane_hint) == sizeof(struct lane_words), "hot path: one stride");
_Static_assert(sizeof(struct lane_hint) == SLOTS_PER_LANE * sizeof(struct slot),
               "hot path: one stride");

struct attachment {
        uint64_t base_tick;
        uint32_t position_bits;
        uint32_t lane_mask; /* lanes - 1; 0: one ordered lane */
        uint32_t sequence_bits;
        uint32_t worker_first;
        uint32_t worker_counters;
        uint32_t lanes;
        uint32_t reserved0;
        _Atomic uint32_t generation; /* of the daemon last seen at the other end */
        uint64_t client;
        _Atomic int64_t looked_boot_ns; /* when the connection was last checked */
        struct attachment *older;
        uint64_t reach_back_ticks;
        struct own_socket socket; /* all attachments of a handle use one number */
        uint8_t reserved1[1024 - 88];
        struct lane_hint hints[LANES_MAX];
};
_Static_assert(sizeof(struct attachment) <= ATTACHMENT_PART, "attachment: size");
_Static_assert(offsetof(struct attachment, hints) == 1024, "attachment: hints");

static inline struct clock_segment *attachment_clock(const struct attachment *a) {
        return (struct clock_segment *)((uintptr_t)a + ATTACHMENT_PART);
}
static inline struct grants_page *attachment_grants(const struct attachment *a) {
        return (struct grants_page *)((uintptr_t)a + 2 * ATTACHMENT_PART);
}
static inline struct cursors_page *attachment_cursors(const struct attachment *a) {
        return (struct cursors_page *)((uintptr_t)a + 3 * ATTACHMENT_PART);
}
static inline _Atomic uint64_t *attachment_worker_ids(const struct attachment *a) {
        return (_Atomic uint64_t *)((uintptr_t)attachment_cursors(a) +
                                    cursors_worker_ids_offset(a->lanes));
}

/*
 * A lane's hint, slots and cursor from one address, for the hot path: `at` is the
 * attachment's address plus the lane's stride.
 */
struct lane_at;
static inline const struct lane_at *lane_at(const struct attachment *a, uint32_t lane) {
        return (const struct lane_at *)((uintptr_t)a + (uintptr_t)lane * sizeof(struct lane_words));
}
static inline uint32_t lane_of(const struct attachment *a, const struct lane_at *at) {
        return (uint32_t)(((uintptr_t)at - (uintptr_t)a) / sizeof(struct lane_words));
}
static inline _Atomic uint64_t *lane_at_key(const struct lane_at *at) {
        return (_Atomic uint64_t *)((uintptr_t)at + offsetof(struct attachment, hints));
}
static inline const struct slot *lane_at_slot(const struct lane_at *at, uint64_t key) {
        return (const struct slot *)((uintptr_t)at + 2 * ATTACHMENT_PART +
                                     offsetof(struct grants_page, slots)) +
               cursor_slot(key);
}
static inline _Atomic uint64_t *lane_at_cursor(const struct lane_at *at) {
        return (_Atomic uint64_t *)((uintptr_t)at + 3 * ATTACHMENT_PART +
                                    offsetof(struct cursors_page, lanes));
}

/*
 * Checks the descriptors of a WELCOME in fixed order (type, seals, size, contents),
 * maps them and takes ownership of `socket`. Always closes `fds`. On failure the socket stays
 * the caller's. -EPROTO, -ENOMEM.
 */
int attachment_new(struct attachment **ret, const struct wire_welcome *welcome,
                   const int fds[WIRE_WELCOME_FDS], int socket);

/* Unmaps it and all older ones and closes their socket. Returns NULL. */
struct attachment *attachment_free(struct attachment *a);

/* `fresh` follows `a` and gets the number of its socket, so that a handle keeps one
 * descriptor however often the daemon restarts. */
void attachment_follow(struct attachment *fresh, struct attachment *a);

/* Is the daemon's end of the socket still open? */
bool attachment_connected(const struct attachment *a);

/* Sends a hint if the socket is open and has room. */
void attachment_send(const struct attachment *a, const void *message, size_t length);
