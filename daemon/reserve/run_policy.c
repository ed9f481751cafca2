/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/run_policy.h"

static uint64_t positions_of(const struct run_size *size, uint32_t workers) {
        return (uint64_t)size->positions * workers;
}

static uint32_t twice(const struct run_size *size, uint32_t workers) {
        return workers < size->max_count - workers ? 2 * workers : size->max_count;
}

void run_size_init(struct run_size *size, uint32_t count, uint32_t max_count, uint32_t positions) {
        *size = (struct run_size){ .count = count, .max_count = max_count,
                                   .positions = positions };
}

/* For each lane eight positions, so that standing reservations find room. */
static bool suffices(const struct run_size *size, uint32_t workers, uint64_t demand,
                     uint32_t lanes) {
        uint64_t positions = positions_of(size, workers);

        return demand <= positions / 8 * 3 && lanes <= positions / 8;
}

static uint32_t shortest(const struct run_size *size, uint64_t demand, uint32_t lanes) {
        uint32_t workers = size->count;

        while (workers < size->max_count && !suffices(size, workers, demand, lanes))
                workers = twice(size, workers);
        return workers;
}

static bool overflows(const struct run_size *size, const struct run_size_sample *sample) {
        uint64_t half, seen;

        if (__builtin_mul_overflow(positions_of(size, sample->run), sample->ticks, &half))
                half = UINT64_MAX;
        if (__builtin_mul_overflow(sample->overflows, 4, &seen))
                seen = UINT64_MAX;
        return sample->ticks > 0 && seen >= sample->ticks && sample->ids >= half / 2;
}

static bool grow(struct run_size *size, const struct run_size_sample *sample, int64_t elapsed_ns) {
        if (overflows(size, sample))
                size->over_ns += elapsed_ns;
        else
                size->over_ns = size->over_ns > elapsed_ns ? size->over_ns - elapsed_ns : 0;
        if (sample->run >= size->max_count || sample->now_ns < size->hold_ns)
                return false;
        /* shorter than configured after a start in the middle of a change */
        return sample->run < size->count || size->over_ns >= RUN_SIZE_GROW_NS;
}

static bool shrink(struct run_size *size, const struct run_size_sample *sample) {
        uint64_t demand = sample->ticks > 0 ? sample->ids / sample->ticks : 0;
        uint32_t run = shortest(size, demand, sample->lanes);

        if (run >= sample->run) {
                size->low_since_ns = 0;
                return false;
        }
        if (size->low_since_ns == 0) {
                size->low_since_ns = sample->now_ns;
                size->low_run = 0;
        }
        if (run > size->low_run)
                size->low_run = run;
        return sample->now_ns - size->low_since_ns >= RUN_SIZE_SHRINK_NS;
}

uint32_t run_size_decide(struct run_size *size, const struct run_size_sample *sample) {
        int64_t elapsed_ns = sample->now_ns - size->sampled_ns;

        if (size->sampled_ns == 0 || elapsed_ns < 0)
                elapsed_ns = 0;
        if (elapsed_ns > RUN_SIZE_SAMPLE_NS)
                elapsed_ns = RUN_SIZE_SAMPLE_NS;
        size->sampled_ns = sample->now_ns;
        if (grow(size, sample, elapsed_ns)) {
                size->over_ns = 0;
                size->low_since_ns = 0;
                return sample->run < size->count ? size->count : twice(size, sample->run);
        }
        if (!shrink(size, sample))
                return sample->run;
        size->low_since_ns = 0;
        return size->low_run;
}

void run_size_grown(struct run_size *size, int64_t now_ns, int64_t settle_ns) {
        size->hold_ns = now_ns + settle_ns;
        size->pause_ns = 0;
        size->over_ns = 0;
}

void run_size_refused(struct run_size *size, int64_t now_ns) {
        size->pause_ns = size->pause_ns == 0 ? RUN_SIZE_PAUSE_FIRST_NS : 2 * size->pause_ns;
        if (size->pause_ns > RUN_SIZE_PAUSE_LAST_NS)
                size->pause_ns = RUN_SIZE_PAUSE_LAST_NS;
        size->hold_ns = now_ns + size->pause_ns;
}
