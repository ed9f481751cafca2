/* SPDX-License-Identifier: MIT */
#pragma once
/* One look at the daemon: its clock and its statistics, and what follows. */
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
        SAMPLE_FAILED,  /* until somebody has done something */
};

#define SAMPLE_UNKNOWN INT64_MIN

struct sample {
        enum sample_state state;
        const char *dead_reason; /* SAMPLE_DEAD: a clause */
        struct id_layout layout;
        uint32_t worker_first, worker_count;
        int64_t boot_ns;         /* CLOCK_BOOTTIME of the look */
        int64_t guarded_unix_ms; /* the guarded clock then; SAMPLE_UNKNOWN */
        int64_t now_lag_ms;      /* `now` behind it; SAMPLE_UNKNOWN unless running */
        int64_t resume_ms;       /* until a wait ends by itself; else SAMPLE_UNKNOWN */
        uint32_t reason;         /* enum clock_reason */
        int64_t offset_ms;       /* the guarded clock less the wall clock, as the daemon saw it */
        bool has_statistics;     /* a dead daemon's may be missing or unreadable */
        struct statistics_copy statistics;
};

/* `socket`: where to ask for a fresh snapshot. 0, or 1 after saying what is
 * wrong. *ret is to be cleared with sample_clear(). */
int sample_take(struct sample *ret, const char *shm, const char *socket);
/* The same without statistics: everybody may read the clock. */
int sample_take_clock(struct sample *ret, const char *shm);
void sample_clear(struct sample *sample);

const char *sample_state_name(const struct sample *sample);  /* one word */
const char *sample_state_words(const struct sample *sample); /* for a sentence */
/* The reason as a clause; "" when there is nothing to say. */
const char *sample_reason_text(const struct sample *sample);

/* How many entries of worker_ids count: those of the first workers. */
uint32_t sample_workers(const struct sample *sample);
/* The run has it now, or IDs of it were counted before the run shrank. */
bool sample_worker_counts(const struct sample *sample, uint32_t worker);
uint64_t sample_ids(const struct sample *sample);           /* of all workers */
int64_t sample_age_ms(const struct sample *sample);         /* of the statistics; SAMPLE_UNKNOWN */
int64_t sample_fence_ahead_ms(const struct sample *sample); /* SAMPLE_UNKNOWN */

/* What happened between two samples of the same daemon. */
struct rates {
        bool known; /* both whole, of one daemon, and the second newer */
        double seconds;
        double ids, overflows;               /* per second */
        double wait_us;                      /* mean of the overflows' waits; 0 without any */
        double workers[WORKER_COUNTERS_MAX]; /* IDs per second */
};
void rates_between(const struct sample *before, const struct sample *after, struct rates *ret);
