/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/run_start.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/util/log.h"
#include "shm/slot.h"

int run_check(const struct config *config, const struct lease_grant *granted) {
        unsigned shift = config->layout.sequence_bits;
        uint32_t most = run_most(config, granted);
        uint64_t end = (uint64_t)granted->worker_first + most;

        if (granted->worker_count == 0 || shift > 22 || end > (UINT64_C(1) << 32) >> shift ||
            most > RUN_WIDTH_MAX >> shift)
                return log_failure(ERANGE, "workers", "%" PRIu32 " workers of 2^%u IDs a tick are "
                                   "more than the %u positions a host can use: lower "
                                   "workers.count or the sequence bits of id.layout",
                                   most, shift, (unsigned)RUN_WIDTH_MAX);
        return 0;
}

uint32_t run_most(const struct config *config, const struct lease_grant *granted) {
        return config->max_count > granted->worker_count ? config->max_count :
                                                           granted->worker_count;
}

uint32_t run_at_start(const struct config *config, const struct lease_grant *granted,
                      uint32_t adopted) {
        uint32_t count = adopted > 0 ? adopted : config->count;

        return count > 0 && count < granted->worker_count ? count : granted->worker_count;
}
