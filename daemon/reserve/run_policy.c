/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/run_policy.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/util/log.h"
#include "shm/slot.h"

static uint64_t positions_of(const struct run_policy *policy, uint32_t workers) {
        return (uint64_t)policy->positions * workers;
}

static uint32_t twice(const struct run_policy *policy, uint32_t workers) {
        return workers < policy->max_count - workers ? 2 * workers : policy->max_count;
}

void run_policy_init(struct run_policy *policy, uint32_t count, uint32_t max_count,
                     uint32_t positions) {
        *policy = (struct run_policy){ .count = count,
                                       .max_count = max_count,
                                       .positions = positions };
}

/* Eight positions for each lane, so that standing reservations find room. */
static bool suffices(const struct run_policy *policy, uint32_t workers, uint64_t demand,
                     uint32_t lanes) {
        uint64_t positions = positions_of(policy, workers);

        return demand <= positions / 8 * 3 && lanes <= positions / 8;
}

static uint32_t shortest(const struct run_policy *policy, uint64_t demand, uint32_t lanes) {
        uint32_t workers = policy->count;

        while (workers < policy->max_count && !suffices(policy, workers, demand, lanes))
                workers = twice(policy, workers);
        return workers;
}

static bool overflows(const struct run_policy *policy, const struct run_policy_sample *sample) {
        uint64_t half, seen;

        if (__builtin_mul_overflow(positions_of(policy, sample->run), sample->ticks, &half))
                half = UINT64_MAX;
        if (__builtin_mul_overflow(sample->overflows, 4, &seen))
                seen = UINT64_MAX;
        return sample->ticks > 0 && seen >= sample->ticks && sample->ids >= half / 2;
}

static bool grow(struct run_policy *policy, const struct run_policy_sample *sample,
                 int64_t elapsed_ns) {
        if (overflows(policy, sample))
                policy->over_ns += elapsed_ns;
        else
                policy->over_ns = policy->over_ns > elapsed_ns ? policy->over_ns - elapsed_ns : 0;
        if (sample->run >= policy->max_count || sample->now_ns < policy->hold_ns)
                return false;
        /* after a start in the middle of a change the run may be shorter than configured */
        return sample->run < policy->count || policy->over_ns >= RUN_POLICY_GROW_NS;
}

static bool shrink(struct run_policy *policy, const struct run_policy_sample *sample) {
        uint64_t demand = sample->ticks > 0 ? sample->ids / sample->ticks : 0;
        uint32_t run = shortest(policy, demand, sample->lanes);

        if (run >= sample->run) {
                policy->low_since_ns = 0;
                return false;
        }
        if (policy->low_since_ns == 0) {
                policy->low_since_ns = sample->now_ns;
                policy->low_run = 0;
        }
        if (run > policy->low_run)
                policy->low_run = run;
        return sample->now_ns - policy->low_since_ns >= RUN_POLICY_SHRINK_NS;
}

uint32_t run_policy_decide(struct run_policy *policy, const struct run_policy_sample *sample) {
        int64_t elapsed_ns = sample->now_ns - policy->sampled_ns;

        if (policy->sampled_ns == 0 || elapsed_ns < 0)
                elapsed_ns = 0;
        if (elapsed_ns > RUN_POLICY_SAMPLE_NS)
                elapsed_ns = RUN_POLICY_SAMPLE_NS;
        policy->sampled_ns = sample->now_ns;
        if (grow(policy, sample, elapsed_ns)) {
                policy->over_ns = 0;
                policy->low_since_ns = 0;
                return sample->run < policy->count ? policy->count : twice(policy, sample->run);
        }
        if (!shrink(policy, sample))
                return sample->run;
        policy->low_since_ns = 0;
        return policy->low_run;
}

void run_policy_grown(struct run_policy *policy, int64_t now_ns, int64_t settle_ns) {
        policy->hold_ns = now_ns + settle_ns;
        policy->pause_ns = 0;
        policy->over_ns = 0;
}

void run_policy_refused(struct run_policy *policy, int64_t now_ns) {
        policy->pause_ns = policy->pause_ns == 0 ? RUN_POLICY_PAUSE_FIRST_NS : 2 * policy->pause_ns;
        if (policy->pause_ns > RUN_POLICY_PAUSE_LAST_NS)
                policy->pause_ns = RUN_POLICY_PAUSE_LAST_NS;
        policy->hold_ns = now_ns + policy->pause_ns;
}

int run_policy_check(const struct config *config, const struct lease_grant *granted) {
        unsigned shift = config->layout.sequence_bits;
        uint32_t most = run_policy_most(config, granted);
        uint64_t end = (uint64_t)granted->worker_first + most;

        if (granted->worker_count == 0 || shift > 22 || end > (UINT64_C(1) << 32) >> shift ||
            most > RUN_WIDTH_MAX >> shift)
                return log_failure(ERANGE, EVENT_WORKERS,
                                   "%" PRIu32 " workers of 2^%u IDs a tick are "
                                   "more than the %u positions a host can use: lower "
                                   "workers.count or the sequence bits of id.layout",
                                   most, shift, (unsigned)RUN_WIDTH_MAX);
        return 0;
}

uint32_t run_policy_most(const struct config *config, const struct lease_grant *granted) {
        return config->max_count > granted->worker_count ? config->max_count
                                                         : granted->worker_count;
}

uint32_t run_policy_at_start(const struct config *config, const struct lease_grant *granted,
                             uint32_t adopted) {
        uint32_t count = adopted > 0 ? adopted : config->count;

        return count > 0 && count < granted->worker_count ? count : granted->worker_count;
}
