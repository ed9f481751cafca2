/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The clock segment. The daemon writes it, everybody may read it.
 *
 * `now` is the current tick while the ticker runs, or CLOCK_NOW_INVALID. `owner` is
 * the ticker's thread ID. It is on that thread's robust-futex list, so the kernel
 * changes it to FUTEX_OWNER_DIED when the thread dies. A reader loads `owner`
 * (acquire) before `now`. A new ticker stores INVALID, then its owner word (release).
 * So nobody pairs a live owner with a dead ticker's tick.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "shm/id.h"

#define CLOCK_MAGIC "sfshmclk"
#define CLOCK_VERSION 1u
#define CLOCK_SIZE 4096u
#define CLOCK_NOW_INVALID UINT64_MAX
#define CLOCK_OWNER_DIED UINT32_C(0x40000000) /* FUTEX_OWNER_DIED */
#define NS_PER_TICK INT64_C(1000000)

/*
 * Guarded time as a function of CLOCK_BOOTTIME, in ns since the epoch:
 *   guarded_base_ns + (boot - boot_base_ns) + slew, where
 *   slew = (min(boot, slew_end_boot_ns) - boot_base_ns) * slew_ppb / 10^9
 * Before boot_base_ns there is no slew. Only the daemon changes the parameters, and
 * always so that the function continues or jumps forward.
 */
struct clock_params {
        _Atomic int64_t boot_base_ns;
        _Atomic int64_t guarded_base_ns;
        _Atomic int64_t slew_ppb; /* >= -10^9, at which the clock stands still */
        _Atomic int64_t slew_end_boot_ns;
};

/* The same as plain numbers. */
struct clock_line {
        int64_t boot_base_ns;
        int64_t guarded_base_ns;
        int64_t slew_ppb;
        int64_t slew_end_boot_ns;
};

enum clock_state {
        CLOCK_STATE_STARTING = 0, /* no IDs yet */
        CLOCK_STATE_RUNNING = 1,
        CLOCK_STATE_WAITING = 2, /* no IDs until resume_boot_ns */
        CLOCK_STATE_FAILED = 3,  /* no IDs, and an alarm; until resume_boot_ns if that is known */
};

/* Why the state is what it is. */
enum clock_reason {
        CLOCK_REASON_NONE = 0,
        /* RUNNING */
        CLOCK_REASON_SLEWING = 1,  /* a small difference to the wall clock is slewed away */
        CLOCK_REASON_OFFSET = 2,   /* the wall clock went back: ahead of it, slewing towards it */
        CLOCK_REASON_STEPPING = 3, /* it went forward: follows once the fence is raised */
        CLOCK_REASON_HELD = 4,     /* it went too far forward: not followed until accepted */
        /* WAITING or FAILED, by clock.on_rollback */
        CLOCK_REASON_FENCE = 5,    /* the clock is below the fence, up to which IDs may exist */
        CLOCK_REASON_ROLLBACK = 6, /* the wall clock went back: stands still */
        /* WAITING */
        CLOCK_REASON_UNSYNC = 7, /* the kernel's clock is not synchronised */
        /* FAILED */
        CLOCK_REASON_STUCK = 8,  /* the fence is passed and cannot be raised */
        CLOCK_REASON_END = 9,    /* the last tick of the layout is reached */
        CLOCK_REASON_CLONED = 10, /* the machine was cloned or reverted: stands still */
        /* WAITING, before there is a clock segment: only a daemon that is asked says these */
        CLOCK_REASON_WORKERS = 11,     /* no worker IDs are free, or others are faster */
        CLOCK_REASON_COORDINATOR = 12, /* the coordinator does not answer */
        CLOCK_REASON_ACCESS = 13,      /* it denies access */
};
#define CLOCK_REASONS 14u
/* "waiting", "rollback", ...; "?" for a number that this code does not know. */
const char *clock_state_name(uint32_t state);
const char *clock_reason_name(uint32_t reason);

/* Does the clock stand still, so that no tick comes until something changes? */
static inline bool clock_stands(uint32_t reason) {
        return reason == CLOCK_REASON_ROLLBACK || reason == CLOCK_REASON_CLONED;
}

struct clock_segment {
        char magic[8];
        uint32_t version;
        uint32_t size;
        uint8_t boot_id[16];
        struct id_layout layout;
        uint32_t worker_first;
        _Atomic uint32_t worker_count; /* the run grows and shrinks at its end */
        uint64_t reach_back_ticks;
        _Atomic uint32_t generation; /* grows with each start of a daemon */
        _Atomic uint32_t state;      /* enum clock_state */
        _Atomic int64_t resume_boot_ns; /* WAITING, FAILED: when the state ends by
                                           itself, CLOCK_BOOTTIME; INT64_MAX: never;
                                           other states: 0 */
        _Atomic uint64_t fence; /* a copy of the ledger's, in case that is lost; 0: unknown */
        _Atomic uint32_t reason; /* enum clock_reason; stored before the state */
        _Atomic uint32_t unserved; /* 1: no ID of this line exists yet, so it may begin again */
        _Atomic int64_t offset_ns; /* guarded time minus wall clock, as last measured */
        _Atomic uint64_t first_tick; /* nothing is granted below it: promises there are unknown */
        _Atomic int64_t led_ns; /* wall clock minus guarded time where the line leads */
        _Atomic uint32_t accepted; /* 1: the operator accepted the wall clock */
        uint32_t reserved6;
        /* inverted, stored after what they repeat; 0: not kept */
        _Atomic uint64_t fence_inverse;
        _Atomic uint64_t first_tick_inverse;
        uint8_t reserved0[112];
        /* 256: a cache line of its own */
        _Atomic uint64_t now;
        _Atomic uint32_t owner;
        uint32_t reserved1;
        uint8_t reserved2[48];
        /* 320: double-buffered latch (rule 7), see clock_read() */
        _Atomic uint32_t latch;
        uint32_t reserved3;
        struct clock_params params[2];
        /* for the next daemon, see clock_turn_begin() */
        struct clock_params earlier;
        _Atomic uint32_t turning;
        uint32_t reserved4;
        _Atomic int64_t turn_boot_ns;
        /* clock_line_check() of params[0] and [1], stored with them; 0: not kept */
        _Atomic uint64_t params_check[2];
        uint8_t reserved5[4096 - 456];
};
_Static_assert(sizeof(struct clock_segment) == CLOCK_SIZE, "clock: size");
_Static_assert(offsetof(struct clock_segment, version) == 8, "clock: version");
_Static_assert(offsetof(struct clock_segment, size) == 12, "clock: size field");
_Static_assert(offsetof(struct clock_segment, boot_id) == 16, "clock: boot_id");
_Static_assert(offsetof(struct clock_segment, layout) == 32, "clock: layout");
_Static_assert(offsetof(struct clock_segment, worker_first) == 48, "clock: worker_first");
_Static_assert(offsetof(struct clock_segment, worker_count) == 52, "clock: worker_count");
_Static_assert(offsetof(struct clock_segment, reach_back_ticks) == 56, "clock: reach_back_ticks");
_Static_assert(offsetof(struct clock_segment, generation) == 64, "clock: generation");
_Static_assert(offsetof(struct clock_segment, state) == 68, "clock: state");
_Static_assert(offsetof(struct clock_segment, resume_boot_ns) == 72, "clock: resume_boot_ns");
_Static_assert(offsetof(struct clock_segment, fence) == 80, "clock: fence");
_Static_assert(offsetof(struct clock_segment, reason) == 88, "clock: reason");
_Static_assert(offsetof(struct clock_segment, unserved) == 92, "clock: unserved");
_Static_assert(offsetof(struct clock_segment, offset_ns) == 96, "clock: offset_ns");
_Static_assert(offsetof(struct clock_segment, first_tick) == 104, "clock: first_tick");
_Static_assert(offsetof(struct clock_segment, led_ns) == 112, "clock: led_ns");
_Static_assert(offsetof(struct clock_segment, accepted) == 120, "clock: accepted");
_Static_assert(offsetof(struct clock_segment, fence_inverse) == 128, "clock: fence_inverse");
_Static_assert(offsetof(struct clock_segment, first_tick_inverse) == 136,
               "clock: first_tick_inverse");
_Static_assert(offsetof(struct clock_segment, now) == 256, "clock: now");
_Static_assert(offsetof(struct clock_segment, owner) == 264, "clock: owner");
_Static_assert(offsetof(struct clock_segment, latch) == 320, "clock: latch");
_Static_assert(offsetof(struct clock_segment, params) == 328, "clock: params");
_Static_assert(offsetof(struct clock_segment, earlier) == 392, "clock: earlier");
_Static_assert(offsetof(struct clock_segment, turning) == 424, "clock: turning");
_Static_assert(offsetof(struct clock_segment, turn_boot_ns) == 432, "clock: turn_boot_ns");
_Static_assert(offsetof(struct clock_segment, params_check) == 440, "clock: params_check");
_Static_assert(sizeof(struct id_layout) == 16, "layout: size");
_Static_assert(offsetof(struct id_layout, epoch_unix_ms) == 8, "layout: epoch_unix_ms");

/* Does the clock stand still until the operator acts? Then no tick comes, and nothing of
 * the present one is allocated. */
static inline bool clock_held(const struct clock_segment *clock) {
        /* acquire: pairs with the daemon's release store; the reason belongs to the state */
        return atomic_load_explicit(&clock->state, memory_order_acquire) == CLOCK_STATE_FAILED &&
               clock_stands(atomic_load_explicit(&clock->reason, memory_order_relaxed));
}

/* Live: neither zero nor died, in one comparison. Thread IDs are never compared: they
 * mean nothing across PID namespaces and restarts. */
static inline bool clock_owner_live(uint32_t owner) {
        return owner - 1 < CLOCK_OWNER_DIED - 1;
}

/* Guarded ns since the epoch at that CLOCK_BOOTTIME; INT64_MIN if it does not fit.
 * Pure. */
int64_t clock_line_at(const struct clock_line *line, int64_t boot_ns);

/* The tick of that guarded time; CLOCK_NOW_INVALID before the epoch. */
static inline uint64_t clock_tick_of(int64_t guarded_ns) {
        return guarded_ns < 0 ? CLOCK_NOW_INVALID : (uint64_t)(guarded_ns / NS_PER_TICK);
}

/* The first CLOCK_BOOTTIME at which the line has reached `tick`. Pure. */
int64_t clock_line_boot_of(const struct clock_line *line, uint64_t tick);

/*
 * A read section of the latch. `begin` copies the line and returns the sequence;
 * `retry` says whether a writer came in between. CLOCK_BOOTTIME is read inside the
 * section, so that no tick is computed from a line that was replaced before the
 * reading (rule 7). The writer changes the copy to which readers are not sent, so a
 * writer that is killed half-way stops nobody.
 */
uint32_t clock_latch_begin(const struct clock_segment *segment, struct clock_line *ret);
bool clock_latch_retry(const struct clock_segment *segment, uint32_t begun);

/* One read section: a line, and a CLOCK_BOOTTIME at which it was in force. */
struct clock_reading {
        struct clock_line line;
        int64_t boot_ns;
        uint32_t sequence; /* of the latch; another value means another line */
};

/* Reads the line and, inside the section, CLOCK_BOOTTIME with `clock_ns`. Returns guarded
 * ns as clock_line_at() does. */
int64_t clock_read(const struct clock_segment *segment, int64_t (*clock_ns)(clockid_t clock),
                   struct clock_reading *ret);

/* What tells a line from one with a flipped bit; never 0. Pure. */
uint64_t clock_line_check(const struct clock_line *line);
/* Is the line that readers are sent to the one that was written? The writer is dead. */
bool clock_line_whole(const struct clock_segment *segment);

/* The daemon's side. There is one writer. */
void clock_latch_write(struct clock_segment *segment, const struct clock_line *line);

/*
 * Around clock_latch_write(), up to the check that the new line does not lie behind the
 * earlier one (rule 16): a daemon that dies in between leaves both to the next one, and the
 * CLOCK_BOOTTIME at which it began. A turn that an earlier daemon began and did not end
 * keeps its own.
 */
void clock_turn_begin(struct clock_segment *segment, const struct clock_line *earlier,
                      int64_t boot_ns);
void clock_turn_end(struct clock_segment *segment);
/* Did the last daemon die within a turn? */
bool clock_turn_open(const struct clock_segment *segment, struct clock_line *ret_earlier,
                     int64_t *ret_boot_ns);
