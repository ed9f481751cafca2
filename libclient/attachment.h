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
 * A thread may sleep in the middle of the hot path for any length of time, so the addresses
 * of an attachment never become those of another one, and old attachments go in steps: see
 * attachments_tidy().
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "libclient/own_socket.h"
#include "shm/clock.h"
#include "shm/pages.h"
#include "shm/wire.h"

#define ATTACHMENT_PART (UINT32_C(64) << 10)
#define HINT_NONE UINT64_MAX /* no cursor has this key: its top bit is set */

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
        _Atomic uint32_t begun; /* lanes_begin() was here */
        _Atomic uint32_t generation; /* of the daemon last seen at the other end */
        uint64_t client;
        _Atomic int64_t looked_boot_ns; /* when the connection was last checked */
        _Atomic(struct attachment *) older;
        uint64_t reach_back_ticks;
        struct own_socket socket; /* all attachments of a handle use one number */
        _Atomic(_Atomic(struct attachment *) *) newest; /* the handle's; NULL: retired */
        uint32_t number; /* of the handle's attachments, from 0 */
        uint32_t stride; /* bytes that each part occupies */
        _Atomic uint32_t tidy; /* attachments_tidy() has nothing left to do */
        uint32_t reserved0;
        uint8_t reserved1[1024 - 112];
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

/* Does the handle still use it? Seq_cst: see lanes_begin(). */
static inline bool attachment_in_use(const struct attachment *a) {
        /* relaxed: NULL only after the handle has got another one */
        _Atomic(struct attachment *) *newest =
                atomic_load_explicit(&a->newest, memory_order_relaxed);

        return newest != NULL && atomic_load_explicit(newest, memory_order_seq_cst) == a;
}

/*
 * Addresses for the attachments of a handle. Block k has 2^k pieces; a piece has the four
 * parts above, and holds as many attachments as fit into its parts side by side.
 */
#define ATTACHMENT_PIECE (4 * ATTACHMENT_PART)
#define ATTACHMENT_BLOCKS_MAX 24u
struct attachment_space {
        uintptr_t blocks[ATTACHMENT_BLOCKS_MAX];
        uint32_t n_blocks;
        uint32_t piece;    /* of the last block, in use */
        uint32_t used;     /* bytes of each of its parts */
        uint32_t attached; /* attachments so far */
};

/*
 * Checks the descriptors of a WELCOME in fixed order (type, seals, size, contents),
 * maps them and takes ownership of `socket`. Always closes `fds`. On failure the socket stays
 * the caller's. -EPROTO, -ENOMEM.
 */
int attachment_new(struct attachment **ret, struct attachment_space *space,
                   const struct wire_welcome *welcome, const int fds[WIRE_WELCOME_FDS],
                   int socket);

/* Of a new one that is not used after all: closes its socket and unmaps it. */
void attachment_discard(struct attachment *a);

/* Unmaps all attachments. Their socket is closed by own_socket_close(). */
void attachment_space_free(struct attachment_space *space);

/*
 * Gives back what old attachments hold. `a` is the newest, and has begun; held() says whether
 * a call waits on an older one.
 *
 * First an old attachment is retired: its three shared parts become zeros. A thread that still
 * is in the middle of a call on it then finds
 * - no owner, or no slot: it takes the slow path, and there the newer attachment;
 * - a cursor that counts from 0: below every key, since a key has a tick;
 * - that its claim does not count (attachment_in_use()).
 * The private part stays, since the hot path makes its ID with position_bits after the add.
 * The last ATTACHMENTS_KEPT are kept like that; the addresses of older ones cannot be
 * accessed any more. A thread would have to sleep within one call for so many restarts of the
 * daemon to be killed by that, and even then it returns no wrong ID.
 */
#define ATTACHMENTS_KEPT 256u
void attachments_tidy(struct attachment *a, bool (*held)(void *context, uint32_t number),
                      void *context);

/* `fresh` follows `a` and gets the number of its socket, so that a handle keeps one
 * descriptor however often the daemon restarts. */
void attachment_follow(struct attachment *fresh, struct attachment *a);

/* Is the daemon's end of the socket still open? */
bool attachment_connected(const struct attachment *a);

/* Sends a hint if the socket is open and has room. */
void attachment_send(const struct attachment *a, const void *message, size_t length);
