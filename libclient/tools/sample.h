/* SPDX-License-Identifier: MIT */
#pragma once
/* A sample of the daemon: its clock and its statistics, and what they imply. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libclient/tools/segments.h"

enum sample_state {
        SAMPLE_DEAD, /* no live ticker */
        SAMPLE_STARTING,
        SAMPLE_RUNNING,
        SAMPLE_IDLE,
        SAMPLE_WAITING, /* the clock holds IDs back for a while */
        SAMPLE_FAILED,  /* until the operator acts */
};

/* One word for a column, one for sfshm-stat --json, and words for a sentence. */
extern const struct sample_state_names {
        const char *column, *json, *words;
} sample_state_names[]; /* by enum sample_state */

#define SAMPLE_UNKNOWN INT64_MIN

struct sample {
        enum sample_state state;
        const char *dead_reason; /* SAMPLE_DEAD: a clause */
        struct id_layout layout;
        uint32_t worker_first, worker_count;
        int64_t boot_ns;         /* CLOCK_BOOTTIME of the sample */
        int64_t guarded_unix_ms; /* the guarded clock then; SAMPLE_UNKNOWN */
        int64_t now_lag_ms;      /* how far `now` is behind it; SAMPLE_UNKNOWN unless running */
        int64_t resume_ms;       /* until a wait ends by itself; else SAMPLE_UNKNOWN */
        uint32_t reason;         /* enum clock_reason */
        int64_t offset_ms;       /* guarded clock minus wall clock, by the daemon */
        bool has_statistics;     /* those of a dead daemon may be missing or unreadable */
        struct statistics_copy statistics;
};

/* Asks at `socket` for a fresh snapshot. Returns 0, or 1 after printing an error. Clear *ret with
 * sample_clear() in any case. */
int sample_take(struct sample *ret, const char *shm, const char *socket);
/* The same without statistics: every user may read the clock. */
int sample_take_clock(struct sample *ret, const char *shm);
void sample_clear(struct sample *sample);

/* The reason as a clause; "" if there is none. */
const char *sample_reason_text(const struct sample *sample);

/* How many entries of worker_ids are in use: those of the first workers. */
uint32_t sample_workers(const struct sample *sample);
/* Does the run have this worker, or were its IDs counted before the run shrank? */
bool sample_worker_counts(const struct sample *sample, uint32_t worker);
uint64_t sample_ids(const struct sample *sample);           /* of all workers */
int64_t sample_age_ms(const struct sample *sample);         /* of the statistics; SAMPLE_UNKNOWN */
int64_t sample_fence_ahead_ms(const struct sample *sample); /* SAMPLE_UNKNOWN */

/* The rates between two samples of the same daemon. */
struct rates {
        bool known; /* both are complete, of one daemon, and the second is newer */
        double seconds;
        double ids, overflows;               /* per second */
        double wait_us;                      /* mean wait of an overflow; 0 without overflows */
        double workers[WORKER_COUNTERS_MAX]; /* IDs per second */
};
void rates_between(const struct sample *before, const struct sample *after, struct rates *ret);
