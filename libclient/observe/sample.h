/* SPDX-License-Identifier: MIT */
#pragma once
/* A sample of the daemon: its clock and its statistics, and what they imply. Pure, but for
 * the memory of the statistics; take.h takes one. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libclient/observe/segments.h"

enum sample_state {
        SAMPLE_UNCLEAR, /* this user cannot ask it, or the release does not tell */
        SAMPLE_DEAD,
        SAMPLE_SILENT, /* does not answer */
        SAMPLE_STARTING,
        SAMPLE_RUNNING,
        SAMPLE_IDLE,
        SAMPLE_WAITING, /* the clock holds IDs back for a while */
        SAMPLE_FAILED,  /* until the operator acts */
        SAMPLE_STATES,
};

/* One word for a column, one for JSON, and words for a sentence. */
extern const struct sample_state_names {
        const char *column, *json, *words;
} sample_state_names[]; /* by enum sample_state */

#define SAMPLE_UNKNOWN INT64_MIN
#define SAMPLE_TEXT 1024

struct sample {
        enum sample_state state;
        bool asked, answered;
        const char *socket;    /* NULL: --shm was given */
        char why[SAMPLE_TEXT]; /* unclear, dead or silent: a clause */
        int64_t pid;           /* 0: unknown, as with --shm and without statistics */
        char daemon_version[32]; /* "": unknown */
        int64_t boot_ns;         /* CLOCK_BOOTTIME of the sample */
        bool has_clock;          /* else nothing is known of these: */
        struct id_layout layout;
        uint32_t worker_first, worker_count;
        int64_t guarded_unix_ms; /* the guarded clock then; SAMPLE_UNKNOWN */
        int64_t now_lag_ms;      /* how far `now` is behind it; SAMPLE_UNKNOWN unless running */
        int64_t resume_ms;       /* until a wait ends by itself; else SAMPLE_UNKNOWN */
        uint32_t reason;         /* enum clock_reason */
        int64_t offset_ms;       /* guarded clock minus wall clock, by the daemon */
        bool has_statistics;
        char no_statistics[SAMPLE_TEXT]; /* else why not, as a sentence, if that is a fault */
        struct statistics_copy statistics;
};

void sample_clear(struct sample *sample);

/* Nothing will change this by itself, or it is not known: no IDs are allocated. */
static inline bool sample_is_up(const struct sample *sample) {
        return sample->state > SAMPLE_SILENT;
}
/* The clock holds IDs back. */
static inline bool sample_is_held(const struct sample *sample) {
        return sample_is_up(sample) && sample->state != SAMPLE_RUNNING &&
               sample->state != SAMPLE_IDLE;
}

enum {
        SAMPLE_EXIT_FAILED = 1,
        SAMPLE_EXIT_DEAD = 3, /* or silent */
        SAMPLE_EXIT_HELD = 4,
};
int sample_exit_status(const struct sample *sample);

/* The state as a sentence, with what to do. Returns `ret`. */
const char *sample_sentence(const struct sample *sample, char ret[SAMPLE_TEXT]);

/* The reason as a clause; "" if there is none. */
const char *sample_reason_text(const struct sample *sample);

/* How many entries of worker_ids are in use: those of the first workers. */
uint32_t sample_workers(const struct sample *sample);
/* Does the run have this worker, or were its IDs counted before the run shrank? */
bool sample_worker_counts(const struct sample *sample, uint32_t worker);
uint64_t sample_ids(const struct sample *sample);           /* of all workers */
/* Calls that found their lane's tick used up, whatever became of them. */
int64_t sample_overflows(const struct sample *sample);
/* The mean time in us that calls waited for the next tick; 0: none waited. */
double sample_overflow_wait_us(const struct sample *sample);
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
