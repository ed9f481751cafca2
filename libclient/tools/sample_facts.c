/* SPDX-License-Identifier: MIT */
/* What follows from samples. Pure. */
#include "libclient/tools/sample.h"

const char *sample_state_name(const struct sample *sample) {
        static const char *const names[] = {
                [SAMPLE_DEAD] = "DEAD", [SAMPLE_STARTING] = "start", [SAMPLE_RUNNING] = "run",
                [SAMPLE_IDLE] = "idle", [SAMPLE_WAITING] = "wait",   [SAMPLE_FAILED] = "fail",
        };

        return names[sample->state];
}

const char *sample_reason_text(const struct sample *sample) {
        static const char *const texts[] = {
                [CLOCK_REASON_NONE] = "",
                [CLOCK_REASON_SLEWING] = "a small difference is being worked off",
                [CLOCK_REASON_OFFSET] = "the wall clock was behind, this is being worked off",
                [CLOCK_REASON_STEPPING] = "the wall clock was set forward, the fence comes first",
                [CLOCK_REASON_HELD] = "the wall clock jumped too far forward, see sfshm-clock(7)",
                [CLOCK_REASON_FENCE] = "IDs up to the fence may exist",
                [CLOCK_REASON_ROLLBACK] = "the wall clock was set back",
                [CLOCK_REASON_UNSYNC] = "the kernel's clock is not synchronised",
                [CLOCK_REASON_STUCK] = "the fence cannot be raised: see the daemon's log",
                [CLOCK_REASON_END] = "the last tick of the layout is reached",
                [CLOCK_REASON_CLONED] = "the machine was cloned or reverted: see sfshm-clock(7)",
        };

        return sample->reason < sizeof(texts) / sizeof(texts[0]) ? texts[sample->reason]
                                                                 : "for a reason of a newer daemon";
}

const char *sample_state_words(const struct sample *sample) {
        static const char *const words[] = {
                [SAMPLE_DEAD] = "not running",
                [SAMPLE_STARTING] = "starting, no IDs yet",
                [SAMPLE_RUNNING] = "ticker running",
                [SAMPLE_IDLE] = "idle: ticker asleep, nobody allocates much",
                [SAMPLE_WAITING] = "waiting: no IDs for now",
                [SAMPLE_FAILED] = "FAILED: no IDs",
        };

        return words[sample->state];
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

int64_t sample_age_ms(const struct sample *sample) {
        int64_t age_ns;

        if (!sample->has_statistics ||
            __builtin_sub_overflow(sample->boot_ns, sample->statistics.header.updated_boot_ns,
                                   &age_ns))
                return SAMPLE_UNKNOWN;
        /* a snapshot that came after the clock was looked at is fresh */
        return age_ns < 0 ? 0 : age_ns / 1000000;
}

int64_t sample_fence_ahead_ms(const struct sample *sample) {
        int64_t ahead;

        /* 0 is no fence yet */
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
               a->counters.overflows <= b->counters.overflows &&
               a->counters.overflow_wait_ns <= b->counters.overflow_wait_ns;
}

void rates_between(const struct sample *before, const struct sample *after, struct rates *ret) {
        const struct statistics_segment *a = &before->statistics.header;
        const struct statistics_segment *b = &after->statistics.header;
        double overflows;

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
        overflows = (double)b->counters.overflows - (double)a->counters.overflows;
        ret->overflows = overflows / ret->seconds;
        if (overflows > 0)
                ret->wait_us = ((double)b->counters.overflow_wait_ns -
                                (double)a->counters.overflow_wait_ns) /
                               overflows / 1e3;
}
