/* SPDX-License-Identifier: MIT */
#include "libclient/observe/sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sample_clear(struct sample *sample) {
        free(sample->statistics.clients);
        *sample = (struct sample){ 0 };
}

const struct sample_state_names sample_state_names[] = {
        [SAMPLE_UNCLEAR] = { "?", "unknown", "unknown" },
        [SAMPLE_DEAD] = { "DEAD", "dead", "not running" },
        [SAMPLE_SILENT] = { "SILENT", "silent", "does not answer" },
        [SAMPLE_STARTING] = { "start", "starting", "starting, no IDs yet" },
        [SAMPLE_RUNNING] = { "run", "running", "ticker running" },
        [SAMPLE_IDLE] = { "idle", "idle", "idle: the ticker sleeps, as few IDs are allocated" },
        [SAMPLE_WAITING] = { "wait", "waiting", "waiting: no IDs for now" },
        [SAMPLE_FAILED] = { "fail", "failed", "FAILED: no IDs" },
};

const char *sample_reason_text(const struct sample *sample) {
        static const char *const texts[] = {
                [CLOCK_REASON_NONE] = "",
                [CLOCK_REASON_SLEWING] = "a small difference is being slewed away",
                [CLOCK_REASON_OFFSET] = "the wall clock was behind; this is being slewed away",
                [CLOCK_REASON_STEPPING] = "the wall clock was set forward; the fence is raised first",
                [CLOCK_REASON_HELD] = "the wall clock jumped too far forward: see sfshm-clock(7)",
                [CLOCK_REASON_FENCE] = "IDs up to the fence may exist",
                [CLOCK_REASON_ROLLBACK] = "the wall clock was set back",
                [CLOCK_REASON_UNSYNC] = "the kernel's clock is not synchronised",
                [CLOCK_REASON_STUCK] = "the fence cannot be raised: see the daemon's log",
                [CLOCK_REASON_END] = "the last tick of the layout is reached",
                [CLOCK_REASON_CLONED] = "the machine was cloned or reverted: see sfshm-clock(7)",
                [CLOCK_REASON_WORKERS] = "it waits for worker IDs, none are free: see its log",
                [CLOCK_REASON_COORDINATOR] = "it waits for worker IDs, the coordinator does not "
                                             "answer: see its log",
                [CLOCK_REASON_ACCESS] = "it waits for worker IDs, the coordinator denies access: "
                                        "see its log",
        };

        return sample->reason < sizeof(texts) / sizeof(texts[0]) ? texts[sample->reason]
                                                                 : "for a reason of a newer release";
}

int sample_exit_status(const struct sample *sample) {
        if (sample->state == SAMPLE_UNCLEAR)
                return SAMPLE_EXIT_FAILED;
        if (!sample_is_up(sample))
                return SAMPLE_EXIT_DEAD;
        return sample_is_held(sample) ? SAMPLE_EXIT_HELD : 0;
}

/* "sfshmd at SOCKET", or "sfshmd". */
static int print_daemon(const struct sample *sample, char ret[SAMPLE_TEXT]) {
        return snprintf(ret, SAMPLE_TEXT, "sfshmd%s%.107s", sample->socket != NULL ? " at " : "",
                        sample->socket != NULL ? sample->socket : "");
}

/* "; it was pid 7, its last statistics are 3.0 s old" */
static void print_seen(const struct sample *sample, char ret[96]) {
        int64_t age = sample_age_ms(sample);
        int n = 0;

        ret[0] = '\0';
        if (sample->pid != 0)
                n = snprintf(ret, 96, "; it %s pid %" PRId64,
                             sample->state == SAMPLE_DEAD ? "was" : "is", sample->pid);
        if (age != SAMPLE_UNKNOWN)
                snprintf(ret + n, 96 - (size_t)n, "%s its last statistics are %.1f s old",
                         n > 0 ? "," : ";", (double)age / 1e3);
}

const char *sample_sentence(const struct sample *sample, char ret[SAMPLE_TEXT]) {
        char daemon[SAMPLE_TEXT], seen[96], more[48] = "";

        (void)print_daemon(sample, daemon);
        print_seen(sample, seen);
        if (sample->resume_ms != SAMPLE_UNKNOWN)
                snprintf(more, sizeof(more), ", for %.1f s more", (double)sample->resume_ms / 1e3);
        switch (sample->state) {
        case SAMPLE_UNCLEAR:
                snprintf(ret, SAMPLE_TEXT, "cannot tell whether %.120s runs: %.800s", daemon,
                         sample->why);
                break;
        case SAMPLE_DEAD:
                snprintf(ret, SAMPLE_TEXT, "%.120s is not running (%.700s%s): start it", daemon,
                         sample->why, seen);
                break;
        case SAMPLE_SILENT:
                snprintf(ret, SAMPLE_TEXT, "%.120s does not answer (%.600s%s): see its log, and "
                         "restart it if this lasts", daemon, sample->why, seen);
                break;
        case SAMPLE_RUNNING:
        case SAMPLE_IDLE:
                snprintf(ret, SAMPLE_TEXT, "%.120s hands out IDs%s%s", daemon,
                         *sample_reason_text(sample) ? "; " : "", sample_reason_text(sample));
                break;
        default:
                snprintf(ret, SAMPLE_TEXT, "%.120s holds IDs back%s (%s)", daemon, more,
                         sample->state == SAMPLE_STARTING ? "it is starting"
                                                          : sample_reason_text(sample));
        }
        return ret;
}

uint32_t sample_workers(const struct sample *sample) {
        uint32_t count = sample->statistics.header.worker_count;

        return count < WORKER_COUNTERS_MAX ? count : WORKER_COUNTERS_MAX;
}

bool sample_worker_counts(const struct sample *sample, uint32_t worker) {
        return worker < sample->worker_count ||
               sample->statistics.header.worker_ids[worker] > 0;
}

uint64_t sample_ids(const struct sample *sample) {
        uint64_t ids = 0;

        for (uint32_t i = 0; i < sample_workers(sample); i++)
                ids += sample->statistics.header.worker_ids[i];
        return ids;
}

int64_t sample_overflows(const struct sample *sample) {
        const struct statistics_counters *c = &sample->statistics.header.counters;

        /* unsigned: damage must not overflow */
        return (int64_t)((uint64_t)c->overflows_waited + (uint64_t)c->overflows_again +
                         (uint64_t)c->overflows_timeout);
}

double sample_overflow_wait_us(const struct sample *sample) {
        const struct histogram_values *waits =
                &sample->statistics.header.histograms.wait_overflow;
        uint64_t count = histogram_count(waits);

        return count == 0 ? 0 : (double)waits->sum_ns / (double)count / 1e3;
}

int64_t sample_age_ms(const struct sample *sample) {
        int64_t age_ns;

        if (!sample->has_statistics ||
            __builtin_sub_overflow(sample->boot_ns, sample->statistics.header.updated_boot_ns,
                                   &age_ns))
                return SAMPLE_UNKNOWN;
        /* a snapshot made after the clock was read is fresh */
        return age_ns < 0 ? 0 : age_ns / 1000000;
}

int64_t sample_fence_ahead_ms(const struct sample *sample) {
        int64_t ahead;

        /* 0 means that there is no fence yet */
        if (!sample->has_statistics || sample->guarded_unix_ms == SAMPLE_UNKNOWN ||
            sample->statistics.header.counters.fence_unix_ms == 0 ||
            __builtin_sub_overflow(sample->statistics.header.counters.fence_unix_ms,
                                   sample->guarded_unix_ms, &ahead))
                return SAMPLE_UNKNOWN;
        return ahead;
}

static bool comparable(const struct sample *before, const struct sample *after) {
        const struct statistics_segment *a = &before->statistics.header;
        const struct statistics_segment *b = &after->statistics.header;

        return before->has_statistics && after->has_statistics && !before->statistics.torn &&
               !after->statistics.torn && a->pid == b->pid &&
               a->counters.start_unix_ms == b->counters.start_unix_ms &&
               a->worker_first == b->worker_first && a->worker_count == b->worker_count &&
               a->updated_boot_ns < b->updated_boot_ns &&
               sample_overflows(before) <= sample_overflows(after) &&
               a->histograms.wait_overflow.sum_ns <= b->histograms.wait_overflow.sum_ns;
}

void rates_between(const struct sample *before, const struct sample *after, struct rates *ret) {
        const struct statistics_segment *a = &before->statistics.header;
        const struct statistics_segment *b = &after->statistics.header;
        double waits;

        *ret = (struct rates){ 0 };
        if (!comparable(before, after))
                return;
        ret->known = true;
        ret->seconds = ((double)b->updated_boot_ns - (double)a->updated_boot_ns) / 1e9;
        for (uint32_t i = 0; i < sample_workers(after); i++) {
                uint64_t ids = b->worker_ids[i] > a->worker_ids[i]
                                       ? b->worker_ids[i] - a->worker_ids[i]
                                       : 0;

                ret->workers[i] = (double)ids / ret->seconds;
                ret->ids += ret->workers[i];
        }
        ret->overflows = ((double)sample_overflows(after) - (double)sample_overflows(before)) /
                         ret->seconds;
        waits = (double)histogram_count(&b->histograms.wait_overflow) -
                (double)histogram_count(&a->histograms.wait_overflow);
        if (waits > 0)
                ret->wait_us = ((double)b->histograms.wait_overflow.sum_ns -
                                (double)a->histograms.wait_overflow.sum_ns) / waits / 1e3;
}
