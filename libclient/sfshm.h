/* SPDX-License-Identifier: MIT */
#ifndef SFSHM_H
#define SFSHM_H
/*
 * libsfshm: unique, time-sorted 64-bit IDs from the host's sfshmd.
 *
 * All functions except sfshm_open() and sfshm_close() may be called from any
 * thread at any time with the same handle. A handle keeps working in a child
 * after fork(); parent and child then share one order. No function with a
 * handle may be called from a signal handler. Errors are returned as negative
 * errno values; arguments named ret_* are unchanged on failure. See sfshm(7).
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct sfshm sfshm;

/* Several lanes, one for each CPU. IDs of a thread increase while it stays on
 * its CPU; IDs of the handle are k-sorted. */
#define SFSHM_PARALLEL 1u

/* How the 63 bits of an ID are divided. */
struct sfshm_layout {
        uint8_t tick_bits;     /* milliseconds since the epoch */
        uint8_t worker_bits;   /* region included */
        uint8_t sequence_bits; /* the three add up to 63 */
        uint8_t region_bits;   /* high bits of the worker field */
        uint32_t reserved;     /* 0 */
        int64_t epoch_unix_ms; /* the epoch, in Unix milliseconds */
};
#define SFSHM_LAYOUT_DEFAULT \
        { 41, 10, 12, 0, 0, INT64_C(1735689600000) /* 2025-01-01T00:00:00Z */ }

/* The parts of an ID. */
struct sfshm_parts {
        int64_t unix_ms;
        uint32_t region;
        uint32_t worker; /* the whole worker field, region included */
        uint32_t sequence;
        uint32_t reserved; /* 0 */
};

/* Connect to the daemon at `address` (a socket path; NULL: $SFSHM_SOCKET, then
 * /run/sfshm/sfshm.sock) and attach. Waits at most 5 s for a daemon that is
 * listening. -ENOENT, -ECONNREFUSED: no daemon is listening; -EACCES; -EDQUOT:
 * refused by a limit; -ENOSPC: no position is left; -ENOBUFS: the daemon has no
 * descriptors or memory left; -EPROTO: another version, layout or time namespace;
 * -ETIMEDOUT; -EINVAL: unknown flags. */
int sfshm_open(sfshm **ret, const char *address, unsigned flags);

/* Detach and free. No other call may be running. Returns NULL; NULL is allowed. */
sfshm *sfshm_close(sfshm *s);

/* Allocate one ID. 0; -EAGAIN or -ETIMEDOUT by the time-out; -ENOTCONN: no daemon
 * and no valid reservation; -ETIME: the daemon holds IDs back. */
int sfshm_next(sfshm *s, uint64_t *ret_id);

/* Allocate n IDs in increasing order: all of them or none. After an error the
 * contents of `ids` are undefined. As sfshm_next(), and -EMSGSIZE: more than the
 * time-out can ever allow. */
int sfshm_next_batch(sfshm *s, uint64_t *ids, size_t n);

/* Allocate 1 to `want` consecutive IDs: first, first + 1, ... As sfshm_next(), and
 * -EINVAL: want is 0. */
int sfshm_next_span(sfshm *s, uint32_t want, uint64_t *ret_first, uint32_t *ret_count);

/* How long a call may wait, in ns. -1: without limit, the default; 0: not at all,
 * the call returns -EAGAIN; else the call returns -ETIMEDOUT. -EINVAL: below -1. */
int sfshm_set_timeout(sfshm *s, int64_t ns);

/* After -EAGAIN: the CLOCK_MONOTONIC time, in ns, at which to try again. */
int64_t sfshm_retry_at(const sfshm *s);

/* The layout of this handle's IDs. */
int sfshm_get_layout(const sfshm *s, struct sfshm_layout *ret);

/* Take an ID apart. -ERANGE: not an ID of this layout; -EINVAL: bad layout. */
int sfshm_decode(const struct sfshm_layout *l, uint64_t id, struct sfshm_parts *ret);

/* The lowest ID of that millisecond, for range scans. -ERANGE: the layout has no
 * such time; -EINVAL: bad layout. */
int sfshm_first_id(const struct sfshm_layout *l, int64_t unix_ms, uint64_t *ret_id);

/* How long calls waited for one reason: calls that waited, the sum, and how many of them
 * waited up to each of bounds_ns (and longer than the bound before). */
#define SFSHM_WAIT_BUCKETS 44
struct sfshm_waits {
        uint64_t count;
        uint64_t total_ns;
        uint64_t buckets[SFSHM_WAIT_BUCKETS];
};

/* What a handle has counted since it was opened. It may grow at its end. */
struct sfshm_counters {
        uint64_t ids;               /* allocated */
        uint64_t overflows_waited;  /* found their tick used up, and waited for the next one */
        uint64_t overflows_again;   /* ... and returned -EAGAIN */
        uint64_t overflows_timeout; /* ... and waited in vain */
        uint64_t reattaches;        /* times that it attached again */
        struct sfshm_waits overflow; /* waits for the next tick */
        struct sfshm_waits grant;    /* for a reservation */
        struct sfshm_waits attach;   /* for a daemon that was away */
        struct sfshm_waits clock;    /* for a clock that held IDs back */
        uint64_t bounds_ns[SFSHM_WAIT_BUCKETS]; /* upper bounds; the last is UINT64_MAX */
};

/* Read the handle's counters: `size` is sizeof(*ret), and what this library does not know of
 * it becomes 0. Relatives after fork() count together. -EINVAL: size is 0. */
int sfshm_get_counters(const sfshm *s, struct sfshm_counters *ret, size_t size);

/* Describe an error of this library in English. Never NULL. */
const char *sfshm_strerror(int error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
